"""The table of results in a report: HTML to be read as it is, and sorted and filtered by `page.js`."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fedlab.errors import FedlabError
from fedlab.sweep.facts import Facts

if TYPE_CHECKING:
    import pandas

MAIN = (
    "accuracy",
    "balanced_accuracy",
    "roc_auc",
    "log_loss",
    "centralised_accuracy",
    "difference_accuracy",
    "difference_accuracy_low",
    "difference_accuracy_high",
)
"""The measured columns that are shown first; all others that a row can hold are shown on request."""
_LONGEST = 80


def require_results(folder: Path) -> pandas.DataFrame | None:
    """Return the table of results of a sweep, None where it has no row."""
    from fedlab.evidence import read_results

    if not (folder / "results.csv").is_file() or (folder / "results.csv").stat().st_size < 2:
        return None
    try:
        return read_results(folder)
    except FedlabError as error:
        if "has no row" in str(error):
            return None
        raise


def results_table(facts: Facts, results: pandas.DataFrame, pages: dict[str, str]) -> str:
    """Return the table of results: parameters that vary, then what was measured; what is the same in all stands above.

    Columns of JSON text, which figures need, and columns without a value stay in `results.csv` alone.
    """
    from fedlab.evidence import ROW_COLUMNS, parameters

    names = [str(name) for name in results.columns]
    given = [name for name in parameters(results) if name in names]
    kept = [
        name for name in names if not results[name].isna().all() and not _is_long(results[name], name in ROW_COLUMNS)
    ]
    same = [name for name in given if name in kept and len(results) > 1 and results[name].nunique(dropna=False) == 1]
    own = [name for name in kept if name not in given and name not in ROW_COLUMNS]
    first = (
        [name for name in given if name in kept and name not in same] + [name for name in MAIN if name in kept] + own
    )
    order = first + [name for name in kept if name not in first and name not in same]
    numeric = {name: _is_number(results[name]) for name in order}
    classes = {
        name: " ".join(kind for kind, on in (("n", numeric[name]), ("more", name not in first)) if on) for name in order
    }

    def marked(tag: str, name: str, html: str, more: str = "") -> str:
        kind = f' class="{classes[name]}"' if classes[name] else ""
        return f"<{tag}{kind}{more}>{html}</{tag}>"

    head = '<th scope="col" data-name="">run</th>' + "".join(
        marked("th", name, f"<button>{_may_break(name)}</button>", f' scope="col" data-name="{text_html(name)}"')
        for name in order
    )
    done = {run["key"] for run in facts.done("vote")}
    votes = [key for key in facts.manifest["cells"] if key in done]
    # Rows and runs belong together only where there are as many: a run may have been removed since.
    links = [pages.get(f"vote/{key}") for key in votes] if len(votes) == len(results) else [None] * len(results)
    body = []
    for link, row in zip(links, results[order].itertuples(index=False, name=None), strict=True):
        cells = "".join(
            marked("td", name, _cell(facts, value, name in given)) for name, value in zip(order, row, strict=True)
        )
        body.append(f"<tr><td>{anchor(link, 'notebook')}</td>{cells}</tr>")
    constant = ", ".join(f"{text_html(name)} <b>{text_html(_value(results[name].iloc[0], True))}</b>" for name in same)
    above = f"<p>The same in all cells: {constant}.</p>\n" if constant else ""
    files = " and ".join(
        f'<a href="{name}">{name}</a>' for name in ("results.csv", "results.parquet") if (facts.folder / name).is_file()
    )
    return (
        f"<p>A row per cell, measured on the holdout. The whole table is in {files}.</p>\n{above}"
        '<div class="controls" hidden><label>Filter: <input type="search" id="filter" '
        'placeholder="rule=soft accuracy&gt;0.8"></label> <span id="count" role="status"></span> '
        '<label><input type="checkbox" id="all"> all columns</label></div>\n'
        f'<div class="scroll" id="results" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(body)
        + "\n</tbody>\n</table></div>\n"
    )


def _may_break(name: str) -> str:
    """Return a name that may be broken after its underscores."""
    return text_html(name).replace("_", "_<wbr>")


def _is_long(column: pandas.Series, known: bool) -> bool:
    """Say whether a column holds JSON that is nothing for a table to be read: any that figures need, and any long."""
    texts = [value for value in column if isinstance(value, str) and value[:1] in ("[", "{")]
    return bool(texts) if known else any(len(value) > _LONGEST for value in texts)


def _is_number(column: pandas.Series) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def _cell(facts: Facts, value: Any, given: bool) -> str:
    """Return a cell of the table as HTML: a recorded file is a link to it."""
    if isinstance(value, str) and not given and value.startswith("runs/") and (facts.folder / value).is_file():
        return anchor(quote(value), text_html(Path(value).name))
    return text_html(_value(value, given))


def _value(value: Any, given: bool) -> str:
    """Return a value as the table shows it: parameters as they are, measured floats to four digits."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15 and (given or abs(value) >= 1000):
            return f"{value:.0f}"
        return f"{value:g}" if given or (value and abs(value) < 1e-3) else f"{value:.4f}"
    return str(value)


def text_html(value: Any) -> str:
    """Return a value as text in HTML."""
    return escape(str(value))


def anchor(target: str | None, words: str) -> str:
    """Return a link, nothing where there is no target."""
    return f'<a href="{text_html(target)}">{words}</a>' if target else ""
