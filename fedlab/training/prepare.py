"""What must stand before a classifier so that it takes an organisation's columns: imputation, encoding."""

from typing import Any

import pandas as pd

from fedlab.exchange import Preprocessing


def prepare(estimator: Any, X: pd.DataFrame) -> tuple[Any, Preprocessing]:
    """Put the steps before an unfitted estimator that these columns need, and no others.

    Columns of text and categories become one column per category of the organisation's own rows; a missing
    value is a category of its own, a category never seen becomes all zeros. Where the estimator cannot take
    missing numbers they become the median of the organisation's own training rows (0 where it has none at
    all), even if none is missing there: a record of the holdout may lack one. Where nothing is needed the
    estimator itself comes back.

    Parameters
    ----------
    estimator : estimator
        An unfitted classifier or pipeline.
    X : DataFrame
        The features of the training rows: their dtypes, and whether a column is missing altogether.

    Returns
    -------
    estimator, Preprocessing
        What to fit with DataFrames, and what it does, for the card.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> model, done = prepare(GaussianNB(), pd.DataFrame({"age": [50.0, None], "sex": ["f", "m"]}))
    >>> done.imputed, done.encoded, [name for name, _ in model.steps]
    (['age'], ['sex'], ['prepare', 'model'])
    """
    text = [str(name) for name in X.columns if _is_text(X[name].dtype)]
    numbers = [str(name) for name in X.columns if str(name) not in text]
    imputed = _to_impute(estimator, X[numbers])
    done = Preprocessing(
        imputation="median" if imputed else None,
        imputed=imputed,
        encoding="one-hot" if text else None,
        encoded=text,
        steps=_own_steps(estimator),
    )
    first = _first_step(numbers, imputed, text)
    if first is None:
        return estimator, done
    from sklearn.pipeline import Pipeline

    own = list(estimator.steps) if isinstance(estimator, Pipeline) else [("model", estimator)]
    return Pipeline([("prepare", first), *own]), done


def takes_missing(estimator: Any) -> bool:
    """Say whether an estimator can take missing numbers.

    scikit-learn tags each estimator; a pipeline's tag says no whatever its steps say, so its steps are
    asked one by one, up to an imputer, after which nothing is missing any more.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> takes_missing(RandomForestClassifier()), takes_missing(LogisticRegression())
    (True, False)
    """
    for step in _flat_steps(estimator):
        if not _tagged(step):
            return False
        if type(step).__module__.startswith("sklearn.impute."):
            return True
    return True


def _to_impute(estimator: Any, X: pd.DataFrame) -> list[str]:
    """Return the columns of numbers whose missing values the estimator cannot take."""
    if not takes_missing(estimator):
        return list(X.columns)
    model = _flat_steps(estimator)[-1]
    if not type(model).__module__.startswith("sklearn.ensemble._hist_gradient_boosting."):
        return []
    # It takes missing values, but its binning fails on a column that holds nothing else (scikit-learn 1.9).
    return [name for name in X.columns if X[name].isna().all()]


def _flat_steps(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline, those of pipelines inside it too, or the estimator alone."""
    if not hasattr(estimator, "steps"):
        return [estimator]
    return [part for _, step in estimator.steps for part in _flat_steps(step)]


def _tagged(step: Any) -> bool:
    """Return an estimator's own tag; what has none is taken not to know missing values."""
    from sklearn.utils import get_tags

    if step is None or step == "passthrough":
        return True
    try:
        return bool(get_tags(step).input_tags.allow_nan)
    except (AttributeError, TypeError, ValueError):
        return False


def _is_text(dtype: Any) -> bool:
    """Say whether a column's values must be encoded: anything but numbers and booleans."""
    return not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)) or isinstance(
        dtype, pd.CategoricalDtype
    )


def _own_steps(estimator: Any) -> list[str]:
    """Return the import paths of a user's own steps before his classifier."""
    return [f"{type(step).__module__}.{type(step).__qualname__}" for step in _flat_steps(estimator)[:-1]]


def _first_step(numbers: list[str], imputed: list[str], text: list[str]) -> Any:
    """Build the imputer, the encoder or both, or None where neither is needed."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    if not text and imputed in ([], numbers):
        return imputer if imputed else None
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    plain = [name for name in numbers if name not in imputed]
    parts = [("numbers", "passthrough", plain), ("imputed", imputer, imputed), ("text", encoder, text)]
    return ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)
