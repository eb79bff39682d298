"""Records: a checked table of patients with its schema, and what the other rooms read from it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.records.schema import Schema


@dataclass(frozen=True, eq=False)
class Records:
    """A table of records, one row each, and what its columns mean.

    Parameters
    ----------
    frame : pandas.DataFrame
        The rows. Any index is replaced by 0, 1, 2, … Columns that the schema does not name are kept.
    schema : Schema
        The roles of the columns.
    name : str
        What the table is called in results.
    about : dict, optional
        Where it comes from: source, licence, url, rows; ``bayes`` where the best possible scores are known.

    Raises
    ------
    FedlabError
        If the frame lacks a column that the schema names.

    Examples
    --------
    >>> frame = pd.DataFrame({"id": [7, 8, 9], "age": [40, 50, 60], "ill": ["no", "yes", "no"]})
    >>> records = Records(frame, Schema("id", ["age"], "ill"), "three")
    >>> records.n_rows, list(records.classes), records.positive
    (3, ['no', 'yes'], 'yes')
    >>> records.take([2, 0]).ids
    array([9, 7])
    """

    frame: pd.DataFrame
    schema: Schema
    name: str = "records"
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [column for column in self.schema.columns if column not in self.frame.columns]
        if missing:
            raise FedlabError(
                f"{self.name}: the table has no column {missing[0]!r}; it has {', '.join(map(str, self.frame.columns))}"
            )
        if not (
            isinstance(self.frame.index, pd.RangeIndex) and self.frame.index.equals(pd.RangeIndex(len(self.frame)))
        ):
            object.__setattr__(self, "frame", self.frame.reset_index(drop=True))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.frame)

    @property
    def X(self) -> pd.DataFrame:
        """The features, in the schema's order."""
        return self.frame[list(self.schema.features)]

    @property
    def y(self) -> np.ndarray:
        """The target, as a NumPy array (text as objects), shape (n_rows,)."""
        return values_of(self.frame[self.schema.target])

    @property
    def ids(self) -> np.ndarray:
        """The identifiers, as a NumPy array, shape (n_rows,)."""
        return values_of(self.frame[self.schema.id])

    @property
    def groups(self) -> np.ndarray | None:
        """The group of each row, or None where the schema names no group."""
        return None if self.schema.group is None else values_of(self.frame[self.schema.group])

    @property
    def sites(self) -> np.ndarray | None:
        """The site of each row, or None where the schema names no site."""
        return None if self.schema.site is None else values_of(self.frame[self.schema.site])

    @property
    def classes(self) -> np.ndarray:
        """The distinct classes of the target, sorted."""
        return np.sort(pd.unique(self.y))

    @property
    def positive(self) -> Any:
        """The positive class: the schema's, else the greatest; a plain Python value."""
        chosen = self.classes[-1] if self.schema.positive is None else self.schema.positive
        return chosen.item() if isinstance(chosen, np.generic) else chosen

    def take(self, rows: Any) -> "Records":
        """Return the given rows, in the given order, with the same schema, name and about.

        Parameters
        ----------
        rows : array-like of int or of bool
            Positions from 0, or a mask of shape (n_rows,).
        """
        wanted = np.asarray(rows)
        wanted = wanted.astype(np.intp) if wanted.size == 0 else wanted
        return Records(self.frame.iloc[wanted].reset_index(drop=True), self.schema, self.name, self.about)


def values_of(column: pd.Series) -> np.ndarray:
    """Return a column as a NumPy array: text and other extension types as objects, never a pandas array.

    Examples
    --------
    >>> values_of(pd.Series(["b", "a"]))
    array(['b', 'a'], dtype=object)
    """
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.to_numpy(dtype=object)


def column_kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Say what each column of a read table holds, so that a part of it can be read back as the same.

    Without it the shard of a text column that happens to hold only digits comes back as numbers.

    Returns
    -------
    dict of str to str
        Column to ``"int"``, ``"float"``, ``"bool"`` or ``"text"``; pass it to `read_table` as `kinds`.

    Examples
    --------
    >>> column_kinds(pd.DataFrame({"a": [1, 2], "b": ["1", "x"], "c": [0.5, None]}))
    {'a': 'int', 'b': 'text', 'c': 'float'}
    """
    letters = {"i": "int", "u": "int", "f": "float", "b": "bool"}
    dtypes = {str(name): dtype for name, dtype in frame.dtypes.items()}
    return {
        name: letters.get(dtype.kind, "text") if isinstance(dtype, np.dtype) else "text"
        for name, dtype in dtypes.items()
    }
