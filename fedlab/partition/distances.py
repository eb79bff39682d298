"""Distances between the distributions of an organisation and of the pool, and the imbalance of sizes."""

from __future__ import annotations

import numpy as np


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


def hellinger(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the Hellinger distance ``sqrt(sum (sqrt p - sqrt q) ** 2 / 2)``: from 0 (equal) to 1 (disjoint).

    Examples
    --------
    >>> float(hellinger(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    return np.sqrt(np.clip(((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=-1) / 2, 0, 1))


def gini(sizes: np.ndarray) -> float:
    """Return the Gini coefficient of sizes: 0 if all are equal, 1 - 1/n if one organisation holds everything.

    The mean absolute difference over all pairs, divided by twice the mean.

    Examples
    --------
    >>> gini(np.array([1, 3]))
    0.25
    """
    return float(ginis(sizes))


def ginis(sizes: np.ndarray) -> np.ndarray:
    """Return the Gini coefficient over the last axis (see `gini`)."""
    ordered = np.sort(np.asarray(sizes, dtype=float), axis=-1)
    n = ordered.shape[-1]
    return ((2 * np.arange(1, n + 1) - n - 1) * ordered).sum(axis=-1) / (n * ordered.sum(axis=-1))


def effective_number(sizes: np.ndarray) -> float:
    """Return the effective number of organisations, ``1 / sum(share ** 2)`` (inverse Simpson; Hill 1973).

    Examples
    --------
    >>> effective_number(np.array([10, 10, 10, 10]))
    4.0
    """
    return float(effective_numbers(sizes))


def effective_numbers(sizes: np.ndarray) -> np.ndarray:
    """Return the effective number over the last axis (see `effective_number`)."""
    sizes = np.asarray(sizes, dtype=float)
    return sizes.sum(axis=-1) ** 2 / (sizes**2).sum(axis=-1)


_LABEL = {"js": js_distance, "hellinger": hellinger, "tv": total_variation}


def label_distances(counts: np.ndarray, measure: str) -> np.ndarray:
    """Return each organisation's distance from the pool of all, given rows of each class.

    Parameters
    ----------
    counts : array (..., n_shards, n_classes)
        Rows; an organisation without any has NaN.
    measure : {"js", "hellinger", "tv"}
        Which distance.

    Returns
    -------
    float array (..., n_shards)

    Examples
    --------
    >>> label_distances(np.array([[4, 0], [2, 2]]), "tv").tolist()
    [0.25, 0.25]
    """
    rows = counts.sum(axis=-1, keepdims=True)
    shares = np.divide(counts, rows, out=np.full(counts.shape, np.nan), where=rows > 0)
    return _LABEL[measure](shares, counts.sum(axis=-2, keepdims=True) / counts.sum(axis=(-2, -1), keepdims=True))


def weighted_mean(distances: np.ndarray, rows: np.ndarray) -> float:
    """Return the mean over organisations, weighted by their rows; those without a distance are left out."""
    known = ~np.isnan(distances) & (rows > 0)
    return float(np.average(distances[known], weights=rows[known])) if known.any() else float("nan")


def mean_label_distance(counts: np.ndarray, measure: str) -> float:
    """Return the mean of `label_distances` over organisations, weighted by rows, and over draws with equal rows."""
    return weighted_mean(label_distances(counts, measure).ravel(), counts.sum(axis=-1).ravel())


def numeric_distances(values: np.ndarray, shards: np.ndarray, n_shards: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each shard's Kolmogorov-Smirnov and Wasserstein distance from all shards together, in one number.

    Exact, ties included, and all shards at once: the values are sorted once, and the area between the two
    distribution functions is summed over the steps of the shard's from running integrals of the pool's.

    Parameters
    ----------
    values : float array (n_rows,)
        The numbers; those that are missing or infinite are left out.
    shards : int array (n_rows,)
        Who holds each, from 0.
    n_shards : int
        How many shards.

    Returns
    -------
    ks : float array (n_shards,)
        ``max |F_i - F|`` (``scipy.stats.ks_2samp``), from 0 to 1.
    wasserstein : float array (n_shards,)
        ``integral |F_i - F|`` (``scipy.stats.wasserstein_distance``) divided by the standard deviation of the
        pool: how many standard deviations a value has to be moved on average.

        Both are NaN for a shard without a value.

    Examples
    --------
    >>> ks, moved = numeric_distances(np.array([0.0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2)
    >>> ks.tolist(), moved.tolist()
    ([0.5, 0.5], [1.0, 1.0])
    """
    finite = np.isfinite(values)
    values, shards = values[finite], shards[finite]
    sizes = np.bincount(shards, minlength=n_shards)
    ks = np.where(sizes > 0, 0.0, np.nan)
    if len(values) == 0 or values.min() == values.max():
        return ks, ks.copy()
    distinct, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    pool = np.cumsum(counts) / len(values)  # F at each distinct value
    # runs of equal values within a shard, in the order of shard, then value
    runs, lengths = _runs(shards.astype(np.int64) * len(distinct) + codes, n_shards * len(distinct))
    shard, place = np.divmod(runs, len(distinct))
    held = np.cumsum(lengths) - np.repeat(np.cumsum(sizes) - sizes, np.bincount(shard, minlength=n_shards))
    own, own_before = held / sizes[shard], (held - lengths) / sizes[shard]
    pool_before = np.concatenate([[0.0], pool])[place]
    gaps = np.maximum(np.abs(own - pool[place]), np.abs(own_before - pool_before))
    np.maximum.at(ks, shard, gaps)
    # from each run to the next of its shard F_i is constant: the area between it and F
    last = np.append(shard[1:] != shard[:-1], True)
    first = np.insert(last[:-1], 0, True)
    until = np.where(last, len(distinct) - 1, np.append(place[1:], 0))
    areas = _area(own, place, until, distinct, pool)
    areas[first] += _area(np.zeros(first.sum()), np.zeros(first.sum(), dtype=np.int64), place[first], distinct, pool)
    wasserstein = np.where(sizes > 0, np.bincount(shard, weights=areas, minlength=n_shards) / values.std(), np.nan)
    return ks, wasserstein


def _runs(keys: np.ndarray, n_keys: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct keys, sorted, and how often each occurs."""
    if n_keys <= 4 * len(keys):
        counts = np.bincount(keys, minlength=n_keys)
        found = np.flatnonzero(counts)
        return found, counts[found]
    return np.unique(keys, return_counts=True)


def _area(level: np.ndarray, start: np.ndarray, end: np.ndarray, distinct: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Return the area between constant levels and the pool's F, from distinct value `start` to `end`."""
    below = np.concatenate([[0.0], np.cumsum(np.diff(distinct) * pool[:-1])])  # integral of F
    crossing = np.clip(np.searchsorted(pool, level), start, end)  # F is below the level before, not after
    before = level * (distinct[crossing] - distinct[start]) - (below[crossing] - below[start])
    after = below[end] - below[crossing] - level * (distinct[end] - distinct[crossing])
    return np.abs(before) + np.abs(after)
