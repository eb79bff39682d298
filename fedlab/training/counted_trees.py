"""Growing scikit-learn's trees on counted rows: what each tree is drawn, and what its nodes then say of rows."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import sklearn

from fedlab.errors import FedlabError
from fedlab.seeds import rng

# From 1.9 on scikit-learn's forest draws rows with probability proportional to their class weight; before, it
# drew them evenly and weighted what it had drawn.
WEIGHTS_DRAW = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 9)


@dataclass(frozen=True, eq=False)
class CountedRows:
    """Distinct rows and how often each occurs.

    Attributes
    ----------
    X : float32 array (n_distinct, n_features)
        The features, as trees see them.
    y : int array (n_distinct,)
        The class, from 0; each occurs.
    counts : float array (n_distinct,)
        How often.
    n_classes : int
        How many classes there are.
    """

    X: np.ndarray
    y: np.ndarray
    counts: np.ndarray
    n_classes: int

    @property
    def total(self) -> float:
        """How many rows there are."""
        return float(self.counts.sum())

    @property
    def class_counts(self) -> np.ndarray:
        """How many rows each class has, shape (n_classes,)."""
        return np.bincount(self.y, self.counts, self.n_classes)


@dataclass(frozen=True, eq=False)
class Recipe:
    """The parameters of a forest that decide what each tree is drawn.

    Attributes
    ----------
    bootstrap, max_samples, class_weight
        As `sklearn.ensemble.RandomForestClassifier` has them.
    classes : ndarray
        The classes, for `class_weight`.
    """

    bootstrap: bool
    max_samples: float | None
    class_weight: Any
    classes: np.ndarray

    def class_weights(self, rows: CountedRows) -> np.ndarray | None:
        """Return the weight of each class for all trees alike, or None."""
        from sklearn.utils import compute_sample_weight

        if self.class_weight is None or (self.class_weight == "balanced_subsample" and self.bootstrap):
            return None
        if isinstance(self.class_weight, str):
            return _balanced(rows.class_counts)
        return compute_sample_weight(self.class_weight, self.classes)

    def n_draws(self, rows: CountedRows, weighted_total: float) -> int:
        """Return how many rows each tree is drawn."""
        total = max(round(rows.total), 1)
        if self.max_samples is None:
            return total
        if isinstance(self.max_samples, Integral):
            if self.max_samples > total and not WEIGHTS_DRAW:
                raise FedlabError(f"max_samples={self.max_samples} is more than the {total} rows there are")
            return int(self.max_samples)
        wanted = int(self.max_samples * weighted_total) if WEIGHTS_DRAW else round(self.max_samples * total)
        return max(wanted, 1)


def grow(trees: list[Any], rows: CountedRows, recipe: Recipe, n_jobs: int | None, verbose: int) -> list[Any]:
    """Fit unfitted trees on counted rows, each on its own draw of them.

    Parameters
    ----------
    trees : list of DecisionTreeClassifier
        Unfitted, each with a whole number as `random_state`: it seeds the draw too.
    rows : CountedRows
        What to grow them on.
    recipe : Recipe
        What each is drawn.
    n_jobs, verbose : int or None
        As in `joblib.Parallel`; the trees are the same for any number of threads.

    Returns
    -------
    list of DecisionTreeClassifier
        The same trees, fitted.

    Raises
    ------
    FedlabError
        If `max_samples` is given without `bootstrap`.
    """
    import joblib

    if recipe.max_samples is not None and not recipe.bootstrap:
        raise FedlabError(
            f"max_samples={recipe.max_samples!r} says how many rows a bootstrap draws, and bootstrap is False: set "
            "bootstrap=True or max_samples=None"
        )
    weights = recipe.class_weights(rows)
    drawn_by = rows.counts if weights is None or not WEIGHTS_DRAW else rows.counts * weights[rows.y]
    if not drawn_by.any():
        raise FedlabError(f"class_weight {recipe.class_weight!r} gives weight 0 to every class that occurs")
    n_draws = recipe.n_draws(rows, float(drawn_by.sum()))
    shares = drawn_by / drawn_by.sum()
    y = np.ascontiguousarray(rows.y[:, None], dtype=np.float64)
    missing = np.isnan(rows.X).any(axis=0)
    # A number per row drawn costs a tenth of a binomial one per distinct row.
    few = rows.total < 10 * len(y) and drawn_by is rows.counts and np.array_equal(rows.counts, np.rint(rows.counts))
    row_cells = np.repeat(np.arange(len(y)), rows.counts.astype(np.int64)) if few else None

    def one(tree: Any) -> Any:
        counts, weight = rows.counts, weights
        if recipe.bootstrap:
            counts = _multinomial(rng(tree.random_state, "bootstrap"), n_draws, shares, row_cells)
            if recipe.class_weight == "balanced_subsample":
                weight = _balanced(np.bincount(rows.y, counts, rows.n_classes))
            elif WEIGHTS_DRAW:
                weight = None
        drawn = counts if weight is None else counts * weight[rows.y]
        with sklearn.config_context(skip_parameter_validation=True):  # the forest's were checked
            tree.fit(rows.X, y, sample_weight=drawn, check_input=missing.any())
        _tell_rows(tree, weight, rows, counts, missing)
        return tree

    return joblib.Parallel(n_jobs=n_jobs, verbose=verbose, prefer="threads")(
        joblib.delayed(one)(tree) for tree in trees
    )


def _balanced(counts: np.ndarray) -> np.ndarray:
    """Return scikit-learn's balanced weights; 0 for a class that does not occur."""
    there = counts > 0
    return np.divide(counts.sum(), there.sum() * counts, out=np.zeros(len(counts)), where=there)


def _multinomial(
    draws: np.random.Generator, n_draws: int, shares: np.ndarray, row_cells: np.ndarray | None = None
) -> np.ndarray:
    """Return how often each distinct row is drawn; with `row_cells`, the distinct row of each row, by drawing rows."""
    if row_cells is not None:
        drawn = row_cells[draws.integers(0, len(row_cells), n_draws)]
        return np.bincount(drawn, minlength=len(shares)).astype(np.float64)
    return draws.multinomial(n_draws, shares).astype(np.float64)


def _tell_rows(
    tree: Any, weight: np.ndarray | None, rows: CountedRows, counts: np.ndarray, missing: np.ndarray
) -> None:
    """Let the nodes say what they would say of rows: how many they hold, and where a missing value goes.

    scikit-learn counts distinct rows in both. A value missing where none was missing in training goes to the side
    with more rows.
    """
    kind, arguments, state = tree.tree_.__reduce__()
    nodes = state["nodes"].copy()
    held = nodes["weighted_n_node_samples"]
    if weight is not None:
        shares = state["values"][:, 0, :] * held[:, None]
        held = np.divide(shares, weight, out=np.zeros_like(shares), where=weight > 0).sum(axis=1)
    nodes["n_node_samples"] = np.maximum(np.rint(held), 1)
    inner = np.flatnonzero(nodes["left_child"] >= 0)
    inner = inner[~_saw_missing(tree, rows, counts, missing)[inner]]
    left, right = nodes["left_child"][inner], nodes["right_child"][inner]
    nodes["missing_go_to_left"][inner] = np.rint(held[left]) > np.rint(held[right])
    told = kind(*arguments)
    told.__setstate__({**state, "nodes": nodes})
    tree.tree_ = told


def _saw_missing(tree: Any, rows: CountedRows, counts: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Say of each node whether a value of the feature it asks for was missing in training."""
    saw = np.zeros(tree.tree_.node_count, dtype=bool)
    for feature in np.flatnonzero(missing):
        lacking = rows.X[np.isnan(rows.X[:, feature]) & (counts > 0)]
        if len(lacking):
            passed = np.unique(tree.decision_path(lacking).indices)
            saw[passed[tree.tree_.feature[passed] == feature]] = True
    return saw
