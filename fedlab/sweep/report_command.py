"""`fedlab report` and `fedlab export`: what a sweep has stored, as a page and as an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fedlab.sweep.notebook_page import PAGES


class _Count(click.ParamType):
    """``all``, ``none`` or a number, as None, 0 or that number."""

    name = "all|none|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the number that was meant."""
        if isinstance(value, int):
            return value
        if value in ("all", "none"):
            return None if value == "all" else 0
        if not str(value).isdecimal():
            self.fail(f"{value!r} is not a count of notebooks; give all, none, or a number such as 100", param, ctx)
        return int(value)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--notebooks",
    type=_Count(),
    default=PAGES,
    show_default=True,
    help="How many executed notebooks are rendered as pages: failed ones first, then votes.",
)
def report(folder: Path, notebooks: int | None) -> None:
    """Write the report of a sweep anew, from what is stored in FOLDER (results/quick): one page, report.html."""
    from fedlab.sweep.report import write_report

    page, made = write_report(folder, notebooks)
    click.echo(f"report   {page}")
    click.echo(f"notebooks {made} rendered now")


@click.command()
@click.option(
    "--ro-crate", is_flag=True, required=True, help="As an RO-Crate 1.1 (Process Run Crate): the one format so far."
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--license", "licence", help="SPDX identifier, such as CC-BY-4.0, or URL; by default none is given.")
@click.option("--author", "authors", multiple=True, help="'Name' or 'Name <https://orcid.org/…>'; repeatable.")
@click.option(
    "--with-records", is_flag=True, help="Pack shards, holdouts, ballots, verdicts, models, recorded files too."
)
@click.option(
    "--with-notebooks", is_flag=True, help="Pack executed notebooks too: they show what cells print, such as records."
)
def export(
    ro_crate: bool,
    folder: Path,
    out: Path,
    licence: str | None,
    authors: tuple[str, ...],
    with_records: bool,
    with_notebooks: bool,
) -> None:
    """Write the sweep in FOLDER (results/quick) to OUT, a .zip file or a folder, to be archived and cited."""
    from fedlab.sweep.ro_crate import export_crate

    packed, left_out = export_crate(folder, out, licence, authors, with_records, with_notebooks)
    click.echo(f"crate    {out}  ({packed} files, {left_out} more only listed with their hashes)")
    if with_records or with_notebooks:
        click.echo("         it may hold records of patients: mind to whom you give it")
