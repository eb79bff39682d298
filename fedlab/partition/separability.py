"""The joint measure of skew: how well a classifier tells organisations apart by all columns together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fedlab.partition.columns import is_numeric
from fedlab.seeds import rng

if TYPE_CHECKING:
    from fedlab.partition.split import Split

MOST_ORGANISATIONS = 20
MOST_ROWS = 1000
_FOLDS = 3


def organisation_auc(split: Split) -> dict[int, float]:
    """Return for organisations the cross-validated AUC of telling its records from those of the others.

    A classifier two-sample test (Lopez-Paz and Oquab 2017) with gradient boosting on the features and the
    target: 0.5 means that an organisation's records cannot be told from the others', 1 that they all can. It
    sees what no measure of one column does, e.g. another correlation. To stay cheap, at most 20 organisations
    (evenly spaced) are tested, each with at most 1000 of its rows against as many of the others', in 3 folds.

    Parameters
    ----------
    split : Split
        The split, with two organisations or more.

    Returns
    -------
    dict of int to float
        From the organisation, from 0, to its AUC; those with fewer than 6 rows are left out.
    """
    frame, shards = split.held()
    columns = [*split.records.schema.features, split.records.schema.target]
    coded = np.stack([_coded(frame[name]) for name in columns], axis=1)
    sizes = np.bincount(shards, minlength=split.n_shards)
    tested = np.unique(np.linspace(0, split.n_shards - 1, min(split.n_shards, MOST_ORGANISATIONS)).round().astype(int))
    found = {}
    for number in tested:
        n_rows = int(min(sizes[number], len(shards) - sizes[number], MOST_ROWS))
        if n_rows >= 2 * _FOLDS:
            generator = rng(0, "separability", int(number))
            own = generator.choice(np.flatnonzero(shards == number), n_rows, replace=False)
            others = generator.choice(np.flatnonzero(shards != number), n_rows, replace=False)
            found[int(number)] = _auc(coded[np.concatenate([own, others])], np.repeat([1, 0], n_rows))
    return found


def _coded(column: pd.Series) -> np.ndarray:
    if is_numeric(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        return np.where(np.isfinite(values), values, np.nan)
    return pd.factorize(column.astype(str), sort=True)[0].astype(float)


def _auc(table: np.ndarray, own: np.ndarray) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, early_stopping=False, random_state=0)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    with threadpool_limits(1):  # so little data is not worth threads, which wait for each other on a busy machine
        scores = cross_val_predict(model, table, own, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(own, scores))
