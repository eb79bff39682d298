"""How many hostile organisations a median or trimmed mean survives: bounds by order statistics, class by class."""

import numpy as np

from fedlab.voting.ballots import Ballots
from fedlab.voting.verdict import Verdict

# As in ties: far above rounding, far below any difference that data make.
_RELATIVE = 1e-12


def values_left_out(votes: np.ndarray, trim: float) -> np.ndarray:
    """Return how many of so many values are left out at either end: floor(trim·n), but one or two stay.

    Examples
    --------
    >>> values_left_out(np.array([1, 4, 5, 10]), 0.2).tolist(), values_left_out(np.array([1, 4, 5]), 0.5).tolist()
    ([0, 0, 1, 2], [0, 1, 2])
    """
    # A share such as 0.2 of 5 is one value, though 0.2 is a little more or less than a fifth.
    return np.minimum(np.floor(trim * votes + 1e-9).astype(np.int64), np.maximum(votes - 1, 0) // 2)


def order_radii(ballots: Ballots, verdict: Verdict, trim: float, tie: str) -> np.ndarray:
    """Return how many hostile organisations a trimmed mean's verdict surely survives; the median is trim = 0.5.

    Parameters
    ----------
    ballots : Ballots
        What the models say, with probabilities.
    verdict : Verdict
        What the rule made of it.
    trim : float
        The share of values left out at either end.
    tie : str
        The tie policy.

    Returns
    -------
    numpy.ndarray
        int (n_records,); anything where the verdict abstains.

    Notes
    -----
    Of n values in order, r hostile organisations bring a class lowest by saying 0 in place of the r greatest, which
    moves each value r places up the order; and highest by saying 1 in place of the r least. Nothing else does more: to
    say nothing, or to speak where one was silent, changes n by one and what is left out at either end by one or
    nothing, and the mean of what stays no further. So the verdict stands while its lowest is above every other class's
    highest. That is sound; it is not exact, as a hostile organisation may be among the greatest of one class without
    being among the least of the other.
    """
    assert ballots.probabilities is not None
    n_models, n_records, n_classes = ballots.probabilities.shape
    answered = ballots.answered
    votes = answered.sum(axis=0)
    cut = values_left_out(votes, trim)
    kept = np.maximum(votes - 2 * cut, 1)[:, None]
    ordered = np.sort(np.where(answered[:, :, None], ballots.probabilities, np.inf), axis=0)
    sums = np.zeros((n_models + 1, n_records, n_classes))
    np.cumsum(np.where(np.isinf(ordered), 0.0, ordered), axis=0, out=sums[1:])
    records, slack = np.arange(n_records), _RELATIVE * (2 + n_models)
    chosen = verdict.labels
    # Under other policies an equal class may win.
    holds = (np.arange(n_classes) > chosen[:, None]) & (tie == "lowest")
    rivals = np.arange(n_classes) != chosen[:, None]

    def stays(r: int) -> np.ndarray:
        first, last = np.maximum(cut - r, 0), np.maximum(votes - cut - r, 0)
        lowest = (sums[last, records, chosen] - sums[first, records, chosen]) / kept[:, 0]
        first, last = np.minimum(cut + r, votes), np.minimum(votes - cut + r, votes)
        ones = (votes - cut - cut - (last - first))[:, None]  # places past the end hold a hostile 1
        highest = (sums[last, records] - sums[first, records] + ones) / kept
        lead = lowest[:, None] - highest
        return ((lead > slack) | ((lead >= 0) & holds) | ~rivals).all(axis=1) & (votes > r)

    radii = np.zeros(n_records, dtype=np.int64)
    standing = np.ones(n_records, dtype=bool)
    for r in range(1, n_models):
        standing &= stays(r)
        if not standing.any():
            break
        radii[standing] = r
    return radii
