"""One organisation's training: split its own rows, fit on one part, score on the other; writes no file."""

import json
import math
import platform
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd

import fedlab
from fedlab.errors import FedlabError
from fedlab.exchange import Card, Preprocessing, Scores
from fedlab.files import plain
from fedlab.records import Records
from fedlab.training.compact import check_compact, compact_model
from fedlab.training.constant import ConstantClassifier
from fedlab.training.models import build_model, final_step
from fedlab.training.prepare import prepare


@dataclass(frozen=True)
class Trained:
    """A fitted model of one organisation and what its card will say.

    Attributes
    ----------
    estimator : estimator
        Fitted on the training rows; takes a DataFrame of the features.
    classes : ndarray
        Its ``classes_``: the classes among the training rows.
    features, dtypes : tuple of str
        Names and pandas dtypes of the features, in order.
    n_rows, n_train, n_test : int
        Rows of the shard, of its training part, of its test part.
    class_counts : tuple of int
        Training rows of each class, in the order of `classes`.
    scores : Scores or None
        On the organisation's own test rows; None where there are none.
    constant : bool
        Whether the training rows held one class only.
    preprocessing : Preprocessing
        What is done to the features first.
    test_size, random_state : float, int or None
        As given.
    notes : tuple of str
        Warnings of the fit, and why something is missing.
    """

    estimator: Any
    classes: np.ndarray
    features: tuple[str, ...]
    dtypes: tuple[str, ...]
    n_rows: int
    n_train: int
    n_test: int
    class_counts: tuple[int, ...]
    scores: Scores | None
    constant: bool
    preprocessing: Preprocessing
    test_size: float
    random_state: int | None
    notes: tuple[str, ...] = ()

    def card(self, part: int = 1, organisation: str | None = None) -> Card:
        """Return the card of this model, for `fedlab.exchange.save_model`.

        Parameters
        ----------
        part : int, default 1
            Number of the organisation's shard, from 1.
        organisation : str, optional
            Its name; by default ``part1`` and so on.

        Returns
        -------
        Card
            Without what only the file can tell (format, hash, size).
        """
        model = final_step(self.estimator)
        trees = getattr(model, "estimators_", None) if is_forest(model) else None
        return Card(
            organisation=organisation or f"part{part}",
            part=part,
            classes=self.classes.tolist(),
            classes_dtype=str(self.classes.dtype),
            features=list(self.features),
            dtypes=list(self.dtypes),
            n_rows=self.n_rows,
            n_train=self.n_train,
            n_test=self.n_test,
            class_counts=list(self.class_counts),
            scores=self.scores,
            estimator=f"{type(model).__module__}.{type(model).__qualname__}",
            parameters=_parameters(model),
            n_estimators=None if trees is None else len(trees),
            preprocessing=self.preprocessing,
            constant=self.constant,
            test_size=self.test_size,
            random_state=self.random_state,
            notes=list(self.notes),
            versions=_versions(),
        )


def train_organisation(
    records: Records,
    model: Any = "random_forest",
    test_size: float = 0.2,
    random_state: int | None = 42,
    compact: str | None = None,
) -> Trained:
    """Train one organisation's model on its own rows and score it on the rows it kept back.

    With the defaults this is the reference recipe: features without identifier and target,
    ``train_test_split(test_size=0.2, random_state=42)``, ``RandomForestClassifier(n_estimators=40,
    random_state=42)``; the accuracy equals a plain scikit-learn script's to the last digit. Rows of one
    group (the encounters of one patient) stay on one side of the split.

    Parameters
    ----------
    records : Records
        The organisation's shard.
    model : str or mapping, default "random_forest"
        See `fedlab.training.build_model`.
    test_size : float, default 0.2
        Share of the rows (or groups) to score on, from 0 to below 1. Where too few rows are left to fit on,
        and at 0, all rows are for training and there are no scores.
    random_state : int or None, default 42
        Seed of the split and of the estimator.
    compact : {"exact", "pruned"}, optional
        Make the trees of a forest smaller (see `fedlab.training.compact_model`).

    Returns
    -------
    Trained
        The fitted model and the facts for its card. Where the training rows hold one class only the model
        is a `ConstantClassifier`, and says so.

    Raises
    ------
    FedlabError
        If the model, `test_size` or `compact` is wrong, there are no rows, or the estimator refuses these rows.
    """
    check_test_size(test_size)
    estimator = build_model(model, random_state)
    check_compact(compact, estimator)
    X, y = records.X, np.asarray(records.y)
    if not len(y):
        raise FedlabError(f"records {records.name!r} have no rows to train on; give this organisation some rows")
    train, test, notes = _split(X, y, records.groups, test_size, random_state)
    X_train, y_train = X.iloc[train], y[train]
    classes, counts = np.unique(y_train, return_counts=True)
    constant = len(classes) == 1
    if constant:
        estimator, done = ConstantClassifier(), Preprocessing()
        notes.append(f"the training rows hold class {classes[0]!s} only: this model always answers with it")
    else:
        estimator, done = prepare(estimator, X_train)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = _fit(estimator, X_train, y_train, counts)
        asked, fitted = fitted, _portable(fitted)
        if compact and not constant:
            fitted, said = compact_model(fitted, compact, X.iloc[test], y[test])
            asked = fitted
            notes.extend(said)
        scores = _score(asked, X.iloc[test], y[test]) if len(test) else None
    notes.extend(_warnings(caught))
    return Trained(
        estimator=fitted,
        classes=np.asarray(fitted.classes_),
        features=tuple(str(name) for name in X.columns),
        dtypes=tuple(str(dtype) for dtype in X.dtypes),
        n_rows=len(y),
        n_train=len(train),
        n_test=len(test),
        class_counts=tuple(int(count) for count in counts),
        scores=scores,
        constant=constant,
        preprocessing=done,
        test_size=test_size,
        random_state=random_state,
        notes=tuple(notes),
    )


def check_test_size(test_size: Any) -> None:
    """Refuse a share of test rows that is none.

    Raises
    ------
    FedlabError
        If it is not a number from 0 to below 1.
    """
    if isinstance(test_size, bool) or not isinstance(test_size, int | float) or not 0 <= test_size < 1:
        raise FedlabError(f"test_size {test_size!r} is not a share; give a number from 0 to below 1, e.g. 0.2")


def _split(
    X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None, test_size: float, random_state: int | None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the positions of training and test rows, and why there are no test rows where there are none."""
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    rows = np.arange(len(y))
    units, what = (len(y), "rows") if groups is None else (len(pd.unique(groups)), "groups")
    if test_size == 0:
        return rows, rows[:0], ["test_size is 0: all rows are for training, there are no local scores"]
    if units - math.ceil(test_size * units) < 1:
        note = f"too few {what} ({units}) to keep {test_size} of them back: all are trained on, no local scores"
        return rows, rows[:0], [note]
    if groups is None:
        train, test = train_test_split(rows, test_size=test_size, random_state=random_state)
        return train, test, []
    splitter = GroupShuffleSplit(n_splits=1, test_size=test_size, random_state=random_state)
    train, test = next(splitter.split(X, y, groups))
    return train, test, []


def _match_class_weight(estimator: Any, y: np.ndarray) -> None:
    """Give the keys of a ``class_weight`` mapping the classes' own type: a params file has carried them as text."""
    for name, weights in estimator.get_params().items() if hasattr(estimator, "get_params") else ():
        if name.rpartition("__")[2] == "class_weight" and isinstance(weights, dict):
            classes = {str(value): value for value in np.unique(y).tolist()}
            estimator.set_params(**{name: {classes.get(str(key), key): weight for key, weight in weights.items()}})


def _fit(estimator: Any, X: pd.DataFrame, y: np.ndarray, counts: np.ndarray) -> Any:
    """Fit, and say which rows an estimator refused if it does."""
    _match_class_weight(estimator, y)
    try:
        fitted = estimator.fit(X, y)
    except Exception as error:  # any class can be named as the model; what it raises is its own affair
        name = type(final_step(estimator)).__name__
        raise FedlabError(
            f"{name} cannot be fitted on {len(y)} rows with {counts.tolist()} of each class "
            f"({type(error).__name__}: {error}); mend the model's parameters, or, where it wants more rows, "
            "use fewer shards or a larger min_rows"
        ) from error
    fitted = estimator if fitted is None else fitted
    if not hasattr(fitted, "classes_"):
        raise FedlabError(
            f"{type(final_step(fitted)).__name__} has no classes_ after fit; a vote needs them: set "
            "self.classes_ = numpy.unique(y) in its fit"
        )
    mapper = getattr(final_step(fitted), "_bin_mapper", None)
    if mapper is not None and hasattr(
        mapper, "n_threads"
    ):  # else the model file's bytes depend on the cores of the machine
        mapper.n_threads = 1
    return fitted


def _portable(fitted: Any) -> Any:
    """Return what is saved and handed over: a contingency forest becomes scikit-learn's, with the same trees."""
    if hasattr(fitted, "to_random_forest"):
        return fitted.to_random_forest()
    if hasattr(fitted, "steps") and final_step(fitted) is not fitted:
        name, last = fitted.steps[-1]
        fitted.steps[-1] = (name, _portable(last))
    return fitted


def _score(fitted: Any, X: pd.DataFrame, y: np.ndarray) -> Scores:
    """Score a fitted model on the organisation's own test rows."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    try:
        support = fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else None
        # A forest's prediction is the class of the greatest probability: asking twice would take twice as long.
        if support is not None and is_forest(fitted):
            predicted = np.asarray(fitted.classes_)[support.argmax(axis=1)]
        else:
            predicted = fitted.predict(X)
        auc = _roc_auc(fitted, X, y, support)
    except Exception as error:  # as in _fit
        raise FedlabError(
            f"{type(final_step(fitted)).__name__} cannot predict the organisation's {len(y)} test "
            f"rows ({type(error).__name__}: {error}); use fewer shards, a larger min_rows, or another model"
        ) from error
    return Scores(
        accuracy=float(accuracy_score(y, predicted)),
        balanced_accuracy=float(balanced_accuracy_score(y, predicted)),
        roc_auc=auc,
    )


def _roc_auc(fitted: Any, X: pd.DataFrame, y: np.ndarray, support: np.ndarray | None) -> float | None:
    """Return the ROC AUC, or None where the test rows do not hold exactly the model's classes."""
    from sklearn.metrics import roc_auc_score

    classes = np.asarray(fitted.classes_)
    if len(classes) < 2 or not np.array_equal(np.unique(y), classes):
        return None
    if support is not None:
        if len(classes) == 2:
            return float(roc_auc_score(y == classes[1], support[:, 1]))
        return float(roc_auc_score(y, support, multi_class="ovr", labels=classes))
    if hasattr(fitted, "decision_function") and len(classes) == 2:
        return float(roc_auc_score(y == classes[1], fitted.decision_function(X)))
    return None


def _warnings(caught: list[warnings.WarningMessage]) -> list[str]:
    """Return the first line of each different warning, with its kind."""
    lines = [f"{item.category.__name__}: {str(item.message).strip().splitlines()[0]}" for item in caught]
    return list(dict.fromkeys(lines))


def is_forest(model: Any) -> bool:
    """Say whether a classifier is a random forest or one of its kind."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    return isinstance(model, RandomForestClassifier | ExtraTreesClassifier)


def _parameters(model: Any) -> dict[str, Any]:
    """Return an estimator's parameters as JSON can hold them; what it cannot hold stands as its repr."""
    given = model.get_params(deep=False) if hasattr(model, "get_params") else {}
    return {name: _jsonable(value) for name, value in sorted(given.items())}


def _jsonable(value: Any) -> Any:
    """Return a value as JSON can hold it, else its repr."""
    try:
        return json.loads(json.dumps(plain(value), allow_nan=False))
    except (TypeError, ValueError):
        return repr(value)


def _versions() -> dict[str, str]:
    """Return the versions that a reader of a model file may have to match."""
    found = {"python": platform.python_version(), "fedlab": fedlab.__version__}
    for name in ("numpy", "scikit-learn", "skops"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
