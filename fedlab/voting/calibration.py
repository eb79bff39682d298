"""Calibration of one model before its probabilities are pooled, on rows that its organisation kept back."""

from typing import Any

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.voting.casting import own_classes
from fedlab.voting.classes import kind_of, plain_values
from fedlab.voting.support import add_up, divide

#: How probabilities are mapped.
METHODS = {
    "isotonic": "a rising step function: any shape, needs some hundred rows",
    "platt": "a logistic curve of the log-odds: two numbers, for few rows",
}
_LEAST = 1e-6  # no log-odds of a probability of 0 or 1


class CalibratedModel:
    """A fitted classifier whose probabilities are mapped, class by class; it votes like any other.

    Attributes
    ----------
    model : classifier
        The model as it was.
    classes_ : array
        Its classes, in its order.
    maps : list
        For each class the map of its probability, None where the rows held no such class, or no other.
    """

    def __init__(self, model: Any, maps: list[Any]) -> None:
        self.model = model
        self.maps = maps
        self.classes_ = model.classes_
        for name in ("feature_names_in_", "n_features_in_"):
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return mapped probabilities, made to sum to one: (n_records, n_classes).

        With two classes that of the second is mapped, and the first gets the rest. A record to which every map gives 0
        keeps the model's own probabilities.
        """
        rows = np.asarray(self.model.predict_proba(X), dtype=np.float64)
        if rows.shape[1] == 2:
            second = _mapped(self.maps[1], rows[:, 1])
            return np.column_stack([1 - second, second])
        mapped = np.column_stack([_mapped(one, column) for one, column in zip(self.maps, rows.T, strict=True)])
        total = add_up(mapped.T, (len(rows),))
        return np.where(total[:, None] > 0, divide(mapped, total), rows)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each record, the first among equals."""
        return np.asarray(self.classes_)[self.predict_proba(X).argmax(axis=1)]


def calibrate(model: Any, X: Any, y: Any, method: str = "isotonic") -> CalibratedModel:
    """Calibrate a fitted model's probabilities on rows that it was not fitted on.

    Parameters
    ----------
    model : fitted classifier
        With ``classes_`` and ``predict_proba``. It is not changed.
    X : DataFrame or array (n_rows, n_features)
        Rows that the organisation kept back (its own test rows, not the federation's holdout).
    y : array (n_rows,)
        Their classes; rows of classes that the model does not know count as none of its classes.
    method : {"isotonic", "platt"}
        How: see ``fedlab.voting.calibration.METHODS``.

    Returns
    -------
    CalibratedModel
        To be given to `cast_ballots` in the model's place.

    Raises
    ------
    FedlabError
        If the model has no probabilities, there are no rows, or the method is not known.

    Notes
    -----
    J. Platt, Probabilistic Outputs for Support Vector Machines, 1999; B. Zadrozny and C. Elkan, Transforming Classifier
    Scores into Accurate Multiclass Probability Estimates, KDD 2002. For two classes and ``isotonic`` equal to
    scikit-learn's ``CalibratedClassifierCV(FrozenEstimator(model), method="isotonic", ensemble=False)``; unlike that it
    takes rows that lack a class.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> fitted = calibrate(GaussianNB().fit(X, y), X, [0, 1, 0, 1])
    >>> fitted.predict_proba(X)[:, 1].round(2).tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    if method not in METHODS:
        raise unknown_name("calibration method", method, METHODS)
    classes = own_classes(model, "the one to calibrate")
    if not hasattr(model, "predict_proba"):
        raise FedlabError(
            f"{type(model).__name__} has no predict_proba, so there is nothing to calibrate; vote on labels"
        )
    truth = plain_values(y, "the classes of the rows to calibrate on")
    if not len(truth) or len(truth) != len(X):
        raise FedlabError(f"calibration needs rows, and a class for each; got {len(X)} rows and {len(truth)} classes")
    if kind_of(truth) != kind_of(classes):
        raise FedlabError(
            f"y holds {kind_of(truth)}, the model's classes are {kind_of(classes)} {classes[:10].tolist()}"
        )
    rows = np.asarray(model.predict_proba(X), dtype=np.float64)
    fit = _isotonic if method == "isotonic" else _platt
    maps = []
    for value, column in zip(classes, rows.T, strict=True):
        hit = truth == value
        maps.append(fit(column, hit) if hit.any() and not hit.all() else None)
    return CalibratedModel(model, maps)


def _mapped(one: Any, column: np.ndarray) -> np.ndarray:
    """Return probabilities mapped, as they were without a map."""
    if one is None:
        return column
    if isinstance(one, tuple):
        slope, intercept = one
        return 1 / (1 + np.exp(-(slope * _log_odds(column) + intercept)))
    return one.predict(column)


def _isotonic(column: np.ndarray, hit: np.ndarray) -> Any:
    from sklearn.isotonic import IsotonicRegression

    return IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(column, hit.astype(float))


def _platt(column: np.ndarray, hit: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept; with Platt's targets, which keep few rows from being taken for certainty."""
    from sklearn.linear_model import LogisticRegression

    yes, no = hit.sum(), (~hit).sum()
    targets = np.concatenate([np.ones(len(hit)), np.zeros(len(hit))])
    chance = np.where(hit, (yes + 1) / (yes + 2), 1 / (no + 2))
    inputs = np.tile(_log_odds(column), 2)[:, None]
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(inputs, targets, np.concatenate([chance, 1 - chance]))
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _log_odds(column: np.ndarray) -> np.ndarray:
    inside = column.clip(_LEAST, 1 - _LEAST)
    return np.log(inside) - np.log1p(-inside)
