"""Who holds which row, as a CSV file: exported from a split, read back by the scheme ``from_file``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.files import atomic_path

if TYPE_CHECKING:
    from fedlab.partition.split import Split
    from fedlab.records import Records

HOLDOUT = "holdout"
_SHOWN = 3


def export_assignment(split: Split, path: Path | str, by: str = "id") -> Path:
    """Write who holds which row: a CSV with a line for each row, its identifier and its organisation.

    Parameters
    ----------
    split : Split
        Any but a vertical one.
    path : Path or str
        The file.
    by : {"id", "row"}
        Whether rows are named by their identifier or by their number in the table (from 0, column ``row``).

    Returns
    -------
    Path
        The file. Organisations are numbered from 1; rows held out stand as ``holdout``; a row that several
        organisations hold has several lines, the first for the one it was dealt to.

    Raises
    ------
    FedlabError
        If the split is vertical, or identifiers repeat.
    """
    if split.features is not None:
        raise FedlabError("a vertical split has all rows at all organisations, so there is no assignment to export")
    if by not in ("id", "row"):
        raise FedlabError(f"by must be 'id' or 'row', got {by!r}")
    names = split.records.frame[split.records.schema.id] if by == "id" else pd.Series(np.arange(split.records.n_rows))
    if not names.is_unique:
        raise FedlabError("identifiers repeat, so they do not name rows; export with by='row'")
    rows = np.concatenate([np.arange(len(names)), split.copies[:, 0]])
    organisations = np.concatenate([split.assignment, split.copies[:, 1]]) + 1
    order = np.argsort(rows, kind="stable")
    frame = pd.DataFrame(
        {
            split.records.schema.id if by == "id" else "row": names.to_numpy()[rows[order]],
            "organisation": np.where(organisations == 0, HOLDOUT, organisations.astype(str))[order],
        }
    )
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")
    return Path(path)


def count_organisations(path: Path | str) -> int:
    """Return how many organisations an assignment file names, the holdout not counted."""
    return _organisations(_lines(Path(path))["organisation"], Path(path))[1]


def read_assignment(path: Path | str, records: Records) -> tuple[np.ndarray, np.ndarray, int]:
    """Read such a file for a table.

    Parameters
    ----------
    path : Path or str
        A CSV with the columns ``organisation`` and either the table's identifier (or ``id``) or ``row``.
        Organisations are numbers from 1, or names, which are numbered in sorted order; ``holdout`` is the holdout.
    records : Records
        The whole table.

    Returns
    -------
    shards : int array (n_rows,)
        The organisation of each row, from 0; -1 is the holdout.
    copies : int array (n_copies, 2)
        Pairs of row and organisation for rows with several lines.
    n_shards : int
        How many organisations.

    Raises
    ------
    FedlabError
        If the file cannot be read, lacks a column, or does not fit the table: the message names rows.
    """
    path = Path(path)
    frame = _lines(path)
    named = next((name for name in (records.schema.id, "id", "row") if name in frame.columns), None)
    if named is None:
        raise FedlabError(
            f"assignment file {path} has the columns {', '.join(map(str, frame.columns))}; it needs "
            f"{records.schema.id!r} or 'row' (numbers from 0) beside 'organisation'"
        )
    rows = _rows_of(frame[named], records, named, path)
    organisations, n_shards = _organisations(frame["organisation"], path)
    return *_first_and_others(rows, organisations, records, path), n_shards


def _lines(path: Path) -> pd.DataFrame:
    """Return the lines of the file as text."""
    try:
        stat = path.stat()
        frame = _read(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise FedlabError(f"assignment file {path} cannot be read: {error.strerror}") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise FedlabError(f"assignment file {path} is no CSV: {error}") from error
    if "organisation" not in frame.columns:
        raise FedlabError(
            f"assignment file {path} has the columns {', '.join(map(str, frame.columns))}; it needs 'organisation'"
        )
    return frame


@lru_cache(maxsize=2)
def _read(path: Path, modified: int, size: int) -> pd.DataFrame:
    """Read the text of the file, once for as long as it is not changed."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _rows_of(names: pd.Series, records: Records, named: str, path: Path) -> np.ndarray:
    """Return the row number of each line."""
    if named == "row" and records.schema.id != "row":
        known = pd.Index(np.arange(records.n_rows))
    else:
        known = pd.Index(records.frame[records.schema.id])
        if not known.is_unique:
            raise FedlabError(f"identifiers of {records.name!r} repeat, so a file cannot name rows by them; use 'row'")
    if known.dtype.kind in "iu":
        numbers, read = _whole_numbers(names)
        rows = np.where(read, known.get_indexer(pd.Index(numbers)), -1)
    else:
        rows = known.astype(str).get_indexer(pd.Index(names))
    if (rows < 0).any():
        shown = ", ".join(names[rows < 0].head(_SHOWN))
        raise FedlabError(
            f"assignment file {path} names {np.sum(rows < 0)} rows that {records.name!r} does not have, e.g. {shown}; "
            "give the file made for this table"
        )
    return rows.astype(np.int64)


def _whole_numbers(names: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of a column of text, and which lines hold one."""
    import pyarrow as pa

    try:
        # Some fifty times as fast as to_numeric, and refuses whatever is not plain digits.
        return pa.array(names).cast(pa.int64()).to_numpy(), np.ones(len(names), dtype=bool)
    except pa.ArrowInvalid:
        numbers = pd.to_numeric(names, errors="coerce")
        return numbers.fillna(-1).astype(np.int64).to_numpy(), numbers.notna().to_numpy()


def _organisations(column: pd.Series, path: Path) -> tuple[np.ndarray, int]:
    """Number the organisations from 0; the holdout is -1."""
    codes, names = pd.factorize(column.str.strip())
    if "" in names:
        raise FedlabError(f"assignment file {path} has lines without an organisation; name one, or 'holdout'")
    others = [name for name in names if name != HOLDOUT]
    if not others:
        raise FedlabError(f"assignment file {path} names no organisation, only the holdout")
    if all(name.isascii() and name.isdigit() for name in others):
        numbers = {name: int(name) - 1 for name in others}
        gaps = sorted(set(range(max(numbers.values()) + 1)) - set(numbers.values()))
        if gaps or min(numbers.values()) < 0:
            raise FedlabError(
                f"assignment file {path} numbers organisations from {min(numbers.values()) + 1} to "
                f"{max(numbers.values()) + 1} with gaps; number them 1, 2, 3, … or give them names"
            )
    else:
        numbers = {name: number for number, name in enumerate(sorted(others))}
    place = np.array([-1 if name == HOLDOUT else numbers[name] for name in names])
    return place[codes], max(numbers.values()) + 1


def _first_and_others(
    rows: np.ndarray, organisations: np.ndarray, records: Records, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's first organisation, and the pairs of rows and organisations beyond it."""
    found, first = np.unique(rows, return_index=True)
    if len(found) < records.n_rows:
        missing = np.setdiff1d(np.arange(records.n_rows), found)
        raise FedlabError(
            f"assignment file {path} leaves out {len(missing)} rows of {records.name!r}, the first is row {missing[0]} "
            "(from 0); name every row, those of nobody as 'holdout'"
        )
    shards = organisations[first]
    others = np.ones(len(rows), dtype=bool)
    others[first] = False
    copies = np.stack([rows[others], organisations[others]], axis=1)
    pairs = np.concatenate([np.stack([found, shards], axis=1), copies])
    if len(copies) and len(np.unique(pairs, axis=0)) < len(pairs):
        raise FedlabError(f"assignment file {path} gives a row to one organisation twice; leave the second line out")
    if len(copies) and ((copies[:, 1] < 0) | (shards[copies[:, 0]] < 0)).any():
        raise FedlabError(f"assignment file {path} has a row both in the holdout and at an organisation; leave one out")
    return shards, copies
