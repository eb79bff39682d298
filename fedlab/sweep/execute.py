"""Executing one run with papermill, in a worker process: a kernel of its own, published only when it is whole."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedlab.files import plain, sha256_file, write_json
from fedlab.sweep.keys import PACKAGE, source_hash
from fedlab.sweep.store import NOTEBOOK_FILE, RunStore

LOG_FILE = "kernel.log"
KERNEL = "fedlab-run"

# Without this file a stage has not done its work, whatever the notebook's own end says (a cell may call sys.exit).
MADE_BY = {
    "partition": "partition.json",
    "train": "trained.json",
    "vote": "record.json",
    "figures": "captions.json",
}


@dataclass(frozen=True)
class Job:
    """What a worker needs to know to execute one run: plain values only, so that it travels between processes."""

    store: Path
    stage: str
    key: str
    notebook: Path
    parameters: dict[str, Any]
    inputs: dict[str, str]
    info: dict[str, Any]
    import_from: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    stage: str
    key: str
    seconds: float
    error: str = ""
    notebook: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def execute(job: Job) -> Outcome:
    """Execute one run and publish it.

    Parameters
    ----------
    job : Job
        The run.

    Returns
    -------
    Outcome
        Its ``error`` is empty when the run is published; otherwise one line, and ``notebook`` holds the traceback.
    """
    store = RunStore(job.store)
    store.forget_failure(job.stage, job.key)
    start = time.perf_counter()
    with store.workplace(job.stage, job.key) as folder:
        try:
            _run_notebook(job, folder)
            if not (folder / MADE_BY[job.stage]).exists():
                raise RuntimeError(f"the notebook ended without writing {MADE_BY[job.stage]} to its out_dir")
            _check_unchanged(job)
            seconds = time.perf_counter() - start
            (folder / LOG_FILE).unlink()
            store.publish(folder, job.stage, job.key, job.info | {"seconds": round(seconds, 3)})
        except Exception as error:
            kept = _keep(store, job, folder)
            seconds = time.perf_counter() - start
            return Outcome(job.stage, job.key, seconds, _one_line(error), str(kept), job.parameters)
    return Outcome(job.stage, job.key, seconds, parameters=job.parameters)


def _check_unchanged(job: Job) -> None:
    """Refuse to publish under a key that names other files than the kernel may have read."""
    for file, known in job.files.items():
        if not Path(file).is_file() or sha256_file(file) != known:
            raise RuntimeError(f"{file} was changed while the run was executing; start the sweep again")
    known = job.info.get("key_parts", {}).get("source")
    if known and known != source_hash(job.notebook, tuple(job.info.get("modules", ()))):
        raise RuntimeError("the package or the notebook was changed while the run was executing; start again")


def _keep(store: RunStore, job: Job, folder: Path) -> Path:
    """Keep the failed notebook; where there is none (the kernel died, say), the traceback and what the kernel said."""
    kept = store.keep_failure(folder, job.stage, job.key)
    if not kept.exists():
        log = folder / LOG_FILE
        said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        kept = kept.with_suffix(".txt")
        kept.write_text(f"{traceback.format_exc()}\nthe kernel printed:\n{said}", encoding="utf-8")
    return kept


def _one_line(error: Exception) -> str:
    name = getattr(error, "ename", type(error).__name__)
    value = " ".join(getattr(error, "evalue", str(error)).split())
    return f"{name}: {value}"[:500] if value else name


def _run_notebook(job: Job, folder: Path) -> None:
    """Execute the notebook in its folder; the executed one is left there too."""
    import papermill
    from traitlets.config import Config

    inputs = {name: str(RunStore(job.store).path(*place.split("/", 1)).resolve()) for name, place in job.inputs.items()}
    logging.getLogger("papermill").setLevel(logging.ERROR)
    # Kernels that run side by side would pick their TCP ports in a race; sockets in a folder of their own cannot clash.
    ipc = Config({"KernelManager": {"transport": "ipc"}}) if os.name == "posix" else Config()
    with _environment(job), _quiet(folder / LOG_FILE):
        papermill.execute_notebook(
            _literal(job.notebook),
            _literal(folder / NOTEBOOK_FILE),
            # papermill writes a value of any type but these plain ones into the notebook as a text.
            parameters=plain(job.parameters | inputs | {"out_dir": "."}),
            cwd=str(folder),
            kernel_name=KERNEL,
            progress_bar=False,
            request_save_on_cell_execute=False,
            autosave_cell_every=0,
            start_timeout=120,
            config=ipc,
        )


def _literal(path: Path) -> str:
    """Return a path that papermill takes as it is: it would fill in braces as placeholders."""
    return str(path.resolve()).replace("{", "{{").replace("}", "}}")


@contextlib.contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Send what the kernel process itself prints (notices, crash reports) to a file, not to the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("wb") as file:
        try:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            yield
        finally:
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])


def _write_kernelspec(folder: Path) -> None:
    """Describe a kernel of this very interpreter: what is called python3 elsewhere may be another."""
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "fedlab run", "language": "python"}
    write_json(folder / "kernels" / KERNEL / "kernel.json", spec)


@contextlib.contextmanager
def _environment(job: Job) -> Iterator[None]:
    """Set the kernel's environment: one thread, where user modules are found, folders of its own.

    One thread whatever the number of jobs: side by side, more would oversubscribe the cores; and a sum that BLAS
    splits over threads differs in its last bits from one that it does not, so results would depend on the jobs.
    """
    before = dict(os.environ)
    # This very package first: a checkout in the folder that one works from must not take its place.
    found = [str(PACKAGE.parent), *filter(None, [before.get("PYTHONPATH", "")])]
    with tempfile.TemporaryDirectory(prefix="fedlab-") as own:
        _write_kernelspec(Path(own))
        os.environ |= {
            **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
            "LOKY_MAX_CPU_COUNT": "1",
            "PYTHONPATH": os.pathsep.join(found),
            "FEDLAB_IMPORT_FROM": os.pathsep.join(job.import_from),
            "JUPYTER_PATH": own,
            "PYTHONHASHSEED": "0",
            "IPYTHONDIR": own,
            "JUPYTER_RUNTIME_DIR": own,
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
