"""Predictions and the truth on one list of classes, checked once, where every metric starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fedlab.errors import FedlabError

_SLACK = 1e-9


@dataclass(frozen=True)
class Answers:
    """What a predictor said of each record, beside the truth.

    Attributes
    ----------
    truth : int array (n_records,)
        Index of the true class in ``classes``.
    predicted : int array (n_records,)
        Index of the predicted class in ``classes``; -1 where the predictor abstained.
    probabilities : float array (n_records, n_classes) or None
        Support for each class. Rows sum to 1 where ``proper``.
    classes : array (n_classes,)
        Sorted union of the predictor's classes and the truth's.
    positive : int
        Index of the positive class in ``classes``.
    proper : bool
        Whether ``probabilities`` are probabilities: none negative. Log loss and Brier score need that.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None
    classes: NDArray[Any]
    positive: int
    proper: bool

    @property
    def n_records(self) -> int:
        """Number of records."""
        return len(self.truth)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which records were predicted right; an abstention is not right."""
        return self.predicted == self.truth


def make_answers(
    truth: ArrayLike,
    predicted: ArrayLike,
    probabilities: ArrayLike | None,
    classes: ArrayLike,
    positive: object = None,
    also: Sequence[Any] | NDArray[Any] = (),
) -> Answers:
    """Check predictions against the truth and bring both to one sorted list of classes.

    Parameters
    ----------
    truth : array (n_records,) of class values
        The truth. It may hold classes that the predictor does not know: the list of classes is then longer
        than ``classes``, with probability 0 for the new ones.
    predicted : int array (n_records,)
        Index into ``classes``; -1 is an abstention.
    probabilities : float array (n_records, n_classes) or None
        Support for each of ``classes``. Rows that do not sum to 1 are scaled to do so, a row of zeros becomes
        uniform. If any value is negative they are kept as they are: good for ranking, not for log loss and
        Brier.
    classes : array (n_classes,)
        What the predictor's indices and columns mean.
    positive : object, optional
        The positive class; by default the greatest.
    also : sequence, optional
        Further classes that the list shall hold, so that two predictors are measured on the same list.

    Returns
    -------
    Answers
        All of them as indices into one list.

    Raises
    ------
    FedlabError
        If shapes disagree, an index or a value is out of range, truth is missing somewhere, or the kinds of
        the classes cannot be compared.

    Examples
    --------
    >>> answers = make_answers(["b", "a"], [0, -1], None, ["a"])
    >>> answers.classes.tolist(), answers.truth.tolist(), answers.predicted.tolist()
    (['a', 'b'], [1, 0], [0, -1])
    """
    own = np.asarray(classes)
    labels = np.asarray(predicted)
    codes, values = pd.factorize(np.asarray(truth))
    _check_labels(labels, codes, own)
    union = _union(own, values, np.asarray(also))
    place = {value: index for index, value in enumerate(union.tolist())}
    here = np.array([place[value] for value in own.tolist()], dtype=np.int64)
    positive = union[-1].item() if positive is None else positive
    if positive not in place:
        raise FedlabError(
            f"positive is {positive!r}, which is no class of the truth or the models ({union.tolist()}); "
            "name one of these, of the same type"
        )
    scores, proper = _supports(probabilities, len(labels), len(own))
    if scores is not None and len(union) > len(own):
        wide = np.zeros((len(labels), len(union)))
        wide[:, here] = scores
        scores = wide
    if scores is not None and proper:
        scores = _scaled(scores)
    return Answers(
        truth=np.array([place[value] for value in values.tolist()], dtype=np.int64)[codes],
        predicted=np.append(here, -1)[labels],
        probabilities=scores,
        classes=union,
        positive=place[positive],
        proper=proper,
    )


def _check_labels(labels: NDArray[Any], codes: NDArray[Any], classes: NDArray[Any]) -> None:
    if labels.ndim != 1 or len(labels) != len(codes):
        raise FedlabError(
            f"predicted has shape {labels.shape} and truth {len(codes)} rows; give one prediction per row of the truth"
        )
    if not len(labels):
        raise FedlabError("there is no record to measure: the holdout is empty; give it a greater share")
    if not np.issubdtype(labels.dtype, np.integer):
        raise FedlabError(
            f"predicted is of type {labels.dtype}; it must hold integers, each an index into classes, or -1"
        )
    if (codes < 0).any():
        raise FedlabError(
            f"truth is missing in {int((codes < 0).sum())} rows, first in row {int(np.argmax(codes < 0))}; drop them"
        )
    if labels.min() < -1 or labels.max() >= len(classes):
        raise FedlabError(
            f"predicted runs from {labels.min()} to {labels.max()}; with {len(classes)} classes it may run "
            f"from -1 (abstained) to {len(classes) - 1}"
        )


def _union(*lists: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted union. Through Python values, for NumPy would turn 1 and '1' into the same text."""
    values = {value for part in lists for value in part.tolist()}
    try:
        return np.array(sorted(values))
    except TypeError:
        kinds = sorted({type(value).__name__ for value in values})
        raise FedlabError(
            f"the classes mix types ({', '.join(kinds)}), got {sorted(map(repr, values))}; "
            "the truth and every model must use one type for the target"
        ) from None


def _supports(
    probabilities: ArrayLike | None, n_records: int, n_classes: int
) -> tuple[NDArray[np.float64] | None, bool]:
    """Return the checked supports, and whether they can be read as probabilities."""
    if probabilities is None:
        return None, False
    scores = np.array(probabilities, dtype=float)
    if scores.shape != (n_records, n_classes):
        raise FedlabError(
            f"probabilities have shape {scores.shape}; with these records and classes it must be "
            f"{(n_records, n_classes)}"
        )
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        raise FedlabError(
            f"probabilities are not finite in {int((~finite).sum())} rows, first in row "
            f"{int(np.argmin(finite))}; "
            "a rule must give every class a finite support"
        )
    if scores.min(initial=0.0) < -_SLACK:
        return scores, False
    return np.maximum(scores, 0.0), True


def _scaled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows to sum 1. Rows that do so already keep their bits, so that equal scores stay equal."""
    total = scores.sum(axis=1)
    scores[total == 0] = 1 / scores.shape[1]
    off = (np.abs(total - 1) > _SLACK) & (total > 0)
    scores[off] /= total[off, None]
    return scores
