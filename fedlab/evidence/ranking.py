"""The area under the ROC curve by counting pairs: plain, under a resample's weights, each row's influence."""

import numpy as np
from numpy.typing import NDArray

from fedlab.evidence.answers import Answers

_DIGITS = 12


class Ranking:
    """The records ordered by one score, ready to be counted.

    The area is the share of (positive, negative) pairs in which the positive one scores higher, a tie
    counting one half (Hanley and McNeil 1982). Scores are compared after rounding to 12 digits, so that
    rounding noise of a sum in another order makes no order of its own.

    Parameters
    ----------
    is_positive : bool array (n_records,)
        Which records are positive.
    score : float array (n_records,)
        The score.

    Examples
    --------
    >>> Ranking(np.array([False, True, False, True]), np.array([0.1, 0.4, 0.4, 0.8])).area()
    0.875
    """

    def __init__(self, is_positive: NDArray[np.bool_], score: NDArray[np.float64]) -> None:
        self.is_positive = is_positive
        self.score = np.round(score, _DIGITS) + 0.0
        self.order = np.argsort(self.score, kind="stable")
        ordered = self.score[self.order]
        new = np.flatnonzero(np.diff(ordered)) + 1
        self.starts = np.concatenate([[0], new])
        self.level = np.empty(len(score), dtype=np.int64)
        self.level[self.order] = np.repeat(np.arange(len(self.starts)), np.diff(np.append(self.starts, len(ordered))))

    def area(self) -> float | None:
        """Return the area, or None where all records are of one class."""
        area = float(self.areas(np.ones((1, len(self.score))))[0])
        return None if np.isnan(area) else area

    def areas(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the area for each row of weights (n_resamples, n_records); NaN where a class weighs 0."""
        weights = weights[:, self.order]
        marked = self.is_positive[self.order]
        positive = np.add.reduceat(weights * marked, self.starts, axis=1)
        negative = np.add.reduceat(weights * ~marked, self.starts, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        won = (positive * below).sum(axis=1)
        return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)

    def influence(self) -> NDArray[np.float64]:
        """Return how much each record moves the area, to first order.

        The squares of these, added up, are the variance of DeLong, DeLong and Clarke-Pearson (1988), but for
        a factor n/(n-1) in each class; added up within groups before squaring, that of Obuchowski (1997).
        """
        positive = np.bincount(self.level, weights=self.is_positive)
        negative = np.bincount(self.level, weights=~self.is_positive)
        below = (np.cumsum(negative) - negative / 2) / negative.sum()
        above = (positive.sum() - np.cumsum(positive) + positive / 2) / positive.sum()
        area = float(positive @ below / positive.sum())
        return np.where(
            self.is_positive,
            (below[self.level] - area) / positive.sum(),
            (above[self.level] - area) / negative.sum(),
        )

    def take(self, rows: NDArray[np.int64]) -> "Ranking":
        """Return the ranking of some of the records."""
        return Ranking(self.is_positive[rows], self.score[rows])


def rankings(answers: Answers) -> list[Ranking]:
    """Return the rankings whose mean area is the ROC AUC: one if binary, else one per class of the truth.

    Empty where the area is not defined: no probabilities, or a truth of one class.
    """
    present = np.unique(answers.truth)
    if answers.probabilities is None or len(present) < 2:
        return []
    asked = [answers.positive] if len(answers.classes) == 2 else present.tolist()
    return [Ranking(answers.truth == index, answers.probabilities[:, index]) for index in asked]


def mean_area(answers: Answers) -> float | None:
    """Return the ROC AUC (see `rankings`), or None where it is not defined."""
    areas = [ranking.area() for ranking in rankings(answers)]
    return float(np.mean([area for area in areas if area is not None])) if areas else None
