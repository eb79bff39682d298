"""Trees as small tables: distinct splits and distinct answers, each named by a number, in one fixed order of nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fedlab.records.distinct import group_rows

Tables = dict[str, np.ndarray]

# What is stored, with the dimensions of each and the kinds of its numbers: whole and not negative, truth values, any
# finite ones. Everything else of a tree follows from it.
_WHOLE, _TRUTH, _REAL = "u", "b", "f"
_STORED = {
    "n_nodes": (1, _WHOLE),
    "is_leaf": (1, _WHOLE),
    "split": (1, _WHOLE),
    "split_feature": (1, _WHOLE),
    "split_threshold": (1, _REAL),
    "split_missing_left": (1, _TRUTH),
    "answer": (1, _WHOLE),
    "answer_values": (2, _REAL),
    "answer_weight": (1, _REAL),
    "answer_rows": (1, _WHOLE),
}
TABLES = tuple(_STORED)


def tables_of(trees: list[Any]) -> Tables:
    """Return the tables that hold trees of one forest.

    Nodes stand in preorder: a node, all of its left side, all of its right side. So one bit a node says the whole
    shape. An inner node names one of the distinct splits (feature, threshold, side of missing values), a leaf one of
    the distinct answers (class probabilities, weight, rows). Numbers are kept in the narrowest type that holds them
    exactly; no value is rounded.

    Parameters
    ----------
    trees : list of sklearn.tree._tree.Tree
        Of classifiers with one target, all with the same features and classes.

    Returns
    -------
    dict of str to ndarray
        The tables named in `TABLES`.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> tree = DecisionTreeClassifier().fit([[1], [2], [3], [4]], [0, 0, 1, 1])
    >>> tables = tables_of([tree.tree_])
    >>> tables["n_nodes"].tolist(), tables["split_threshold"].tolist(), tables["answer_values"].tolist()
    ([3], [2.5], [[0.0, 1.0], [1.0, 0.0]])
    """
    nodes, values = zip(*(preorder(tree) for tree in trees), strict=True)
    node, value = np.concatenate(nodes), np.concatenate(values)
    leaf = node["left_child"] < 0
    inner, end = node[~leaf], node[leaf]
    missing_left = inner["missing_go_to_left"].astype(bool)
    splits, split = _grouped([inner["feature"], inner["threshold"], missing_left])
    weight, rows = end["weighted_n_node_samples"], end["n_node_samples"]
    answers, answer = _grouped([*value[leaf].T, weight, rows])
    return {
        "n_nodes": _narrow(np.array([len(part) for part in nodes])),
        "is_leaf": np.packbits(leaf),
        "split": _narrow(split),
        "split_feature": _narrow(inner["feature"][splits]),
        "split_threshold": _narrow_float(inner["threshold"][splits]),
        "split_missing_left": missing_left[splits],
        "answer": _narrow(answer),
        "answer_values": _narrow_float(value[leaf][answers]),
        "answer_weight": _narrow_float(weight[answers]),
        "answer_rows": _narrow(rows[answers]),
    }


def trees_of(tables: Tables, n_features: int, criterion: str) -> list[Any]:
    """Build the trees again that `tables_of` was given.

    Leaves and splits are the same to the last bit, so that all predictions are. What inner nodes held (probabilities,
    weights, rows, impurity) is added up from the leaves below them: equal up to rounding, and exactly where the weights
    are whole numbers.

    Parameters
    ----------
    tables : dict of str to ndarray
        From `tables_of`, possibly from a stranger: nothing in them is believed unchecked.
    n_features : int
        How many features the forest takes.
    criterion : str
        Of the forest, for the nodes' impurity: ``gini``, ``entropy`` or ``log_loss``.

    Returns
    -------
    list of sklearn.tree._tree.Tree

    Raises
    ------
    ValueError
        If the tables do not describe trees, or not of so many features.
    """
    _check(tables)
    n_nodes = tables["n_nodes"].astype(np.int64)
    total = int(n_nodes.sum())
    leaf = np.unpackbits(tables["is_leaf"], count=total).astype(bool)
    first = np.cumsum(n_nodes) - n_nodes
    last = last_below(leaf)
    if not (np.array_equal(last[first], first + n_nodes - 1) and len(leaf) == total):
        raise ValueError("the nodes do not form trees of the lengths announced")
    if leaf.sum() != len(tables["answer"]) or (~leaf).sum() != len(tables["split"]):
        raise ValueError("there is not one answer for each leaf and one split for each other node")
    split, answer = _looked_up(tables, "split", "split_feature"), _looked_up(tables, "answer", "answer_weight")
    if np.any(tables["split_feature"] >= n_features):
        raise ValueError(f"a split asks for a feature outside the forest's {n_features}")
    node = np.zeros(total, dtype=_node_type())
    inner = np.flatnonzero(~leaf)
    start = np.repeat(first, n_nodes)
    node["left_child"] = node["right_child"] = -1
    node["feature"], node["threshold"] = -2, -2.0
    node["left_child"][inner] = inner + 1 - start[inner]
    node["right_child"][inner] = last[inner + 1] + 1 - start[inner]
    node["feature"][inner] = tables["split_feature"][split]
    node["threshold"][inner] = tables["split_threshold"][split]
    node["missing_go_to_left"][inner] = tables["split_missing_left"][split]
    value = _fill(node, leaf, last, tables, answer)
    node["impurity"] = _impurity(value, criterion)
    cuts = zip(first.tolist(), (first + n_nodes).tolist(), strict=True)
    return [make_tree(node[a:b], value[a:b], n_features) for a, b in cuts]


def preorder(tree: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a tree's nodes and values in preorder; scikit-learn has them so unless `max_leaf_nodes` is given.

    Parameters
    ----------
    tree : sklearn.tree._tree.Tree
        Of a classifier with one target.

    Returns
    -------
    nodes : structured array (n_nodes,)
        As the tree's state has them: a node, then its left side, then its right side.
    values : array (n_nodes, n_classes)
        Class probabilities.
    """
    state = tree.__getstate__()
    nodes, values = state["nodes"], state["values"][:, 0, :]
    inner = nodes["left_child"] >= 0
    if np.array_equal(nodes["left_child"][inner], np.flatnonzero(inner) + 1):
        return nodes, values
    order, stack = [], [0]
    while stack:
        number = stack.pop()
        order.append(number)
        if inner[number]:
            stack += [int(nodes["right_child"][number]), int(nodes["left_child"][number])]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    sorted_nodes = nodes[order]
    for side in ("left_child", "right_child"):
        sorted_nodes[side] = np.where(inner[order], place[sorted_nodes[side]], -1)
    return sorted_nodes, values[order]


def _grouped(columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return where each distinct row stands first, and each row's number among them."""
    if not len(columns[0]):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    groups = group_rows(columns)
    return groups.first, groups.codes


def _narrow(numbers: np.ndarray) -> np.ndarray:
    """Return whole numbers in the narrowest unsigned type that holds them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def _narrow_float(numbers: np.ndarray) -> np.ndarray:
    """Return numbers in 32 bits where that changes none of them."""
    short = numbers.astype(np.float32)
    return short if np.array_equal(short.astype(np.float64), numbers) else np.ascontiguousarray(numbers)


def _check(tables: Tables) -> None:
    """Refuse tables that are missing, of another shape, or hold what is no number."""
    if set(tables) != set(_STORED):
        raise ValueError(f"the tables are {sorted(tables)}, not {sorted(_STORED)}")
    for name, (dimensions, kind) in _STORED.items():
        table = tables[name]
        if table.ndim != dimensions or table.dtype.kind != kind:
            raise ValueError(f"table {name} has {table.ndim} dimensions of {table.dtype}")
        if table.dtype.kind == "f" and not np.isfinite(table).all() and name != "split_threshold":
            raise ValueError(f"table {name} holds values that are not finite")
    if not len(tables["n_nodes"]) or not tables["n_nodes"].all():
        raise ValueError("there is no tree, or one without nodes")
    if 8 * len(tables["is_leaf"]) < int(tables["n_nodes"].astype(np.int64).sum()):
        raise ValueError("fewer nodes are there than announced")
    for group in ("split", "answer"):
        lengths = {len(tables[name]) for name in _STORED if name.startswith(group + "_")}
        if len(lengths) != 1:
            raise ValueError(f"the tables of each {group} have different lengths")


def _looked_up(tables: Tables, name: str, of: str) -> np.ndarray:
    numbers = tables[name].astype(np.int64)
    if np.any(numbers >= len(tables[of])):
        raise ValueError(f"a node names a {name} that is not there")
    return numbers


def last_below(leaf: np.ndarray) -> np.ndarray:
    """Return of each node in preorder the last node of its subtree.

    Walking along, each inner node opens one more place to fill and each leaf fills one. A subtree ends at the first
    node from its own on where one place fewer is open than before it.

    Parameters
    ----------
    leaf : bool array (n_nodes,)
        Which nodes are leaves; trees may stand one after the other.

    Returns
    -------
    int array (n_nodes,)

    Raises
    ------
    ValueError
        If the nodes do not form whole trees.
    """
    steps = np.where(leaf, -1, 1)
    open_ = np.cumsum(steps)
    length = len(leaf)
    # Nodes sorted by open places, then by position: the first one at a level from a position on is found by halving.
    keys = np.sort((open_ - open_.min()) * length + np.arange(length))
    wanted = (open_ - steps - 1 - open_.min()) * length + np.arange(length)
    found = np.minimum(np.searchsorted(keys, wanted), length - 1)
    last = keys[found] - (open_ - steps - 1 - open_.min()) * length
    fits = (last >= np.arange(length)) & (last < length)
    if not fits.all():
        raise ValueError("the nodes do not form whole trees")
    return np.asarray(last)


def _fill(node: np.ndarray, leaf: np.ndarray, last: np.ndarray, tables: Tables, answer: np.ndarray) -> np.ndarray:
    """Set each node's weight and rows, and return its class probabilities, all summed up from the leaves."""
    own = tables["answer_values"].astype(np.float64)[answer]
    weight = tables["answer_weight"].astype(np.float64)[answer]
    cases = own * weight[:, None]
    whole = np.rint(cases)
    if np.allclose(cases, whole, rtol=1e-12, atol=1e-9) and np.array_equal(weight, np.rint(weight)):
        cases = whole  # then all sums below are exact
    number = np.cumsum(leaf)
    begin, end = number - leaf, number[last]

    def summed(column: np.ndarray) -> np.ndarray:
        sums = np.concatenate([[column.dtype.type(0)], np.cumsum(column)])
        return np.asarray(sums[end] - sums[begin])

    node["weighted_n_node_samples"] = summed(weight)
    node["n_node_samples"] = summed(tables["answer_rows"].astype(np.int64)[answer])
    held = node["weighted_n_node_samples"][:, None]
    value = np.stack([summed(column) for column in cases.T], axis=1)
    value = np.divide(value, held, out=np.zeros_like(value), where=held > 0)
    value[leaf] = own
    node["weighted_n_node_samples"][leaf] = weight
    return value


def _impurity(value: np.ndarray, criterion: str) -> np.ndarray:
    if criterion == "gini":
        return np.asarray(1 - (value**2).sum(axis=1))
    logs = np.log2(value, out=np.zeros_like(value), where=value > 0)
    return np.asarray(-(value * logs).sum(axis=1))


def _node_type() -> np.dtype:
    from sklearn.tree._tree import NODE_DTYPE

    return np.dtype(NODE_DTYPE)


def make_tree(nodes: np.ndarray, values: np.ndarray, n_features: int) -> Any:
    """Build a tree of one target from its nodes in preorder.

    Parameters
    ----------
    nodes : structured array (n_nodes,)
        As `preorder` returns them.
    values : array (n_nodes, n_classes)
        Class probabilities.
    n_features : int
        How many features the tree takes.

    Returns
    -------
    sklearn.tree._tree.Tree
    """
    from sklearn.tree._tree import Tree

    tree = Tree(n_features, np.array([values.shape[1]], dtype=np.intp), 1)
    state = {"max_depth": _depth(nodes), "node_count": len(nodes), "nodes": nodes, "values": values[:, None, :]}
    tree.__setstate__(state)
    return tree


def _depth(nodes: np.ndarray) -> int:
    """Return how far the farthest leaf is from the root, level by level."""
    depth, level = -1, np.zeros(1, dtype=np.int64)
    while len(level):
        depth += 1
        level = level[nodes["left_child"][level] >= 0]
        level = np.concatenate([nodes["left_child"][level], nodes["right_child"][level]])
    return depth
