"""ConstantClassifier: a scikit-learn classifier that always gives the same answer."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fedlab.training import ConstantClassifier


@parametrize_with_checks([ConstantClassifier()])
def test_scikit_learn_checks(estimator, check):
    """It passes all of scikit-learn's own checks for classifiers."""
    check(estimator)


@pytest.mark.parametrize("value", [1, True, "ill", 2.0])
def test_one_class(value):
    """One class: certain of it whatever the row, missing values and text included."""
    X = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": ["x", None, "z"]})
    model = ConstantClassifier().fit(X, np.array([value] * 3))
    assert model.classes_.tolist() == [value]
    assert model.predict(X).tolist() == [value] * 3
    assert model.predict_proba(X).tolist() == [[1.0]] * 3
    assert list(model.feature_names_in_) == ["a", "b"]


def test_most_common_class():
    """Several classes: the most common one, the lowest at a tie, with probability one."""
    X = np.zeros((5, 1))
    model = ConstantClassifier().fit(X, ["b", "c", "c", "b", "a"])
    assert model.predict(X[:1]).tolist() == ["b"]
    assert model.predict_proba(X[:1]).tolist() == [[0.0, 1.0, 0.0]]
