"""Smaller trees: leaves joined change no prediction; pruning is scikit-learn's, as far as one standard error says."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from fedlab.errors import FedlabError
from fedlab.exchange import load_model
from fedlab.partition import read_partition, split_records, write_partition
from fedlab.records import Records, Schema
from fedlab.sweep.params import parse_sweep
from fedlab.training import compact_model, train_all, train_organisation
from fedlab.training.compact import _alphas, _pruned, merge_leaves


def noisy(n_rows=800, seed=0, n_classes=2):
    """Return coded features and classes that depend on them a little."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {"a": rng.integers(0, 8, n_rows), "b": rng.integers(0, 6, n_rows), "c": rng.integers(0, 3, n_rows)}
    )
    y = ((X.a + rng.normal(0, 4, n_rows)) / 4).clip(0, n_classes - 1).astype(int).to_numpy()
    return X, y


def leaves_below(tree, node):
    """Return the values of all leaves below a node, by walking."""
    if tree.children_left[node] < 0:
        return [tuple(tree.value[node, 0])]
    return leaves_below(tree, tree.children_left[node]) + leaves_below(tree, tree.children_right[node])


@pytest.mark.parametrize("options", [{}, {"max_leaf_nodes": 60}, {"max_depth": 5}, {"class_weight": "balanced"}])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_joined_leaves_change_no_prediction(options, n_classes):
    """On any record the same bits; afterwards no inner node has leaves that all say the same; the least such tree."""
    X, y = noisy(n_classes=n_classes)
    everyone = pd.DataFrame([(a, b, c) for a in range(-1, 9) for b in range(7) for c in range(3)], columns=list("abc"))
    for seed in range(3):
        tree = DecisionTreeClassifier(max_features=1, random_state=seed, **options).fit(X, y)
        joined = merge_leaves(tree.tree_)
        asked = everyone.to_numpy(dtype=np.float32)
        assert np.array_equal(joined.predict(asked), tree.tree_.predict(asked))
        inner = [node for node in range(joined.node_count) if joined.children_left[node] >= 0]
        assert all(len(set(leaves_below(joined, node))) > 1 for node in inner)
        kept = [n for n in range(tree.tree_.node_count) if len(set(leaves_below(tree.tree_, n))) > 1]
        assert len(inner) == len(kept)
        assert joined.weighted_n_node_samples[0] == tree.tree_.weighted_n_node_samples[0]


def test_a_tree_that_says_one_thing_becomes_one_leaf():
    """By hand: whatever the feature, half of the rows are ill; scikit-learn splits, for nothing."""
    tree = DecisionTreeClassifier().fit([[1], [1], [2], [2], [3], [3]], [0, 1] * 3)
    assert tree.tree_.node_count == 5
    joined = merge_leaves(tree.tree_)
    assert joined.node_count == 1 and joined.value[0, 0].tolist() == [0.5, 0.5] and joined.max_depth == 0


def test_pruning_in_steps_is_scikit_learns_pruning():
    """Pruned by one alpha after the other, trees are those that scikit-learn prunes by the last alpha at once."""
    X, y = noisy()
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    alphas, shorter = _alphas(forest), forest
    assert len(alphas) == 12 and (np.diff(alphas) > 0).all()
    for alpha in alphas[::3]:
        shorter = _pruned(shorter, float(alpha))
        direct = RandomForestClassifier(5, random_state=0, ccp_alpha=float(alpha)).fit(X, y)
        for one, other in zip(shorter.estimators_, direct.estimators_, strict=True):
            assert np.array_equal(one.tree_.threshold, other.tree_.threshold)
            assert np.array_equal(one.tree_.value, other.tree_.value)
    assert forest.ccp_alpha == 0 and forest.estimators_[0].tree_.node_count > shorter.estimators_[0].tree_.node_count


@pytest.mark.parametrize("seed", [0, 1])
def test_alpha_is_the_greatest_within_one_standard_error(seed):
    """Against forests fitted anew for every alpha: mean Brier score within one error of the paired difference."""
    X, y = noisy(seed=seed)
    X_test, y_test = noisy(300, seed=seed + 10)
    forest = RandomForestClassifier(8, random_state=seed).fit(X, y)
    smaller, notes = compact_model(forest, "pruned", X_test, y_test)
    scores = {}
    for alpha in (0.0, *_alphas(forest).tolist()):
        fresh = RandomForestClassifier(8, random_state=seed, ccp_alpha=alpha).fit(X, y)
        scores[alpha] = 2 * (fresh.predict_proba(X_test)[:, 1] - y_test) ** 2
    best = min(scores, key=lambda alpha: scores[alpha].mean())
    fits = [a for a, s in scores.items() if (s - scores[best]).mean() <= (s - scores[best]).std(ddof=1) / 300**0.5]
    assert smaller.ccp_alpha == max(fits) > 0
    assert "chosen on the organisation's own test rows" in notes[0]
    assert sum(tree.tree_.node_count for tree in smaller.estimators_) < sum(
        tree.tree_.node_count for tree in forest.estimators_
    )


def records(n_rows=400):
    """Return records with one feature of text, so that a pipeline is fitted."""
    X, y = noisy(n_rows)
    frame = X.assign(id=range(n_rows), place=np.where(X.c > 1, "east", "west"), ill=np.where(y == 1, "yes", "no"))
    return Records(frame, Schema("id", ["a", "b", "place"], "ill"), "made up")


@pytest.mark.parametrize("model", ["random_forest", "contingency_forest", "extra_trees", "decision_tree"])
def test_an_organisation_trains_compact_models(model, tmp_path):
    """Exact: the same scores from fewer nodes, through a pipeline; files in format compact load and agree."""
    plain, exact = (train_organisation(records(), model, compact=how) for how in (None, "exact"))
    X = records().X
    assert np.array_equal(plain.estimator.predict_proba(X), exact.estimator.predict_proba(X))
    assert plain.scores == exact.scores and "leaves that say the same" in exact.notes[-1]
    pruned = train_organisation(records(), model, compact="pruned")
    assert pruned.card().parameters["ccp_alpha"] > 0
    write_partition(split_records(records(), "iid", 2, seed=0), tmp_path / "shards")
    files = train_all(
        read_partition(tmp_path / "shards"), tmp_path / "models", model, format="compact", compact="exact"
    )
    loaded, card = load_model(files[0])
    assert files[0].suffix == ".compact" and card.format == "compact" and card.bytes == files[0].stat().st_size
    assert loaded.predict(X).shape == (400,)


def test_what_cannot_be_made_smaller():
    """No test rows: not pruned, and said so. One class: nothing to do. No trees, or no such way: refused."""
    few = train_organisation(records(), "random_forest", test_size=0, compact="pruned")
    assert any("not pruned" in note for note in few.notes)
    alike = records()
    alike.frame["ill"] = "no"
    assert train_organisation(alike, "random_forest", compact="exact").constant
    alone = {"pipeline": [{"name": "random_forest", "n_estimators": 3}]}
    numbers = Records(records().frame, Schema("id", ["a", "b"], "ill"), "made up")
    assert train_organisation(numbers, alone, compact="pruned").estimator.steps[-1][1].ccp_alpha > 0
    inner = {"pipeline": [{"class": "sklearn.preprocessing.StandardScaler"}, "random_forest"]}
    nested = {"pipeline": [{"class": "sklearn.preprocessing.StandardScaler"}, inner]}
    with pytest.raises(FedlabError, match="Pipeline has none"):
        train_organisation(numbers, nested, compact="exact")
    with pytest.raises(FedlabError, match="GaussianNB has none"):
        train_organisation(records(), "gaussian_nb", compact="exact")
    with pytest.raises(FedlabError, match="compact 'exct' is not known; did you mean 'exact'"):
        train_organisation(records(), compact="exct")
    with pytest.raises(FedlabError, match=r"LogisticRegression has none"):
        parse_sweep({"n_shards": 2, "model": "logistic_regression", "compact": "pruned"})
    assert [c.compact for c in parse_sweep({"n_shards": 2, "compact": [None, "exact"]}).cells] == [None, "exact"]
