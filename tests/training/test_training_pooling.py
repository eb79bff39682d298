"""Pooled trees: scikit-learn's concatenated forest where classes agree, right where they do not."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from fedlab.errors import FedlabError
from fedlab.records import Records, Schema
from fedlab.training import ConstantClassifier, pool_trees, train_organisation


def _rows(seed, n=80):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    return X, (X.a + rng.normal(size=n) > 0).astype(int).to_numpy()


def test_equals_concatenated_trees():
    """Same classes, unequal numbers of trees: what concatenating estimators_ in scikit-learn gives."""
    forests = [RandomForestClassifier(n, random_state=n).fit(*_rows(n)) for n in (3, 10, 5)]
    whole = copy.deepcopy(forests[0])
    whole.estimators_ = [tree for forest in forests for tree in forest.estimators_]
    whole.n_estimators = 18
    pooled, (X, _) = pool_trees(forests), _rows(99)
    np.testing.assert_allclose(pooled.predict_proba(X), whole.predict_proba(X), rtol=0, atol=1e-14)
    assert pooled.predict(X).tolist() == whole.predict(X).tolist()
    assert pooled.trees == (3, 10, 5)


def test_classes_that_differ():
    """Organisations holding {a, b} and {b, c}: each tree's shares land in its own classes' columns."""
    X, y = _rows(1)
    one = RandomForestClassifier(4, random_state=0).fit(X, np.array(["a", "b"])[y])
    two = ExtraTreesClassifier(12, random_state=0).fit(X, np.array(["b", "c"])[y])
    pooled = pool_trees([one, two])
    expected = np.zeros((len(X), 3))
    expected[:, :2] += 4 / 16 * one.predict_proba(X)
    expected[:, 1:] += 12 / 16 * two.predict_proba(X)
    assert pooled.classes.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(pooled.predict_proba(X), expected, atol=1e-15)
    assert pooled.predict(X).tolist() == pooled.classes[expected.argmax(axis=1)].tolist()


def test_constant_model_counts_as_the_median_forest():
    """A constant model has the say of the median forest, the lower one of two."""
    X, y = _rows(2)
    forests = [RandomForestClassifier(n, random_state=0).fit(X, y) for n in (2, 6)]
    constant = ConstantClassifier().fit(X, np.full(len(X), 7))
    pooled = pool_trees([forests[0], constant, forests[1]])
    assert pooled.trees == (2, 2, 6)
    assert pooled.classes.tolist() == [0, 1, 7]
    np.testing.assert_allclose(pooled.predict_proba(X)[:, 2], 0.2)
    np.testing.assert_allclose(pooled.predict_proba(X).sum(axis=1), 1)


def test_tie_goes_to_the_lowest_class():
    """Two organisations certain of different classes: the lower one."""
    X, y = _rows(3)
    forest = RandomForestClassifier(4, random_state=0).fit(X, np.full(len(y), 1))
    other = RandomForestClassifier(4, random_state=0).fit(X, np.full(len(y), 0))
    assert set(pool_trees([forest, other]).predict(X)) == {0}


def test_forest_behind_preparation():
    """Forests that had text encoded first are pooled with their preparation."""
    X, y = _rows(4)
    frame = X.assign(t=np.where(X.b > 0, "u", "v"), id=range(len(X)), y=y)
    records = Records(frame, Schema("id", ["a", "t"], "y"))
    trained = train_organisation(records, {"name": "random_forest", "n_estimators": 3})
    assert hasattr(trained.estimator, "steps")
    pooled = pool_trees([trained.estimator, trained.estimator])
    np.testing.assert_allclose(pooled.predict_proba(records.X), trained.estimator.predict_proba(records.X))


def test_not_forests():
    """Anything else than forests and constants has no trees to pool."""
    X, y = _rows(5)
    forest, line = RandomForestClassifier(2).fit(X, y), LogisticRegression().fit(X, y)
    constant = ConstantClassifier().fit(X, np.zeros(len(X), dtype=int))
    assert pool_trees([forest, line]) is None
    assert pool_trees([constant]) is None
    assert pool_trees([]) is None


def test_classes_of_two_kinds():
    """Numbers in one model and text in another cannot be pooled."""
    X, y = _rows(6)
    one, two = RandomForestClassifier(2).fit(X, y), RandomForestClassifier(2).fit(X, y.astype(str))
    with pytest.raises(FedlabError, match="numbers in some models and text in others"):
        pool_trees([one, two])
