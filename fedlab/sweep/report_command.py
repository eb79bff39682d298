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
