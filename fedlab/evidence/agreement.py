"""How alike the organisations vote and how clear the verdicts are: agreement matrix, margin histogram."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedlab.errors import FedlabError

if TYPE_CHECKING:
    from fedlab.voting import Ballots

MARGIN_BINS = 20
"""Bins of the margin histogram: 20 of equal width on [0, 1]; the last one holds 1."""

_BLOCK = 1 << 16


def agreement(ballots: "Ballots") -> NDArray[np.float64]:
    """Return the share of records on which two organisations say the same.

    Parameters
    ----------
    ballots : Ballots
        What the models say.

    Returns
    -------
    float array (n_models, n_models)
        Symmetric. The share is over the records that both answered; NaN where there is none.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> ballots = SimpleNamespace(labels=np.array([[0, 1, 1, 0], [0, 1, 0, -1]]), classes=np.array([0, 1]))
    >>> agreement(ballots).round(2).tolist()
    [[1.0, 0.67], [0.67, 1.0]]
    """
    labels = np.asarray(ballots.labels)
    n_models, n_records = labels.shape
    same = np.zeros((n_models, n_models))
    both = np.zeros((n_models, n_models))
    # A product of one-hot rows counts common verdicts; in blocks, so that float32 counts stay exact.
    for start in range(0, n_records, _BLOCK):
        block = labels[:, start : start + _BLOCK]
        answered = (block >= 0).astype(np.float32)
        both += answered @ answered.T
        for index in range(len(ballots.classes)):
            said = (block == index).astype(np.float32)
            same += said @ said.T
    return np.divide(same, both, out=np.full(same.shape, np.nan), where=both > 0)


def upper_triangle(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entries above the diagonal, row by row.

    Examples
    --------
    >>> upper_triangle(np.arange(9.0).reshape(3, 3)).tolist()
    [1.0, 2.0, 5.0]
    """
    return matrix[np.triu_indices(len(matrix), k=1)]


def from_upper_triangle(values: ArrayLike) -> NDArray[np.float64]:
    """Return the symmetric matrix with ones on the diagonal that `upper_triangle` was taken from.

    Examples
    --------
    >>> from_upper_triangle([0.5]).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    above = np.asarray(values, dtype=float)
    size = round((1 + np.sqrt(1 + 8 * len(above))) / 2)
    if size * (size - 1) // 2 != len(above):
        raise FedlabError(
            f"agreement holds {len(above)} values; the upper triangle of a square matrix holds n·(n-1)/2: 1, "
            "3, 6, 10, …"
        )
    matrix = np.eye(size)
    matrix[np.triu_indices(size, k=1)] = above
    return np.triu(matrix) + np.triu(matrix, k=1).T


def margin_histogram(
    margins: ArrayLike, right: ArrayLike, answered: ArrayLike | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the verdicts' margins, right and wrong verdicts apart.

    Parameters
    ----------
    margins : float array (n_records,)
        Support of the verdict less the greatest other support. Beyond [0, 1] they go to the outer bins.
    right : bool array (n_records,)
        Whether the verdict is right.
    answered : bool array (n_records,), optional
        Which records got a verdict; an abstention has no margin and is not counted.

    Returns
    -------
    right, wrong : int arrays (20,)
        Counts in the bins [0, 0.05), [0.05, 0.10), …, [0.95, 1].

    Examples
    --------
    >>> right, wrong = margin_histogram([1.0, 0.5, 0.0], [True, True, False])
    >>> right[10], right[19], wrong[0]
    (np.int64(1), np.int64(1), np.int64(1))
    """
    margins, right = np.asarray(margins, dtype=float), np.asarray(right, dtype=bool)
    counted = np.ones(len(right), dtype=bool) if answered is None else np.asarray(answered, dtype=bool)
    # Rounded first: 0.15 is 3 bins up even where a sum made it 0.1499999999999999.
    place = np.floor(np.round(np.where(counted, margins, 0.0) * MARGIN_BINS, 9))
    place = np.clip(place, 0, MARGIN_BINS - 1).astype(np.int64)
    return (
        np.bincount(place[counted & right], minlength=MARGIN_BINS),
        np.bincount(place[counted & ~right], minlength=MARGIN_BINS),
    )
