"""The contingency table: distinct rows with how often each occurs, counted, added up, streamed, read and written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.records.distinct import group_rows
from fedlab.records.reading import EXACT
from fedlab.records.schema import Schema
from fedlab.records.table import Records, values_of

COUNT = "count"


class ContingencyTable:
    """Distinct rows of features and target, and how often each occurs.

    Rows that are equal are put together and stand in the order of their values, so that two tables of the same
    rows are equal. Rows of count 0 are kept: a noisy release has them.

    Parameters
    ----------
    frame : DataFrame
        Features and target, one row for each kind of record. Any index is replaced.
    counts : array (n,)
        How often each occurs: finite; whole or not; a noisy table may hold negative ones (see `clipped`).
    target : str
        Which column is the class; all others are features.

    Attributes
    ----------
    frame : DataFrame
        The distinct rows, sorted.
    counts : float array (n_distinct,)
        How often each occurs.
    target : str
        The class's column.

    Raises
    ------
    FedlabError
        If the target is not a column, a class is missing, or a count is not a finite number.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [60, 40, 60], "ill": ["yes", "no", "yes"]})
    >>> table = ContingencyTable(frame, [1, 1, 1], "ill")
    >>> table.to_frame()
       age  ill  count
    0   40   no      1
    1   60  yes      2
    >>> (table + table).total
    6.0
    """

    def __init__(self, frame: pd.DataFrame, counts: Any, target: str) -> None:
        if target not in frame.columns:
            raise FedlabError(
                f"the contingency table has no target column {target!r}; it has {', '.join(map(str, frame.columns))}"
            )
        given = np.asarray(counts, dtype=np.float64)
        if given.shape != (len(frame),) or not np.isfinite(given).all():
            raise FedlabError(
                f"a contingency table of {len(frame)} rows needs as many finite counts; got {counts!r:.80}"
            )
        if frame[target].isna().any():
            raise FedlabError(f"target column {target!r} of the contingency table lacks a value; leave those rows out")
        self.target, self.counts = target, given
        if not len(frame):
            self.frame = frame.reset_index(drop=True)
            return
        groups = group_rows([values_of(frame[name]) for name in frame.columns])
        self.frame = frame.iloc[groups.first].reset_index(drop=True)
        self.counts = np.bincount(groups.codes, given, len(groups.first)).astype(np.float64)

    @classmethod
    def from_records(cls, records: Records) -> ContingencyTable:
        """Count the rows of records: their features and their target, nothing else."""
        return contingency_table([records.frame], records.schema.features, records.schema.target)

    @classmethod
    def from_file(
        cls, path: Path | str, schema: Schema, block_bytes: int | None = None, watch: Any = None
    ) -> ContingencyTable:
        """Count the rows of a CSV or Parquet file of any size, a block at a time.

        Memory is bound by the distinct rows and one block, not by the rows. Nothing but the columns of features
        and target is looked at; `fedlab.records.read_table` checks a file of ordinary size in full.

        Parameters
        ----------
        path : Path or str
            A ``.csv``, ``.csv.gz`` or ``.parquet`` file of records.
        schema : Schema
            Which columns are features and target.
        block_bytes, watch : int, callable, optional
            See `fedlab.records.blocks.iter_blocks`.

        Returns
        -------
        ContingencyTable
            As `from_records` gives it of the same file read whole.

        Raises
        ------
        FedlabError
            If a column is missing, a class is missing, or a block is no regular CSV.
        """
        from fedlab.records.counting_blocks import count_file

        frame, counts = count_file(Path(path), schema, block_bytes, watch)
        return cls(frame, counts, schema.target)

    @classmethod
    def read(cls, path: Path | str, target: str, count: str = COUNT) -> ContingencyTable:
        """Read a table that was written as one: a CSV with a column of counts.

        Parameters
        ----------
        path : Path or str
            The file.
        target : str
            Which column is the class.
        count : str, default "count"
            Which column holds the counts; all others are features.

        Raises
        ------
        FedlabError
            If a column is missing or a count is no number.
        """
        try:
            frame = pd.read_csv(path, **EXACT)
        except (OSError, ValueError) as error:
            raise FedlabError(f"contingency table {path} cannot be read ({error}); give a CSV file") from error
        if count not in frame.columns or not pd.api.types.is_numeric_dtype(frame[count]):
            raise FedlabError(
                f"contingency table {path} has no column of numbers called {count!r}; it has "
                f"{', '.join(map(str, frame.columns))}: say with count=… which one holds the counts"
            )
        return cls(frame.drop(columns=count), frame[count], target)

    def write(self, path: Path | str, count: str = COUNT) -> None:
        """Write the table as CSV with a column of counts, for `read`."""
        from fedlab.files import write_text

        if count in self.frame.columns:
            raise FedlabError(f"the table has a column {count!r} of its own; give the counts another name: count=…")
        write_text(path, self.to_frame(count).to_csv(index=False, lineterminator="\n"))

    def to_frame(self, count: str = COUNT) -> pd.DataFrame:
        """Return the distinct rows with a column of counts, whole numbers where they all are."""
        whole = np.array_equal(self.counts, np.rint(self.counts))
        return self.frame.assign(**{count: self.counts.astype(np.int64) if whole else self.counts})

    def clipped(self) -> ContingencyTable:
        """Return the table with negative counts, which noise makes, raised to 0."""
        return ContingencyTable(self.frame, np.maximum(self.counts, 0.0), self.target)

    @property
    def features(self) -> list[str]:
        """The columns of features."""
        return [name for name in self.frame.columns if name != self.target]

    @property
    def X(self) -> pd.DataFrame:
        """The features of the distinct rows."""
        return self.frame[self.features]

    @property
    def y(self) -> np.ndarray:
        """The class of each distinct row, shape (n_distinct,)."""
        return values_of(self.frame[self.target])

    @property
    def total(self) -> float:
        """The sum of the counts: how many rows there were."""
        return float(self.counts.sum())

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"ContingencyTable({len(self)} distinct rows, total {self.total:g}, target {self.target!r})"

    def __add__(self, other: ContingencyTable) -> ContingencyTable:
        """Return the table of both tables' rows.

        Raises
        ------
        FedlabError
            If the tables have other columns, or one holds text where the other holds numbers.
        """
        return contingency_table([self, other])


def contingency_table(
    parts: Any,
    features: Sequence[str] | None = None,
    target: str | None = None,
) -> ContingencyTable:
    """Count the rows of a table that comes in parts; parts may be tables of counts themselves.

    Parameters
    ----------
    parts : iterable of DataFrame or ContingencyTable, or dask.dataframe.DataFrame
        Taken one after the other; what is held is bound by the distinct rows. A Dask frame's partitions are counted
        where they lie, on whatever cluster is at hand, and the tables added up in a tree; rows never travel.
    features : sequence of str, optional
        Needed for frames.
    target : str, optional
        Needed for frames.

    Returns
    -------
    ContingencyTable
        The same whatever the parts and their order.

    Raises
    ------
    FedlabError
        If there is no part, a column is missing, or the parts do not fit each other.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [60, 40, 60], "ill": [1, 0, 1]})
    >>> contingency_table([frame[:1], frame[1:]], ["age"], "ill").counts.tolist()
    [1.0, 2.0]
    """
    if hasattr(parts, "to_delayed"):
        return _on_dask(parts, features, target)
    total: ContingencyTable | None = None
    waiting: list[ContingencyTable] = []
    for part in parts:
        waiting.append(part if isinstance(part, ContingencyTable) else _counted(part, features, target))
        # Adding costs as much as the sum is long: wait until as much again has come.
        if sum(map(len, waiting)) >= (0 if total is None else len(total)):
            total, waiting = _sum([*([] if total is None else [total]), *waiting]), []
    if total is None:
        raise FedlabError("there is no part to count; give at least one DataFrame or ContingencyTable")
    return _sum([total, *waiting]) if waiting else total


def _on_dask(frame: Any, features: Sequence[str] | None, target: str | None) -> ContingencyTable:
    """Count the partitions of a Dask frame where they lie, and add the tables up eight at a time."""
    from dask import delayed

    count, add = delayed(_counted), delayed(_sum)
    tables = [count(part, features, target) for part in frame.to_delayed()]
    while len(tables) > 1:
        tables = [add(tables[first : first + 8]) for first in range(0, len(tables), 8)]
    table: ContingencyTable = tables[0].compute()
    return table


def _counted(frame: pd.DataFrame, features: Sequence[str] | None, target: str | None) -> ContingencyTable:
    if features is None or target is None:
        raise FedlabError("to count the rows of a DataFrame, say which columns are features= and which is the target=")
    missing = [name for name in (*features, target) if name not in frame.columns]
    if missing:
        raise FedlabError(f"a part has no column {missing[0]!r}; it has {', '.join(map(str, frame.columns))}")
    return ContingencyTable(frame[[*features, target]], np.ones(len(frame)), target)


def _sum(tables: list[ContingencyTable]) -> ContingencyTable:
    first = tables[0]
    for other in tables[1:]:
        if other.target != first.target or set(other.frame.columns) != set(first.frame.columns):
            raise FedlabError(
                f"the tables cannot be added: one has {list(first.frame.columns)} with target {first.target!r}, "
                f"another {list(other.frame.columns)} with target {other.target!r}; count the same columns everywhere"
            )
        for name in first.frame.columns:
            kinds = [_is_text(table.frame[name]) for table in (first, other)]
            if kinds[0] != kinds[1] and len(first) and len(other):
                raise FedlabError(
                    f"the tables cannot be added: column {name!r} is text in one and numbers in another; write it the "
                    "same way everywhere"
                )
    held = [table for table in tables if len(table)] or tables[:1]
    frame = pd.concat([table.frame[list(first.frame.columns)] for table in held], ignore_index=True)
    return ContingencyTable(frame, np.concatenate([table.counts for table in held]), first.target)


def _is_text(column: pd.Series) -> bool:
    return not (isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb") and bool(column.notna().any())
