"""The format `compact`: a forest as small tables beside its skops skeleton; exact, and a fiftieth of a pickle."""

from __future__ import annotations

import copy
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from fedlab.exchange.canonical import write_part
from fedlab.exchange.formats import FORMATS, Format
from fedlab.exchange.tree_tables import TABLES, tables_of, trees_of

_SKELETON = "skeleton.skops"
_TREES = "trees.npy"
_SEEDS = "tree_seeds"


class Compact(Format):
    """Forests and trees of scikit-learn as tables, with all predictions exact; any other model as skops holds it.

    A zip: ``skeleton.skops`` holds the estimator, without the nodes of its trees where it (or the last step of a
    pipeline) is a forest or a tree with one target; then ``trees.npy`` holds the tables of
    `fedlab.exchange.tree_tables`, one array after the other. Reading runs no code: the skeleton is checked as a skops
    file is, arrays are read without pickle, and the tables' every number is checked before a tree is built.
    """

    name = "compact"
    suffix = ".compact"
    executes_code = False

    def to_bytes(self, estimator: Any) -> bytes:
        """Return skeleton and tables, compressed."""
        forest = last_step(estimator)
        trees = _trees(forest)
        skeleton = with_last_step(estimator, _without_nodes(forest)) if trees else estimator
        tables = tables_of([tree.tree_ for tree in trees]) if trees else {}
        if trees:
            tables[_SEEDS] = np.array([tree.random_state for tree in trees], dtype=np.uint32)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            write_part(target, _SKELETON, FORMATS.get("skops").to_bytes(skeleton), zipfile.ZIP_STORED)
            if tables:
                part = io.BytesIO()
                for name in (*TABLES, _SEEDS):
                    np.save(part, tables[name], allow_pickle=False)
                write_part(target, _TREES, part.getvalue(), zipfile.ZIP_BZIP2)
        return buffer.getvalue()

    def from_bytes(self, data: bytes, source: str, trusted: Sequence[str]) -> Any:
        """Read the skeleton as a skops file, then build its trees again."""
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            estimator = FORMATS.get("skops").from_bytes(parts.read(_SKELETON), source, trusted)
            stored = io.BytesIO(parts.read(_TREES)) if _TREES in parts.namelist() else None
        forest = last_step(estimator)
        patterns = _patterns(forest)
        if stored is None and not patterns:
            return estimator
        if stored is None or len(patterns) != 1:
            raise ValueError("the tables of trees and the model do not belong together")
        tables = {name: np.load(stored, allow_pickle=False) for name in (*TABLES, _SEEDS)}
        seeds = tables.pop(_SEEDS)
        trees = trees_of(tables, int(forest.n_features_in_), forest.criterion)
        if trees[0].value.shape[2] != forest.n_classes_ or seeds.shape != (len(trees),) or seeds.dtype != np.uint32:
            raise ValueError("the tables are not of as many classes and trees as the model")
        if patterns[0] is not forest:
            forest.estimators_ = [_grown(patterns[0], *pair) for pair in zip(trees, seeds.tolist(), strict=True)]
        elif len(trees) == 1:
            forest.tree_ = trees[0]
        else:
            raise ValueError(f"one tree is announced, {len(trees)} are there")
        return estimator


_KINDS = ("RandomForestClassifier", "ExtraTreesClassifier", "DecisionTreeClassifier", "ExtraTreeClassifier")


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself; a pipeline within a pipeline is a step like any."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def with_last_step(estimator: Any, last: Any) -> Any:
    """Return a copy of a pipeline with another last step, or that step where there is no pipeline."""
    if not hasattr(estimator, "steps"):
        return last
    other = copy.copy(estimator)
    other.steps = [*estimator.steps[:-1], (estimator.steps[-1][0], last)]
    return other


def _trees(forest: Any) -> list[Any]:
    """Return the trees of a forest that tables can hold: of one target, alike but for seed and nodes; else none."""
    import sklearn.ensemble
    import sklearn.tree

    kinds = [getattr(sklearn.ensemble, name, None) or getattr(sklearn.tree, name) for name in _KINDS]
    if type(forest) not in kinds or forest.n_outputs_ != 1:
        return []
    if hasattr(forest, "tree_"):
        return [copy.copy(forest).set_params(random_state=0)]  # its own seed stays in the skeleton
    trees = list(forest.estimators_)
    first = _alike(trees[0])
    return trees if all(isinstance(tree.random_state, int) and _alike(tree) == first for tree in trees) else []


def _alike(tree: Any) -> dict[str, Any]:
    """Return what all trees of a forest share, in a form that compares."""
    own = {name: value for name, value in vars(tree).items() if name not in ("random_state", "tree_")}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in own.items()}


def _patterns(forest: Any) -> list[Any]:
    """Return the trees without nodes of a forest or tree as a skeleton holds it."""
    if type(forest).__name__ not in _KINDS:
        return []
    trees = forest.estimators_ if hasattr(forest, "estimators_") else [forest]
    return [tree for tree in trees if tree.tree_ is None]


def _without_nodes(forest: Any) -> Any:
    """Return a copy of a forest with one tree without nodes as the pattern of all, or of a tree without nodes."""
    bare = copy.copy(forest)
    if hasattr(forest, "tree_"):
        bare.tree_ = None
    else:
        pattern = copy.copy(forest.estimators_[0])
        pattern.random_state, pattern.tree_ = None, None
        bare.estimators_ = [pattern]
    return bare


def _grown(pattern: Any, nodes: Any, seed: int) -> Any:
    """Return one tree of a forest."""
    tree = copy.copy(pattern)
    tree.tree_, tree.random_state = nodes, seed
    return tree


FORMATS.register(Compact.name)(Compact())
