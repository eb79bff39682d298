"""The kernels of a sweep: the environment they run in, and the template that they are forked from."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fedlab.files import locked_folder, remove_unlocked, write_json
from fedlab.sweep.keys import PACKAGE

if TYPE_CHECKING:
    from traitlets.config import Config

KERNEL = "fedlab-run"
# With the eight characters after it, no longer than the names of 16 bytes that `_short_folder` counts with; and not
# like the kernels' own folders, which nobody locks.
FOLDER = "fedlab-s"
# Sockets have paths of at most 107 bytes on Linux, 103 on macOS; jupyter_client appends 50 to the folder's.
_LONGEST_FOLDER = 50


@dataclass(frozen=True)
class KernelPlace:
    """What a worker must know to start kernels.

    Attributes
    ----------
    folder : str
        Where kernels have their connection files and sockets: removed when the sweep ends, however it ends. Empty:
        a folder of each kernel's own.
    template : str
        Address of the template, empty for cold kernels.
    """

    folder: str = ""
    template: str = ""


COLD = KernelPlace()


class Kernels:
    """Where a sweep's kernels come from: one template for all its workers, started when the first run needs it.

    Parameters
    ----------
    warm : bool
        Fork kernels from a template where that is possible; else all are started cold.

    Attributes
    ----------
    why_cold : str
        Why there is no template, where one was wanted.
    """

    def __init__(self, warm: bool = True) -> None:
        self._warm = warm
        self._stack = contextlib.ExitStack()
        self._place: KernelPlace | None = None
        self.why_cold = ""

    def place(self) -> KernelPlace:
        """Return what a worker must know to start kernels."""
        from fedlab.warm.client import NotWarm, Template

        if self._place is None:
            folder = self._stack.enter_context(locked_folder(Path(_short_folder()), FOLDER, 0o700))
            address = ""
            if self._warm:
                try:
                    address = self._stack.enter_context(Template(_variables(dict(os.environ)), folder)).address
                except NotWarm as reason:
                    self.why_cold = str(reason)
            self._place = KernelPlace(str(folder), address)
        return self._place

    def __enter__(self) -> Kernels:
        # What a killed sweep left, where no template cleaned up after it.
        remove_unlocked(Path(_short_folder()).glob(f"{FOLDER}{'?' * 8}"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._place = None


@contextlib.contextmanager
def kernel_environment(place: KernelPlace, import_from: Iterable[str]) -> Iterator[Config]:
    """Set the environment of one kernel, give it folders of its own, and yield the configuration of its manager.

    Parameters
    ----------
    place : KernelPlace
        Where kernels come from.
    import_from : iterable of str
        Folders of the user's own modules.

    Yields
    ------
    traitlets.config.Config
    """
    from traitlets.config import Config

    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="fedlab-", dir=place.folder or _short_folder()) as own:
        _write_kernelspec(Path(own), place.template)
        os.environ |= _variables(before) | {
            "FEDLAB_IMPORT_FROM": os.pathsep.join(import_from),
            "JUPYTER_PATH": own,
            "IPYTHONDIR": own,
            "JUPYTER_RUNTIME_DIR": own,
        }
        # Kernels that run side by side would pick their TCP ports in a race; sockets in a folder of their own cannot
        # clash, where its path is short enough to have any.
        sockets = os.name == "posix" and len(os.fsencode(own)) <= _LONGEST_FOLDER
        try:
            config = Config({"AsyncKernelManager": {"client_factory": "fedlab.sweep.prompt.PromptClient"}})
            if sockets:
                config.KernelManager.transport = "ipc"
            yield config
        finally:
            os.environ.clear()
            os.environ.update(before)


def _variables(before: dict[str, str]) -> dict[str, str]:
    """Return the environment that all kernels of a sweep have: one thread, one hash seed, this very package.

    One thread whatever the number of jobs: side by side, more would oversubscribe the cores; and a sum that BLAS
    splits over threads differs in its last bits from one that it does not, so results would depend on the jobs.
    """
    # This very package first: a checkout in the folder that one works from must not take its place.
    found = [str(PACKAGE.parent), *filter(None, [before.get("PYTHONPATH", "")])]
    return before | {
        **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS", "NUMBA")},
        "VECLIB_MAXIMUM_THREADS": "1",
        "LOKY_MAX_CPU_COUNT": "1",
        "PYTHONPATH": os.pathsep.join(found),
        "PYTHONHASHSEED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _write_kernelspec(folder: Path, template: str) -> None:
    """Describe a kernel of this very interpreter: what is called python3 elsewhere may be another."""
    from fedlab.sweep.ends import register_run_provisioner

    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    # A history of the commands on disk would be thrown away with the kernel's folder.
    argv.append("--HistoryManager.hist_file=:memory:")
    spec: dict[str, Any] = {"argv": argv, "display_name": "fedlab run", "language": "python"}
    provisioner = {"provisioner_name": register_run_provisioner(), "config": {"template": template}}
    spec["metadata"] = {"kernel_provisioner": provisioner}
    write_json(folder / "kernels" / KERNEL / "kernel.json", spec)


def _short_folder() -> str:
    """Return a folder for temporary files with a path so short that sockets can lie in it."""
    usual = tempfile.gettempdir()
    # two folders deep, each with a name of 16 bytes
    fits = len(os.fsencode(usual)) + 2 * 16 <= _LONGEST_FOLDER
    return usual if fits or not os.access("/tmp", os.W_OK | os.X_OK) else "/tmp"
