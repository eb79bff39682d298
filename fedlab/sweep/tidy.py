"""Tidy tables: rows of one order of columns and one type per column, written as CSV and as Parquet, byte for byte."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fedlab.files import atomic_path, canonical_json, plain, sha256_file
from fedlab.record import KINDS, one_kind

if TYPE_CHECKING:
    import pandas

CSV_HASH = b"sha256 of the csv"
"""Key in the Parquet file's metadata: by it a reader knows that the two files are of one moment."""


def in_one_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give all rows the same columns: parameters that only some cells have (`alpha`) stay among the parameters."""
    columns: list[str] = []
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        if tuple(row) in seen:
            continue
        seen.add(tuple(row))
        before = -1
        for name in row:
            if name in columns:
                before = columns.index(name)
            else:
                columns.insert(before + 1, name)
                before += 1
    return [{name: row.get(name) for name in columns} for row in rows]


def typed_columns(rows: list[dict[str, Any]]) -> dict[str, tuple[str, list[Any]]]:
    """Return, for each column, its kind (bool, int, float or text) and its values in that kind.

    Parameters
    ----------
    rows : list of dict
        Of plain values. All have the same names in the same order.

    Returns
    -------
    dict of str to (str, list)
        A column of kinds that do not go together, or of an int beyond 64 bits, is text; one without a value, float.

    Examples
    --------
    >>> typed_columns([{"a": 1, "b": 0.5, "c": None}, {"a": 0.5, "b": '{"js":0.2}', "c": None}])
    {'a': ('float', [1.0, 0.5]), 'b': ('text', ['0.5', '{"js":0.2}']), 'c': ('float', [None, None])}
    """
    found = {}
    for name in rows[0] if rows else []:
        values = [value if type(value) in KINDS else plain(value) for value in (row[name] for row in rows)]
        held = one_kind({KINDS[of] for of in set(map(type, values))}) or "text"
        if held == "int" and any(value is not None and not -(2**63) <= value < 2**63 for value in values):
            held = "text"
        if held == "none":
            held = "float"
        found[name] = held, [None if value is None else _as(held, value) for value in values]
    return found


def _as(held: str, value: Any) -> Any:
    if held == "float":
        return float(value)
    return canonical_json(value) if held == "text" and not isinstance(value, str) else value


def frame(typed: dict[str, tuple[str, list[Any]]]) -> pandas.DataFrame:
    """Return what `typed_columns` gave as a data frame; a missing value keeps an int column one of ints."""
    import pandas as pd

    columns = {}
    for name, (held, values) in typed.items():
        whole = None not in values
        dtypes = {"bool": "bool" if whole else "boolean", "int": "int64" if whole else "Int64", "float": "float64"}
        columns[name] = pd.Series(values, dtype=dtypes.get(held, "object"))
    return pd.DataFrame(columns)


def write_csv(table: pandas.DataFrame, path: Path) -> None:
    """Write a table as CSV with Unix line ends; what is missing is empty."""
    texts = (value for name in table.select_dtypes("object") for value in table[name] if isinstance(value, str))
    # A carriage return alone is quoted by no writer with Unix line ends, and readers take it for the end of the row.
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if any("\r" in text for text in texts) else csv.QUOTE_MINIMAL
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", quoting=quoting)


def write_results(rows: list[dict[str, Any]], path: Path | str) -> pandas.DataFrame:
    """Write rows of results as CSV, and as Parquet beside it.

    Parameters
    ----------
    rows : list of dict
        Parameters first, then what was measured: plain values.
    path : Path or str
        The CSV file; the Parquet file has its name with another suffix.

    Returns
    -------
    DataFrame
        What was written.
    """
    import pyarrow as pa
    import pyarrow.parquet

    path, rows = Path(path), in_one_order(rows)
    columns = typed_columns(rows)
    table = frame(columns)
    write_csv(table, path)
    types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "text": pa.string()}
    schema = pa.schema(
        [(name, types[held]) for name, (held, _) in columns.items()], metadata={CSV_HASH: sha256_file(path)}
    )
    arrow = pa.table({name: pa.array(values, types[held]) for name, (held, values) in columns.items()}, schema=schema)
    with atomic_path(path.with_suffix(".parquet")) as temporary:
        # All that could differ is fixed; the file still names the version of pyarrow that wrote it.
        pyarrow.parquet.write_table(arrow, temporary, version="2.6", compression="snappy", data_page_version="1.0")
    return table
