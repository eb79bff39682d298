"""Casting ballots: asking fitted models about records, each by its own classes and its own features."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots
from fedlab.voting.classes import plain_values, positions, union_of_classes
from fedlab.voting.repeats import Repeats


def cast_ballots(
    models: Sequence[Any],
    X: Any,
    organisations: Sequence[str] | None = None,
    sizes: npt.ArrayLike | None = None,
    accuracies: npt.ArrayLike | None = None,
    class_counts: Sequence[npt.ArrayLike] | None = None,
    one_hot: bool = False,
    n_jobs: int = 1,
) -> Ballots:
    """Ask every model about every record.

    Parameters
    ----------
    models : sequence of fitted classifiers
        Each with ``classes_`` and ``predict``, as scikit-learn's have. They may be of different kinds and
        know different classes. Each is read through its *own* ``classes_``. None stands for an organisation that
        has not answered: it abstains on every record.
    X : DataFrame or array (n_records, n_features)
        The records. From a DataFrame each model that was fitted on named columns gets its own columns in its
        own order; columns that it does not know are left out. An array has no names: then all models must
        have been fitted on the same columns in the same order, and the array is taken to hold these.
    organisations : sequence of str, optional
        The name of each model's organisation; by default ``organisation 1``, ``organisation 2``, …
    sizes, accuracies : array (n_models,), optional
        Training rows and local accuracy of each model (see `Ballots`): what the rule ``weighted`` weighs by.
    class_counts : sequence of arrays, optional
        For each model its organisation's training rows of each class, in the order of the model's own
        ``classes_``, as its card has them; anything for a model that is None.
    one_hot : bool, default False
        Give a model without ``predict_proba`` probability one for the class it predicts, so that rules that
        need probabilities take it. By default they refuse.
    n_jobs : int, default 1
        How many models to ask at a time, in threads; the ballots are the same bytes whatever the number.

    Returns
    -------
    Ballots
        `probabilities` is None if any of the models has no ``predict_proba`` (unless `one_hot`): rules that need them
        then refuse, the others work on the labels. Labels are what each model's own ``predict`` says, which
        is not always the most probable class (a support vector machine may differ).

    Raises
    ------
    FedlabError
        If a model is not a fitted classifier, lacks a column, fails on the records, or gives labels or
        probabilities that are none; if one model's classes are text and another's numbers. The message names
        the organisation.

    Notes
    -----
    A forest asked with several threads adds up its trees in the order in which these finish, so its
    probabilities differ in the last digit from run to run. Here it is asked with one thread, and the ballots
    are the same bytes always. Records that repeat are put to it once: a tree answers each row by itself.

    Examples
    --------
    Two organisations that share one class only:

    >>> from sklearn.tree import DecisionTreeClassifier
    >>> north = DecisionTreeClassifier().fit([[0.0], [1.0]], ["a", "b"])
    >>> south = DecisionTreeClassifier().fit([[0.0], [1.0]], ["b", "c"])
    >>> ballots = cast_ballots([north, south], np.array([[1.0]]), ["north", "south"])
    >>> ballots.classes.tolist(), ballots.labels.tolist()
    (['a', 'b', 'c'], [[1], [2]])
    """
    names = _names(organisations, len(models))
    numbers = [number for number, model in enumerate(models) if model is not None]
    if not numbers:
        raise FedlabError("no organisation has answered: every model is None; wait for at least one")
    asked, asked_names = [models[number] for number in numbers], [names[number] for number in numbers]
    own = [own_classes(model, name) for model, name in zip(asked, asked_names, strict=True)]
    classes = union_of_classes(own, asked_names)
    tables = _tables(asked, asked_names, X)
    with_probabilities = one_hot or all(hasattr(model, "predict_proba") for model in asked)
    n_records = len(tables[0]) if isinstance(X, list) else X.shape[0]
    labels = np.full((len(models), n_records), -1, dtype=np.int32)
    probabilities = np.zeros((*labels.shape, len(classes))) if with_probabilities else None
    places = [positions(one, classes) for one in own]

    repeats = Repeats()

    def ask(which: int) -> None:
        model, table, groups = _one_thread(asked[which]), tables[which], None
        if _is_forest(model):
            table, groups = repeats.distinct(table)
        n_asked = n_records if groups is None else len(groups.first)
        said, rows = _ask(model, table, own[which], asked_names[which], n_asked, with_probabilities)
        if groups is not None:
            said, rows = said[groups.codes], None if rows is None else rows[groups.codes]
        labels[numbers[which]] = places[which][said]
        if probabilities is not None:
            probabilities[numbers[which]][:, places[which]] = rows

    if n_records:  # scikit-learn refuses an empty batch; the answer to it is known
        _in_threads(ask, len(asked), n_jobs)
    for array in (labels, probabilities):
        if array is not None:
            array.setflags(write=False)  # ours alone: Ballots need not copy it
    counts = _aligned_counts(class_counts, names, dict(zip(numbers, places, strict=True)), len(classes))
    return Ballots(labels, probabilities, classes, tuple(names), sizes, accuracies, counts)  # type: ignore[arg-type]


def _in_threads(function: Callable[[int], None], n_calls: int, n_jobs: int) -> None:
    """Call a function with 0, 1, …, in threads where more than one is allowed."""
    if n_jobs == 1 or n_calls == 1:
        for number in range(n_calls):
            function(number)
        return
    import joblib

    joblib.Parallel(n_jobs=n_jobs, require="sharedmem")(joblib.delayed(function)(number) for number in range(n_calls))


def _aligned_counts(
    class_counts: Any, names: list[str], places: dict[int, np.ndarray], n_classes: int
) -> np.ndarray | None:
    """Return each model's counts, given in the order of its own classes, in the columns of the union."""
    if class_counts is None:
        return None
    if len(class_counts) != len(names):
        raise FedlabError(f"class_counts must hold one row for each of {len(names)} models; got {len(class_counts)}")
    aligned = np.zeros((len(names), n_classes))
    for number, columns in places.items():
        if len(class_counts[number]) != len(columns):
            raise FedlabError(
                f"organisation {names[number]!r}: {len(class_counts[number])} class counts for the {len(columns)} "
                "classes its model knows; give one for each, in the order of the model's classes_"
            )
        aligned[number, columns] = class_counts[number]
    return aligned


def _names(organisations: Sequence[str] | None, n_models: int) -> list[str]:
    if n_models == 0:
        raise FedlabError("there is no model to ask; give at least one fitted classifier")
    if organisations is None:
        return [f"organisation {number + 1}" for number in range(n_models)]
    if isinstance(organisations, str) or len(organisations) != n_models:
        raise FedlabError(f"organisations must hold {n_models} names, one for each model; got {organisations!r}")
    return [str(name) for name in organisations]


def own_classes(model: Any, organisation: str) -> np.ndarray:
    """Return the classes that a fitted model knows, in the order of its own columns."""
    if not hasattr(model, "classes_") or not hasattr(model, "predict"):
        raise FedlabError(
            f"organisation {organisation!r}: {type(model).__name__} is no fitted classifier (it has no "
            "classes_ and predict); fit it first, and of a pair (model, card) give the model"
        )
    if isinstance(model.classes_, list) and any(np.ndim(one) for one in model.classes_):
        raise FedlabError(f"organisation {organisation!r}: its model has several targets; a vote is over one")
    classes = plain_values(model.classes_, f"organisation {organisation!r}: the model's classes")
    if len(np.unique(classes)) != len(classes) or not len(classes):
        raise FedlabError(f"organisation {organisation!r}: the model's classes {classes.tolist()} are not distinct")
    return classes


def _tables(models: Sequence[Any], names: list[str], X: Any) -> list[Any]:
    """Return for each model the records with the columns that it was fitted on, in its order."""
    features = [_feature_names(model) for model in models]
    if hasattr(X, "columns"):
        return [_select(X, wanted, model, name) for wanted, model, name in zip(features, models, names, strict=True)]
    named = [(wanted, name) for wanted, name in zip(features, names, strict=True) if wanted is not None]
    for wanted, name in named:
        if wanted != named[0][0]:
            raise FedlabError(
                f"organisation {name!r} was fitted on columns {wanted}, organisation {named[0][1]!r} on "
                f"{named[0][0]}, and the records are an array without names; give a DataFrame with these "
                "columns"
            )
    array = np.asarray(X) if isinstance(X, list) else X
    for model, name in zip(models, names, strict=True):
        _check_width(model, name, array)
    if not named:
        return [array] * len(models)
    import pandas as pd

    frame = pd.DataFrame(array, columns=named[0][0])
    return [array if wanted is None else frame for wanted in features]


def _feature_names(model: Any) -> list[str] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _select(frame: Any, wanted: list[str] | None, model: Any, organisation: str) -> Any:
    """Return the wanted columns in the order wanted; all, unnamed, if the model knows no names."""
    if wanted is None:
        array = frame.to_numpy()
        _check_width(model, organisation, array)
        return array
    have = list(frame.columns)
    missing = [name for name in wanted if name not in have]
    if missing:
        raise FedlabError(
            f"organisation {organisation!r}: its model needs column {', '.join(map(repr, missing))}, which "
            f"the records do not have; they have {', '.join(map(repr, have[:20]))}; add the column or leave "
            "this model out"
        )
    twice = [name for name in wanted if have.count(name) > 1]
    if twice:
        raise FedlabError(f"the records have the column {twice[0]!r} more than once; rename or drop one")
    return frame[wanted]


def _check_width(model: Any, organisation: str, array: Any) -> None:
    expected = getattr(model, "n_features_in_", None)
    if np.ndim(array) != 2 or (expected is not None and array.shape[1] != expected):
        raise FedlabError(
            f"organisation {organisation!r}: its model was fitted on {expected} columns; the records have "
            f"shape {np.shape(array)}; give (n_records, n_features) with the columns it was fitted on"
        )


def _ask(
    model: Any, table: Any, classes: np.ndarray, organisation: str, n_records: int, with_probabilities: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return what one model says: indices into its own classes, and its probabilities if they are wanted."""
    rows = None
    try:
        if with_probabilities and hasattr(model, "predict_proba"):
            rows = np.asarray(model.predict_proba(table), dtype=np.float64)
        said = None if rows is not None and _predicts_most_probable(model) else model.predict(table)
    except (TypeError, ValueError) as error:
        raise FedlabError(f"organisation {organisation!r}: its model fails on these records: {error}") from error
    if rows is not None and rows.shape != (n_records, len(classes)):
        raise FedlabError(
            f"organisation {organisation!r}: predict_proba gave shape {rows.shape}; expected "
            f"{(n_records, len(classes))}, a row for each record and a column for each of the model's classes"
        )
    if said is None and rows is not None:
        return rows.argmax(axis=1), rows
    found = _own_positions(said, classes, n_records, organisation)
    if rows is None and with_probabilities:
        rows = np.eye(len(classes))[found]
    return found, rows


def _own_positions(said: Any, classes: np.ndarray, n_records: int, organisation: str) -> np.ndarray:
    """Return where each predicted value stands in the model's own classes, whatever their order."""
    values = plain_values(said, f"organisation {organisation!r}: the predicted labels")
    if len(values) != n_records:
        raise FedlabError(f"organisation {organisation!r}: predict gave {len(values)} labels for {n_records} records")
    order = np.argsort(classes, kind="stable")
    found = positions(values, classes[order])
    if (found < 0).any():
        record = int(np.argmax(found < 0))
        raise FedlabError(
            f"organisation {organisation!r}, record {record}: predict said {values[record].item()!r}, which "
            f"is none of the model's own classes {classes[:10].tolist()}; correct the model or leave it out"
        )
    return order[found]


def _final(model: Any) -> Any:
    """Return the last step of a pipeline, any other model as it is."""
    from sklearn.pipeline import Pipeline

    return _final(model.steps[-1][1]) if type(model) is Pipeline else model


def _is_forest(model: Any) -> bool:
    """Say whether a model is one of scikit-learn's two forests; a subclass may predict otherwise."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    return type(model) in (ExtraTreesClassifier, RandomForestClassifier)


def _predicts_most_probable(model: Any) -> bool:
    """Say whether ``predict`` is known to be the first most probable class: then asking once is enough."""
    return _is_forest(_final(model))


def _one_thread(model: Any) -> Any:
    """Return a forest that adds up its trees in one order; the model given is not changed."""
    if not _is_forest(_final(model)) or _final(model).n_jobs == 1:  # None may mean many threads
        return model
    alone = copy.copy(model)
    if _is_forest(model):
        alone.n_jobs = 1
    else:
        name, last = model.steps[-1]
        alone.steps = [*model.steps[:-1], (name, _one_thread(last))]
    return alone
