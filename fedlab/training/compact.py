"""Smaller trees: leaves that say the same put together, branches cut that the organisation's own rows do not miss."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.exchange.compact import last_step, with_last_step
from fedlab.exchange.tree_tables import last_below, make_tree, preorder

COMPACT = ("exact", "pruned")
"""What `compact` may be, besides None."""
N_ALPHAS = 12


def check_compact(compact: Any, model: Any) -> None:
    """Refuse a way of making smaller that there is not, or a model without trees.

    Parameters
    ----------
    compact : str or None
        One of `COMPACT`, or None.
    model : estimator
        As `fedlab.training.build_model` returns it.

    Raises
    ------
    FedlabError
        As said.
    """
    if compact is None:
        return
    if compact not in COMPACT:
        raise unknown_name("compact", str(compact), COMPACT)
    last = last_step(model)
    if not _is_tree_model(last):
        raise FedlabError(
            f"compact={compact!r} makes trees smaller, and a {type(last).__name__} has none; take a forest "
            "(random_forest, contingency_forest, extra_trees, decision_tree), or leave compact out"
        )


def compact_model(estimator: Any, compact: str, X: Any, y: Any) -> tuple[Any, list[str]]:
    """Return a fitted forest or tree with smaller trees, and what there is to say of it.

    ``exact``: where all leaves below a node give the same probabilities, the node becomes a leaf. No prediction
    changes, by a bit. Fully grown trees hold such leaves since scikit-learn splits any node of two classes, whether or
    not it gains by it.

    ``pruned``: first, minimal cost-complexity pruning (Breiman, Friedman, Olshen and Stone 1984, ch. 3; scikit-learn's
    own, ``ccp_alpha``), one alpha for the whole forest: the greatest at which the forest's Brier score on `X`, `y` is
    at most one standard error worse than the best of all tried. Then as above.

    Parameters
    ----------
    estimator : estimator
        A fitted forest or tree of scikit-learn, or a pipeline that ends in one. It is left as it is.
    compact : {"exact", "pruned"}
        How.
    X, y : DataFrame, array
        The rows the organisation kept back, by which alpha is chosen.

    Returns
    -------
    estimator, list of str
        The smaller model, and notes for its card.
    """
    forest = last_step(estimator)
    notes = []
    if compact == "pruned" and len(y):
        seen = estimator[:-1].transform(X) if len(getattr(estimator, "steps", ())) > 1 else X
        forest, alpha = _prune(forest, seen, np.asarray(y))
        notes.append(
            f"pruned with ccp_alpha={alpha:.3g}, chosen on the organisation's own test rows: its scores are of those "
            "same rows"
        )
    elif compact == "pruned":
        notes.append("not pruned: the organisation kept no rows back by which to choose how far")
    trees = _trees(forest)
    merged = [merge_leaves(tree.tree_) for tree in trees]
    before, after = (sum(tree.node_count for tree in each) for each in ([one.tree_ for one in trees], merged))
    notes.append(f"leaves that say the same were put together: {before:,} nodes, now {after:,}")
    return with_last_step(estimator, _with_trees(forest, merged)), notes


def merge_leaves(tree: Any) -> Any:
    """Return a tree in which no node has leaves below it that all give the same probabilities.

    Parameters
    ----------
    tree : sklearn.tree._tree.Tree
        Of a classifier with one target.

    Returns
    -------
    sklearn.tree._tree.Tree
        With the same prediction for any record, to the last bit.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> tree = DecisionTreeClassifier().fit([[1], [1], [2], [2]], [0, 1, 0, 1])
    >>> tree.tree_.node_count, merge_leaves(tree.tree_).node_count
    (3, 1)
    """
    nodes, values = preorder(tree)
    leaf = nodes["left_child"] < 0
    last = last_below(leaf)
    # Of each leaf, whether it differs from the leaf before; a node whose leaves do not differ becomes one.
    said = values[leaf]
    differs = np.concatenate([[0], np.cumsum((said[1:] != said[:-1]).any(axis=1))])
    first_leaf: np.ndarray = np.cumsum(leaf) - leaf
    uniform = ~leaf & (differs[first_leaf] == differs[first_leaf[last]])
    below = np.zeros(len(nodes) + 1, dtype=np.int64)
    np.add.at(below, np.flatnonzero(uniform) + 1, 1)
    np.add.at(below, last[uniform] + 1, -1)
    keep = np.cumsum(below)[:-1] == 0
    number = np.cumsum(keep) - 1
    values = np.where(uniform[:, None], said[first_leaf], values)[keep]
    nodes = nodes.copy()
    for side in ("left_child", "right_child"):
        nodes[side] = np.where(leaf | uniform, -1, number[nodes[side]])
    ends = leaf | uniform
    nodes["feature"][ends], nodes["threshold"][ends], nodes["missing_go_to_left"][ends] = -2, -2.0, 0
    return make_tree(nodes[keep], values, tree.n_features)


def _prune(forest: Any, X: Any, y: np.ndarray) -> tuple[Any, float]:
    """Return the forest pruned as far as the rows do not mind, and the alpha."""
    truth = (y[:, None] == forest.classes_).astype(float)
    tried = [forest]
    for alpha in _alphas(forest):  # the subtree of a greater alpha is one of that of a smaller alpha
        tried.append(_pruned(tried[-1], float(alpha)))
    errors = np.stack([((_probabilities(one, X) - truth) ** 2).sum(axis=1) for one in tried])
    worse = errors - errors[errors.mean(axis=1).argmin()]
    bound = worse.std(axis=1, ddof=1) / np.sqrt(len(y)) if len(y) > 1 else np.zeros(len(tried))
    chosen = tried[np.flatnonzero(worse.mean(axis=1) <= bound)[-1]]
    return chosen, float(chosen.ccp_alpha)


def _alphas(forest: Any) -> np.ndarray:
    """Return alphas over the range that matters to these trees, rising, evenly spread over their logarithm."""
    from sklearn.tree._tree import ccp_pruning_path

    steps = np.concatenate([ccp_pruning_path(tree.tree_)["ccp_alphas"] for tree in _trees(forest)[:3]])
    steps = steps[steps > 0]
    return np.geomspace(steps.min(), steps.max(), N_ALPHAS) if len(steps) else np.array([])


def _pruned(forest: Any, alpha: float) -> Any:
    """Return a copy of a forest whose trees scikit-learn has pruned."""
    other = _with_trees(forest, [tree.tree_ for tree in _trees(forest)])
    other.ccp_alpha = alpha
    for tree in _trees(other):
        tree.ccp_alpha = alpha
        tree._prune_tree()
    return other


def _probabilities(forest: Any, X: Any) -> np.ndarray:
    """Return a forest's probabilities, each distinct row asked about once."""
    from fedlab.training.contingency_forest import distinct_probabilities

    if hasattr(forest, "tree_"):
        return np.asarray(forest.predict_proba(X))
    return distinct_probabilities(forest.estimators_, forest._validate_X_predict(X))


def _trees(forest: Any) -> list[Any]:
    return [forest] if hasattr(forest, "tree_") else list(forest.estimators_)


def _with_trees(forest: Any, trees: list[Any]) -> Any:
    """Return a copy of a forest, or of a tree, with other nodes."""
    other = copy.copy(forest)
    if hasattr(forest, "tree_"):
        other.tree_ = trees[0]
        return other
    other.estimators_ = [copy.copy(one) for one in forest.estimators_]
    for one, nodes in zip(other.estimators_, trees, strict=True):
        one.tree_ = nodes
    return other


def _is_tree_model(model: Any) -> bool:
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

    return isinstance(model, RandomForestClassifier | ExtraTreesClassifier | DecisionTreeClassifier)
