"""The figures of a sweep, drawn by the figures notebook, and the page that shows them."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from fedlab.errors import FedlabError
from fedlab.files import sha256_file, write_text
from fedlab.sweep.collect import RESULTS, collect
from fedlab.sweep.execute import Outcome
from fedlab.sweep.graph import Plan, make_run
from fedlab.sweep.kernels import COLD, Kernels
from fedlab.sweep.keys import notebook_parameters
from fedlab.sweep.params import Sweep
from fedlab.sweep.remembered import Memory, forget_products
from fedlab.sweep.runner import Progress, make_job, run_jobs
from fedlab.sweep.store import NOTEBOOK_FILE, RunStore

FIGURES = "figures"
REPORT = "report.html"


def finish(
    plan: Plan, folder: Path, progress: Progress, memory: Memory, figures: bool, kernels: Kernels | None = None
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
    failed = draw_figures(plan.sweep, folder, memory.notebooks, kernels) if figures and len(table) else None
    if failed is None and len(table) == len(plan.sweep.cells):
        memory.keep_products()
    return len(table), failed


def draw_figures(sweep: Sweep, folder: Path, notebooks: Path, kernels: Kernels | None = None) -> Outcome | None:
    """Run the figures notebook on a sweep's `results.csv`, and publish its figures and the report.

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

    Returns
    -------
    Outcome or None
        The failed run; None when figures and report are there.

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
    results = folder.resolve() / RESULTS
    outside = {"results": sha256_file(results)}
    run = make_run("figures", notebook, {"results": str(results)}, outside=outside, hashed={})
    if not store.holds(run.stage, run.key):
        place = kernels.place() if kernels else COLD
        for outcome in run_jobs([make_job(run, folder, folder, place)], 1):
            if outcome.error:
                return outcome
    _publish(store.path(run.stage, run.key), folder, sweep.title or sweep.name)
    return None


def _publish(run: Path, folder: Path, title: str) -> None:
    """Copy a figures run's pictures to the sweep's folder, and its notebook there as a page."""
    with RunStore(folder).workplace("figures", "published") as fresh:
        for file in sorted((run / FIGURES).iterdir()):
            shutil.copyfile(file, fresh / file.name)
        with contextlib.suppress(OSError):
            # Where it fails, another sweep in this folder was quicker; the same results give the same figures.
            fresh.rename(folder / FIGURES)
    write_text(folder / REPORT, notebook_page(run / NOTEBOOK_FILE, title))


def withdraw(folder: Path) -> None:
    """Take away figures and report that are not of the results that stand in the folder now."""
    shutil.rmtree(folder / FIGURES, ignore_errors=True)
    (folder / REPORT).unlink(missing_ok=True)


def notebook_page(notebook: Path, title: str) -> str:
    """Return an executed notebook as one titled HTML page that needs nothing from the network, without the code."""
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        require_js_url="",
        jquery_url="",
        mathjax_url="",
        mermaid_js_url="",
    )
    node = nbformat.read(notebook, as_version=4)
    # Parameters hold this machine's folders, and links to the other notebooks lead nowhere from the page.
    hidden = {"injected-parameters", "navigation"}
    node.cells = [cell for cell in node.cells if not hidden & set(cell.metadata.get("tags", []))]
    node.cells.insert(0, nbformat.v4.new_markdown_cell(f"# {title}", id="title"))
    page, _ = exporter.from_notebook_node(node, resources={"metadata": {"name": title}})
    return str(page)
