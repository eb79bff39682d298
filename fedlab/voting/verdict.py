"""Verdict: what the vote says about every record, how clearly, and where it says nothing."""

from dataclasses import dataclass

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots, read_only
from fedlab.voting.support import Support
from fedlab.voting.ties import break_ties, leading


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a vote says.

    Parameters
    ----------
    labels : int array (n_records,)
        The class chosen, an index into `classes`; -1 where the vote abstains.
    scores : float array (n_records, n_classes)
        The support that each class got: for the built-in rules shares, which sum to one where any model
        answered (for ``median``: or to zero).
    margins : float array (n_records,)
        Support of the verdict less the greatest other support, 0 where tied or abstained. For the built-in
        rules from 0 to 1.
    tied : bool array (n_records,)
        Where several classes led, so that the tie policy decided.
    abstained : bool array (n_records,)
        Where there is no verdict: nobody answered, or a tie under the policy ``abstain``.
    classes : array (n_classes,)
        The classes, sorted.
    """

    labels: np.ndarray
    scores: np.ndarray
    margins: np.ndarray
    tied: np.ndarray
    abstained: np.ndarray
    classes: np.ndarray

    def __post_init__(self) -> None:
        n_classes = len(self.classes)
        arrays = {
            "labels": np.asarray(self.labels),
            "scores": np.asarray(self.scores, dtype=np.float64),
            "margins": np.asarray(self.margins, dtype=np.float64),
            "tied": np.asarray(self.tied, dtype=bool),
            "abstained": np.asarray(self.abstained, dtype=bool),
            "classes": np.asarray(self.classes),
        }
        labels = arrays["labels"]
        n_records = len(labels) if labels.ndim == 1 else -1
        for name in ("labels", "scores", "margins", "tied", "abstained"):
            shape = (n_records, n_classes) if name == "scores" else (n_records,)
            if arrays[name].shape != shape:
                raise FedlabError(f"a verdict's {name} must have shape {shape}; got {arrays[name].shape}")
        if n_records and (labels.dtype.kind not in "iu" or labels.min() < -1 or labels.max() >= n_classes):
            raise FedlabError(f"a verdict's labels must be integers from -1 (abstained) to {n_classes - 1}")
        if not np.array_equal(labels == -1, arrays["abstained"]):
            raise FedlabError("a verdict's abstained must be True exactly where its label is -1")
        for name in ("scores", "margins"):
            if not np.isfinite(arrays[name]).all():
                raise FedlabError(f"a verdict's {name} must be finite numbers")
        for name, array in arrays.items():
            object.__setattr__(self, name, read_only(array))

    @property
    def n_records(self) -> int:
        """The number of records."""
        return len(self.labels)

    @property
    def values(self) -> np.ndarray:
        """The classes chosen, array (n_records,).

        Of the classes' own dtype where there is a verdict on every record. Where there is not, an object
        array that holds None for each abstention: nothing in it can be mistaken for a class, and
        scikit-learn's metrics refuse it. Score ``values[~abstained]`` and report the coverage beside it.
        """
        found = self.classes[self.labels]
        if not self.abstained.any():
            return found
        found = found.astype(object)
        found[self.abstained] = None
        return found


def decide(ballots: Ballots, support: Support, tie: str, positive: int) -> Verdict:
    """Turn support into a verdict: the class of the greatest support, among equals what the tie policy says.

    Parameters
    ----------
    ballots : Ballots
        What the support was made from.
    support : Support
        How much each class has.
    tie : str
        The tie policy.
    positive : int
        Column of the positive class.

    Returns
    -------
    Verdict
    """
    leaders = leading(support.values)
    answered = ballots.answered.any(axis=0) if support.answered is None else support.answered
    tied = (leaders.sum(axis=1) > 1) & answered
    labels = leaders.argmax(axis=1)
    records = np.flatnonzero(tied)
    labels[records] = break_ties(leaders[records], tie, ballots, records, positive)
    labels[~answered] = -1
    shares = support.shares
    margins = np.where(answered & ~tied, _lead(shares), 0.0)
    scores = shares if support.scores is None else support.scores
    return Verdict(labels, scores, margins, tied, labels == -1, ballots.classes)


def _lead(shares: np.ndarray) -> np.ndarray:
    """Return the greatest share less the second greatest; where there is one class only, its share."""
    first = shares[:, 0].copy()
    second = np.full(len(shares), 0.0 if shares.shape[1] == 1 else -np.inf)
    for column in shares.T[1:]:
        second = np.maximum(second, np.minimum(first, column))
        first = np.maximum(first, column)
    return first - second
