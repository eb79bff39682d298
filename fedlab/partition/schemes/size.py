"""Schemes with quantity skew: organisations of different size that see the same distribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.checks import real_number, whole_number
from fedlab.partition.dealing import deal, largest_remainder
from fedlab.partition.dials import dirichlet_from, replicates
from fedlab.partition.distances import effective_numbers, ginis
from fedlab.partition.registry import SCHEMES, Dial, scheme_traits
from fedlab.partition.units import units_of
from fedlab.seeds import rng as seeded

if TYPE_CHECKING:
    from fedlab.records import Records

_DEFAULT_EXPONENT = 1.0
_MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"gini": ginis, "effective": effective_numbers}


def _deal_by(shares: np.ndarray | Sequence[float], records: Records, rng: np.random.Generator) -> np.ndarray:
    """Shuffle all rows and cut them in these shares."""
    units = units_of(records)
    targets = largest_remainder(np.asarray(shares, dtype=float), len(units.of_row))
    return deal(units, np.zeros(units.n, dtype=np.int64), targets[None, :], rng)


def power_shares(n_shards: int, exponent: float) -> np.ndarray:
    """Return shares in proportion to ``i ** exponent``, i from 1."""
    # in logarithms, so that a steep law underflows to 0 rather than overflows
    logs = exponent * np.log(np.arange(1, n_shards + 1))
    return np.exp(logs - logs.max())


def _size_dial(shares: Callable[[float, np.ndarray], np.ndarray], draw: str, low: float, high: float) -> Dial:
    """Return a dial for an option that decides sizes; `shares` takes it and fixed random numbers (R, n)."""

    def expect(records: Records, n_shards: int, measure: str, **_: Any) -> Callable[[float], float]:
        generator = seeded(0, "dial", draw)
        drawn = getattr(generator, draw)(size=(replicates(n_shards), n_shards))

        def expected(value: float) -> float:
            sizes = largest_remainder(shares(value, drawn), np.full(len(drawn), records.n_rows))
            return float(_MEASURES[measure](sizes).mean())

        return expected

    return Dial(low, high, low > 0, ("gini", "effective"), expect)


def _check_quantity(exponent: float, fractions: Sequence[float] | None) -> None:
    real_number("exponent", exponent, "a number of 0 or more", 0, float("inf"), low_ok=True)
    if fractions is None:
        return
    if isinstance(fractions, str) or not isinstance(fractions, Sequence | np.ndarray) or len(fractions) == 0:
        raise FedlabError(f"fractions must be a list of numbers, one per organisation, got {fractions!r}")
    for number, fraction in enumerate(fractions):
        real_number(f"fractions[{number}]", fraction, "a number greater than 0", 0, float("inf"), low_ok=False)
    if abs(sum(fractions) - 1) > 1e-9:
        raise FedlabError(
            f"fractions must sum to 1, got {list(fractions)} with the sum {sum(fractions):.12g}; divide each by the sum"
        )
    if exponent != _DEFAULT_EXPONENT:
        raise FedlabError(f"exponent {exponent!r} has no meaning beside explicit fractions; leave one of the two out")


def _count_fractions(records: Records, exponent: float, fractions: Sequence[float] | None) -> int | None:
    return None if fractions is None else len(fractions)


@SCHEMES.register("quantity")
@scheme_traits(
    check=_check_quantity,
    count=_count_fractions,
    dials={
        "exponent": _size_dial(
            lambda exponent, drawn: np.tile(power_shares(drawn.shape[1], -exponent), (len(drawn), 1)), "random", 0, 20
        )
    },
)
def quantity(
    records: Records,
    n_shards: int,
    rng: np.random.Generator,
    *,
    exponent: float = _DEFAULT_EXPONENT,
    fractions: Sequence[float] | None = None,
) -> np.ndarray:
    """Shuffle all rows, then cut them into shards whose sizes follow a power law or are given.

    Organisation i (from 1) gets a share of rows proportional to ``i ** -exponent``: Zipf's law at exponent 1,
    equal sizes at 0; or it gets ``fractions[i - 1]``. Shares are rounded to whole rows by largest remainder.

    Sources: the sizes of hospitals, cities and firms (Clauset, Shalizi and Newman 2009, Power-law
    distributions in empirical data). Peers: ``SizePartitioner`` of flwr-datasets and ``weights`` of FLEXible
    for given sizes.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together; sizes then miss their target by at most one group.
    n_shards : int
        How many organisations; with `fractions` their number.
    rng : numpy.random.Generator
        Shuffles the rows.
    exponent : float
        Steepness of the power law, 0 or greater; or the skew wanted, ``{gini: 0.4}``.
    fractions : sequence of float, optional
        The share of rows of each organisation, each greater than 0, with the sum 1.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If an option is impossible, or `n_shards` is not the number of fractions.
    """
    _check_quantity(exponent, fractions)
    if fractions is not None and len(fractions) != n_shards:
        raise FedlabError(f"{len(fractions)} fractions make {len(fractions)} organisations, got n_shards={n_shards}")
    return _deal_by(power_shares(n_shards, -exponent) if fractions is None else fractions, records, rng)


@SCHEMES.register("linear")
def linear(records: Records, n_shards: int, rng: np.random.Generator) -> np.ndarray:
    """Shuffle all rows, then cut them into shards with sizes in proportion 1 : 2 : 3 : ….

    Organisation i (from 1) gets a share of ``i / sum(1..n)``. Peer: ``LinearPartitioner`` of flwr-datasets.

    Parameters
    ----------
    records : Records
        The table.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Shuffles the rows.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.
    """
    return _deal_by(power_shares(n_shards, 1), records, rng)


@SCHEMES.register("square")
def square(records: Records, n_shards: int, rng: np.random.Generator) -> np.ndarray:
    """Shuffle all rows, then cut them into shards with sizes in proportion 1 : 4 : 9 : ….

    Organisation i (from 1) gets a share proportional to ``i ** 2``. Peer: ``SquarePartitioner`` of flwr-datasets.

    Parameters
    ----------
    records : Records
        The table.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Shuffles the rows.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.
    """
    return _deal_by(power_shares(n_shards, 2), records, rng)


def _check_exponential(rate: float) -> None:
    real_number("rate", rate, "a number of 0 or more", 0, float("inf"), low_ok=True)


def exponential_shares(n_shards: int, rate: float) -> np.ndarray:
    """Return shares each ``e ** rate`` times as large as the one before."""
    return np.exp(rate * (np.arange(n_shards) - (n_shards - 1.0)))


@SCHEMES.register("exponential")
@scheme_traits(check=_check_exponential)
def exponential(records: Records, n_shards: int, rng: np.random.Generator, *, rate: float = 1.0) -> np.ndarray:
    """Shuffle all rows, then cut them into shards each ``e ** rate`` times as large as the one before.

    Organisation i gets a share proportional to ``exp(rate * i)``. At rate 1 more than a dozen organisations
    leave the first ones empty, to be repaired up to `min_rows`; give a smaller rate. Peer:
    ``ExponentialPartitioner`` of flwr-datasets (rate 1).

    Parameters
    ----------
    records : Records
        The table.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Shuffles the rows.
    rate : float
        Logarithm of the ratio between neighbours, 0 or greater.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If rate is negative or not finite.
    """
    _check_exponential(rate)
    return _deal_by(exponential_shares(n_shards, rate), records, rng)


def _check_lognormal(sigma: float) -> None:
    real_number("sigma", sigma, "a number of 0 or more", 0, float("inf"), low_ok=True)


def lognormal_shares(sigma: float, normals: np.ndarray) -> np.ndarray:
    """Return shares in proportion to ``exp(sigma * z)`` for normal variates z (..., n_shards)."""
    logs = sigma * normals
    return np.exp(logs - logs.max(axis=-1, keepdims=True))


@SCHEMES.register("lognormal")
@scheme_traits(check=_check_lognormal, dials={"sigma": _size_dial(lognormal_shares, "standard_normal", 0, 20)})
def lognormal(records: Records, n_shards: int, rng: np.random.Generator, *, sigma: float = 1.0) -> np.ndarray:
    """Shuffle all rows, then cut them into shards whose sizes are drawn from a log-normal distribution.

    Shares are proportional to ``exp(sigma * z)`` with z standard normal, one for each organisation. Peer:
    ``lognormal_unbalance_partition`` of SMILELab's FedLab (``unbalance_sgm``).

    Parameters
    ----------
    records : Records
        The table.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Draws the sizes, then shuffles the rows.
    sigma : float
        Standard deviation of the logarithm of the sizes, 0 (equal sizes) or greater; or the skew wanted,
        ``{gini: 0.4}``.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If sigma is negative or not finite.
    """
    _check_lognormal(sigma)
    return _deal_by(lognormal_shares(sigma, rng.standard_normal(n_shards)), records, rng)


def _check_dirichlet_sizes(alpha: float) -> None:
    real_number("alpha", alpha, "a number greater than 0", 0, float("inf"), low_ok=False)


@SCHEMES.register("dirichlet_sizes")
@scheme_traits(check=_check_dirichlet_sizes, dials={"alpha": _size_dial(dirichlet_from, "random", 1e-3, 1e4)})
def dirichlet_sizes(records: Records, n_shards: int, rng: np.random.Generator, *, alpha: float = 0.5) -> np.ndarray:
    """Shuffle all rows, then cut them into shards whose shares are drawn from a symmetric Dirichlet distribution.

    Shares p ~ Dir(alpha, ..., alpha): mean 1 / n, variance (n - 1) / (n² (n alpha + 1)). Source: Li et al.
    2022 (NIID-Bench), "quantity skew", its partition ``iid-diff-quantity``, with alpha = 0.5.

    Parameters
    ----------
    records : Records
        The table.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Draws the shares, then shuffles the rows.
    alpha : float
        Concentration, greater than 0; or the skew wanted, ``{gini: 0.4}``.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If alpha is not a number greater than 0.
    """
    _check_dirichlet_sizes(alpha)
    return _deal_by(dirichlet_from(alpha, rng.random(n_shards)), records, rng)


def _check_sizes(sizes: Sequence[int]) -> None:
    if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray) or len(sizes) == 0:
        raise FedlabError(f"sizes must be a list of whole numbers, one per organisation, got {sizes!r}")
    for number, size in enumerate(sizes):
        whole_number(f"sizes[{number}]", size, 1)


@SCHEMES.register("sizes")
@scheme_traits(check=_check_sizes, count=lambda records, sizes: len(sizes), repaired=False)
def sizes(records: Records, n_shards: int, rng: np.random.Generator, *, sizes: Sequence[int]) -> np.ndarray:
    """Shuffle all rows, then cut them into shards of given sizes.

    Nothing is repaired: the sizes are those asked for, or the request is refused. Peer: ``SizePartitioner``
    of flwr-datasets.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together; sizes then miss their target by at most one group.
    n_shards : int
        How many organisations: the number of sizes.
    rng : numpy.random.Generator
        Shuffles the rows.
    sizes : sequence of int
        The rows of each organisation; they sum to the rows outside the holdout.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If the sizes do not sum to the rows there are, or are not `n_shards`.
    """
    _check_sizes(sizes)
    check_total(sizes, n_shards, records.n_rows)
    return _deal_by(np.asarray(sizes, dtype=float), records, rng)


def check_total(sizes: Sequence[int], n_shards: int, n_rows: int) -> None:
    """Refuse sizes that are not one for each organisation, or do not sum to the rows outside the holdout."""
    if len(sizes) != n_shards:
        raise FedlabError(f"{len(sizes)} sizes make {len(sizes)} organisations, got n_shards={n_shards}")
    if sum(sizes) != n_rows:
        raise FedlabError(
            f"sizes must sum to the {n_rows} rows outside the holdout, got {list(map(int, sizes))} with the "
            f"sum {sum(sizes)}; change them by {n_rows - sum(sizes):+d} in all, or give shares as quantity's "
            "fractions"
        )
