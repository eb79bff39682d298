"""Which models there are, and how a name, an import path or a mapping becomes one; nothing is fitted here."""

import inspect
import json
import warnings
from collections.abc import Mapping
from typing import Any

from fedlab.errors import FedlabError, unknown_name
from fedlab.registry import Registry, import_object, is_import_path

MODELS: Registry[Any] = Registry("model")

_SCALER = {"class": "sklearn.preprocessing.StandardScaler"}
_NAMED: dict[str, dict[str, Any]] = {
    "random_forest": {"class": "sklearn.ensemble.RandomForestClassifier", "n_estimators": 40},
    "contingency_forest": {
        "class": "fedlab.training.contingency_forest.ContingencyForestClassifier",
        "n_estimators": 40,
    },
    "extra_trees": {"class": "sklearn.ensemble.ExtraTreesClassifier", "n_estimators": 40},
    "hist_gradient_boosting": {"class": "sklearn.ensemble.HistGradientBoostingClassifier"},
    "decision_tree": {"class": "sklearn.tree.DecisionTreeClassifier"},
    "gaussian_nb": {"class": "sklearn.naive_bayes.GaussianNB"},
    "logistic_regression": {
        "pipeline": [_SCALER, {"class": "sklearn.linear_model.LogisticRegression", "max_iter": 1000}]
    },
    "mlp": {
        "pipeline": [
            _SCALER,
            {"class": "sklearn.neural_network.MLPClassifier", "hidden_layer_sizes": [32], "max_iter": 500},
        ]
    },
}
for _name, _spec in _NAMED.items():
    MODELS.register(_name)(_spec)

_HEADS = ("class", "name", "pipeline")
_FORMS = (
    "a name (random_forest), an import path (sklearn.svm.SVC), {name: random_forest, n_estimators: 10}, "
    "{class: sklearn.ensemble.HistGradientBoostingClassifier, max_iter: 100} "
    "or {pipeline: [step, …, classifier]}"
)


def build_model(model: str | Mapping[str, Any] = "random_forest", random_state: int | None = 42) -> Any:
    """Build the estimator that a name, an import path or a mapping describes.

    Parameters
    ----------
    model : str or mapping
        A registered name; an import path of a scikit-learn-compatible classifier; ``{"name": …}`` or
        ``{"class": …}`` with parameters; ``{"pipeline": [step, …, classifier]}``, each entry again one of
        these; or any of these mappings as a JSON string, as a command line gives it. A parameter may itself
        be such a mapping, e.g. the ``estimator`` of a bagging classifier.
    random_state : int or None, default 42
        Given to each part that has such a parameter and was not given one by `model`.

    Returns
    -------
    estimator
        A new, unfitted classifier.

    Raises
    ------
    FedlabError
        If a name, class or parameter is not known (with the nearest one), or if it is not a classifier.

    Examples
    --------
    >>> build_model("random_forest")
    RandomForestClassifier(n_estimators=40, random_state=42)
    >>> build_model({"name": "random_forest", "n_estimators": 10}, random_state=0)
    RandomForestClassifier(n_estimators=10, random_state=0)
    >>> build_model({"class": "sklearn.ensemble.RandomForestClassifier", "n_estimator": 10})
    Traceback (most recent call last):
        ...
    fedlab.errors.FedlabError: parameter of RandomForestClassifier 'n_estimator' is not known; did you mean...
    """
    estimator = _build(_parse(model), random_state)
    _check_classifier(estimator, model)
    return estimator


def check_model(model: str | Mapping[str, Any]) -> None:
    """Check a model's description without fitting: names, parameters and, where it says so, their values.

    Raises
    ------
    FedlabError
        As `build_model`, and where a parameter's value is not allowed.
    """
    from sklearn.utils._param_validation import InvalidParameterError

    estimator = build_model(model)
    for part in _components(estimator):
        if not (hasattr(part, "_validate_params") and hasattr(part, "_parameter_constraints")):
            continue  # a class from elsewhere has no such list
        try:
            part._validate_params()
        except InvalidParameterError as error:
            raise FedlabError(f"model {model!r}: {error}; mend the value in the params file") from None


def model_types(model: str | Mapping[str, Any]) -> tuple[str, ...]:
    """Return the classes that a model's description names, as `load_model` wants them in ``trusted``.

    Who names a class in his own params file trusts it; scikit-learn's are known to skops anyway.

    Parameters
    ----------
    model : str or mapping
        See `build_model`.

    Returns
    -------
    tuple of str
        Module and name of each class, sorted, scikit-learn's and fedlab's own left out.

    Examples
    --------
    >>> model_types("random_forest")
    ()
    """
    types = {type(part) for part in _components(build_model(model))}
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in types}
    return tuple(sorted(name for name in names if not name.startswith(("sklearn.", "fedlab."))))


def final_step(estimator: Any) -> Any:
    """Return the classifier itself: the last step of a pipeline, or the estimator."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return estimator


def _parse(model: Any) -> Any:
    """Turn a JSON string into what it holds; leave everything else."""
    if not isinstance(model, str) or not model.lstrip().startswith(("{", "[")):
        return model
    try:
        return json.loads(model)
    except json.JSONDecodeError as error:
        raise FedlabError(f"model {model!r} looks like JSON but is not ({error}); allowed: {_FORMS}") from None


def _build(spec: Any, random_state: int | None, extra: Mapping[str, Any] | None = None) -> Any:
    """Build one estimator; `extra` are parameters on top of those in `spec`."""
    if isinstance(spec, str):
        if spec in MODELS:
            return _build(MODELS.get(spec), random_state, extra)
        if is_import_path(spec):
            return _build({"class": spec}, random_state, extra)
        raise unknown_name("model", spec, MODELS)
    if inspect.isclass(spec):
        return _construct(spec, dict(extra or {}), random_state)
    if not isinstance(spec, Mapping):
        raise FedlabError(f"model {spec!r} is a {type(spec).__name__}; allowed: {_FORMS}")
    heads = [head for head in _HEADS if head in spec]
    if len(heads) != 1:
        raise FedlabError(f"model {dict(spec)!r} needs exactly one of class, name, pipeline; allowed: {_FORMS}")
    head = heads[0]
    params = {**{key: value for key, value in spec.items() if key != head}, **(extra or {})}
    if head == "pipeline":
        return _pipeline(spec["pipeline"], params, random_state)
    if head == "name":
        return _build(str(spec["name"]), random_state, params)
    path = spec["class"]
    if not isinstance(path, str) or not is_import_path(path):
        raise FedlabError(f"model class {path!r} is not an import path such as sklearn.svm.SVC or mymodule:MyModel")
    return _construct(import_object(path, "model"), params, random_state)


def _pipeline(steps: Any, params: Mapping[str, Any], random_state: int | None) -> Any:
    """Build a pipeline; parameters on top of a named one go to its classifier."""
    from sklearn.pipeline import make_pipeline

    if not isinstance(steps, list | tuple) or not steps:
        raise FedlabError(f"model pipeline {steps!r} must be a list of steps, the last one a classifier")
    built = [_build(step, random_state, params if step is steps[-1] else None) for step in steps]
    for step in built[:-1]:
        if not (hasattr(step, "fit") and hasattr(step, "transform")):
            raise FedlabError(
                f"pipeline step {type(step).__name__} has no fit and transform; only the last step may be a classifier"
            )
    return make_pipeline(*built)


def _construct(kind: Any, params: dict[str, Any], random_state: int | None) -> Any:
    """Call a class with checked parameters, seeded where it takes a seed."""
    if not inspect.isclass(kind):
        raise FedlabError(f"model {kind!r} is not a class; give the import path of a classifier's class")
    known = _parameter_names(kind)
    for name in params:
        if known is not None and name not in known:
            raise unknown_name(f"parameter of {kind.__name__}", name, known)
    values = {name: _value(value, random_state) for name, value in params.items()}
    if known is not None and "random_state" in known:
        values.setdefault("random_state", random_state)
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise FedlabError(f"model {kind.__name__} cannot be made from {params!r}: {error}") from error


def _value(value: Any, random_state: int | None) -> Any:
    """Build a parameter that is itself a model; leave every other value."""
    if isinstance(value, Mapping) and any(head in value for head in ("class", "pipeline")):
        return _build(value, random_state)
    return value


def _parameter_names(kind: type) -> list[str] | None:
    """Return the parameters that a class takes, or None where it takes any."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):  # a class written in C may not say
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return sorted(parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL)


def _components(estimator: Any) -> list[Any]:
    """Return an estimator with all the estimators among its parameters."""
    if not hasattr(estimator, "get_params"):
        return [estimator]
    inside = estimator.get_params(deep=True).values()
    return [
        estimator,
        *(part for part in inside if hasattr(part, "get_params") and not inspect.isclass(part)),
    ]


def _check_classifier(estimator: Any, model: Any) -> None:
    """Refuse what cannot be fitted, cannot predict, or predicts something else than classes."""
    name = type(final_step(estimator)).__name__
    if not (hasattr(type(estimator), "fit") and hasattr(estimator, "fit")) or not hasattr(
        type(final_step(estimator)), "predict"
    ):
        raise FedlabError(f"model {model!r}: {name} has no fit and predict; give a scikit-learn-compatible classifier")
    kind = _kind(estimator)
    if kind not in ("classifier", None):
        raise FedlabError(
            f"model {model!r}: {name} is a {kind}, not a classifier; the vote is over classes: "
            f"take a classifier, e.g. {name.replace('Regressor', 'Classifier')!r} if there is one"
        )


def _kind(estimator: Any) -> str | None:
    """Return ``"classifier"``, ``"regressor"``, … as the estimator says, or None where it does not say.

    Raises
    ------
    FedlabError
        If it is not built on scikit-learn's base class: pipelines and metrics then refuse it.
    """
    from sklearn.utils import get_tags

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return get_tags(final_step(estimator)).estimator_type
        except (AttributeError, TypeError) as error:
            name = type(final_step(estimator)).__name__
            raise FedlabError(
                f"model {name} is not built on scikit-learn's base class; "
                f"write class {name}(ClassifierMixin, BaseEstimator), both from sklearn.base"
            ) from error
