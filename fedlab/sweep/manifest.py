"""`sweep.json` and `params.yaml`: what a sweep's folder says of itself, so that a report needs nothing else."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fedlab
from fedlab.errors import FedlabError
from fedlab.files import plain, read_json, write_json, write_text
from fedlab.sweep.failures import failure
from fedlab.sweep.graph import Plan, Run
from fedlab.sweep.store import RUN_FILE, RunStore

MANIFEST = "sweep.json"
PARAMS = "params.yaml"
DONE, FAILED, MISSING = "done", "failed", "not run"


def write_manifest(plan: Plan, folder: Path) -> None:
    """Write what a sweep asked, its runs, what became of each, and on which machine.

    Where all but the time is as it was, the file stays as it is: a sweep that finds all runs changes no byte.
    """
    store = RunStore(folder)
    runs = [run for of_stage in plan.runs.values() for run in of_stage]
    content = {
        "name": plan.sweep.name,
        "title": plan.sweep.title,
        "figures": plan.sweep.figures,
        "params": PARAMS if plan.sweep.text else None,
        "fedlab": fedlab.__version__,
        "machine": machine(),
        "cells": [vote.key for vote in plan.votes],
        "runs": [_entry(run, store) for run in runs],
    }
    if plan.sweep.text:
        write_text(folder / PARAMS, plan.sweep.text)
    _write(folder, content)


def note_figures(folder: Path, run: Run) -> None:
    """Add to `sweep.json` the run that drew the figures, or that it failed."""
    write_json(folder / MANIFEST, read_manifest(folder) | {"drawn": _entry(run, RunStore(folder))})


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what `sweep.json` holds.

    Raises
    ------
    FedlabError
        If it is not there or cannot be read.
    """
    try:
        return dict(read_json(folder / MANIFEST))
    except OSError as error:
        raise FedlabError(
            f"{folder} holds no {MANIFEST} ({error.strerror}): give the folder of a sweep, such as results/quick; "
            "where an older version made it, `fedlab sweep` writes the file without running anything again"
        ) from error
    except ValueError as error:
        raise FedlabError(f"{folder / MANIFEST} cannot be read: {error}; `fedlab sweep` writes it anew") from error


def _write(folder: Path, content: dict[str, Any]) -> None:
    content = plain(content)
    try:
        before = read_json(folder / MANIFEST)
    except (OSError, ValueError):
        before = {}
    if content == {name: value for name, value in before.items() if name not in ("written", "drawn")}:
        return
    write_json(folder / MANIFEST, content | {"written": datetime.now(UTC).replace(microsecond=0).isoformat()})


def _entry(run: Run, store: RunStore) -> dict[str, Any]:
    """Return what is told of one run."""
    # The figures' run is given its table by a path; which results it drew, its key says.
    told = {} if run.stage == "figures" else run.parameters
    entry: dict[str, Any] = {
        "stage": run.stage,
        "key": run.key,
        "notebook": run.notebook.name,
        "parameters": {name: _without_folders(value) for name, value in told.items() if value not in (None, {})},
        "inputs": {name: f"{source.stage}/{source.key}" for name, source in run.inputs.items()},
        "state": MISSING,
    }
    if (store.path(run.stage, run.key) / RUN_FILE).is_file():
        return entry | {"state": DONE}
    failed = failure(store, run.stage, run.key)
    if failed:
        entry |= {"state": FAILED, "error": failed.error}
        for suffix in (".ipynb", ".txt"):
            kept = store.failed / f"{run.stage}-{run.key}{suffix}"
            if kept.is_file():
                return entry | {"traceback": kept.relative_to(store.folder).as_posix()}
    return entry


def _without_folders(value: Any) -> Any:
    """Return a parameter in which a file is told by its name alone: where it lies on this machine concerns nobody."""
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        return value | {"path": Path(value["path"]).name}
    return value


def machine() -> dict[str, Any]:
    """Return on what a sweep ran: system, processor, cores, memory and Python. No name of machine or user."""
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": memory,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
