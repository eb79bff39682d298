"""All trees of all organisations' forests as one forest: a merge without a vote, where models are forests."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.training.constant import ConstantClassifier
from fedlab.training.local import is_forest
from fedlab.training.models import final_step


@dataclass(frozen=True)
class PooledForest:
    """The forests of several organisations, read as one forest of all their trees.

    Attributes
    ----------
    estimators : tuple
        One fitted forest (or pipeline that ends in one, or constant model) per organisation.
    trees : tuple of int
        How many trees each of them counts for.
    classes : ndarray
        The union of their classes, sorted.
    """

    estimators: tuple[Any, ...]
    trees: tuple[int, ...]
    classes: np.ndarray

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return the mean probability over all trees, shape (n_rows, n_classes), aligned to `classes`.

        A tree gives 0 to a class that its organisation never saw.
        """
        total = np.zeros((len(X), len(self.classes)))
        for estimator, trees in zip(self.estimators, self.trees, strict=True):
            columns = np.searchsorted(self.classes, estimator.classes_)
            total[:, columns] += trees * estimator.predict_proba(X)
        return total / sum(self.trees)

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the class with the greatest mean probability, the lowest at a tie, shape (n_rows,)."""
        return self.classes[np.argmax(self.predict_proba(X), axis=1)]


def pool_trees(estimators: Sequence[Any]) -> PooledForest | None:
    """Pool the trees of all organisations' forests.

    Where all organisations know the same classes this is what scikit-learn's users do by concatenating
    ``estimators_``; here each forest is read through its own ``classes_``, so that it holds where they
    differ. A constant model counts for as many trees as the median forest (the lower one of two).

    Parameters
    ----------
    estimators : sequence of estimators
        One fitted model per organisation.

    Returns
    -------
    PooledForest or None
        None where no model is a forest, or one is neither a forest nor constant.

    Raises
    ------
    FedlabError
        If the organisations' classes are of kinds that cannot be compared.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = np.arange(8.0).reshape(8, 1), np.repeat([0, 1], 4)
    >>> one = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> two = RandomForestClassifier(30, random_state=0).fit(X, y + 1)
    >>> pooled = pool_trees([one, two])
    >>> pooled.classes.tolist(), pooled.trees, pooled.predict([[0.0]]).tolist()
    ([0, 1, 2], (10, 30), [1])
    """
    models = [final_step(estimator) for estimator in estimators]
    counts = [len(model.estimators_) for model in models if is_forest(model)]
    if not counts or not all(is_forest(model) or isinstance(model, ConstantClassifier) for model in models):
        return None
    share = median_low(counts)
    trees = tuple(len(model.estimators_) if is_forest(model) else share for model in models)
    return PooledForest(tuple(estimators), trees, _union([model.classes_ for model in models]))


def _union(classes: list[np.ndarray]) -> np.ndarray:
    """Return the sorted union of the organisations' classes."""
    if len({array.dtype.kind in "biuf" for array in classes}) > 1:
        listed = [array.tolist() for array in classes]
        raise FedlabError(
            f"the organisations' classes are numbers in some models and text in others: {listed}; "
            "write the target the same way in every shard"
        )
    return np.unique(np.concatenate(classes))
