"""The runs of a sweep's folder as a table, the disk they use, and how they are removed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedlab.errors import FedlabError
from fedlab.sweep.changes import nodes_of, varying_settings
from fedlab.sweep.collect import RESULTS
from fedlab.sweep.graph import Plan, Run, figures_run
from fedlab.sweep.status import in_use
from fedlab.sweep.store import RunStore
from fedlab.sweep.stored import Stored, every_run, find_run, shown, size_text, stored_runs, time_text


@dataclass(frozen=True)
class Row:
    """A stored run as the table shows it; ``wanted`` is None where no params file is known."""

    run: Stored
    varying: dict[str, Any]
    wanted: bool | None


def wanted_runs(folder: Path, plans: Iterable[tuple[Plan, Path]]) -> dict[tuple[str, str], Run]:
    """Return by stage and key all runs that plans want, each given with its notebooks; that of the figures too."""
    known = list(plans)
    wanted = every_run(plan for plan, _ in known)
    for plan, notebooks in known:
        results, notebook = folder / RESULTS, notebooks / plan.sweep.figures
        if results.is_file() and notebook.is_file():
            figures = figures_run(notebook, results)
            wanted[figures.stage, figures.key] = figures
    return wanted


def names_of(wanted: Iterable[tuple[str, str]]) -> set[str]:
    """Return ``stage/key`` of each."""
    return {f"{stage}/{key}" for stage, key in wanted}


def rows(folder: Path, wanted: set[str] | None) -> list[Row]:
    """Return the runs of a folder, each with the parameters that vary among those of its stage."""
    runs = stored_runs(folder)
    nodes = nodes_of(runs)
    varying = varying_settings(nodes[run.key] for run in runs)
    return [Row(run, varying[run.key], None if wanted is None else run.name in wanted) for run in runs]


def run_lines(table: list[Row], now: float | None = None) -> list[str]:
    """Return the table of runs, a line each, and under it the disk use of each stage."""
    now = time.time() if now is None else now
    cells = [("run", "seconds", "size", "age", "wanted", "parameters that vary")]
    for row in table:
        wanted = {None: "?", True: "yes", False: "no"}[row.wanted]
        varying = shown(row.varying)
        age = time_text(now - row.run.made)
        seconds = f"{row.run.info.get('seconds', 0):.1f}"
        cells.append((row.run.name, seconds, size_text(row.run.bytes), age, wanted, varying))
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = []
    for line in cells:
        right = [text.rjust(width) for text, width in zip(line[1:4], widths[1:4], strict=True)]
        lines.append("  ".join([line[0].ljust(widths[0]), *right, line[4].ljust(widths[4]), line[5]]).rstrip())
    return [*lines, "", *disk_lines([row.run for row in table])]


def disk_lines(runs: list[Stored]) -> list[str]:
    """Return the disk use of runs, by stage and together."""
    stages: dict[str, list[Stored]] = {}
    for run in runs:
        stages.setdefault(run.stage, []).append(run)
    lines = [_disk(stage, found) for stage, found in stages.items()]
    return [*lines, _disk("total", runs)]


def _disk(name: str, runs: list[Stored]) -> str:
    return f"{name:9} {len(runs):6} runs  {size_text(sum(run.bytes for run in runs)):>10}"


def runs_named(names: Iterable[str], results: Path) -> list[Stored]:
    """Return the stored runs that names mean, each once.

    Raises
    ------
    FedlabError
        If a name means no run, or several.
    """
    found: dict[Path, Stored] = {}
    for name in names:
        run = find_run(name, results)
        if run is None:
            raise FedlabError(f"no stored run in {results} answers to {name!r}; fedlab ls SWEEP shows them")
        found[run.folder] = run
    return list(found.values())


def remove(runs: Iterable[Stored]) -> None:
    """Remove stored runs, each whole.

    Raises
    ------
    FedlabError
        If a sweep runs in the folder of one of them: then none of that folder's is removed.
    """
    by_folder: dict[Path, list[Stored]] = {}
    for run in runs:
        by_folder.setdefault(run.folder.parent.parent.parent, []).append(run)
    for folder, found in by_folder.items():
        with in_use(folder, alone=True):
            for run in found:
                RunStore(folder).remove(run.stage, run.key)
