"""Support: how much each class has on each record, from which a verdict follows; counting, adding up."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedlab.voting.ballots import Ballots


@dataclass(frozen=True, eq=False)
class Support:
    """What a rule hands over: the class of the greatest support wins.

    Parameters
    ----------
    values : array (n_records, n_classes)
        The support that decides. Whole numbers (votes) are compared exactly.
    total : array (n_records,), optional
        What `values` are divided by to become shares, which margins are measured in: the number of votes, or
        the weight of those who answered. By default values are shares already.
    scores : float array (n_records, n_classes), optional
        What is reported as each class's score; by default the shares.
    answered : bool array (n_records,), optional
        Where there is anything to decide on; elsewhere the verdict abstains. By default where any model
        answered.
    """

    values: np.ndarray
    total: np.ndarray | None = None
    scores: np.ndarray | None = None
    answered: np.ndarray | None = None

    @property
    def shares(self) -> np.ndarray:
        """The values over the total, 0 where the total is 0."""
        if self.total is None:
            return self.values.astype(np.float64, copy=False)
        return divide(self.values, self.total)


def divide(values: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Divide each record's row by its total; a row whose total is 0 becomes zeros."""
    return values / np.where(total == 0, 1, total)[:, None] * (total != 0)[:, None]


def add_up(parts: Iterable[np.ndarray], shape: tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> np.ndarray:
    """Add arrays one after the other.

    NumPy's own sum and matrix product choose the order of additions by the shape of the array, so that a
    record's last digit, and with it a tie, would depend on which other records are in the batch. One order
    keeps a record's verdict its own.
    """
    total: np.ndarray = np.zeros(shape, dtype=dtype)
    for part in parts:
        total += part
    return total


def count_votes(ballots: Ballots, weights: np.ndarray | None = None) -> np.ndarray:
    """Count the votes for each class on each record; abstentions count for none.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    weights : array (n_models,), optional
        What each model's vote counts; by default 1, counted in integers. Integer weights are added as
        integers.

    Returns
    -------
    numpy.ndarray
        (n_records, n_classes)

    Examples
    --------
    >>> count_votes(Ballots([[0, 1], [1, 1], [1, -1]], None, ["a", "b"], ["p", "q", "r"])).tolist()
    [[1, 2], [0, 2]]
    """
    dtype = np.dtype(np.int64 if weights is None else weights.dtype)
    counts = np.empty((ballots.n_classes, ballots.n_records), dtype=dtype)
    for number, row in enumerate(counts):
        row[:] = add_up(_weigh(ballots.labels == number, weights), row.shape, dtype)
    return counts.T


def weight_answered(ballots: Ballots, weights: np.ndarray) -> np.ndarray:
    """Return the weight of the models that answered on each record: array (n_records,)."""
    return add_up(_weigh(ballots.answered, weights), (ballots.n_records,), weights.dtype)


def _weigh(votes: np.ndarray, weights: np.ndarray | None) -> Iterable[np.ndarray]:
    """Yield each model's votes times its weight."""
    return votes if weights is None else (row * weight for row, weight in zip(votes, weights, strict=True))


def whole(weights: np.ndarray) -> np.ndarray:
    """Return weights as integers where they are whole numbers, so that they add up, and tie, exactly."""
    if (weights == np.floor(weights)).all() and weights.sum() < 2**53:
        return weights.astype(np.int64)
    return weights


def softmax(logs: np.ndarray) -> np.ndarray:
    """Return each record's logarithms as shares that sum to one; minus infinity becomes 0.

    A record where all are minus infinity has no shares: zeros.

    Examples
    --------
    >>> softmax(np.log([[1.0, 3.0]])).round(2).tolist(), softmax(np.array([[-np.inf, -np.inf]])).tolist()
    ([[0.25, 0.75]], [[0.0, 0.0]])
    """
    top = logs.max(axis=1, keepdims=True)
    parts = np.exp(logs - np.where(top == -np.inf, 0.0, top))
    return divide(parts, add_up(parts.T, (len(parts),)))
