"""Check that a loaded model's trees point only at what exists: scikit-learn follows them unchecked."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fedlab.errors import FedlabError

_ATOMS = (str, bytes, int, float, complex, bool, type(None), np.generic, type)


def check_structure(estimator: Any, source: str) -> None:
    """Refuse a model whose trees hold numbers of nodes or features that do not exist.

    scikit-learn follows these numbers without a bounds check, so that a forged file could crash the process
    or read memory that is none of its business when it predicts. The check walks over the whole loaded
    object, runs none of its methods and needs a few microseconds per tree.

    Parameters
    ----------
    estimator : estimator
        What was loaded.
    source : str
        The file, for the error message.

    Raises
    ------
    FedlabError
        If a tree is forged or damaged.
    """
    for part in _parts(estimator, set()):
        check = _CHECKS.get(type(part).__name__) if type(part).__module__.startswith("sklearn.") else None
        fault = check(part) if check else _check_ensemble(part)
        if fault:
            raise FedlabError(
                f"model file {source}: a {type(part).__name__} in it is forged or damaged ({fault}); it is "
                "not loaded. Ask the organisation to save the model again"
            )


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Walk over an object and all that its attributes and containers hold, each once."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, _ATOMS) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple | set):
            stack.extend(item)
        elif isinstance(item, np.ndarray):
            if item.dtype == object:
                stack.extend(item.ravel().tolist())
        else:
            yield item
            stack.extend(getattr(item, "__dict__", {}).values())


def _check_tree(tree: Any) -> str | None:
    """Check the nodes of a ``sklearn.tree._tree.Tree``: children come after their parent, features exist."""
    state = tree.__getstate__()
    nodes = state["nodes"]
    if state["node_count"] != len(nodes) or len(nodes) != len(state["values"]) or not len(nodes):
        return f"{state['node_count']} nodes are announced, {len(nodes)} are there"
    inner = nodes["left_child"] != -1
    number = np.arange(len(nodes))[inner]
    for side in ("left_child", "right_child"):
        child = nodes[side][inner]
        if np.any(child <= number) or np.any(child >= len(nodes)):
            return f"{side} points outside its {len(nodes)} nodes"
    feature = nodes["feature"][inner]
    if np.any(feature < 0) or np.any(feature >= tree.n_features):
        return f"a node asks for a feature outside its {tree.n_features}"
    return None


def _check_predictor(tree: Any) -> str | None:
    """Check the nodes of a tree of histogram gradient boosting; `_check_ensemble` checks its features."""
    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    number = np.arange(len(nodes))[inner]
    for side in ("left", "right"):
        child = nodes[side][inner].astype(np.int64)
        if np.any(child <= number) or np.any(child >= len(nodes)):
            return f"{side} points outside its {len(nodes)} nodes"
    bitsets = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)]
    known = min(len(tree.raw_left_cat_bitsets), len(tree.binned_left_cat_bitsets))
    return f"a node asks for a set of categories outside its {known}" if np.any(bitsets >= known) else None


def _check_neighbours(tree: Any) -> str | None:
    """Check a KDTree or BallTree: its rows and nodes exist, the last level holds leaves only."""
    state = tree.__getstate__()
    data, rows, nodes, bounds = (np.asarray(array) for array in state[:4])
    if rows.shape != data.shape[:1] or np.any(rows < 0) or np.any(rows >= len(data)):
        return f"it points at rows outside its {len(data)}"
    if state[6] != len(nodes) or bounds.shape[1:] != (len(nodes), data.shape[1]):
        return f"{state[6]} nodes are announced, {len(nodes)} are there"
    childless = 2 * np.arange(len(nodes)) + 2 >= len(nodes)
    if np.any(childless & (nodes["is_leaf"] == 0)):
        return f"a node points outside its {len(nodes)} nodes"
    start, end = nodes["idx_start"], nodes["idx_end"]
    return "a node holds rows outside the tree" if np.any((start < 0) | (end > len(data)) | (start > end)) else None


def _check_ensemble(part: Any) -> str | None:
    """Check that a tree or an ensemble of trees takes as many features as it says it does."""
    own = vars(part) if hasattr(part, "__dict__") else {}
    n_features = own.get("n_features_in_")
    if "tree_" in own and own["tree_"].n_features != n_features:
        return f"its tree has {own['tree_'].n_features} features, it has {n_features}"
    for tree in _flat(own.get("_predictors", [])):
        asked = tree.nodes["feature_idx"][tree.nodes["is_leaf"] == 0]
        if n_features is None or np.any(asked < 0) or np.any(asked >= n_features):
            return f"one of its trees asks for a feature outside its {n_features}"
    if type(part).__module__ == "sklearn.ensemble._bagging":  # each of its members sees, and checks, a subset
        return None
    counts = {tree.tree_.n_features for tree in _flat(own.get("estimators_", [])) if hasattr(tree, "tree_")}
    expected = counts if n_features is None and len(counts) == 1 else {n_features}
    return f"its trees have {sorted(counts)} features, it has {n_features}" if counts - expected else None


def _flat(trees: Any) -> Iterator[Any]:
    """Walk over a list, a list of lists or an array of trees."""
    for item in trees.ravel() if isinstance(trees, np.ndarray) else trees:
        if isinstance(item, list | tuple | np.ndarray):
            yield from _flat(item)
        else:
            yield item


_CHECKS = {
    "Tree": _check_tree,
    "TreePredictor": _check_predictor,
    "KDTree": _check_neighbours,
    "BallTree": _check_neighbours,
}
