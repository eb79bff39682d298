"""The `fedlab` command."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import fedlab
from fedlab.errors import FedlabError, unknown_name
from fedlab.warm.command import warm as warm_command

if TYPE_CHECKING:
    from fedlab.sweep.execute import Outcome
    from fedlab.sweep.graph import Plan
    from fedlab.sweep.runner import Progress, Watcher

PACKAGE = Path(fedlab.__file__).parent


class _Group(click.Group):
    """Shows what a user can mend as one message and exit status 2, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FedlabError as error:
            raise click.UsageError(str(error)) from error


@click.group(cls=_Group)
@click.version_option(fedlab.__version__, prog_name="fedlab")
def main() -> None:
    """Split patient records over organisations, train one model each, merge them by a vote."""


@main.command()
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
@click.option("--deadline", type=float, metavar="SECONDS", help="A run that takes longer is ended, and has failed.")
def sweep(
    params: str,
    jobs: int | None,
    results: Path,
    notebooks: Path | None,
    dry_run: bool,
    figures: bool,
    warm: bool,
    deadline: float | None,
) -> None:
    """Run a params file: PARAMS is a YAML file, or the name of one that comes with fedlab (quick).

    Only what is missing runs. A failed run does not stop the others: the exit status is 1, and a table says where
    the notebook with its traceback lies.
    """
    from fedlab.sweep.collect import RESULTS, TIMINGS
    from fedlab.sweep.ends import Stopped, stop_on_terminate
    from fedlab.sweep.kernels import Kernels
    from fedlab.sweep.params import check_deadline
    from fedlab.sweep.remembered import Memory
    from fedlab.sweep.report import FIGURES, REPORT, finish
    from fedlab.sweep.runner import run_plan
    from fedlab.sweep.store import RunStore

    check_deadline(deadline)
    path = find_params(params)
    # A user's own rule or model is a module beside the params file or in this folder, here as in the kernels.
    sys.path += [folder for folder in (str(path.resolve().parent), str(Path.cwd())) if folder not in sys.path]
    memory = Memory(path, results, notebooks or find_notebooks())
    plan = memory.plan()
    asked = plan.sweep
    folder = results / asked.name
    if dry_run:
        _print_plan(plan, folder)
        return
    try:
        with stop_on_terminate(), Kernels(warm) as kernels:
            memory.keep_plan(plan)
            with _progress_bar(asked.name) as watch:
                progress = run_plan(plan, folder, jobs, watch, kernels, deadline)
            failures = list(progress.outcomes)
            n_rows, failed = finish(plan, folder, progress, memory, figures, kernels)
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
    _print_failures(failures, progress.skipped)
    click.echo(f"results  {folder / RESULTS}  ({n_rows} of {len(asked.cells)} cells)")
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


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the shards.")
@click.option("--n-shards", type=int, help="How many organisations; the scheme site says it itself.")
@click.option("--scheme", default="iid", show_default=True, help="iid, stratified, quantity, dirichlet or site stream.")
@click.option("--alpha", type=float, help="Option of the scheme dirichlet.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Any option of the scheme; repeatable.")
@click.option("--id", "id_", required=True, help="Column that identifies the row.")
@click.option("--target", required=True, help="Column that holds the class.")
@click.option("--features", help="Columns that models learn from, with commas between; by default all others.")
@click.option("--sensitive", default="", help="Columns by which fairness is measured, with commas between.")
@click.option("--site", help="Column that says where a row comes from.")
@click.option("--group", help="Column whose equal values stay together (with --in-memory only).")
@click.option("--positive", help="The class that sensitivity is about; by default the greatest.")
@click.option("--holdout", type=float, default=0.2, show_default=True, help="Share of rows no organisation sees.")
@click.option("--min-rows", type=int, default=2, show_default=True, help="Least rows of an organisation.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--format", "format_", default="csv", show_default=True, help="csv, csv.gz or parquet.")
@click.option("--in-memory", is_flag=True, help="Hold the whole table in memory: any scheme, and groups.")
def partition(
    file: Path,
    out: Path,
    n_shards: int | None,
    scheme: str,
    alpha: float | None,
    options: tuple[str, ...],
    id_: str,
    target: str,
    features: str | None,
    sensitive: str,
    site: str | None,
    group: str | None,
    positive: str | None,
    holdout: float,
    min_rows: int,
    seed: int,
    format_: str,
    in_memory: bool,
) -> None:
    """Split FILE (CSV, CSV in gzip, or Parquet, of any size) over organisations.

    The file is read twice in blocks, so memory does not grow with its rows. The schemes iid, stratified, quantity,
    dirichlet and site can do that; every other one (see fedlab list schemes) needs --in-memory.
    """
    from fedlab.partition.command import partition_file

    partition_file(
        file,
        {
            "id": id_,
            "target": target,
            "features": features,
            "sensitive": sensitive,
            "site": site,
            "group": group,
            "positive": positive,
        },
        out,
        (*options, *([f"alpha={alpha!r}"] if alpha is not None else [])),
        in_memory,
        scheme=scheme,
        n_shards=n_shards,
        holdout=holdout,
        min_rows=min_rows,
        seed=seed,
        format=format_,
    )


@main.command(name="list")
@click.argument("kind", type=click.Choice(["cohorts", "schemes", "models", "formats", "rules"]), required=False)
def list_names(kind: str | None) -> None:
    """Print the names that a params file may use."""
    from fedlab.exchange import FORMATS
    from fedlab.partition import SCHEMES
    from fedlab.records import COHORTS
    from fedlab.training import MODELS
    from fedlab.voting import RULES

    registries: dict[str, Iterable[str]] = {
        "cohorts": COHORTS,
        "schemes": SCHEMES,
        "models": MODELS,
        "formats": FORMATS,
        "rules": RULES,
    }
    for title, registry in registries.items():
        if kind in (None, title):
            click.echo(f"{title}: {', '.join(registry)}")


main.add_command(warm_command)

if __name__ == "__main__":
    main()
