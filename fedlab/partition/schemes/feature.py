"""Schemes with feature skew: organisations see different values of a feature, from IID to full separation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.checks import real_number
from fedlab.partition.columns import check_column, numbers_of
from fedlab.partition.dealing import cut, even_counts
from fedlab.partition.distances import numeric_distances, weighted_mean
from fedlab.partition.registry import SCHEMES, Dial, scheme_traits
from fedlab.partition.units import codes_of, units_of
from fedlab.seeds import rng as seeded

if TYPE_CHECKING:
    from fedlab.records import Records

# of which a search for a strictness makes use: fewer for each organisation would add noise to its distance
_MOST_ROWS, _MOST_ROWS_EACH = 50_000, 500


def check_strictness(strictness: float, **_: Any) -> None:
    """Refuse a strictness that is not a number from 0 to 1."""
    if strictness != 1:
        real_number("strictness", strictness, "a number from 0 (IID) to 1 (separated)", 0, 1, low_ok=True)


def expected_distance(
    at_strictness: Callable[..., Callable[[float], np.ndarray]], values: Callable[..., np.ndarray]
) -> Callable[..., Callable[[float], float]]:
    """Return `Dial.expect` for the strictness of a scheme: the mean distance of these columns over a few draws.

    The scheme is run on at most 50 000 rows, or 500 for each organisation, evenly spaced, always with the same
    random numbers.

    Parameters
    ----------
    at_strictness : callable
        ``at_strictness(records, n_shards, rng, **options)`` returns a function from the strictness to the shards.
    values : callable
        ``values(records, **options)`` returns the columns that are measured, float array (n_columns, n_rows).
    """

    def expect(records: Records, n_shards: int, measure: str, **options: Any) -> Callable[[float], float]:
        step = -(-records.n_rows // max(_MOST_ROWS, _MOST_ROWS_EACH * n_shards))
        some = records.take(np.arange(0, records.n_rows, step)) if step > 1 else records
        columns = values(some, **options)
        repeats = int(np.clip(50_000 // some.n_rows, 1, 32))
        schemes = [
            at_strictness(some, n_shards, seeded(0, "dial", "strictness", number), **options)
            for number in range(repeats)
        ]

        def expected(strictness: float) -> float:
            found = []
            for scheme in schemes:
                shards = scheme(strictness)
                rows = np.bincount(shards, minlength=n_shards)
                for column in columns:
                    ks, wasserstein = numeric_distances(column, shards, n_shards)
                    found.append(weighted_mean(ks if measure == "ks" else wasserstein, rows))
            return float(np.mean(found))

        return expected

    return expect


def _blend(values: np.ndarray, strictness: float, shuffled: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the order by the values, more or less strictly."""
    from scipy.special import ndtri

    n = len(values)
    if strictness == 0:
        return shuffled
    # equal values stand in random order, so that a cut through them falls on none in particular
    order = shuffled[np.argsort(values[shuffled], kind="stable")]
    if strictness == 1:
        return order
    scores = np.empty(n)
    scores[order] = ndtri((np.arange(n) + 0.5) / n)
    return np.argsort(strictness * scores + (1 - strictness) * noise, kind="stable")


def _at_strictness(
    records: Records, n_shards: int, rng: np.random.Generator, column: str, **_: Any
) -> Callable[[float], np.ndarray]:
    """Return the scheme as a function of strictness alone, with the same noise for all."""
    units = units_of(records)
    values = units.mean(numbers_of(records, column))
    targets = even_counts(np.array([len(units.of_row)]), n_shards)[0]
    shuffled, noise = rng.permutation(units.n), rng.standard_normal(units.n)
    return lambda strictness: cut(units, _blend(values, strictness, shuffled, noise), targets)[units.of_row]


_FEATURE_DIAL = Dial(
    0.0,
    1.0,
    False,
    ("ks", "wasserstein"),
    expected_distance(_at_strictness, lambda records, column, **_: numbers_of(records, column)[None, :]),
)


@SCHEMES.register("feature")
@scheme_traits(check=check_strictness, dials={"strictness": _FEATURE_DIAL})
def feature(
    records: Records, n_shards: int, rng: np.random.Generator, *, column: str, strictness: float = 1.0
) -> np.ndarray:
    """Sort the rows by a numeric column, more or less strictly, and cut them into shards of equal size.

    Rows are sorted by ``s * z + (1 - s) * e``: z is the normal score of the row's rank in the column (equal
    values rank in random order) and e standard normal noise. At strictness s = 0 the order is random: IID. At
    1 organisation 1 holds the lowest n-th of the values, organisation 2 the next, and so on.

    Peer: ``ContinuousPartitioner`` of flwr-datasets, which standardises the column instead of ranking it, so
    that outliers and heavy tails change what a strictness means; the same for a normal column.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together and are sorted by their mean.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Shuffles the rows and draws the noise.
    column : str
        A numeric column, complete, finite and not constant.
    strictness : float
        From 0 (IID) to 1 (separated by quantiles); or the feature skew wanted, ``{ks: 0.3}`` or
        ``{wasserstein: 0.5}``.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If the column is not such, or strictness is out of range.
    """
    check_strictness(strictness)
    return _at_strictness(records, n_shards, rng, column)(strictness)


def _whole_groups(records: Records, column: str, strictness: float) -> np.ndarray | None:
    return codes_of(records, check_column(records, column))[0] if strictness == 1 else None


@SCHEMES.register("feature_groups")
@scheme_traits(check=check_strictness, kinds=_whole_groups)
def feature_groups(
    records: Records, n_shards: int, rng: np.random.Generator, *, column: str, strictness: float = 1.0
) -> np.ndarray:
    """Keep the rows of equal value in a column together, more or less strictly.

    Each value gets a home: the values, from the most frequent on, go one by one to the organisation that has
    the fewest rows so far, so that sizes are as even as the values allow. The share `strictness` of each
    value's rows goes home, the others are dealt out like `iid`. At 0 that is IID; at 1 each value is held by
    one organisation alone, and repair moves none.

    Peers: ``GroupedNaturalIdPartitioner`` of flwr-datasets and ``group_by_label_index`` of FLEXible, both at
    strictness 1.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together and count as the group's most frequent value.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Chooses the rows that go home and shuffles the others.
    column : str
        A column without missing values, with at least `n_shards` different ones.
    strictness : float
        From 0 (IID) to 1 (each value at one organisation).

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If there is no such column, values are missing, or there are fewer values than organisations.
    """
    check_strictness(strictness)
    codes, values = codes_of(records, check_column(records, column))
    if len(values) < n_shards:
        raise FedlabError(
            f"column {column!r} has {len(values)} different values, so its groups make at most {len(values)} "
            f"organisations, got n_shards={n_shards}; give at most {len(values)} or another column"
        )
    units = units_of(records)
    value_of_unit = units.majority(codes)
    home = balance(np.bincount(value_of_unit, weights=units.sizes, minlength=len(values)), n_shards)
    return go_home(records, home[value_of_unit], value_of_unit, n_shards, strictness, rng)


def balance(weights: np.ndarray, n_parts: int) -> np.ndarray:
    """Put things one by one, the heaviest first, to the part that is lightest so far (Graham 1969).

    Examples
    --------
    >>> balance(np.array([5, 4, 3, 3]), 2).tolist()
    [0, 1, 1, 0]
    """
    import heapq

    part = np.empty(len(weights), dtype=np.int64)
    lightest = [(0.0, 0, number) for number in range(n_parts)]
    for thing in np.argsort(-weights, kind="stable"):
        weight, held, number = heapq.heappop(lightest)
        part[thing] = number
        heapq.heappush(lightest, (weight + float(weights[thing]), held + 1, number))
    return part


def go_home(
    records: Records,
    home: np.ndarray,
    strata: np.ndarray,
    n_shards: int,
    strictness: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Send the share `strictness` of the units of each stratum home and deal the others out evenly.

    Parameters
    ----------
    records : Records
        The table.
    home, strata : int array (n_units,)
        The organisation and the stratum of each unit.
    n_shards : int
        How many organisations.
    strictness : float
        From 0 to 1.
    rng : numpy.random.Generator
        Chooses and shuffles.

    Returns
    -------
    int array (n_rows,)
    """
    units = units_of(records)
    shard = home.copy()
    if strictness < 1:
        order = rng.permutation(units.n)
        order = order[np.argsort(strata[order], kind="stable")]
        sizes = np.bincount(strata)
        place = np.arange(units.n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        stays = np.empty(units.n, dtype=bool)
        stays[order] = place < np.repeat(np.round(strictness * sizes), sizes)
        away = np.flatnonzero(~stays)
        targets = even_counts(np.array([len(away)]), n_shards)[0]
        shard[rng.permutation(away)] = np.repeat(rng.permutation(n_shards), targets)
    return shard[units.of_row]
