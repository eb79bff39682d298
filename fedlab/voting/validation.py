"""Validation rows: the same models' ballots on rows of known class, which some rules learn from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots, read_only
from fedlab.voting.classes import kind_of, plain_values, positions


@dataclass(frozen=True, eq=False)
class Validation:
    """What each model says about rows whose class is known.

    Parameters
    ----------
    ballots : Ballots
        The models' ballots on these rows.
    truth : array (n_records,)
        The true class of each row, as a value. It may hold classes that no model knows.
    X : DataFrame or array (n_records, n_features), optional
        The rows' features, for rules that look for similar rows.

    Raises
    ------
    FedlabError
        If there are no rows, or not one true class for each.

    Examples
    --------
    >>> known = Validation(Ballots([[0, 1, 1]], None, ["ill", "well"], ["north"]), ["ill", "ill", "well"])
    >>> known.truth_index.tolist(), known.accuracies().round(2).tolist()
    ([0, 0, 1], [0.67])
    """

    ballots: Ballots
    truth: np.ndarray
    X: Any = None

    def __post_init__(self) -> None:
        truth = plain_values(self.truth, "the validation rows' truth")
        if not self.ballots.n_records or len(truth) != self.ballots.n_records:
            raise FedlabError(
                f"validation needs one true class for each of its {self.ballots.n_records} rows, and at least one "
                f"row; got {len(truth)} true classes"
            )
        if kind_of(truth) != kind_of(self.ballots.classes):
            raise FedlabError(
                f"the validation rows' truth holds {kind_of(truth)}, the classes of the ballots are "
                f"{kind_of(self.ballots.classes)} {self.ballots.classes[:10].tolist()}; give values of the same type"
            )
        if self.X is not None and len(self.X) != len(truth):
            raise FedlabError(f"validation X must have one row for each of {len(truth)} rows; got {len(self.X)}")
        object.__setattr__(self, "truth", read_only(truth))

    @property
    def truth_index(self) -> np.ndarray:
        """The true classes as indices into the ballots' classes, -1 for one that no model knows."""
        return positions(self.truth, self.ballots.classes)

    @property
    def right(self) -> np.ndarray:
        """Where each model is right: bool (n_models, n_records); an abstention is not."""
        return (self.ballots.labels == self.truth_index) & self.ballots.answered

    def accuracies(self) -> np.ndarray:
        """Return each model's accuracy on the rows that it answered, NaN where it answered none."""
        answered = self.ballots.answered.sum(axis=1)
        return np.where(answered > 0, self.right.sum(axis=1) / np.maximum(answered, 1), np.nan)


def as_validation(given: Any, ballots: Ballots) -> Validation | None:
    """Return what `vote` was given as validation, checked against the ballots voted on.

    Raises
    ------
    FedlabError
        If it is neither a `Validation` nor ``(ballots, truth)``, or is by other models or classes.
    """
    if given is None:
        return None
    if not isinstance(given, Validation):
        if not isinstance(given, tuple | list) or len(given) not in (2, 3) or not isinstance(given[0], Ballots):
            raise FedlabError(
                "validation must be (ballots, truth) or (ballots, truth, X): the same models' ballots on rows of known "
                f"class, and their true classes; got {type(given).__name__}"
            )
        given = Validation(*given)
    if given.ballots.organisations != ballots.organisations:
        raise FedlabError(
            f"the validation ballots are by {list(given.ballots.organisations)}, the ballots voted on by "
            f"{list(ballots.organisations)}; cast both with the same models in the same order"
        )
    if not np.array_equal(given.ballots.classes, ballots.classes):
        raise FedlabError(
            f"the validation ballots are over classes {given.ballots.classes.tolist()}, the ballots voted on over "
            f"{ballots.classes.tolist()}; cast both with the same models"
        )
    return given
