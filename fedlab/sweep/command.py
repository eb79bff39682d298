"""`fedlab sweep`: a params file run from the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import fedlab
from fedlab.errors import FedlabError, unknown_name

if TYPE_CHECKING:
    from fedlab.sweep.execute import Outcome
    from fedlab.sweep.graph import Plan
    from fedlab.sweep.runner import Progress, Watcher

PACKAGE = Path(fedlab.__file__).parent


@click.command()
@click.argument("params")
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Runs at once; by default one per core.")
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Where the folder of the sweep is made.",
)
@click.option(
    "--notebooks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your own copy of the pipeline's notebooks; by default ./notebooks, else those of the package.",
)
@click.option("--dry-run", is_flag=True, help="Print the runs and which are cached; execute nothing.")
@click.option("--figures/--no-figures", default=True, help="Draw the figures and the report at the end.")
@click.option(
    "--warm/--cold",
    default=True,
    help="Fork kernels from one process that has imported the libraries; see docs/warm.md.",
)
def sweep(
    params: str, jobs: int | None, results: Path, notebooks: Path | None, dry_run: bool, figures: bool, warm: bool
) -> None:
    """Run a params file: PARAMS is a YAML file, or the name of one that comes with fedlab (quick).

    Only what is missing runs. A failed run does not stop the others: the exit status is 1, and a table says where
    the notebook with its traceback lies.
    """
    from fedlab.sweep.collect import RESULTS, TIMINGS, collect
    from fedlab.sweep.graph import plan as make_plan
    from fedlab.sweep.kernels import Kernels
    from fedlab.sweep.params import read_sweep
    from fedlab.sweep.report import FIGURES, REPORT, draw_figures, withdraw
    from fedlab.sweep.runner import run_plan

    path = find_params(params)
    # A user's own rule or model is a module beside the params file or in this folder, here as in the kernels.
    sys.path += [folder for folder in (str(path.resolve().parent), str(Path.cwd())) if folder not in sys.path]
    asked = read_sweep(path)
    folder = results / asked.name
    place = notebooks or find_notebooks()
    try:
        plan = make_plan(asked, place)
    except FedlabError as error:
        raise FedlabError(f"{path}: {error}") from None
    if dry_run:
        _print_plan(plan, folder)
        return
    try:
        with Kernels(warm) as kernels:
            with _progress_bar(asked.name) as watch:
                progress = run_plan(plan, folder, jobs, watch, kernels)
            failures = list(progress.outcomes)
            table, _ = collect(plan, folder)
            withdraw(folder)
            failed = draw_figures(asked, folder, place, kernels) if figures and len(table) else None
    except KeyboardInterrupt:
        click.echo("\nstopped; finished runs are kept: the same command goes on from here")
        raise SystemExit(130) from None
    except OSError as error:
        raise FedlabError(f"{folder} cannot be written: {error}; choose another place with --results") from error
    failures += [failed] if failed else []
    drawn = bool(figures and len(table) and failed is None)
    if progress.cold:
        click.echo(f"kernels  {progress.cold} cold, with the same results: {progress.why_cold}")
    _print_failures(failures, progress.skipped)
    click.echo(f"results  {folder / RESULTS}  ({len(table)} of {len(asked.cells)} cells)")
    click.echo(f"seconds  {folder / TIMINGS}")
    if drawn:
        click.echo(f"figures  {folder / FIGURES}/")
        click.echo(f"report   {folder / REPORT}")
    if failures:
        raise SystemExit(1)


def find_params(name: str) -> Path:
    """Return the params file that a path or the bare name of a bundled one means.

    Raises
    ------
    FedlabError
        If there is none.
    """
    path = Path(name)
    if path.is_file():
        return path
    folder = _bundled("params")
    bundled = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if path.suffix == "" and name in bundled:
        return bundled[name]
    raise FedlabError(f"{unknown_name('params file', name, bundled)} (or give the path of your own YAML file)")


def find_notebooks() -> Path:
    """Return the folder of the pipeline's notebooks: ``./notebooks`` where it holds them, else the package's own."""
    here = Path("notebooks")
    return here if (here / "1_partition.ipynb").is_file() else _bundled("notebooks")


def _bundled(name: str) -> Path:
    """Return a folder that comes with the package: inside it when installed, beside it in a checkout."""
    inside = PACKAGE / f"_{name}"
    return inside if inside.is_dir() else PACKAGE.parent / name


def _shown(parameters: dict[str, Any]) -> str:
    """Return a run's parameters for people, without those that are not set."""
    return ", ".join(f"{name}={value}" for name, value in parameters.items() if value not in (None, {}))


def _print_plan(plan: Plan, folder: Path) -> None:
    from fedlab.sweep.store import RunStore

    store = RunStore(folder)
    runs = [run for of_stage in plan.runs.values() for run in of_stage]
    cached = 0
    for run in runs:
        held = store.holds(run.stage, run.key)
        cached += held
        click.echo(f"{'cached' if held else 'to run':7} {run.stage:9} {run.key}  {_shown(run.parameters)}")
    total = len(runs)
    click.echo(f"{len(plan.sweep.cells)} cells, {total} runs: {cached} cached, {total - cached} to run")


def _print_failures(failures: list[Outcome], skipped: int) -> None:
    if not failures:
        return
    click.echo(f"\n{len(failures)} failed" + (f", {skipped} not tried since they need a failed one" if skipped else ""))
    for outcome in failures:
        click.echo(
            f"  {outcome.stage} ({_shown(outcome.parameters)})\n    {outcome.error}\n    traceback: {outcome.notebook}"
        )
    click.echo("")


@contextmanager
def _progress_bar(name: str) -> Iterator[Watcher]:
    """Show how many runs are done, cached, failed and left; a line at times where there is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    def counts(progress: Progress) -> str:
        skipped = f", {progress.skipped} skipped" if progress.skipped else ""
        return (
            f"{progress.done} done, {progress.cached} cached, {progress.failed} failed{skipped}, {progress.left} left"
        )

    console = Console()
    if not console.is_terminal:
        shown = [-1]

        def watch_lines(progress: Progress) -> None:
            tenth = 10 * (progress.total - progress.left) // max(progress.total, 1)
            if tenth != shown[0] or not progress.left:
                shown[0] = tenth
                print(f"{name}: {counts(progress)}", flush=True)

        yield watch_lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeElapsedColumn())
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(name, total=None, counts="")

        def watch(progress: Progress) -> None:
            finished = progress.total - progress.left
            bar.update(task, total=progress.total, completed=finished, counts=counts(progress))

        yield watch
