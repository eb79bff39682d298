"""The format compact: trees come back to the last bit, files are small and reproducible, forged ones are refused."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from fedlab.errors import FedlabError
from fedlab.exchange import FORMATS
from fedlab.exchange.tree_tables import TABLES, tables_of, trees_of

COMPACT = FORMATS.get("compact")


def coded(n_rows=600, n_classes=3, missing=False, seed=0):
    """Return coded features, some missing if asked, and classes that depend on them."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"a": rng.integers(0, 9, n_rows), "b": rng.normal(size=n_rows), "c": rng.integers(0, 2, n_rows)})
    y = np.array(["low", "mid", "top"])[np.digitize(X.a + 2 * X.b, [3, 6])[:] % n_classes]
    if missing:
        X.loc[rng.random(n_rows) < 0.2, "b"] = np.nan
    return X, y


FORESTS = {
    "plain": (RandomForestClassifier(4, random_state=0), {}),
    "two classes": (RandomForestClassifier(4, random_state=0), {"n_classes": 2}),
    "missing": (RandomForestClassifier(4, random_state=0), {"missing": True}),
    "best first": (RandomForestClassifier(4, max_leaf_nodes=20, random_state=0), {}),
    "entropy": (RandomForestClassifier(4, criterion="entropy", max_depth=4, random_state=0), {}),
    "log loss": (RandomForestClassifier(4, criterion="log_loss", min_samples_leaf=5, random_state=0), {}),
    "weights": (RandomForestClassifier(4, class_weight={"low": 0.3, "mid": 1.7}, random_state=0), {}),
    "balanced": (RandomForestClassifier(4, class_weight="balanced_subsample", random_state=0), {"missing": True}),
    "no bootstrap": (ExtraTreesClassifier(4, random_state=0), {}),
    "one node": (RandomForestClassifier(2, max_depth=1, min_samples_leaf=400, random_state=0), {}),
    "a tree": (DecisionTreeClassifier(random_state=3), {"missing": True}),
    "extra tree": (ExtraTreeClassifier(random_state=np.random.RandomState(1)), {}),
}


def trees_in(forest):
    """Return the fitted trees of a forest, or the tree itself."""
    return [forest] if hasattr(forest, "tree_") else forest.estimators_


@pytest.mark.parametrize("name", FORESTS)
def test_trees_come_back(name):
    """Splits, leaves and predictions are the same bits; what inner nodes hold is so up to rounding of sums."""
    estimator, options = FORESTS[name]
    X, y = coded(**options)
    estimator.fit(X, y)
    data = COMPACT.to_bytes(estimator)
    back = COMPACT.decode(data, "memory")
    assert np.array_equal(back.predict_proba(X), estimator.predict_proba(X))
    assert back.feature_importances_ == pytest.approx(estimator.feature_importances_, abs=1e-12)
    if name != "extra tree":  # a generator as the seed is written as skops writes it, which is not the same each time
        assert COMPACT.to_bytes(back) == data
    for own, got in zip(trees_in(estimator), trees_in(back), strict=True):
        assert got.get_params() == own.get_params() or name == "extra tree"
        assert (got.tree_.max_depth, got.tree_.node_count) == (own.tree_.max_depth, own.tree_.node_count)
        asked = X.to_numpy(dtype=np.float32)
        leaves, reached = own.tree_.apply(asked), got.tree_.apply(asked)
        assert np.array_equal(got.tree_.value[reached], own.tree_.value[leaves])
        for field in ("n_node_samples", "weighted_n_node_samples", "impurity"):
            told = getattr(got.tree_, field), getattr(own.tree_, field)
            assert told[0][reached] == pytest.approx(told[1][leaves], abs=1e-12)
            assert np.sort(told[0]) == pytest.approx(np.sort(told[1]), rel=1e-12, abs=1e-12)
        if name != "best first":
            for field in ("children_left", "children_right", "feature", "threshold"):
                assert np.array_equal(getattr(got.tree_, field), getattr(own.tree_, field)), field
            assert got.tree_.value == pytest.approx(own.tree_.value, abs=1e-12)


def test_whole_weights_are_summed_exactly():
    """Where weights are whole numbers, inner nodes too are the same to the last bit."""
    X, y = coded()
    forest = RandomForestClassifier(4, random_state=1).fit(X, y)
    back = COMPACT.decode(COMPACT.to_bytes(forest), "memory")
    for own, got in zip(forest.estimators_, back.estimators_, strict=True):
        assert np.array_equal(got.tree_.value, own.tree_.value)
        assert np.array_equal(got.tree_.weighted_n_node_samples, own.tree_.weighted_n_node_samples)


def test_files_are_an_eighth_of_skops():
    """Forests on coded rows take less than an eighth of the default format's bytes and a thirtieth of a pickle's."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.integers(20, 90, 20000), "sex": rng.integers(0, 2, 20000)})
    X["pressure"] = rng.integers(90, 190, 20000)
    y = (X.age + rng.normal(0, 25, len(X)) > 55).astype(int)
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    sizes = {name: len(FORMATS.get(name).to_bytes(forest)) for name in ("pkl", "skops", "compact")}
    assert sizes["compact"] < sizes["skops"] / 8 and sizes["compact"] < sizes["pkl"] / 30


def rewritten(data, change):
    """Return a model file with other tables, as `change` makes them."""
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        held = {name: parts.read(name) for name in parts.namelist()}
    stream = io.BytesIO(held["trees.npy"])
    tables = {name: np.load(stream) for name in (*TABLES, "tree_seeds")}
    change(tables)
    stream = io.BytesIO()
    for table in tables.values():
        np.save(stream, table)
    held["trees.npy"] = stream.getvalue()
    return zipped(held)


def zipped(parts):
    """Return parts as the bytes of a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return buffer.getvalue()


def put(name, place, value):
    """Change one number of a table, in a type that holds it."""

    def change(tables):
        tables[name] = tables[name].astype(np.promote_types(tables[name].dtype, type(value)))
        tables[name][place] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("n_nodes", 0, 3),
        put("n_nodes", 1, 100_000_000),
        lambda tables: tables.update(n_nodes=tables["n_nodes"][:0]),
        lambda tables: tables.update(is_leaf=~tables["is_leaf"]),
        lambda tables: tables.update(is_leaf=tables["is_leaf"][:-2]),
        lambda tables: tables.update(is_leaf=np.zeros_like(tables["is_leaf"])),
        put("split", 0, 60_000),
        put("answer", -1, 60_000),
        put("split_feature", 0, 200),
        put("answer_values", (0, 0), np.nan),
        put("answer_weight", 0, np.inf),
        lambda tables: tables.update(split=tables["split"][:-1]),
        lambda tables: tables.update(split_threshold=tables["split_threshold"][:-1]),
        lambda tables: tables.update(answer_values=tables["answer_values"][:, :1]),
        lambda tables: tables.update(answer_values=tables["answer_values"].ravel()),
        lambda tables: tables.update(answer_rows=tables["answer_rows"].astype(str)),
        lambda tables: tables.update(tree_seeds=tables["tree_seeds"][:1]),
        lambda tables: tables.update(split=-tables["split"].astype(np.int64) - 1),
        put("n_nodes", 0, 3.7),
        put("split_feature", 0, 1.5),
        put("answer", 0, -1),
    ],
)
def test_forged_tables_are_refused(change):
    """A number that points nowhere, nodes that form no trees, values that are none: named, never followed."""
    X, y = coded()
    data = COMPACT.to_bytes(RandomForestClassifier(3, random_state=0).fit(X, y))
    assert COMPACT.decode(rewritten(data, lambda tables: None), "m.compact").predict(X).shape == (600,)
    with pytest.raises(FedlabError, match=r"m\.compact"):
        COMPACT.decode(rewritten(data, change), "m.compact")


def test_objects_and_parts_that_do_not_fit_are_refused():
    """Arrays of objects are never unpickled; tables without a forest and a forest without tables are refused."""
    X, y = coded()
    forest = COMPACT.to_bytes(RandomForestClassifier(3, random_state=0).fit(X, y))
    tree = COMPACT.to_bytes(DecisionTreeClassifier().fit(X, y))
    parts = {}
    for name, data in (("forest", forest), ("tree", tree)):
        with zipfile.ZipFile(io.BytesIO(data)) as held:
            parts[name] = {part: held.read(part) for part in held.namelist()}
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    wrong = [
        parts["forest"] | {"trees.npy": stream.getvalue()},
        {"skeleton.skops": parts["forest"]["skeleton.skops"]},
        {"skeleton.skops": FORMATS.get("skops").to_bytes(DecisionTreeClassifier().fit(X, y))}
        | {"trees.npy": parts["tree"]["trees.npy"]},
        parts["tree"] | {"trees.npy": parts["forest"]["trees.npy"]},
        {"trees.npy": parts["tree"]["trees.npy"]},
    ]
    for held in wrong:
        with pytest.raises(FedlabError, match=r"m\.compact"):
            COMPACT.decode(zipped(held), "m.compact")
    for content in (b"", forest[:-30], b"no zip"):
        with pytest.raises(FedlabError, match=r"m\.compact"):
            COMPACT.decode(content, "m.compact")


def test_flipped_bytes_never_crash():
    """Any byte of the tables may be flipped: the file is refused, or gives a forest that answers."""
    X, y = coded(200)
    data = COMPACT.to_bytes(RandomForestClassifier(2, max_depth=4, random_state=0).fit(X, y))
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        parts = {part: held.read(part) for part in held.namelist()}
    rng, refused = np.random.default_rng(0), 0
    for place in rng.integers(0, len(parts["trees.npy"]), 300):
        other = bytearray(parts["trees.npy"])
        other[place] ^= int(rng.integers(1, 256))
        try:
            assert len(COMPACT.decode(zipped(parts | {"trees.npy": bytes(other)}), "m").predict(X)) == 200
        except FedlabError:
            refused += 1
    assert 0 < refused < 300


def test_tables_by_hand():
    """One tree of one split, written out: root, left leaf of class 0 (two rows), right leaf of class 1 (one row)."""
    tree = DecisionTreeClassifier().fit([[1.0], [1.0], [4.0]], [0, 0, 1])
    tables = tables_of([tree.tree_])
    assert tables["n_nodes"].tolist() == [3] and np.unpackbits(tables["is_leaf"])[:3].tolist() == [0, 1, 1]
    assert tables["split_feature"].tolist() == [0] and tables["split_threshold"].tolist() == [2.5]
    said = [tables["answer_values"][place].tolist() for place in tables["answer"]]
    assert said == [[1, 0], [0, 1]] and tables["answer_weight"][tables["answer"]].tolist() == [2, 1]
    (back,) = trees_of(tables, 1, "gini")
    assert back.value[0, 0].tolist() == pytest.approx([2 / 3, 1 / 3]) and back.impurity[0] == pytest.approx(4 / 9)
    assert back.n_node_samples.tolist() == [3, 2, 1] and back.max_depth == 1
