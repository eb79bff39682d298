"""Forged trees are refused before they predict: each test changes one number in a good file."""

import io
import zipfile

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from fedlab.errors import FedlabError
from fedlab.exchange import FORMATS
from fedlab.exchange.structure import check_structure

SKOPS = FORMATS.get("skops")


@pytest.fixture(scope="module")
def rows():
    """Give rows and classes that need trees of some depth."""
    X = np.random.default_rng(3).normal(size=(200, 4))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def _forge(data: bytes, wanted: str, change) -> bytes:
    """Change the first array that has the wanted field (or, for ``rows``, that is whole numbers from 0)."""
    source, buffer, done = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO(), False
    with zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".npy") and not done:
                array = np.load(io.BytesIO(content))
                fits = wanted in (array.dtype.names or ()) or (
                    wanted == "rows" and array.ndim == 1 and np.array_equal(np.sort(array), np.arange(200))
                )
                if fits:
                    change(array)
                    new, done = io.BytesIO(), True
                    np.save(new, array)
                    content = new.getvalue()
            target.writestr(name, content)
    assert done
    return buffer.getvalue()


def _set(field, value, row=0):
    def change(array):
        array[field][row] = value

    return change


TREES = [
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(3, random_state=0),
    GradientBoostingClassifier(n_estimators=3, random_state=0),
]


@pytest.mark.parametrize("estimator", TREES, ids=lambda estimator: type(estimator).__name__)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left_child", 10**9),
        ("right_child", 10**9),
        ("left_child", 0),
        ("left_child", -7),
        ("feature", 4),
        ("feature", -2),
        ("feature", 10**12),
    ],
)
def test_forged_tree(rows, estimator, field, value):
    """A child outside the tree, a child that is its own ancestor, a feature that is not there."""
    data = SKOPS.to_bytes(estimator.fit(*rows))
    SKOPS.decode(data, "good.skops")
    with pytest.raises(FedlabError, match=r"bad\.skops: a Tree in it is forged"):
        SKOPS.decode(_forge(data, "left_child", _set(field, value)), "bad.skops")


@pytest.mark.parametrize(("field", "value"), [("left", 10**6), ("right", 0), ("feature_idx", 4), ("feature_idx", -1)])
def test_forged_histogram_tree(rows, field, value):
    """The same for histogram gradient boosting, whose trees are of another kind."""
    data = SKOPS.to_bytes(HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(*rows))
    with pytest.raises(FedlabError, match="forged or damaged"):
        SKOPS.decode(_forge(data, "feature_idx", _set(field, value)), "bad.skops")


def test_forged_categories(rows):
    """A histogram tree that asks for a set of categories which is not there."""
    X, y = rows
    X = np.column_stack([np.digitize(X[:, 0], [-1, 0, 1]) % 2 * 2 + (X[:, 1] > 0), X[:, 1]])
    model = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0], random_state=0).fit(X, y)
    data = SKOPS.to_bytes(model)
    SKOPS.decode(data, "good.skops")

    def change(nodes):
        nodes["is_categorical"][0], nodes["bitset_idx"][0] = 1, 999

    with pytest.raises(FedlabError, match="set of categories"):
        SKOPS.decode(_forge(data, "feature_idx", change), "bad.skops")


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_forged_neighbours(rows, algorithm):
    """Trees of neighbours that point at rows or nodes which are not there."""
    data = SKOPS.to_bytes(KNeighborsClassifier(algorithm=algorithm).fit(*rows))
    SKOPS.decode(data, "good.skops")

    def last_is_inner(nodes):
        nodes["is_leaf"][-1] = 0

    for field, change in [
        ("idx_start", _set("idx_end", 10**9)),
        ("idx_start", _set("idx_start", -1)),
        ("idx_start", last_is_inner),
        ("rows", lambda array: array.__setitem__(0, 10**9)),
    ]:
        with pytest.raises(FedlabError, match="forged or damaged"):
            SKOPS.decode(_forge(data, field, change), "bad.skops")


def test_tree_of_other_width(rows):
    """A forest with one tree that looks at more features than the forest's input has."""
    X, y = rows
    forest = RandomForestClassifier(3, random_state=0).fit(X[:, :2], y)
    check_structure(forest, "good")
    forest.estimators_[1] = DecisionTreeClassifier(random_state=0).fit(X, y)
    with pytest.raises(FedlabError, match=r"trees have \[2, 4\] features, it has 2"):
        check_structure(forest, "bad")
    del forest.n_features_in_
    with pytest.raises(FedlabError, match="forged"):
        check_structure(forest, "bad")
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    tree.n_features_in_ = 2
    with pytest.raises(FedlabError, match="its tree has 4 features, it has 2"):
        check_structure({"inside": [tree]}, "bad")
