"""Abstention: withholding verdicts of small margin, and what that buys: the risk-coverage curve."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.classes import plain_values, positions
from fedlab.voting.verdict import Verdict


def withhold(verdict: Verdict, below: float) -> Verdict:
    """Abstain where the margin is less than a threshold.

    Parameters
    ----------
    verdict : Verdict
        What a rule says.
    below : float
        The least margin of a verdict that stands, 0 or more. A tie has margin 0: it stands at 0 only.

    Returns
    -------
    Verdict
        Label -1 and margin 0 where it abstains; scores and ties as they were.

    Raises
    ------
    FedlabError
        If the threshold is no number from 0 up.

    Examples
    --------
    >>> from fedlab.voting import Ballots, vote
    >>> ballots = Ballots([[0, 1], [0, 1], [1, 1]], None, ["ill", "well"], list("abc"))
    >>> vote(ballots, abstain_below=0.5).values.tolist()
    [None, 'well']
    """
    number = isinstance(below, int | float | np.number) and not isinstance(below, bool)
    if not number or not 0 <= below < np.inf:
        raise FedlabError(f"abstain_below {below!r} is no margin; give a number from 0 up, e.g. 0.2")
    weak = verdict.margins < below
    return replace(
        verdict,
        labels=np.where(weak, -1, verdict.labels),
        margins=np.where(weak, 0.0, verdict.margins),
        abstained=verdict.abstained | weak,
    )


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """How often the vote is wrong among the records of the largest margins.

    Parameters
    ----------
    thresholds : float array (n_points,)
        The margins that occur, from the largest down: keep the records whose margin is at least this.
    coverage : float array (n_points,)
        The share of all records kept.
    risk : float array (n_points,)
        The share of those kept that are wrong.
    """

    thresholds: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray

    @property
    def area(self) -> float:
        """The area under the curve: the mean of the risk over the coverage reached, NaN where nothing is kept.

        Each threshold's risk counts for the records that it adds. Less is better; equal to the error rate where
        all margins are equal.
        """
        if not len(self.coverage):
            return float("nan")
        steps = np.diff(self.coverage, prepend=0.0)
        return float((steps * self.risk).sum() / self.coverage[-1])


def risk_coverage(verdict: Verdict, truth: Any) -> RiskCoverage:
    """Return the risk-coverage curve of a verdict: what abstaining on small margins buys.

    Parameters
    ----------
    verdict : Verdict
        What a rule says. Records on which it abstains are never kept.
    truth : array (n_records,)
        The true class of each record, as a value.

    Returns
    -------
    RiskCoverage
        One point for each margin that occurs; records of equal margin come and go together.

    Raises
    ------
    FedlabError
        If there is not one true class for each record.

    Notes
    -----
    R. El-Yaniv and Y. Wiener, On the Foundations of Noise-free Selective Classification, JMLR 11, 2010.

    Examples
    --------
    >>> from fedlab.voting import Ballots, vote
    >>> ballots = Ballots([[0, 1, 1], [0, 1, 0], [0, 1, 1]], None, [0, 1], list("abc"))
    >>> curve = risk_coverage(vote(ballots), [0, 1, 0])
    >>> curve.coverage.round(2).tolist(), curve.risk.round(2).tolist(), round(curve.area, 2)
    ([0.67, 1.0], [0.0, 0.33], 0.11)
    """
    correct = right(verdict, truth)
    kept = ~verdict.abstained
    margins, place = np.unique(-verdict.margins[kept], return_inverse=True)
    number = np.cumsum(np.bincount(place, minlength=len(margins)))
    wrong = np.cumsum(np.bincount(place, weights=~correct[kept], minlength=len(margins)))
    return RiskCoverage(-margins, number / max(verdict.n_records, 1), wrong / np.maximum(number, 1))


def right(verdict: Verdict, truth: Any) -> np.ndarray:
    """Say where a verdict is the true class: bool (n_records,); an abstention is not.

    Raises
    ------
    FedlabError
        If there is not one true class for each record.
    """
    values = plain_values(truth, "truth")
    if len(values) != verdict.n_records:
        raise FedlabError(f"truth must hold one class for each of {verdict.n_records} records; got {len(values)}")
    return (verdict.labels == positions(values, verdict.classes)) & ~verdict.abstained
