"""How good predictions are: seven metrics and the coverage, each None where it is not defined, never NaN."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedlab.evidence.answers import Answers, make_answers
from fedlab.evidence.ranking import mean_area

METRICS = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "brier", "sensitivity", "specificity")
"""The seven metrics, in the order of the results table."""

PROBABILITY_FLOOR = 1e-15
"""Log loss clips probabilities to at least this, so that one sure mistake costs 34.5 and not infinity."""


def measure(
    truth: ArrayLike,
    predicted: ArrayLike,
    probabilities: ArrayLike | None,
    classes: ArrayLike,
    positive: Any = None,
) -> dict[str, float | None]:
    """Measure predictions against the truth.

    Parameters
    ----------
    truth : array (n_records,) of class values
        The truth; it may hold classes that the predictor does not know.
    predicted : int array (n_records,)
        Index into ``classes``; -1 where the predictor abstained, which counts as wrong everywhere.
    probabilities : float array (n_records, n_classes) or None
        Support for each of ``classes``; rows are scaled to sum 1 (see `make_answers`).
    classes : array (n_classes,)
        The predictor's classes, sorted. All metrics run over the union of these and the truth's.
    positive : object, optional
        The positive class; by default the greatest of the union.

    Returns
    -------
    dict of str to float or None
        ``accuracy``: share predicted right. ``balanced_accuracy``: mean over the truth's classes of the share
        predicted right. ``roc_auc``: of the positive class's probability; with more than two classes the mean
        over the truth's classes, each against the rest. ``log_loss``: mean of -ln p(true class), p clipped at
        1e-15. ``brier``: mean of (p(positive) - y)² with y 1 or 0, in [0, 1]; with more classes the mean of
        half the squares summed over classes (Brier 1950, halved), which is the same number if there are two.
        ``sensitivity``: share of the positive records called positive. ``specificity``: share of the others
        called another class, whether or not the right one. ``coverage``: share not abstained. None where not
        defined: one class in the truth, or no probabilities.

    Raises
    ------
    FedlabError
        If the input does not fit together (see `make_answers`).

    Examples
    --------
    >>> found = measure([0, 1, 1, 1], [0, 1, 1, -1], [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.5, 0.5]], [0, 1])
    >>> found["accuracy"], found["roc_auc"], round(found["brier"], 4), found["coverage"]
    (0.75, 1.0, 0.115, 0.75)
    """
    return measure_answers(make_answers(truth, predicted, probabilities, classes, positive))


def measure_answers(answers: Answers) -> dict[str, float | None]:
    """Measure answers that are already on one list of classes (see `measure`)."""
    recalls = class_recalls(answers)
    losses, squares = log_losses(answers), squared_errors(answers)
    positive = answers.truth == answers.positive
    called = answers.predicted == answers.positive
    answered = answers.predicted >= 0
    return {
        "accuracy": float(answers.right.mean()),
        "balanced_accuracy": float(recalls.mean()),
        "roc_auc": mean_area(answers),
        "log_loss": None if losses is None else float(losses.mean()),
        "brier": None if squares is None else float(squares.mean()),
        "sensitivity": float(called[positive].mean()) if positive.any() else None,
        "specificity": float((answered & ~called)[~positive].mean()) if not positive.all() else None,
        "coverage": float(answered.mean()),
    }


def class_recalls(answers: Answers) -> NDArray[np.float64]:
    """Return the share predicted right of each class that the truth holds."""
    rows = np.bincount(answers.truth, minlength=len(answers.classes))
    right = np.bincount(answers.truth, weights=answers.right, minlength=len(answers.classes))
    return right[rows > 0] / rows[rows > 0]


def log_losses(answers: Answers) -> NDArray[np.float64] | None:
    """Return -ln of the probability given to each record's true class, or None without probabilities."""
    if answers.probabilities is None or not answers.proper:
        return None
    given = answers.probabilities[np.arange(answers.n_records), answers.truth]
    return -np.log(np.clip(given, PROBABILITY_FLOOR, 1.0))


def squared_errors(answers: Answers) -> NDArray[np.float64] | None:
    """Return half the squared error over the classes of each record, or None without probabilities."""
    if answers.probabilities is None or not answers.proper:
        return None
    given = answers.probabilities[np.arange(answers.n_records), answers.truth]
    # |p - e|² = |p|² - 2 p_true + 1, without building the one-hot matrix e.
    return np.maximum((np.square(answers.probabilities).sum(axis=1) - 2 * given + 1) / 2, 0.0)
