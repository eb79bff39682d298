"""The `fedlab` command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

import fedlab
from fedlab.errors import FedlabError
from fedlab.sweep import command as sweeping
from fedlab.sweep import look_command as looking
from fedlab.sweep.report_command import export as export_command
from fedlab.sweep.report_command import report as report_command
from fedlab.warm.command import warm as warm_command


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


main.add_command(export_command)
main.add_command(report_command)
for command in (sweeping.sweep, sweeping.retry, looking.why, looking.status, looking.list_runs, looking.remove_runs):
    main.add_command(command)
main.add_command(looking.verify)
main.add_command(warm_command)

if __name__ == "__main__":
    main()
