"""`fedlab why`, `status`, `ls`, `rm` and `verify`: what a sweep's folder holds, and whether it is as it should be."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fedlab.errors import FedlabError
from fedlab.sweep.command import find_notebooks, find_params, notebooks_option, results_option, running_options

if TYPE_CHECKING:
    from fedlab.sweep.graph import Plan, Run
    from fedlab.sweep.stored import Stored, Swept
    from fedlab.sweep.why import Stock

F = TypeVar("F", bound=Callable[..., Any])


def _params_option(function: F) -> F:
    text = "Params file that says which runs are wanted; repeatable; by default those that were swept there."
    return click.option("--params", "-p", multiple=True, help=text)(function)


def _swept(folder: Path, params: tuple[str, ...], notebooks: Path | None) -> list[Swept]:
    """Return the params files that say what a folder should hold: those named, else all that are remembered.

    Those that are remembered keep the notebooks they were swept with, unless others are named.
    """
    from fedlab.sweep.stored import Swept, remembered

    known = {swept.params: swept for swept in remembered(folder)}
    chosen = list(known.values())
    if params:
        paths = [find_params(name) for name in params]
        chosen = [known.get(path.resolve()) or Swept(path, find_notebooks(), Path.cwd()) for path in paths]
    return [replace(swept, notebooks=notebooks or swept.notebooks) for swept in chosen]


def _plans(folder: Path, params: tuple[str, ...], notebooks: Path | None) -> list[tuple[Plan, Path]]:
    """Return the plans that say what a folder should hold, each with its notebooks."""
    from fedlab.sweep.stored import current_plans

    swept = _swept(folder, params, notebooks)
    return [(plan, one.notebooks) for plan, one in zip(current_plans(folder, swept), swept, strict=True)]


@click.command()
@click.argument("run")
@_params_option
@results_option
@notebooks_option
def why(run: str, params: tuple[str, ...], results: Path, notebooks: Path | None) -> None:
    """Say why RUN is fresh, stale, new or missing: what it was made from that has changed, from what to what.

    RUN is a key, the beginning of one, stage/key, or the folder of a run. A params file, or the name of one that
    comes with fedlab, in its place means all its runs that are not fresh.
    """
    from fedlab.sweep.params import read_sweep
    from fedlab.sweep.stored import find_run, read_plan

    if _is_params(run):
        plan = read_plan(find_params(run), notebooks or find_notebooks())
        _why_all(plan, results / plan.sweep.name)
        return
    stored = find_run(run, results)
    if stored is None and not params:
        raise FedlabError(
            f"no stored run in {results} answers to {run!r}; a run that is not there yet needs its params file too: "
            f"fedlab why {run} --params FILE"
        )
    folder = stored.folder.parent.parent.parent if stored else results / read_sweep(find_params(params[0])).name
    _why_one(run, stored, folder, _plans(folder, params, notebooks))


def _is_params(name: str) -> bool:
    try:
        return find_params(name).is_file()
    except FedlabError:
        return False


def _stock(folder: Path, wanted: dict[tuple[str, str], Run]) -> Stock:
    from fedlab.sweep.why import Stock

    return Stock(folder, (key for _, key in wanted))


def _why_all(plan: Plan, folder: Path) -> None:
    from fedlab.sweep.changes import planned_node
    from fedlab.sweep.stored import every_run

    wanted = every_run([plan])
    stock = _stock(folder, wanted)
    found = [stock.why(planned_node(run)) for run in wanted.values()]
    for reason in found:
        if reason.state != "fresh":
            click.echo("\n".join(reason.lines()))
    fresh = sum(reason.state == "fresh" for reason in found)
    click.echo(f"{len(found)} runs are wanted: {fresh} fresh, {len(found) - fresh} not")


def _why_one(name: str, stored: Stored | None, folder: Path, plans: list[tuple[Plan, Path]]) -> None:
    from fedlab.sweep.changes import planned_node
    from fedlab.sweep.listing import wanted_runs
    from fedlab.sweep.stored import answers
    from fedlab.sweep.why import unwanted_lines

    wanted = wanted_runs(folder, plans)
    stock = _stock(folder, wanted)
    if stored is not None and (stored.stage, stored.key) not in wanted:
        nodes = [planned_node(run) for run in wanted.values() if run.stage == stored.stage]
        click.echo("\n".join(unwanted_lines(stock.nodes[stored.key], nodes)))
        return
    meant = [run for run in wanted.values() if answers(run.stage, run.key, stored.name if stored else name)]
    if len(meant) != 1:
        what = "is no run, stored or wanted" if not meant else f"begins {len(meant)} keys; give more of it"
        raise FedlabError(f"{name!r} {what}; fedlab sweep PARAMS --dry-run lists the wanted ones, fedlab ls the stored")
    click.echo("\n".join(stock.why(planned_node(meant[0])).lines()))


@click.command()
@click.argument("sweep", required=False)
@results_option
def status(sweep: str | None, results: Path) -> None:
    """Say how far SWEEP is (its name or its folder; by default every one): counts, what runs, failures, time left.

    The estimate says what it is based on, and "unknown" where nothing tells.
    """
    from fedlab.sweep.status import status_lines
    from fedlab.sweep.stored import sweep_folder, sweeps

    folders = [sweep_folder(sweep, results)] if sweep else sweeps(results)
    if not folders:
        click.echo(f"{results} holds no sweep")
    for folder in folders:
        click.echo("\n".join(status_lines(folder)))


@click.command(name="ls")
@click.argument("sweep", required=False)
@_params_option
@results_option
@notebooks_option
def list_runs(sweep: str | None, params: tuple[str, ...], results: Path, notebooks: Path | None) -> None:
    """List the sweeps in the folder of results, or the runs of SWEEP (its name or its folder) and the disk they use.

    "wanted" says whether the params file, as it stands now, still wants a run; "?" where none is known.
    """
    from fedlab.sweep.listing import disk_lines, names_of, rows, run_lines, wanted_runs
    from fedlab.sweep.stored import remembered, stored_runs, sweep_folder, sweeps

    if sweep:
        folder = sweep_folder(sweep, results)
        known = bool(params or remembered(folder))
        wanted = names_of(wanted_runs(folder, _plans(folder, params, notebooks))) if known else None
        click.echo("\n".join(run_lines(rows(folder, wanted))))
        return
    runs = {folder: stored_runs(folder) for folder in sweeps(results)}
    for folder, found in runs.items():
        click.echo(f"{folder.name:20} {disk_lines(found)[-1].removeprefix('total').strip()}")
    click.echo(f"{'total':20} {disk_lines([run for found in runs.values() for run in found])[-1][5:].strip()}")


@click.command(name="rm")
@click.argument("runs", nargs=-1)
@click.option("--stale", metavar="SWEEP", help="Remove all runs of SWEEP that its params files do not want any more.")
@_params_option
@results_option
@notebooks_option
@click.option("--dry-run", is_flag=True, help="Print what would be removed.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove_runs(
    runs: tuple[str, ...],
    stale: str | None,
    params: tuple[str, ...],
    results: Path,
    notebooks: Path | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove stored RUNS (keys, beginnings of keys, stage/key, folders), or with --stale those that nothing wants.

    Nothing is removed from a folder while a sweep runs there.
    """
    from fedlab.sweep.listing import disk_lines, names_of, remove, rows, run_lines, runs_named, wanted_runs
    from fedlab.sweep.stored import sweep_folder

    if bool(runs) == bool(stale):
        raise FedlabError("name runs to remove, or give --stale SWEEP; not both")
    if stale:
        folder = sweep_folder(stale, results)
        table = rows(folder, names_of(wanted_runs(folder, _plans(folder, params, notebooks))))
        gone = [row for row in table if not row.wanted]
        found = [row.run for row in gone]
        if not found:
            click.echo(f"{folder}: all {len(table)} runs are wanted")
            return
        click.echo("\n".join(run_lines(gone)))
    else:
        found = runs_named(runs, results)
        click.echo("\n".join([*(run.name for run in found), *disk_lines(found)[-1:]]))
    if dry_run:
        return
    if not yes:
        click.confirm(f"Remove these {len(found)} runs?", abort=True)
    remove(found)
    click.echo(f"removed  {len(found)} run{'s' if len(found) != 1 else ''}")


@click.command()
@click.argument("sweep")
@click.option("--sample", type=click.IntRange(min=1), default=5, show_default=True, help="How many runs to run again.")
@click.option("--all", "every", is_flag=True, help="Run all again.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which ones are drawn.")
@_params_option
@running_options
@results_option
@notebooks_option
def verify(
    sweep: str,
    sample: int,
    every: bool,
    seed: int,
    params: tuple[str, ...],
    jobs: int | None,
    warm: bool,
    results: Path,
    notebooks: Path | None,
) -> None:
    """Check SWEEP (its name or its folder): all files against their hashes, and a sample of runs run again.

    What a run wrote, printed and drew must come out the same; seconds do not count. The tables of results must be those
    of the stored runs. Stored runs are not touched. The exit status is 1 if anything differs, or a wanted run lacks.
    """
    from fedlab.sweep.kernels import Kernels
    from fedlab.sweep.listing import wanted_runs
    from fedlab.sweep.status import in_use
    from fedlab.sweep.stored import stored_runs, sweep_folder, time_text
    from fedlab.sweep.verify import altered_tables, unreadable_runs
    from fedlab.sweep.verify import sample as drawn
    from fedlab.sweep.verify import verify as check

    start = time.monotonic()
    folder = sweep_folder(sweep, results)
    plans = _plans(folder, params, notebooks)
    wanted: dict[tuple[str, str], Run] = {}
    places: dict[str, tuple[Path, Path]] = {}
    for plan, own in plans:
        of_plan = wanted_runs(folder, [(plan, own)])
        wanted |= of_plan
        places |= {key: (folder if stage == "figures" else plan.sweep.folder, plan.here) for stage, key in of_plan}
    stored = stored_runs(folder)
    able = [wanted[run.stage, run.key] for run in stored if (run.stage, run.key) in wanted]
    if not able:
        raise FedlabError(
            f"none of the {len(stored)} runs in {folder} is wanted as things are now, so none can be run again; "
            "fedlab ls and fedlab why say more"
        )
    chosen = drawn(able, None if every else sample, seed)

    def told(name: str, found: list[str]) -> None:
        click.echo("\n  ".join([f"{'differs' if found else 'same':8} {name}", *found]))

    with in_use(folder), Kernels(warm) as kernels:
        verdict = check(folder, stored, [(run, *places[run.key]) for run in chosen], jobs, kernels, told)
        verdict.unreadable = unreadable_runs(folder, stored)
        there = {run.name for run in stored} | set(verdict.unreadable)
        # Figures are drawn only where they are asked for.
        asked = [f"{stage}/{key}" for stage, key in wanted if stage != "figures"]
        verdict.missing = [name for name in asked if name not in there]
        verdict.tables = altered_tables(folder, [plan for plan, _ in plans])
    for name in verdict.unreadable:
        click.echo(f"damaged  {name}: its run.json is gone or not readable, so nothing of it was compared")
    for name in verdict.missing:
        click.echo(f"missing  {name}: wanted, and not stored")
    for name, source in verdict.skipped.items():
        click.echo(f"skipped  {name}: {source}, which it reads, is not whole")
    for name, found in verdict.altered.items():
        click.echo("\n  ".join([f"altered  {name}", *found]))
    if verdict.tables:
        click.echo("\n  ".join(["altered  the tables are not those of the stored runs", *verdict.tables]))
    click.echo(
        f"files    of {len(stored)} runs compared with their hashes: {len(verdict.altered)} runs altered\n"
        f"again    {len(verdict.again)} of {len(able)} wanted runs in {time_text(time.monotonic() - start)}: "
        f"{sum(map(bool, verdict.again.values()))} differ"
    )
    if verdict.scratch:
        click.echo(f"compare  {verdict.scratch} holds what differs, as it came out now")
    if not verdict.sound:
        raise SystemExit(1)
