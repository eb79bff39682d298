"""Numbering the distinct values of columns that go by in blocks: classes, sites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fedlab.records.sources import Source, cell_text
from fedlab.records.table import values_of
from fedlab.records.typed import typed_values

MOST_VALUES = 10_000


class Coder:
    """Numbers the values of one column as they come, then in their sorted order.

    Parameters
    ----------
    name : str
        The column.
    what : str
        What its values are, for messages: ``"class"``.
    source : Source
        Names the table.

    Examples
    --------
    >>> import pyarrow
    >>> coder = Coder("ill", "class", Source("my.csv"))
    >>> coder.codes(pyarrow.chunked_array([["2", "10", "2"]]), 0).tolist()
    [0, 1, 0]
    >>> coder.settle(as_text=True, key=False); coder.values.tolist(), coder.order.tolist()
    ([2, 10], [0, 1])
    """

    def __init__(self, name: str, what: str, source: Source) -> None:
        self.name, self.what, self.source = name, what, source
        self.values = np.empty(0)
        self.order = np.empty(0, dtype=np.int64)
        self.first_rows: list[int] = []
        self._known: dict[Any, int] = {}
        self._series = pd.Series(dtype=object)

    def codes(self, column: Any, first: int) -> np.ndarray:
        """Return the number of each value, in the order in which values first came.

        Parameters
        ----------
        column : pyarrow.ChunkedArray
            Values, none missing.
        first : int
            Number of the first row, from 0.

        Raises
        ------
        FedlabError
            If there are more than 10,000 different values.
        """
        encoded = column.combine_chunks().dictionary_encode()
        here = encoded.indices.to_numpy(zero_copy_only=False)
        numbers = []
        for place, value in enumerate(encoded.dictionary.to_pylist()):
            if value not in self._known:
                self._known[value] = len(self._known)
                self.first_rows.append(first + int(np.argmax(here == place)))
            numbers.append(self._known[value])
        if len(self._known) > MOST_VALUES:
            raise self.source.error(
                f"column {self.name!r} holds more than {MOST_VALUES} different values, too many for a {self.what}; "
                "name another column, or cut it into fewer values first"
            )
        return np.array(numbers, dtype=np.int64)[here]

    def settle(self, as_text: bool, key: bool) -> None:
        """Find the type of the values and their sorted order: `values`, and `order` from a number to its place."""
        raw = list(self._known)
        self._series = typed_values(raw, self.name, key, self.source) if as_text else pd.Series(raw)
        values = values_of(self._series)
        self.values = np.sort(pd.unique(values))
        self.order = np.searchsorted(self.values, values).astype(np.int64)

    def frame(self) -> pd.DataFrame:
        """Return the distinct values as a table, for the checks of values; a row's number is that of `first_rows`."""
        return self._series.rename(self.name).to_frame()


class FirstRows(Source):
    """Names a row of a small table by the row of the great one where its value first stood."""

    def __init__(self, name: str, rows: list[int]) -> None:
        super().__init__(name, None)
        object.__setattr__(self, "rows", rows)

    def show(self, frame: pd.DataFrame, column: str, positions: Any, limit: int = 5) -> str:
        """Name the first rows among some positions, with what the column holds there."""
        rows: list[int] = self.rows  # type: ignore[attr-defined]
        wanted = sorted((rows[int(position)], int(position)) for position in positions)
        shown = [f"row {row + 1}: {cell_text(frame[column].iloc[position])}" for row, position in wanted[:limit]]
        more = f", and {len(wanted) - limit} more values" if len(wanted) > limit else ""
        return ", ".join(shown) + more
