"""What is noticed of one column while a table goes by in blocks: its kind, gaps, and text among numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.records import checks
from fedlab.records.coding import FirstRows
from fedlab.records.sources import Source
from fedlab.records.typed import arrow_type, is_plain_whole, kind_of_arrow, settled
from fedlab.records.unique import Ascending

_SHOWN = 5


class Observed:
    """One column of a table that is read in blocks.

    Parameters
    ----------
    name : str
        The column.
    source : Source
        Names the table.
    is_csv : bool
        Whether it comes from CSV, where a kind is what the values look like, or from Parquet, which has types.
    """

    def __init__(self, name: str, source: Source, is_csv: bool) -> None:
        self.name, self.source, self.is_csv = name, source, is_csv
        self.kind: str | None = None
        self.missing = False
        self.ascending = Ascending()
        self._dtype: str | None = None  # of Parquet columns that are neither numbers, truth values nor text
        self._held = self._numbers = 0
        self._slips: list[tuple[int, str]] = []

    @property
    def settled(self) -> str:
        """The kind of the whole column."""
        if not self.is_csv and self.kind == "bool" and self.missing:
            return "float"
        return settled(self.kind, self.missing)

    @property
    def dtype(self) -> str:
        """The type in pandas of the whole column."""
        names = {"int": "int64", "float": "float64", "bool": "bool", "text": "str"}
        return self._dtype if self._dtype and not self.missing else names[self.settled]

    def count_gaps(self, column: Any, first: int, required: str | None) -> int:
        """Count the missing values of a block's column; refuse any where `required` says what the column is.

        Raises
        ------
        FedlabError
            Naming the rows.
        """
        import pyarrow
        import pyarrow.compute as pc

        gaps = column.null_count
        if not self.is_csv and pyarrow.types.is_floating(column.type):
            gaps = pc.sum(pc.is_null(column, nan_is_null=True), min_count=0).as_py()
        if gaps and required is not None:
            frame, rows = self._frame(column, first)
            checks.check_complete(frame, self.name, required, rows, "fill it in, or remove those rows")
        self.missing = self.missing or gaps > 0
        self._held += len(column) - gaps
        return gaps

    def _frame(self, column: Any, first: int) -> tuple[pd.DataFrame, FirstRows]:
        """Return a block's column as a table, and what names its rows as those of the whole."""
        rows = FirstRows(self.source.name, list(range(first, first + len(column))))
        return pd.DataFrame({self.name: column.to_pandas()}), rows

    def see_type(self, column: Any, has_role: bool) -> None:
        """Take the kind from the type of a Parquet column.

        Raises
        ------
        FedlabError
            If a column that has a role is neither numbers, truth values nor text.
        """
        try:
            self.kind = kind_of_arrow(self.name, column.type, self.source)
            self._dtype = "uint64" if str(column.type) == "uint64" else None
        except FedlabError:
            if has_role:
                raise
            self.kind, self._dtype = "text", str(column.slice(0, 1).to_pandas().dtype)

    def see_identifiers(self, column: Any) -> None:
        """Take note of identifiers: whole numbers if all are written plainly, else text; and whether they ascend."""
        before = self.kind
        if self.is_csv:
            whole = before != "text" and is_plain_whole(column)
            self.kind = "int" if whole else "text"
            column = column.cast(arrow_type("int")) if whole else column
        else:
            self.see_type(column, has_role=True)
        if before not in (None, self.kind):
            self.ascending.so_far = False
        self.ascending.update(column)

    def see_feature(self, column: Any, first: int, gaps: int) -> None:
        """Count numbers and other text; refuse infinite values.

        Raises
        ------
        FedlabError
            Naming the rows with infinite values.
        """
        import pyarrow.compute as pc
        import pyarrow.types as types

        if types.is_floating(column.type) and pc.any(pc.is_inf(column), min_count=0).as_py():
            frame, rows = self._frame(column, first)
            checks.check_finite(frame, self.name, rows)
        if not (types.is_string(column.type) or types.is_large_string(column.type)):
            self._numbers += 0 if types.is_boolean(column.type) else len(column) - gaps
            return
        encoded = column.combine_chunks().dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        numeric = are_numbers(texts)
        indices = encoded.indices.to_numpy(zero_copy_only=False)
        places = np.flatnonzero(~np.isnan(indices)) if indices.dtype.kind == "f" else np.arange(len(indices))
        held = indices[places].astype(np.int64)
        self._numbers += int(numeric[held].sum())
        bad = np.flatnonzero(~numeric[held])[: _SHOWN - len(self._slips)]
        self._slips += [(first + int(places[one]), texts[held[one]]) for one in bad]

    def check_feature(self) -> None:
        """Check a feature when all rows have been seen.

        Raises
        ------
        FedlabError
            If it is missing in all rows, or holds text among numbers.
        """
        if not self._held:
            raise self.source.error(f"feature {self.name!r} is missing in all rows; take it out of features")
        if self.kind == "text":
            refuse_slips(self.name, self._numbers, self._held - self._numbers, self._slips, self.source)


def are_numbers(texts: Sequence[str]) -> np.ndarray:
    """Say of each text whether pandas reads a number in it."""
    return pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").notna().to_numpy()


def refuse_slips(name: str, n_numbers: int, n_texts: int, slips: list[tuple[int, str]], source: Source) -> None:
    """Refuse a column where half or more are numbers, but not all.

    Raises
    ------
    FedlabError
        Naming the first rows of the others.

    Examples
    --------
    >>> refuse_slips("age", 1, 2, [(0, "x"), (1, "y")], Source("my.csv"))
    """
    if not n_texts or n_numbers < n_texts:
        return
    shown = ", ".join(f"row {row + 1}: {text!r}" for row, text in slips[:_SHOWN])
    more = f", and {n_texts - len(slips[:_SHOWN])} more" if n_texts > len(slips[:_SHOWN]) else ""
    raise source.error(
        f"column {name!r} holds numbers, but not in {n_texts} row{'s' * (n_texts > 1)}: {shown}{more}; correct them, "
        "leave the cells empty (missing), or, if the column holds categories, write all of them as words (for example "
        "'code 12')"
    )
