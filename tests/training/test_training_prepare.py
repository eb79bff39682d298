"""Preparation: exactly the steps that an organisation's columns and the estimator need."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fedlab.training import prepare
from fedlab.training.prepare import takes_missing

NUMBERS = pd.DataFrame({"a": [1.0, 2.0, 9.0, np.nan], "b": [1, 0, 1, 0], "c": [True, False, True, True]})
Y = np.array([0, 1, 0, 1])


def test_nothing_needed_is_nothing_done():
    """Numbers and a forest that takes missing values: the very estimator comes back."""
    forest = RandomForestClassifier()
    model, done = prepare(forest, NUMBERS)
    assert model is forest
    assert (done.imputation, done.imputed, done.encoding, done.encoded, done.steps) == (
        None,
        [],
        None,
        [],
        [],
    )


def test_median_of_own_rows():
    """Missing numbers become the median of the rows fitted on, by hand, also where none was missing."""
    model, done = prepare(GaussianNB(), NUMBERS)
    assert (done.imputation, done.imputed) == ("median", ["a", "b", "c"])
    model.fit(NUMBERS, Y)
    unseen = pd.DataFrame({"a": [np.nan], "b": [np.nan], "c": [np.nan]})
    assert model[0].transform(unseen).tolist() == [[2.0, 0.5, 1.0]]
    assert list(model.feature_names_in_) == ["a", "b", "c"]


def test_all_missing_column_becomes_zero():
    """A column that an organisation does not know at all stays a column, of zeros, and raises no warning."""
    X = NUMBERS.assign(a=np.nan)
    model, _ = prepare(LogisticRegression(), X)
    model.fit(X, Y)
    assert model[0].transform(X)[:, 0].tolist() == [0.0] * 4
    model.predict(NUMBERS)


@pytest.mark.parametrize("dtype", ["str", object, "category"])
@pytest.mark.parametrize("missing", [None, np.nan])
def test_text_becomes_one_column_each(dtype, missing):
    """Each category and the missing value get a column; a category never seen becomes zeros."""
    X = pd.DataFrame({"n": [1.0, 2.0, np.nan, 4.0], "t": pd.Series(["u", "v", missing, "u"], dtype=dtype)})
    model, done = prepare(HistGradientBoostingClassifier(), X)
    assert (done.encoding, done.encoded, done.imputation) == ("one-hot", ["t"], None)
    first = model[0].fit(X)
    np.testing.assert_array_equal(first.transform(X), [[1, 1, 0, 0], [2, 0, 1, 0], [np.nan, 0, 0, 1], [4, 1, 0, 0]])
    unseen = pd.DataFrame({"n": [1.0], "t": pd.Series(["w"], dtype="object" if dtype == "category" else dtype)})
    assert first.transform(unseen).tolist() == [[1, 0, 0, 0]]


def test_missing_text_in_the_holdout_only():
    """A holdout row may lack a text that no training row lacked."""
    X = pd.DataFrame({"t": ["u", "v", "u", "v"]})
    model, _ = prepare(LogisticRegression(), X)
    model.fit(X, Y)
    share = model.predict_proba(pd.DataFrame({"t": [None]}))
    assert share.shape == (1, 2) and np.isfinite(share).all()


def test_only_text():
    """Text alone: encoded, nothing imputed."""
    _, done = prepare(LogisticRegression(), pd.DataFrame({"t": ["u", "v"]}))
    assert (done.imputation, done.imputed, done.encoded) == (None, [], ["t"])


def test_own_pipeline_keeps_its_steps():
    """A user's pipeline is continued, not nested; its own imputer is left to do its work."""
    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    model, done = prepare(scaled, NUMBERS)
    assert [type(step).__name__ for _, step in model.steps] == [
        "SimpleImputer",
        "StandardScaler",
        "LogisticRegression",
    ]
    assert done.steps == ["sklearn.preprocessing._data.StandardScaler"]
    own = make_pipeline(StandardScaler(), SimpleImputer(strategy="mean"), LogisticRegression())
    model, done = prepare(own, NUMBERS)
    assert model is own and done.imputation is None


def test_who_takes_missing_values():
    """A pipeline takes missing values where every step up to an imputer does."""
    forest, line = RandomForestClassifier(), LogisticRegression()
    assert takes_missing(forest) and not takes_missing(line)
    assert takes_missing(make_pipeline(StandardScaler(), forest))
    assert not takes_missing(make_pipeline(StandardScaler(), line))
    assert takes_missing(make_pipeline("passthrough", SimpleImputer(), line))
