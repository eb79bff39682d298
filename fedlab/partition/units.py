"""What is dealt to organisations: rows, or groups of rows that belong together (one patient's encounters)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError

if TYPE_CHECKING:
    from fedlab.records import Records


@dataclass(frozen=True, eq=False)
class Units:
    """The smallest things that a split may move: one row each, or one group of rows each.

    Parameters
    ----------
    of_row : int array (n_rows,)
        Which unit each row belongs to, numbered from 0.
    sizes : int array (n_units,)
        How many rows each unit holds.
    single : bool
        Whether every unit is one row, in row order.
    """

    of_row: np.ndarray
    sizes: np.ndarray
    single: bool

    @property
    def n(self) -> int:
        """The number of units."""
        return len(self.sizes)

    @property
    def noun(self) -> str:
        """What a unit is called in a message."""
        return "row" if self.single else "group"

    def counted(self) -> Units:
        """Return the same units, each counted as one, to be dealt by their number rather than their rows."""
        return Units(self.of_row, np.ones(self.n, dtype=np.int64), self.single)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return each unit's mean over its rows of a number, or of each column of numbers."""
        if self.single:
            return values
        table = values.reshape(len(values), -1)
        sums = [np.bincount(self.of_row, weights=column, minlength=self.n) for column in table.T]
        return (np.stack(sums, axis=1) / self.sizes[:, None]).reshape(self.n, *values.shape[1:])

    def majority(self, codes: np.ndarray) -> np.ndarray:
        """Return each unit's most frequent code among its rows; of equally frequent ones the lowest.

        Parameters
        ----------
        codes : int array (n_rows,)
            A code, 0 or greater, for each row.

        Returns
        -------
        int array (n_units,)

        Examples
        --------
        >>> units = group_units(["a", "a", "a", "b", "b"])
        >>> units.majority(np.array([1, 0, 1, 2, 0])).tolist()
        [1, 0]
        """
        if self.single:
            return codes
        n_codes = int(codes.max(initial=0)) + 1
        pairs, counts = np.unique(self.of_row * n_codes + codes, return_counts=True)
        unit, code = np.divmod(pairs, n_codes)
        best_first = np.lexsort((code, -counts, unit))
        first_of_unit = np.searchsorted(unit, np.arange(self.n))
        return code[best_first][first_of_unit]


def row_units(n_rows: int) -> Units:
    """Return units of one row each."""
    return Units(np.arange(n_rows), np.ones(n_rows, dtype=np.int64), single=True)


def group_units(values: pd.Series | list) -> Units:
    """Return one unit for each distinct value; a row without a value is a unit of its own.

    Examples
    --------
    >>> group_units(["b", "a", "b", None]).of_row.tolist()
    [0, 1, 0, 2]
    """
    codes, distinct = pd.factorize(pd.Series(values))
    of_row = codes.astype(np.int64)
    missing = of_row < 0
    of_row[missing] = len(distinct) + np.arange(missing.sum())
    return Units(of_row, np.bincount(of_row), single=False)


def units_of(records: Records) -> Units:
    """Return the units of a table: its groups where the schema names a group column, else its rows."""
    if records.schema.group is None:
        return row_units(len(records.frame))
    return group_units(records.frame[records.schema.group])


def codes_of(records: Records, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct values of a column in sorted order.

    Parameters
    ----------
    records : Records
        The table.
    column : str
        One of its columns; no value may be missing.

    Returns
    -------
    codes : int array (n_rows,)
        Index of each row's value in `values`.
    values : array (n_values,)
        The distinct values, sorted.

    Raises
    ------
    FedlabError
        If a value is missing.
    """
    series = records.frame[column]
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)  # sorted by value, as `Records.classes` is
    codes, values = pd.factorize(series, sort=True)
    if len(codes) and codes.min() < 0:
        raise FedlabError(
            f"column {column!r} has no value in {np.sum(codes < 0)} rows, the first is row "
            f"{int(np.argmin(codes))} (from 0); fill them in or leave those rows out"
        )
    return codes.astype(np.int64), np.asarray(values)


def label_codes(records: Records) -> np.ndarray:
    """Return each row's class as an index into the sorted classes of the table."""
    return codes_of(records, records.schema.target)[0]
