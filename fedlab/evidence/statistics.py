"""Metrics as resampling needs them: under weights, over distinct units, as influence of each unit."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fedlab.evidence.answers import Answers
from fedlab.evidence.metrics import log_losses, squared_errors
from fedlab.evidence.ranking import Ranking, rankings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Statistic(Protocol):
    """A number computed from units (rows, or groups of rows) that can be drawn again."""

    def value(self) -> float:
        """Return the number itself."""

    def columns(self) -> list[Floats] | None:
        """Return what tells one unit from another; None if no two units are alike."""

    def n_units(self) -> int:
        """Return the number of units."""

    def width(self) -> int:
        """Return how many numbers one resample takes."""

    def take(self, units: Ints) -> "Statistic":
        """Return the same statistic over some of the units."""

    def resampled(self, weights: Ints) -> Floats:
        """Return the number under each row of weights (n_resamples, n_units); NaN where it is not defined."""

    def influence(self) -> Floats:
        """Return how much each unit moves the number, to first order."""

    def distinct(self) -> "tuple[Statistic, Ints]":
        """Return the statistic over the distinct units, and how many times each occurs."""


class _Base:
    """What the three kinds of statistic share."""

    def columns(self) -> list[Floats] | None:
        raise NotImplementedError

    def n_units(self) -> int:
        raise NotImplementedError

    def width(self) -> int:
        return self.n_units()

    def take(self, units: Ints) -> Statistic:
        raise NotImplementedError

    def distinct(self) -> tuple[Statistic, Ints]:
        columns = self.columns()
        if columns is None:
            return self, np.ones(self.n_units(), dtype=np.int64)  # type: ignore[return-value]
        first, counts = _distinct(columns)
        return self.take(first), counts


class _Ratios(_Base):
    """The mean of one or more ratios of sums over units.

    Accuracy is right answers over rows; balanced accuracy the mean of one such ratio per class; log loss the
    sum of losses over rows.
    """

    def __init__(self, above: Floats, below: Floats) -> None:
        self.above, self.below = above, below  # both (n_units, n_ratios)

    def value(self) -> float:
        return float((self.above.sum(axis=0) / self.below.sum(axis=0)).mean())

    def columns(self) -> list[Floats] | None:
        return [*self.above.T, *self.below.T]

    def n_units(self) -> int:
        return len(self.above)

    def take(self, units: Ints) -> "_Ratios":
        return _Ratios(self.above[units], self.below[units])

    def resampled(self, weights: Ints) -> Floats:
        above, below = weights @ self.above, weights @ self.below
        return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0).mean(axis=1)

    def influence(self) -> Floats:
        below = self.below.sum(axis=0)
        ratios = self.above.sum(axis=0) / below
        return np.asarray(((self.above - ratios * self.below) / below).mean(axis=1), dtype=np.float64)


class _Areas(_Base):
    """The mean of one or more areas under the ROC curve."""

    def __init__(self, parts: Sequence[Ranking], unit_of: Ints | None = None) -> None:
        self.parts, self.unit_of = list(parts), unit_of

    def value(self) -> float:
        return float(self.resampled(np.ones((1, self.n_units()), dtype=np.int64))[0])

    def columns(self) -> list[Floats] | None:
        if self.unit_of is not None:
            return None
        return [column for part in self.parts for column in (part.is_positive.astype(float), part.score)]

    def n_units(self) -> int:
        return len(self.parts[0].score) if self.unit_of is None else int(self.unit_of.max()) + 1

    def width(self) -> int:
        return max(self.n_units(), len(self.parts[0].score))

    def take(self, units: Ints) -> "_Areas":
        return _Areas([part.take(units) for part in self.parts])

    def resampled(self, weights: Ints) -> Floats:
        rows = (weights if self.unit_of is None else weights[:, self.unit_of]).astype(float)
        drawn = np.stack([part.areas(rows) for part in self.parts])
        # As in the metric itself, a class that a resample does not hold is left out of the mean.
        defined = ~np.isnan(drawn)
        held = defined.sum(axis=0)
        return np.divide(
            np.where(defined, drawn, 0.0).sum(axis=0), held, out=np.full(len(rows), np.nan), where=held > 0
        )

    def influence(self) -> Floats:
        by_row = np.mean([part.influence() for part in self.parts], axis=0)
        summed = by_row if self.unit_of is None else np.bincount(self.unit_of, weights=by_row)
        return np.asarray(summed, dtype=np.float64)


class _Difference(_Base):
    """One statistic less another over the same units."""

    def __init__(self, first: Statistic, second: Statistic) -> None:
        self.first, self.second = first, second

    def value(self) -> float:
        return self.first.value() - self.second.value()

    def columns(self) -> list[Floats] | None:
        first, second = self.first.columns(), self.second.columns()
        return None if first is None or second is None else first + second

    def n_units(self) -> int:
        return self.first.n_units()

    def width(self) -> int:
        return max(self.first.width(), self.second.width())

    def take(self, units: Ints) -> "_Difference":
        return _Difference(self.first.take(units), self.second.take(units))

    def resampled(self, weights: Ints) -> Floats:
        return self.first.resampled(weights) - self.second.resampled(weights)

    def influence(self) -> Floats:
        return self.first.influence() - self.second.influence()


def difference_of(first: Statistic, second: Statistic) -> Statistic:
    """Return one statistic less another over the same units."""
    return _Difference(first, second)


def statistic_of(metric: str, answers: Answers, unit_of: Ints | None = None) -> Statistic | None:
    """Return a metric of `fedlab.evidence.METRICS` as a statistic, or None where it is not defined.

    Parameters
    ----------
    metric : str
        The metric.
    answers : Answers
        The predictions and the truth.
    unit_of : int array (n_records,), optional
        The group, counted from 0, that each row belongs to; without it each row is a unit.
    """
    if metric == "roc_auc":
        parts = rankings(answers)
        return _Areas(parts, unit_of) if parts else None
    above, below = _sums(metric, answers)
    if above is None or not below.any(axis=0).all():
        return None
    if unit_of is not None:
        above, below = _by_group(above, unit_of), _by_group(below, unit_of)
    return _Ratios(above, below)


def _sums(metric: str, answers: Answers) -> tuple[Floats | None, Floats]:
    """Return what each row adds above and below the line of a metric's ratios."""
    truth, predicted, positive = answers.truth, answers.predicted, answers.positive
    every = np.ones((answers.n_records, 1))
    if metric == "accuracy":
        return answers.right[:, None].astype(float), every
    if metric == "balanced_accuracy":
        held = (truth[:, None] == np.unique(truth)).astype(float)
        return held * answers.right[:, None], held
    if metric == "sensitivity":
        held = (truth == positive)[:, None].astype(float)
        return held * (predicted == positive)[:, None], held
    if metric == "specificity":
        held = (truth != positive)[:, None].astype(float)
        return held * ((predicted != positive) & (predicted >= 0))[:, None], held
    losses = log_losses(answers) if metric == "log_loss" else squared_errors(answers)
    return None if losses is None else losses[:, None], every


def _by_group(values: Floats, unit_of: Ints) -> Floats:
    return np.stack([np.bincount(unit_of, weights=column) for column in values.T], axis=1)


def _distinct(columns: Sequence[Floats]) -> tuple[Ints, Ints]:
    """Return the first index of each distinct row of some columns, and its count."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        _, place = np.unique(column, return_inverse=True)
        # Renumbered after every column, so that the product of the levels cannot overflow.
        _, code = np.unique(code * (int(place.max()) + 1) + place, return_inverse=True)
    _, first, counts = np.unique(code, return_index=True, return_counts=True)
    return first, counts
