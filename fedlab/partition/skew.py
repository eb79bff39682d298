"""How skewed a split is: label skew of each organisation against the pool of all, and imbalance of sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.files import plain
from fedlab.partition.units import label_codes

if TYPE_CHECKING:
    from fedlab.partition.split import Split


def js_distance(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the Jensen-Shannon distance, in base 2: from 0 (equal) to 1 (nothing in common).

    The square root of ``KL(p || m) / 2 + KL(q || m) / 2`` with ``m = (p + q) / 2`` and logarithms to base 2
    (Endres and Schindelin 2003). Peer: ``scipy.spatial.distance.jensenshannon(p, q, base=2)``.

    Parameters
    ----------
    p, q : float array (..., n_classes)
        Distributions; each sums to 1 over the last axis.

    Returns
    -------
    float array (...,)

    Examples
    --------
    >>> float(js_distance(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    middle = (p + q) / 2
    divergence = (_kl_terms(p, middle) + _kl_terms(q, middle)).sum(axis=-1) / 2
    return np.sqrt(np.clip(divergence, 0, 1))


def _kl_terms(p: np.ndarray, middle: np.ndarray) -> np.ndarray:
    p, middle = np.broadcast_arrays(p, middle)
    ratio = np.divide(p, middle, out=np.ones(p.shape), where=p > 0)
    return p * np.log2(ratio)


def total_variation(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the total-variation distance ``sum |p - q| / 2``: the share of rows of another class.

    Examples
    --------
    >>> float(total_variation(np.array([0.5, 0.5]), np.array([0.75, 0.25])))
    0.25
    """
    return np.abs(p - q).sum(axis=-1) / 2


def gini(sizes: np.ndarray) -> float:
    """Return the Gini coefficient of sizes: 0 if all are equal, 1 - 1/n if one organisation holds everything.

    The mean absolute difference over all pairs, divided by twice the mean.

    Examples
    --------
    >>> gini(np.array([1, 3]))
    0.25
    """
    ordered = np.sort(np.asarray(sizes, dtype=float))
    n = len(ordered)
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * ordered.sum()))


def effective_number(sizes: np.ndarray) -> float:
    """Return the effective number of organisations, ``1 / sum(share ** 2)`` (inverse Simpson; Hill 1973).

    Examples
    --------
    >>> effective_number(np.array([10, 10, 10, 10]))
    4.0
    """
    sizes = np.asarray(sizes, dtype=float)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def class_counts(split: Split) -> np.ndarray:
    """Count the rows of each class in the holdout and in each shard.

    Returns
    -------
    int array (n_shards + 1, n_classes)
        Row 0 is the holdout, row i is shard i - 1; columns are the classes of the whole table, sorted.
    """
    labels = label_codes(split.records)
    n_classes = int(labels.max(initial=-1)) + 1
    cells = (split.assignment + 1) * n_classes + labels
    return np.bincount(cells, minlength=(split.n_shards + 1) * n_classes).reshape(-1, n_classes)


def measure_skew(split: Split) -> dict[str, Any]:
    """Measure how skewed a split is, as plain values for JSON.

    Parameters
    ----------
    split : Split
        The split.

    Returns
    -------
    dict
        ``js`` and ``tv``: mean over organisations, weighted by their rows, of the Jensen-Shannon (base 2) and
        total-variation distance between the organisation's class shares and those of the pool of all shards,
        both from 0 to 1; ``gini`` and ``effective_organisations``: see `gini` and `effective_number`;
        ``per_organisation``: for each a dict with ``organisation`` (from 1), ``rows``, ``js``, ``tv`` and
        ``class_counts`` (from the class as text to rows).

    Examples
    --------
    >>> import pandas as pd
    >>> from fedlab.records import Records, Schema
    >>> from fedlab.partition import split_records
    >>> frame = pd.DataFrame({"id": range(8), "age": 50, "ill": [0, 1] * 4, "town": list("aabbaabb")})
    >>> records = Records(frame, Schema("id", ["age"], "ill", site="town"), "toy")
    >>> skew = measure_skew(split_records(records, "site", holdout=0))
    >>> skew["js"], skew["gini"], skew["effective_organisations"]
    (0.0, 0.0, 2.0)
    """
    counts = class_counts(split)[1:]
    rows = counts.sum(axis=1)
    pool = counts.sum(axis=0) / rows.sum()
    shares = counts / rows[:, None]
    js, tv = js_distance(shares, pool), total_variation(shares, pool)
    classes = [str(value) for value in plain(split.records.classes)]
    per_organisation = [
        {
            "organisation": number + 1,
            "rows": rows[number],
            "js": js[number],
            "tv": tv[number],
            "class_counts": dict(zip(classes, counts[number], strict=True)),
        }
        for number in range(split.n_shards)
    ]
    return plain(
        {
            "js": np.average(js, weights=rows),
            "tv": np.average(tv, weights=rows),
            "gini": gini(rows),
            "effective_organisations": effective_number(rows),
            "per_organisation": per_organisation,
        }
    )
