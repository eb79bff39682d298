"""The figures of a sweep, drawn by the figures notebook, and the page that shows them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from fedlab.errors import FedlabError
from fedlab.files import sha256_file, write_text
from fedlab.sweep.collect import RESULTS
from fedlab.sweep.execute import Outcome
from fedlab.sweep.graph import make_run
from fedlab.sweep.kernels import COLD, Kernels
from fedlab.sweep.keys import notebook_parameters
from fedlab.sweep.params import Sweep
from fedlab.sweep.runner import make_job, run_jobs
from fedlab.sweep.store import NOTEBOOK_FILE, RunStore

FIGURES = "figures"
REPORT = "report.html"


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
    fresh = Path(tempfile.mkdtemp(prefix=".figures-", dir=folder))
    for file in sorted((run / FIGURES).iterdir()):
        shutil.copyfile(file, fresh / file.name)
    fresh.chmod(0o755)
    try:
        fresh.rename(folder / FIGURES)
    except OSError:
        # Another sweep in this folder was quicker; the same results give the same figures.
        shutil.rmtree(fresh, ignore_errors=True)
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
