"""`fedlab sweep` and `fedlab retry`: a params file run from the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import fedlab
from fedlab.errors import FedlabError, unknown_name

if TYPE_CHECKING:
    from fedlab.sweep.estimate import Estimate
    from fedlab.sweep.graph import Plan, Run
    from fedlab.sweep.remembered import Memory
    from fedlab.sweep.runner import Progress

PACKAGE = Path(fedlab.__file__).parent


F = TypeVar("F", bound=Callable[..., Any])


def results_option(function: F) -> F:
    """Add the option that says where the folders of sweeps are."""
    kind = click.Path(file_okay=False, path_type=Path)
    text = "Where the folders of sweeps are."
    return click.option("--results", type=kind, default=Path("results"), show_default=True, help=text)(function)


def notebooks_option(function: F) -> F:
    """Add the option that says which notebooks are run."""
    kind = click.Path(exists=True, file_okay=False, path_type=Path)
    text = "Your own copy of the pipeline's notebooks; by default ./notebooks, else those of the package."
    return click.option("--notebooks", type=kind, help=text)(function)


def running_options(function: F) -> F:
    """Add the options of commands that execute runs."""
    options = (
        click.option("--jobs", "-j", type=click.IntRange(min=1), help="Runs at once; by default one per core."),
        click.option(
            "--warm/--cold",
            default=True,
            help="Fork kernels from one process that has imported the libraries; see docs/warm.md.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS", help="Run on a Dask cluster, tcp://…; see docs/cluster.md."
)
deadline_option = click.option(
    "--deadline", type=float, metavar="SECONDS", help="A run that takes longer is ended, and has failed."
)


@click.command()
@click.argument("params")
@running_options
@scheduler_option
@deadline_option
@results_option
@notebooks_option
@click.option("--dry-run", is_flag=True, help="Print the runs and which are cached; execute nothing.")
@click.option("--explain", is_flag=True, help="Print why runs are to be run, a line per reason; execute nothing.")
@click.option("--figures/--no-figures", default=True, help="Draw the figures and the report at the end.")
def sweep(
    params: str,
    jobs: int | None,
    warm: bool,
    scheduler: str | None,
    deadline: float | None,
    results: Path,
    notebooks: Path | None,
    dry_run: bool,
    explain: bool,
    figures: bool,
) -> None:
    """Run a params file: PARAMS is a YAML file, or the name of one that comes with fedlab (quick).

    Only what is missing runs. A failed run does not stop the others: the exit status is 1, and a table says where
    the notebook with its traceback lies.
    """
    from fedlab.sweep.params import check_deadline
    from fedlab.sweep.remembered import Memory
    from fedlab.sweep.stored import see_modules

    check_deadline(deadline)
    path = find_params(params)
    see_modules(path.resolve().parent, Path.cwd())
    memory = Memory(path, results, notebooks or find_notebooks())
    plan = memory.plan()
    folder = results / plan.sweep.name
    if explain or dry_run:
        _print_plan(plan, folder, explain)
        return
    if _run(plan, plan, memory, folder, jobs, warm, scheduler, deadline, figures):
        raise SystemExit(1)


@click.command()
@click.argument("sweep")
@running_options
@scheduler_option
@deadline_option
@results_option
@click.option("--figures/--no-figures", default=True, help="Draw the figures and the report at the end.")
def retry(
    sweep: str,
    jobs: int | None,
    warm: bool,
    scheduler: str | None,
    deadline: float | None,
    results: Path,
    figures: bool,
) -> None:
    """Run again what failed in SWEEP (its name or its folder), and what could not be tried for want of it.

    Nothing else is run, whatever else is missing or stale. The table of what failed is printed first.
    """
    from fedlab.sweep.failures import failure_lines, failures
    from fedlab.sweep.graph import Plan
    from fedlab.sweep.params import check_deadline
    from fedlab.sweep.remembered import Memory
    from fedlab.sweep.store import RunStore
    from fedlab.sweep.stored import current_plans, every_run, remembered, sweep_folder

    check_deadline(deadline)
    folder = sweep_folder(sweep, results)
    store = RunStore(folder)
    found = failures(store)
    if not found:
        click.echo(f"{folder}: no run has failed")
        return
    click.echo("\n".join(failure_lines(found)))
    plans = current_plans(folder, remedy="put it back, or run fedlab sweep with the one that counts")
    wanted = every_run(plans)
    stale = [run for run in found if run.stage != "figures" and (run.stage, run.key) not in wanted]
    for run in stale:
        store.forget_failure(run.stage, run.key)
    if stale:
        click.echo(f"{len(stale)} of them are not wanted any more as they were: forgotten; fedlab sweep runs what is")
    lost = {run.key for run in found if run not in stale}
    failed = 0
    for plan, swept in zip(plans, remembered(folder), strict=True):
        votes = tuple(vote for vote in plan.votes if lost & {run.key for run in _behind(vote)})
        if votes or any(run.stage == "figures" for run in found):
            part = Plan(plan.sweep, votes, plan.here)
            memory = Memory(swept.params, folder.parent, swept.notebooks, swept.here)
            failed += _run(part, plan, memory, folder, jobs, warm, scheduler, deadline, figures)
    if failed:
        raise SystemExit(1)


def _behind(run: Run) -> Iterator[Run]:
    """Yield a run and all that it rests on."""
    yield run
    for source in run.inputs.values():
        yield from _behind(source)


@contextmanager
def _cluster(scheduler: str | None) -> Iterator[Any]:
    """Connect to a cluster where one is asked for."""
    if scheduler is None:
        yield None
        return
    from fedlab.sweep.cluster import connected

    with connected(scheduler) as client:
        yield client


def _run(
    part: Plan,
    whole: Plan,
    memory: Memory,
    folder: Path,
    jobs: int | None,
    warm: bool,
    scheduler: str | None,
    deadline: float | None,
    figures: bool,
) -> int:
    """Execute a plan or a part of it, collect the results of the whole, and say where they are; count failures."""
    from fedlab.sweep.collect import RESULTS, TIMINGS
    from fedlab.sweep.ends import Stopped, stop_on_terminate
    from fedlab.sweep.failures import failure_lines
    from fedlab.sweep.kernels import Kernels
    from fedlab.sweep.report import FIGURES, REPORT, finish
    from fedlab.sweep.runner import run_plan
    from fedlab.sweep.status import Reporter
    from fedlab.sweep.store import RunStore
    from fedlab.sweep.stored import remember

    asked = whole.sweep
    try:
        with (
            stop_on_terminate(),
            _cluster(scheduler) as cluster,
            Reporter(folder, memory.params, part) as reporter,
            Kernels(warm) as kernels,
        ):
            remember(folder, memory.params, memory.notebooks, memory.here)
            memory.keep_plan(whole)
            with _progress_bar(asked.name) as show:
                progress = run_plan(
                    part, folder, jobs, lambda now: show(now, reporter.watch(now)), kernels, deadline, cluster
                )
            failures = list(progress.outcomes)
            n_rows, failed = finish(whole, folder, progress, memory, figures, kernels, deadline)
    except KeyboardInterrupt as stop:
        RunStore(folder).sweep_out()
        click.echo("\nstopped; finished runs are kept: the same command goes on from here")
        raise SystemExit(143 if isinstance(stop, Stopped) else 130) from None
    except OSError as error:
        raise FedlabError(f"{folder} cannot be written: {error}; choose another place with --results") from error
    failures += [failed] if failed else []
    drawn = bool(figures and n_rows and failed is None)
    if progress.cold:
        click.echo(f"kernels  {progress.cold} cold, with the same results: {progress.why_cold}")
    if failures:
        click.echo("\n".join(["", *failure_lines(failures, progress.skipped), ""]))
    click.echo(f"results  {folder / RESULTS}  ({n_rows} of {len(asked.cells)} cells)")
    click.echo(f"seconds  {folder / TIMINGS}")
    if drawn:
        click.echo(f"figures  {folder / FIGURES}/")
        click.echo(f"report   {folder / REPORT}")
    return len(failures)


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


def _print_plan(plan: Plan, folder: Path, explain: bool) -> None:
    """Print what is cached and what is to run: each run, or a line per reason."""
    from fedlab.sweep.changes import planned_node
    from fedlab.sweep.store import RunStore
    from fedlab.sweep.stored import shown
    from fedlab.sweep.why import Stock, grouped

    store = RunStore(folder)
    runs = [run for of_stage in plan.runs.values() for run in of_stage]
    held = [store.holds(run.stage, run.key) for run in runs]
    for run, there in zip(runs, held, strict=True) if not explain else ():
        click.echo(f"{'cached' if there else 'to run':7} {run.stage:9} {run.key}  {shown(run.parameters)}")
    click.echo(f"{len(plan.sweep.cells)} cells, {len(runs)} runs: {sum(held)} cached, {len(runs) - sum(held)} to run")
    if explain:
        stock = Stock(folder, (run.key for run in runs))
        for line in grouped(stock.why(planned_node(run)) for run in runs):
            click.echo(f"  {line}")


@contextmanager
def _progress_bar(name: str) -> Iterator[Callable[[Progress, Estimate], None]]:
    """Show how many runs are done, cached, failed and left, and how long they may take; lines without a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from fedlab.sweep.status import counts_text

    def text(progress: Progress, estimate: Estimate) -> str:
        waits = progress.left and any(progress.waiting.values())
        return counts_text(vars(progress) | {"left": progress.left}) + (
            f", time left {estimate.short()}" if waits else ""
        )

    console = Console()
    if not console.is_terminal:
        shown = [-1]

        def watch_lines(progress: Progress, estimate: Estimate) -> None:
            tenth = 10 * (progress.total - progress.left) // max(progress.total, 1)
            if tenth != shown[0] or not progress.left:
                shown[0] = tenth
                print(f"{name}: {text(progress, estimate)}", flush=True)

        yield watch_lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeElapsedColumn())
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(name, total=None, counts="")

        def watch(progress: Progress, estimate: Estimate) -> None:
            finished = progress.total - progress.left
            bar.update(task, total=progress.total, completed=finished, counts=text(progress, estimate))

        yield watch
