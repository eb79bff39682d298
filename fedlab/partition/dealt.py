"""What a scheme may return beyond one organisation for each row: copies of rows, or columns for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


def no_copies() -> np.ndarray:
    """Return the array of no copies, shape (0, 2)."""
    return np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Dealt:
    """The rows as a scheme dealt them, where one organisation for each row does not say it all.

    Parameters
    ----------
    shards : int array (n_rows,)
        The organisation of each row, from 0; -1 is the holdout, for schemes that deal the whole table.
    copies : int array (n_copies, 2)
        Pairs of row and organisation: who holds a row besides the organisation that `shards` gives it to.
    features : tuple of tuples of str, optional
        The features of each organisation, where features and not rows are dealt: all then hold all rows.
    """

    shards: np.ndarray
    copies: np.ndarray = field(default_factory=no_copies)
    features: tuple[tuple[str, ...], ...] | None = None


def as_dealt(drawn: Any) -> Dealt:
    """Return what a scheme returned as a `Dealt`."""
    return drawn if isinstance(drawn, Dealt) else Dealt(np.asarray(drawn))
