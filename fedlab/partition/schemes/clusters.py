"""Scheme with joint feature skew: each organisation holds a cluster of similar rows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.columns import standardised
from fedlab.partition.dealing import largest_remainder
from fedlab.partition.registry import SCHEMES, Dial, scheme_traits
from fedlab.partition.schemes.feature import check_strictness, expected_distance, go_home
from fedlab.partition.units import units_of

if TYPE_CHECKING:
    from fedlab.records import Records

_MOST_POINTS, _MOST_POINTS_EACH = 5_000, 100  # that the centres are fitted to: in all, or for each
_MOST_CENTRES = 64  # that each point is compared with; more clusters are made in two levels
_MOST_ROUNDS = 25
_BLOCK = 2**24  # distances held at a time


def _check_clusters(strictness: float, columns: Sequence[str] | None) -> None:
    check_strictness(strictness)
    if columns is not None and (isinstance(columns, str) or not isinstance(columns, Sequence) or not len(columns)):
        raise FedlabError(f"columns must be a list of names of numeric columns, got {columns!r}")


def _home(records: Records, n_shards: int, rng: np.random.Generator, columns: Sequence[str] | None) -> np.ndarray:
    """Return the cluster of each unit."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    points = np.ascontiguousarray(units_of(records).mean(standardised(records, columns)))
    with threadpool_limits(1):  # sums in one order, so that the same rows come out whatever the number of cores
        return k_means(points, n_shards, rng)


def _at_strictness(
    records: Records, n_shards: int, rng: np.random.Generator, columns: Sequence[str] | None, **_: Any
) -> Callable[[float], np.ndarray]:
    """Return the scheme as a function of strictness alone; clusters are found once."""
    home = _home(records, n_shards, rng, columns)
    return lambda strictness: go_home(records, home, home, n_shards, strictness, copy.deepcopy(rng))


_DIAL = Dial(
    0.0,
    1.0,
    False,
    ("ks", "wasserstein"),
    expected_distance(_at_strictness, lambda records, columns, **_: standardised(records, columns).T),
)


@SCHEMES.register("clusters")
@scheme_traits(check=_check_clusters, dials={"strictness": _DIAL})
def clusters(
    records: Records,
    n_shards: int,
    rng: np.random.Generator,
    *,
    strictness: float = 1.0,
    columns: Sequence[str] | None = None,
) -> np.ndarray:
    """Give each organisation a cluster of similar rows, found by k-means on standardised features.

    Numeric features are scaled to mean 0 and standard deviation 1 (what is missing counts as the mean), and
    k-means with k = `n_shards` (k-means++ start, at most 25 rounds, on at most 5000 evenly spaced rows)
    makes the clusters; clusters are as large as they are, so sizes are skewed too. More than 64 organisations
    are made in two levels: about the root of so many clusters, each clustered again. The share `strictness` of
    each cluster goes to its organisation, the rest is dealt out like `iid`. Organisations are numbered by their
    cluster's mean on the first column, so that a run is the same everywhere.

    Source: k-means by Lloyd 1982, its start by Arthur and Vassilvitskii 2007.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together and are placed by their mean.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Draws the first centres and shuffles.
    strictness : float
        From 0 (IID) to 1 (each cluster at one organisation); or the feature skew wanted, ``{ks: 0.3}`` or
        ``{wasserstein: 0.5}``, meant over the columns.
    columns : sequence of str, optional
        The columns to use; all numeric features by default.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If there is no numeric column that varies, or fewer different rows than organisations.
    """
    _check_clusters(strictness, columns)
    home = _home(records, n_shards, rng, columns)
    return go_home(records, home, home, n_shards, strictness, rng)


def k_means(points: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Cluster points by Lloyd's algorithm, in two levels for many clusters; no cluster is empty.

    Parameters
    ----------
    points : float array (n_points, n_columns)
        The points.
    k : int
        How many clusters.
    rng : numpy.random.Generator
        Draws the first centres.

    Returns
    -------
    int array (n_points,)
        The cluster of each point, numbered by the first coordinate of its centre.

    Examples
    --------
    >>> k_means(np.array([[0.0], [5.0], [0.1], [5.2]]), 2, np.random.default_rng(0)).tolist()
    [0, 1, 0, 1]
    """
    if k > _MOST_CENTRES:
        return _two_levels(points, k, rng)
    some = points[:: -(-len(points) // max(_MOST_POINTS, _MOST_POINTS_EACH * k))]
    centres = _first_centres(some, k, rng)
    for _ in range(_MOST_ROUNDS):
        nearest = _nearest(some, centres)
        counts = np.bincount(nearest, minlength=k)
        sums = np.stack([np.bincount(nearest, weights=column, minlength=k) for column in some.T], axis=1)
        moved = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres).astype(points.dtype)
        if np.abs(moved - centres).max() < 1e-4:
            break
        centres = moved
    centres = centres[np.lexsort(centres.T[::-1])]
    found = _nearest(points, centres)
    empty = np.flatnonzero(np.bincount(found, minlength=k) == 0)
    for cluster in empty:  # its centre took part only as a start: give it a point of the largest cluster
        found[np.flatnonzero(found == np.bincount(found).argmax())[0]] = cluster
    return found


def _two_levels(points: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Cluster roughly, then each cluster into as many as its share of the points, or of the different ones."""
    rough = k_means(points, min(round(k**0.5), _MOST_CENTRES), rng)
    members = [np.flatnonzero(rough == number) for number in range(int(rough.max()) + 1)]
    try:
        return _cluster_each(points, members, np.array([len(rows) for rows in members]), k, rng)
    except FedlabError:  # some rows are equal: count the different ones, which takes time
        different = np.array([len(np.unique(points[rows], axis=0)) for rows in members])
        return _cluster_each(points, members, different, k, rng)


def _cluster_each(
    points: np.ndarray, members: list[np.ndarray], different: np.ndarray, k: int, rng: np.random.Generator
) -> np.ndarray:
    """Cluster each of several clusters, into k in all and none into more than it has different points."""
    if different.sum() < k:
        raise _too_few(int(different.sum()), k)
    rows_of_each = np.array([len(rows) for rows in members])
    numbers = np.minimum(np.maximum(largest_remainder(rows_of_each, k), 1), different)
    while (over := int(numbers.sum()) - k) != 0:  # the limits shift a few from or to where there is room
        room = numbers - 1 if over > 0 else different - numbers
        place = int(np.argmax(room))
        numbers[place] -= int(np.sign(over)) * min(abs(over), int(room[place]))
    found = np.empty(len(points), dtype=np.int64)
    for number, (rows, parts) in enumerate(zip(members, numbers, strict=True)):
        found[rows] = k_means(points[rows], int(parts), rng) + int(numbers[:number].sum())
    return found


def _too_few(different: int, k: int) -> FedlabError:
    return FedlabError(
        f"the columns have only {different} different rows, too few for {k} clusters; give n_shards of at most "
        f"{different}, or other columns"
    )


def _first_centres(points: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draw k different points, each with a chance proportional to its squared distance from those before."""
    centres = [points[int(rng.integers(len(points)))]]
    distances = np.full(len(points), np.inf)
    for _ in range(k - 1):
        distances = np.minimum(distances, ((points - centres[-1]) ** 2).sum(axis=1))
        total = np.cumsum(distances, dtype=float)
        if total[-1] == 0:
            raise _too_few(len(centres), k)
        drawn = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
        centres.append(points[min(drawn, len(points) - 1)])
    return np.array(centres)


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the nearest centre of each point."""
    found = np.empty(len(points), dtype=np.int64)
    half_norms = (centres**2).sum(axis=1) / 2
    step = max(1, _BLOCK // len(centres))
    for start in range(0, len(points), step):
        found[start : start + step] = np.argmax(points[start : start + step] @ centres.T - half_norms, axis=1)
    return found
