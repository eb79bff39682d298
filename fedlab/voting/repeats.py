"""Records that repeat, asked about once: for models whose answer on a row depends on that row alone."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from fedlab.records.distinct import Groups, estimated_distinct, group_rows
from fedlab.records.table import values_of

_FEWEST = 1000  # records; below, there is nothing to save
_MOST_DISTINCT = 0.5  # above this share of distinct records, finding them saves less than it costs


class Repeats:
    """Finds the distinct records of a table once for all models that read the same columns.

    Examples
    --------
    >>> X = np.repeat([[1.0], [2.0]], 600, axis=0)
    >>> asked, groups = Repeats().distinct(X)
    >>> asked.tolist(), groups.counts.tolist()
    ([[1.0], [2.0]], [600, 600])
    """

    def __init__(self) -> None:
        self._known: dict[Any, Groups | None] = {}
        self._lock = threading.Lock()

    def distinct(self, table: Any) -> tuple[Any, Groups | None]:
        """Return the distinct rows of a table and which row is which; the table and None where they hardly repeat.

        Parameters
        ----------
        table : DataFrame or array (n_records, n_features)
            Columns of one table: equal names stand for equal columns.
        """
        named = hasattr(table, "columns")
        if len(table) < _FEWEST or not (named or isinstance(table, np.ndarray)):
            return table, None
        key = tuple(table.columns) if named else ()
        with self._lock:
            if key not in self._known:
                self._known[key] = _groups([values_of(table[name]) for name in key] if named else list(table.T))
        groups = self._known[key]
        if groups is None:
            return table, None
        return (table.iloc[groups.first] if named else table[groups.first]), groups


def _groups(columns: list[np.ndarray]) -> Groups | None:
    """Group rows of numbers, if it pays."""
    if not columns or any(column.dtype.kind not in "iufb" for column in columns):
        return None
    most = _MOST_DISTINCT * len(columns[0])
    if estimated_distinct(columns) > most:
        return None
    groups = group_rows(columns)
    return groups if len(groups.first) <= most else None
