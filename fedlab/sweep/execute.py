"""Executing one run with papermill, in a worker process: a kernel of its own, published only when it is whole."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlab.files import plain, read_json, sha256_file, write_text
from fedlab.sweep.ends import end_last, how_it_ended, time_limit
from fedlab.sweep.kernels import COLD, KERNEL, KernelPlace, kernel_environment
from fedlab.sweep.keys import notebook_hashes
from fedlab.sweep.store import NOTEBOOK_FILE, RunStore

if TYPE_CHECKING:
    from traitlets.config import Config

LOG_FILE = "kernel.log"

# Without this file a stage has not done its work, whatever the notebook's own end says (a cell may call sys.exit).
MADE_BY = {
    "partition": "partition.json",
    "train": "trained.json",
    "vote": "record.json",
    "figures": "captions.json",
}


class RunError(Exception):
    """What went wrong with a run beside the code of its notebook."""


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
    kernels: KernelPlace = COLD
    deadline: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a run; ``why_cold`` says why its kernel was not forked from the template, where there is one."""

    stage: str
    key: str
    seconds: float
    error: str = ""
    notebook: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    why_cold: str = ""


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
    start, started = time.perf_counter(), _now()
    why_cold = ""
    with store.workplace(job.stage, job.key) as folder:
        try:
            why_cold = _run_notebook(job, folder)
            if not (folder / MADE_BY[job.stage]).exists():
                raise RunError(f"the notebook ended without writing {MADE_BY[job.stage]} to its out_dir")
            _check_figures(folder / NOTEBOOK_FILE)
            _check_unchanged(job)
            seconds = time.perf_counter() - start
            (folder / LOG_FILE).unlink()
            kernel = "warm" if job.kernels.template and not why_cold else "cold"
            info = job.info | {"started": started, "ended": _now(), "seconds": round(seconds, 3), "kernel": kernel}
            store.publish(folder, job.stage, job.key, info)
        except Exception as error:
            kept = _keep(store, job, folder)
            seconds = time.perf_counter() - start
            return Outcome(job.stage, job.key, seconds, _one_line(error), kept, job.parameters)
    return Outcome(job.stage, job.key, seconds, parameters=job.parameters, why_cold=why_cold)


def _now() -> str:
    """Return the moment in UTC, to the second, as ISO 8601 writes it."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def end_with(owner: int) -> None:
    """End this worker as soon as the sweep that started it is gone: kill -9 of a sweep reaches it alone.

    Parameters
    ----------
    owner : int
        The sweep's process number, which is the worker's parent's.
    """

    def watch() -> None:
        while os.getppid() == owner:
            time.sleep(0.1)
        end_last()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _check_unchanged(job: Job) -> None:
    """Refuse to publish under a key that names other files than the kernel may have read."""
    for file, known in job.files.items():
        if not Path(file).is_file() or sha256_file(file) != known:
            raise RunError(f"{file} was changed while the run was executing; start the sweep again")
    known = job.info.get("key_parts", {})
    now = notebook_hashes(job.notebook, tuple(job.info.get("modules", ()))) if known else {}
    if any(known.get(part) != of_now for part, of_now in now.items()):
        raise RunError("the package or the notebook was changed while the run was executing; start again")


def _check_figures(notebook: Path) -> None:
    """Refuse a notebook in which a cell tagged ``figure`` shows none: a wrong backend loses figures without a word."""
    for number, cell in enumerate(read_json(notebook)["cells"], start=1):
        if "figure" in cell["metadata"].get("tags", []) and not any(
            kind.startswith("image/") for output in cell.get("outputs", []) for kind in output.get("data", {})
        ):
            raise RunError(
                f"{_named(number, ''.join(cell['source']))} is tagged 'figure' and shows none; is pyplot imported with "
                "another backend than inline, or is the figure closed before it is shown?"
            )


def _named(number: int, source: str) -> str:
    """Name a cell of an executed notebook, in which the first is number 1."""
    first = next((line.strip() for line in source.splitlines() if line.strip()), "")
    return f"cell {number} ({first[:60]})"


def _keep(store: RunStore, job: Job, folder: Path) -> str:
    """Keep the failed notebook; where there is none (the kernel died, say), the traceback and what the kernel said."""
    try:
        kept = store.keep_failure(folder, job.stage, job.key)
        if not kept.exists():
            log = folder / LOG_FILE
            said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            kept = kept.with_suffix(".txt")
            write_text(kept, f"{traceback.format_exc()}\nthe kernel printed:\n{said}")
        return str(kept)
    except OSError as error:
        return f"not kept: {error}"


def _one_line(error: Exception) -> str:
    name = getattr(error, "ename", type(error).__name__)
    value = " ".join(getattr(error, "evalue", str(error)).split())
    if isinstance(error, RunError):
        return value
    return f"{name}: {value}"[:500] if value else name


def _run_notebook(job: Job, folder: Path) -> str:
    """Execute the notebook in its folder, leave the executed one there, and say why its kernel was cold."""
    from nbclient.exceptions import DeadKernelError

    from fedlab.warm.provisioner import WarmProvisioner

    at = [""]
    WarmProvisioner.last = ""
    with (
        kernel_environment(job.kernels, job.import_from) as config,
        _quiet(folder / LOG_FILE),
        time_limit(job.deadline) as limit,
    ):
        # What a cell prints comes in as many pieces as time makes of it.
        config.NotebookClient.coalesce_streams = True
        config.NotebookClient.on_cell_execute = lambda cell, cell_index: at.append(_named(cell_index + 1, cell.source))
        try:
            _papermill(job, folder, config)
        except Exception as error:
            where = f" in {at[-1]}" if at[-1] else " while the kernel started"
            if limit.passed:
                over = f"the run was not done after {job.deadline:g} seconds, its deadline; it was ended{where}"
                raise RunError(over) from error
            if isinstance(error, DeadKernelError | RuntimeError) and how_it_ended():
                raise RunError(how_it_ended() + where) from error
            raise
    return WarmProvisioner.last


def _papermill(job: Job, folder: Path, config: Config) -> None:
    import papermill

    inputs = {name: str(RunStore(job.store).path(*place.split("/", 1)).resolve()) for name, place in job.inputs.items()}
    logging.getLogger("papermill").setLevel(logging.ERROR)
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
        config=config,
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
