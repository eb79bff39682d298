"""What hostile organisations must bring about to change a verdict: put one other class in front of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fedlab.voting.ballots import Ballots
from fedlab.voting.parts import Parts
from fedlab.voting.support import add_up
from fedlab.voting.verdict import Verdict

# As in ties: far above rounding, far below any difference that data make.
_RELATIVE = 1e-12


@dataclass(frozen=True, eq=False)
class Challenge:
    """One other class for each record, and what it takes to put it in front of the verdict.

    Parameters
    ----------
    records : int array (n,)
        Which records.
    gaps : array (n,)
        By how much the verdict leads.
    losses : array (n, n_models)
        By how much each organisation, hostile, can lessen that lead; never negative.
    holds_ties : bool array (n,)
        Whether the verdict stands where both are equal (after `second`, if there is one).
    second : tuple or None
        Gaps and losses in mean probability, which decide between equals under the tie policy ``probability``.
    slack : array (n,)
        What counts as equal: 0 for whole numbers.
    """

    records: np.ndarray
    gaps: np.ndarray
    losses: np.ndarray
    holds_ties: np.ndarray
    second: tuple[np.ndarray, np.ndarray] | None
    slack: np.ndarray

    def radii(self) -> np.ndarray:
        """Return how many hostile organisations each verdict surely survives: the largest losses come first.

        Exact: the verdict falls to this class if and only if some set of hostile organisations takes away the whole
        lead, and no set of that size takes away more than those with the largest losses.
        """
        n_models = self.losses.shape[1]
        if self.second is None:
            ordered = -np.sort(-self.losses, axis=1)
            stands = self._stands(_running(ordered), None)
        else:
            if self.losses.dtype.kind == "i":  # equal losses exactly: the larger loss in probability first
                order = np.lexsort((-self.second[1], -self.losses), axis=1)
                ordered = np.take_along_axis(self.losses, order, axis=1)
                beside = np.take_along_axis(self.second[1], order, axis=1)
            else:  # each for itself: at least as much as any one set can do
                ordered, beside = -np.sort(-self.losses, axis=1), -np.sort(-self.second[1], axis=1)
            stands = self._stands(_running(ordered), _running(beside))
        fallen = ~stands
        return np.where(fallen.any(axis=1), fallen.argmax(axis=1) - 1, n_models).clip(min=0)

    def only(self, keep: np.ndarray) -> "Challenge":
        """Return the challenge to some of its records."""
        second = None if self.second is None else (self.second[0][keep], self.second[1][keep])
        one = (self.records[keep], self.gaps[keep], self.losses[keep], self.holds_ties[keep])
        return Challenge(*one, second, self.slack[keep])

    def broken_by(self, sets: np.ndarray) -> np.ndarray:
        """Say which records fall to which sets of hostile organisations: bool (n, n_sets).

        Parameters
        ----------
        sets : array (n_models, n_sets)
            1 where an organisation is in the set, else 0.
        """
        with np.errstate(invalid="ignore"):
            taken = np.nan_to_num(self.losses.astype(np.float64), posinf=1e300) @ sets
        beside = None if self.second is None else self.second[1] @ sets
        return ~self._stands(taken, beside)

    def _stands(self, taken: np.ndarray, beside: np.ndarray | None) -> np.ndarray:
        """Say whether the verdicts survive losses (n, any number of sets)."""
        left = self.gaps[:, None] - taken
        slack = self.slack[:, None]
        holds = np.broadcast_to(self.holds_ties[:, None], left.shape)
        if beside is not None and self.second is not None:
            left_beside = self.second[0][:, None] - beside
            size = _RELATIVE * (1 + self.losses.shape[1])
            holds = (left_beside > size) | ((left_beside >= -size) & holds)
        return (left > slack) | ((left >= -slack) & holds)


def challenges(
    ballots: Ballots, verdict: Verdict, parts: Parts, tie: str, positive: int, rivals: np.ndarray | None = None
) -> Iterator[Challenge]:
    """Yield for each class the challenge that it is to the verdicts for other classes.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    verdict : Verdict
        What the rule made of it. Records on which it abstains are left out.
    parts : Parts
        What each organisation adds.
    tie : str
        The tie policy used.
    positive : int
        Column of the positive class.
    rivals : bool array (n_classes,), optional
        Which classes are in the race; by default all.
    """
    support = add_up(parts.values, parts.values.shape[1:], parts.values.dtype)
    size = np.abs(parts.values).sum(axis=0).max(axis=1, initial=0)
    by_probability = tie == "probability" and ballots.probabilities is not None
    for rival in range(ballots.n_classes):
        if rivals is not None and not rivals[rival]:
            continue
        records = np.flatnonzero((verdict.labels >= 0) & (verdict.labels != rival))
        chosen = verdict.labels[records]
        own = parts.values[:, records, chosen] - parts.values[:, records, rival]
        losses = np.maximum((own + parts.reach[:, chosen, rival]).T, 0)
        exact = losses.dtype.kind == "i"
        second = None
        if by_probability:
            assert ballots.probabilities is not None
            beside = ballots.probabilities[:, records, chosen] - ballots.probabilities[:, records, rival]
            second = (add_up(beside, (len(records),)), (beside + 1.0).T)
        yield Challenge(
            records,
            support[records, chosen] - support[records, rival],
            losses,
            _holds_ties(chosen, rival, tie, positive),
            second,
            np.zeros(len(records)) if exact else 2 * _RELATIVE * (1 + size[records]),
        )


def _holds_ties(chosen: np.ndarray, rival: int, tie: str, positive: int) -> np.ndarray:
    """Say whether a verdict stands where a rival is equal to it."""
    if tie == "abstain":
        return np.zeros(len(chosen), dtype=bool)
    if tie == "positive":
        return (chosen == positive) | ((rival != positive) & (chosen < rival))
    return chosen < rival


def _running(ordered: np.ndarray) -> np.ndarray:
    """Return sums of the first 0, 1, 2, … columns."""
    start = np.zeros((len(ordered), 1), dtype=ordered.dtype)
    return np.concatenate([start, np.cumsum(ordered, axis=1)], axis=1)
