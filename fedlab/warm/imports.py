"""What a template imports, and when a kernel forked from it would not be what a cold one is."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.machinery
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# fmt: off
# What a kernel itself needs, then what the pipeline's notebooks need.
MODULES = (
    "ipykernel.kernelapp", "ipykernel.debugger", "ipykernel.zmqshell", "ipykernel.ipkernel", "ipykernel.comm",
    "IPython.core.completerlib", "IPython.core.display", "IPython.core.magics", "jupyter_client", "numpy",
    "numpy.random", "pandas", "pyarrow", "pyarrow.parquet", "matplotlib", "matplotlib.figure", "matplotlib.ticker",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "scipy.stats", "scipy.special",
    "scipy.optimize", "scipy.sparse", "sklearn.ensemble", "sklearn.impute", "sklearn.linear_model",
    "sklearn.metrics", "sklearn.model_selection", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.tree",
    "skops.io", "joblib", "pydantic", "fedlab.records", "fedlab.partition", "fedlab.training", "fedlab.exchange",
    "fedlab.voting", "fedlab.evidence", "fedlab.figures", "fedlab.pipeline.shards", "fedlab.pipeline.trained",
    "fedlab.pipeline.votes", "fedlab.pipeline.results",
)
# Variables that Python, the linker or a library reads once, when it starts: a kernel that wants another value of one
# cannot come from this process. All others are set in the kernel before anything of the user's runs.
READ_AT_START = (
    "ARROW_", "BLIS_", "COVERAGE_", "GLIBC_", "GOMP_", "GOTO_", "HOME", "JE_ARROW_", "JOBLIB_", "KMP_", "LANG", "LC_",
    "LD_", "LOKY_", "MALLOC_", "MATPLOTLIBRC", "MIMALLOC_", "MKL_", "MPL", "NPY_", "NUMBA_", "NUMEXPR_", "NUMPY_",
    "OMP_", "OPENBLAS_", "PANDAS_", "PYDEVD_", "PYTHON", "SCIPY_", "SKLEARN_", "TEMP", "TMP", "TZ", "VECLIB_", "XDG_",
)
# fmt: on
# These look, when they are imported, for a running shell and a chosen backend; where there is none yet, a notebook's
# figures are lost without a word. (`matplotlib_inline` imports the second.)
FOR_KERNELS_ONLY = ("matplotlib.pyplot", "matplotlib_inline.backend_inline")
# joblib, scikit-learn and papermill set these when they are imported, so managers have them or not; the last only
# silences a notice of the debugger's.
SET_BY_IMPORTS = ("KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK", "PYDEVD_DISABLE_FILE_VALIDATION")
# Set for the template alone: Arrow's second allocator would start a thread.
QUIET = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
INLINE = "module://matplotlib_inline.backend_inline"
LAUNCHER = "ipykernel_launcher"


def read_at_start(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables that count when a process starts."""
    chosen = {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}
    for name in SET_BY_IMPORTS:
        chosen.pop(name, None)
    if chosen.get("MPLBACKEND") in ("", INLINE):
        # Kernels set the backend themselves, see `become_kernel`.
        del chosen["MPLBACKEND"]
    return chosen


class Imports:
    """What was imported, and in which world: decides whether a kernel can come from here.

    Parameters
    ----------
    modules : iterable of str
        Imported now.
    started : float
        When this process started: a file that has changed since may have been read before or after.

    Attributes
    ----------
    unfit : str
        Why no kernel can; empty where one can.
    """

    def __init__(self, modules: Iterable[str], started: float) -> None:
        self.environment = read_at_start(dict(os.environ))
        for name, value in QUIET.items():
            if self.environment.get(name) == value:
                del self.environment[name]
        self.unfit = _import_all(modules)
        self.files = _loaded_files(started)
        self.roots = {name.partition(".")[0] for name in sys.modules}
        self.unfit = self.unfit or _not_forkable()

    def refuse(self, request: dict[str, Any]) -> str:
        """Return why a kernel would not be what a cold one is; empty where it would."""
        words = request["argv"]
        if self.unfit:
            return self.unfit
        if words[:1] != [sys.executable] or words[1:3] != ["-m", LAUNCHER]:
            return f"the kernel is not started by {sys.executable} -m {LAUNCHER}"
        asked = read_at_start(request["env"])
        differing = sorted(
            name for name in {*asked, *self.environment} if asked.get(name) != self.environment.get(name)
        )
        if differing:
            return f"the environment variable {differing[0]} is not what it was when the template started"
        if any(not Path(entry).is_absolute() for entry in asked.get("PYTHONPATH", "/").split(os.pathsep)):
            return "PYTHONPATH has a relative entry"
        return self._other_files(request["cwd"])

    def _other_files(self, cwd: str) -> str:
        """Return why a kernel in this folder would import other files than are loaded here."""
        try:
            entries = [entry.name for entry in Path(cwd).iterdir()]
        except OSError as error:
            return f"the folder {cwd} cannot be read: {error.strerror}"
        if "matplotlibrc" in entries:
            return f"{cwd} has a matplotlibrc of its own"
        for name in {entry.partition(".")[0] for entry in entries} & self.roots:
            found = importlib.machinery.PathFinder.find_spec(name, [cwd])
            if found and found.origin and found.origin != getattr(sys.modules.get(name), "__file__", None):
                return f"{cwd} has a module {name} of its own"
        for file, known in self.files.items():
            if _state(file) != known:
                return f"{file} has changed since the template started"
        return ""


def _import_all(modules: Iterable[str]) -> str:
    """Import modules; return what would be lost by doing so here and not in a kernel: an error, a warning."""
    said: list[str] = []
    shown = warnings.showwarning
    warnings.showwarning = lambda message, *rest, **more: said.append(str(message))
    try:
        for name in modules:
            with _as_in_a_kernel() if name == "pandas" else contextlib.nullcontext():
                importlib.import_module(name)
            if said:
                return f"importing {name} warns: {said[0]}"
            for early in FOR_KERNELS_ONLY:
                if early in sys.modules:
                    return f"importing {name} imports {early}, and figures would be lost"
    except Exception as error:
        return f"{name} cannot be imported: {error}"
    finally:
        warnings.showwarning = shown
    return ""


@contextlib.contextmanager
def _as_in_a_kernel() -> Iterator[None]:
    """Answer pandas, which asks when it is imported whether a kernel or a terminal shows its tables, and how wide."""
    builtins.get_ipython = lambda: SimpleNamespace(kernel=None)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del builtins.get_ipython  # type: ignore[attr-defined]


def _state(file: str) -> tuple[int, ...] | None:
    """Return what changes when a file does, its change time included, which no copying tool sets back."""
    try:
        status = os.stat(file)  # noqa: PTH116 - some 2,000 files for each kernel
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def _loaded_files(started: float) -> dict[str, tuple[int, ...] | None]:
    """Return the state of each loaded module's file; none that holds, where it may have changed since it was read."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    states = {file: _state(file) for file in files if isinstance(file, str) and Path(file).is_absolute()}
    return {file: state if state and state[1] < started * 1e9 else () for file, state in states.items()}


def _not_forkable() -> str:
    """Return what would be lost in a fork: threads, or sockets of zmq."""
    # OpenBLAS ends its idle threads before a fork, and starts them again in whichever process computes.
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        return f"the imported libraries have started {threads - 1} threads"
    zmq = sys.modules.get("zmq")
    if zmq is not None and getattr(zmq.Context, "_instance", None) is not None:
        return "an imported library has opened a zmq context"
    return ""
