"""How sure a number is: bootstrap over holdout rows (plain, paired, by groups) and Student's t over seeds."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from fedlab.errors import FedlabError, unknown_name
from fedlab.evidence.answers import Answers
from fedlab.evidence.metrics import METRICS
from fedlab.evidence.statistics import Statistic, difference_of, statistic_of
from fedlab.seeds import rng

MAX_DRAWS = 5_000_000
"""Resamples x distinct rows beyond which the normal approximation takes the bootstrap's place."""

_CHUNK = 2_000_000


class Interval(NamedTuple):
    """An estimate and its interval; None where it is not defined."""

    estimate: float | None
    low: float | None
    high: float | None


def bootstrap(
    answers: Answers,
    metrics: Sequence[str] = ("accuracy", "roc_auc"),
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> dict[str, tuple[float | None, float | None]]:
    """Return percentile intervals of metrics by resampling the holdout's rows (Efron 1979).

    A resample of n rows is, exactly, a multinomial draw over the distinct rows with their counts; for
    accuracy there are two, right and wrong, so that a million rows cost no more than ten. Where resamples x
    distinct rows exceed 5 million (only with probabilities, and more than 5,000 distinct rows at 1,000
    resamples), the interval is the estimate ± z standard errors, from the influence of each row (for the AUC:
    DeLong et al. 1988), to which the bootstrap tends. Resamples in which a metric is not defined are left
    out; if they are most, so is the interval.

    Parameters
    ----------
    answers : Answers
        The predictions and the truth (see `make_answers`).
    metrics : sequence of str
        Any of `METRICS`.
    n_resamples : int
        Number of resamples; with 0 there is no interval.
    level : float
        Coverage aimed at, between 0 and 1.
    seed : int
        Seed of the resamples; each metric has its own branch.
    groups : array (n_records,), optional
        Which rows belong together (the encounters of one patient): whole groups are resampled.

    Returns
    -------
    dict of str to (low, high)
        (None, None) where a metric is not defined.

    Raises
    ------
    FedlabError
        For an unknown metric, or a level, number or grouping that makes no sense.

    Examples
    --------
    >>> from fedlab.evidence import make_answers
    >>> answers = make_answers([0, 1] * 50, [0] * 60 + [1] * 40, None, [0, 1])
    >>> bootstrap(answers)
    {'accuracy': (0.41, 0.6), 'roc_auc': (None, None)}
    """
    unit_of = _checked(answers, n_resamples, level, groups)
    found = {}
    for metric in metrics:
        statistic = _statistic(metric, answers, unit_of)
        found[metric] = _interval(statistic, n_resamples, level, rng(seed, "bootstrap", metric))
    return found


def paired_difference(
    first: Answers,
    second: Answers,
    metric: str = "accuracy",
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return the difference of a metric, first less second, with its paired bootstrap interval.

    Both predictors are scored on the same resampled rows, so that what makes a row hard for both cancels.

    Parameters
    ----------
    first, second : Answers
        Two predictors' answers on the same rows, in the same order.
    metric : str
        One of `METRICS`.
    n_resamples, level, seed, groups
        As in `bootstrap`.

    Returns
    -------
    Interval
        Estimate, low, high.

    Raises
    ------
    FedlabError
        If the two are about different rows, or as in `bootstrap`.

    Examples
    --------
    >>> from fedlab.evidence import make_answers
    >>> truth = [0, 1] * 50
    >>> first = make_answers(truth, [0, 1] * 50, None, [0, 1])
    >>> second = make_answers(truth, [0, 1] * 40 + [1, 1] * 10, None, [0, 1])
    >>> [round(value, 2) for value in paired_difference(first, second)]
    [0.1, 0.05, 0.16]
    """
    if first.n_records != second.n_records or not np.array_equal(
        first.classes[first.truth], second.classes[second.truth]
    ):
        raise FedlabError(
            "paired_difference: the two predictors have different truths; give both the same rows in order"
        )
    unit_of = _checked(first, n_resamples, level, groups)
    ours, theirs = _statistic(metric, first, unit_of), _statistic(metric, second, unit_of)
    if ours is None or theirs is None:
        return Interval(None, None, None)
    both = difference_of(ours, theirs)
    return Interval(both.value(), *_interval(both, n_resamples, level, rng(seed, "paired", metric)))


def interval_over_seeds(values: Sequence[float | None] | ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean over seeds and its interval by Student's t.

    It says how much the result moves with the split and the training, on this cohort; not how it would move
    with other patients. Values that are missing are left out.

    Parameters
    ----------
    values : sequence of float
        One value per seed.
    level : float
        Coverage aimed at.

    Returns
    -------
    Interval
        Mean, low, high; low and high are None with fewer than two values, the mean too with none.

    Examples
    --------
    >>> [round(value, 3) for value in interval_over_seeds([0.80, 0.82, 0.84])]
    [0.82, 0.77, 0.87]
    >>> interval_over_seeds([0.8])
    Interval(estimate=0.8, low=None, high=None)
    """
    _check_level(level)
    held = pd.to_numeric(pd.Series(list(np.asarray(values, dtype=object)), dtype=object)).dropna().to_numpy(float)
    if not len(held):
        return Interval(None, None, None)
    mean = float(held.mean())
    if len(held) < 2:
        return Interval(mean, None, None)
    half = float(stdtrit(len(held) - 1, (1 + level) / 2)) * float(held.std(ddof=1)) / math.sqrt(len(held))
    return Interval(mean, mean - half, mean + half)


def _statistic(metric: str, answers: Answers, unit_of: NDArray[np.int64] | None) -> Statistic | None:
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    return statistic_of(metric, answers, unit_of)


def _interval(
    statistic: Statistic | None, n_resamples: int, level: float, generator: np.random.Generator
) -> tuple[float | None, float | None]:
    if statistic is None or n_resamples == 0:
        return None, None
    cells, counts = statistic.distinct()
    if cells.width() * n_resamples > MAX_DRAWS:
        half = float(ndtri((1 + level) / 2)) * math.sqrt(float(np.square(statistic.influence()).sum()))
        return statistic.value() - half, statistic.value() + half
    drawn = np.concatenate(
        [cells.resampled(weights) for weights in _resamples(counts, n_resamples, cells.width(), generator)]
    )
    defined = drawn[~np.isnan(drawn)]
    if 2 * len(defined) < n_resamples:
        return None, None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _resamples(
    counts: NDArray[np.int64], n_resamples: int, width: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield multinomial resamples of the units, in chunks that bound the memory."""
    n_units = int(counts.sum())
    rows = max(1, _CHUNK // width)
    for start in range(0, n_resamples, rows):
        yield generator.multinomial(n_units, counts / n_units, size=min(rows, n_resamples - start))


def _checked(answers: Answers, n_resamples: int, level: float, groups: ArrayLike | None) -> NDArray[np.int64] | None:
    """Check the options and return each row's group number, or None where every row stands alone."""
    _check_level(level)
    if n_resamples < 0:
        raise FedlabError(f"n_resamples is {n_resamples}; it must be 0 (no interval) or more, 1000 is usual")
    if groups is None:
        return None
    unit_of: NDArray[Any]
    unit_of, names = pd.factorize(np.asarray(groups), use_na_sentinel=False)
    if len(unit_of) != answers.n_records:
        raise FedlabError(f"groups has {len(unit_of)} entries for {answers.n_records} records; give one for each")
    return None if len(names) == answers.n_records else unit_of.astype(np.int64)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise FedlabError(f"level is {level}; it must lie between 0 and 1, 0.95 is usual")
