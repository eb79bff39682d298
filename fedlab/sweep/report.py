"""The figures of a sweep, drawn by the figures notebook, and the page that tells of the sweep and shows them."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from fedlab.errors import FedlabError
from fedlab.files import write_text
from fedlab.sweep.collect import FIGURES, REPORT, RESULTS, collect, withdraw
from fedlab.sweep.execute import Outcome
from fedlab.sweep.facts import Facts, read_facts
from fedlab.sweep.failures import failures, note_failure
from fedlab.sweep.graph import Plan, figures_run
from fedlab.sweep.kernels import COLD, Kernels
from fedlab.sweep.keys import notebook_parameters
from fedlab.sweep.manifest import DONE, FAILED, note_figures
from fedlab.sweep.notebook_page import PAGES, notebook_page, rendering
from fedlab.sweep.page import report_page
from fedlab.sweep.params import Sweep
from fedlab.sweep.remembered import Memory, forget_products
from fedlab.sweep.results_table import require_results
from fedlab.sweep.runner import Progress, make_job, run_jobs
from fedlab.sweep.store import RunStore

__all__ = ["FIGURES", "NOTEBOOKS", "PAGES", "REPORT", "draw_figures", "finish", "withdraw", "write_report"]

NOTEBOOKS = "notebooks"
CAPTIONS = "captions.json"
_LINKED = ("vote", "figures", "train", "partition")


def finish(
    plan: Plan,
    folder: Path,
    progress: Progress,
    memory: Memory,
    figures: bool,
    kernels: Kernels | None = None,
    deadline: float | None = None,
) -> tuple[int, Outcome | None]:
    """Collect a sweep's results and draw their figures, where runs have changed since that was done.

    Parameters
    ----------
    plan : Plan
        The sweep's runs.
    folder : Path
        The sweep's folder.
    progress : Progress
        What became of them.
    memory : Memory
        Knows what stands there from an earlier time.
    figures : bool
        Draw figures, and make the report of them.
    kernels : Kernels, optional
        Where the kernel comes from; by default it is cold.
    deadline : float, optional
        Seconds that the run of the figures may take; by default what the params file says, where it says anything.

    Returns
    -------
    rows : int
        How many cells have results.
    failed : Outcome or None
        The run of the figures, where it failed.
    """
    if progress.cached == progress.total and memory.holds_products(figures):
        return len(plan.sweep.cells), None
    forget_products(folder)
    table, _ = collect(plan, folder)
    withdraw(folder)
    failed = None
    if figures and len(table):
        failed = draw_figures(plan.sweep, folder, memory.notebooks, kernels, deadline)
    elif figures:
        write_report(folder)  # of what failed
    if failed is None and len(table) == len(plan.sweep.cells):
        memory.keep_products()
    return len(table), failed


def draw_figures(
    sweep: Sweep, folder: Path, notebooks: Path, kernels: Kernels | None = None, deadline: float | None = None
) -> Outcome | None:
    """Run the figures notebook on a sweep's `results.csv`, publish its figures, and write the report.

    Parameters
    ----------
    sweep : Sweep
        Names the notebook, and titles the page.
    folder : Path
        The sweep's folder, which holds `results.csv`.
    notebooks : Path
        The folder of the notebooks.
    kernels : Kernels, optional
        Where the kernel comes from; by default it is cold.
    deadline : float, optional
        Seconds that the run may take; by default what the params file says, where it says anything.

    Returns
    -------
    Outcome or None
        The failed run, of which the report then tells; None when the figures are there.

    Raises
    ------
    FedlabError
        If the notebook lacks the parameters that this sets.
    """
    store = RunStore(folder)
    notebook = notebooks / sweep.figures
    missing = {"results", "out_dir"} - notebook_parameters(notebook)
    if missing:
        raise FedlabError(f"{notebook} has no parameter {', '.join(sorted(missing))}; add it to the parameters cell")
    run = figures_run(notebook, folder / RESULTS)
    failed = None
    if not store.holds(run.stage, run.key):
        place = kernels.place() if kernels else COLD
        limit = sweep.deadline if deadline is None else deadline
        for outcome in run_jobs([make_job(run, folder, folder, place, limit)], 1):
            failed = outcome if outcome.error else None
    if failed is None:
        for earlier in failures(store):
            if earlier.stage == "figures":
                store.forget_failure(earlier.stage, earlier.key)
        _publish(store.path(run.stage, run.key), folder)
    else:
        note_failure(store, failed)
    note_figures(folder, run)
    write_report(folder)
    return failed


def _publish(run: Path, folder: Path) -> None:
    """Copy a figures run's pictures and captions to the sweep's folder."""
    with RunStore(folder).workplace("figures", "published") as fresh:
        for file in [*sorted((run / FIGURES).iterdir()), run / CAPTIONS]:
            if file.is_file():
                shutil.copyfile(file, fresh / file.name)
        with contextlib.suppress(OSError):
            # Where it fails, another sweep in this folder was quicker; the same results give the same figures.
            fresh.rename(folder / FIGURES)


def write_report(folder: Path, notebooks: int | None = PAGES) -> tuple[Path, int]:
    """Write the report of a sweep from what is stored; nothing is run.

    Parameters
    ----------
    folder : Path
        The sweep's folder.
    notebooks : int or None
        How many executed notebooks are rendered as pages beside it: failed ones first, then votes in the order of the
        table, then what they were made from. None: all. The links of the others lead to the notebooks themselves.

    Returns
    -------
    report : Path
        The page.
    made : int
        How many notebooks were rendered now; the others were there already.

    Raises
    ------
    FedlabError
        If the folder is not that of a sweep.
    """
    facts = read_facts(folder)
    links = {f"{run['stage']}/{run['key']}": facts.notebook(run) for run in facts.runs}
    pages = {run: link for run, link in links.items() if link}
    made = 0
    chosen = sorted(facts.runs, key=lambda run: (run["state"] != FAILED, _LINKED.index(run["stage"])))
    chosen = [run for run in chosen if facts.notebook(run)]
    for run in chosen[:notebooks]:
        name = f"{run['stage']}-{run['key']}.html"
        written = _render(facts, run, folder / NOTEBOOKS / name)
        if written is not None:
            pages[f"{run['stage']}/{run['key']}"] = f"{NOTEBOOKS}/{name}"
            made += written
    _remove_others(folder / NOTEBOOKS, {f"{run['stage']}-{run['key']}.html" for run in chosen})
    write_text(folder / REPORT, report_page(facts, require_results(folder), pages))
    return folder / REPORT, made


def _render(facts: Facts, run: dict[str, Any], target: Path) -> bool | None:
    """Render a run's notebook; False where that was done before, None where it cannot be."""
    notebook = facts.folder / str(facts.notebook(run))
    # A published run never changes; a failed one may have failed anew.
    if run["state"] == DONE and _is_rendered(target):
        return False
    told = f"{run['stage']} {run['key']}, {run['state']}"
    try:
        html = notebook_page(notebook, f"{run['notebook']}: {facts.manifest['name']}", told, f"../{REPORT}")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # Not through `write_text`, which waits for the disk: a thousand pages would take minutes, and can be made again.
    target.parent.mkdir(exist_ok=True)
    fresh = target.with_name(f".{target.stem}-{os.getpid()}.part")
    fresh.write_text(html, encoding="utf-8", newline="\n")
    fresh.replace(target)
    return True


def _is_rendered(page: Path) -> bool:
    try:
        with page.open(encoding="utf-8") as file:
            return file.readline().startswith("<!doctype") and rendering() in file.readline()
    except (OSError, ValueError):
        return False


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Remove pages of notebooks that are no longer of this sweep."""
    for page in folder.glob("*.html") if folder.is_dir() else ():
        if page.name not in kept:
            page.unlink(missing_ok=True)
