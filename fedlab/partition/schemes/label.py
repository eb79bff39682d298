"""Schemes with label skew: organisations see the classes in different shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.partition.checks import real_number
from fedlab.partition.dealing import deal, even_counts, largest_remainder, strata_rows
from fedlab.partition.dials import dirichlet_from, replicates
from fedlab.partition.distances import mean_label_distance
from fedlab.partition.margins import fit_table, scale_to
from fedlab.partition.registry import SCHEMES, Dial, inner_scheme, scheme_traits, traits_for
from fedlab.partition.units import label_codes, units_of
from fedlab.seeds import rng as seeded

if TYPE_CHECKING:
    from fedlab.records import Records

# outside them the shares are one-hot, or equal, to all digits anyway, and the draws would under- or overflow
_LEAST_ALPHA, _GREATEST_ALPHA = 1e-300, 1e24
# a class of which an organisation draws next to nothing may still have to fill it up
_LEAST_WEIGHT = 1e-9


def _check_dirichlet(alpha: float) -> None:
    real_number("alpha", alpha, "a number greater than 0", 0, float("inf"), low_ok=False)


def _expect_dirichlet(records: Records, n_shards: int, measure: str, **_: Any) -> Callable[[float], float]:
    totals = np.bincount(label_codes(records))
    cells = len(totals) * n_shards
    uniforms = seeded(0, "dial", "dirichlet").random((replicates(cells), len(totals), n_shards))

    def expected(alpha: float) -> float:
        counts = largest_remainder(dirichlet_from(alpha, uniforms), totals)
        return mean_label_distance(counts.swapaxes(-1, -2), measure)

    return expected


_LABEL_MEASURES = ("js", "hellinger", "tv")


@SCHEMES.register("dirichlet")
@scheme_traits(check=_check_dirichlet, dials={"alpha": Dial(1e-3, 1e4, True, _LABEL_MEASURES, _expect_dirichlet)})
def dirichlet(records: Records, n_shards: int, rng: np.random.Generator, *, alpha: float = 0.5) -> np.ndarray:
    """Share each class out over the organisations by shares drawn from a symmetric Dirichlet distribution.

    For each class, shares p ~ Dir(alpha, ..., alpha) over the n organisations; its rows are shuffled and
    dealt in these shares, rounded to whole rows by largest remainder, so that all are dealt. A share has mean
    1 / n and variance (n - 1) / (n² (n alpha + 1)): a small alpha gives most of a class to few organisations,
    a great one is nearly `stratified`. Sizes are skewed as well. A shard that a draw leaves too small is
    repaired by `split_records`, not redrawn as in the peers.

    Sources: Yurochkin et al. 2019 (Bayesian nonparametric federated learning), with alpha = 0.5; Li et al.
    2022 (NIID-Bench), "distribution-based label imbalance". Hsu et al. 2019 draw the other way, per
    organisation over the classes. Peers: ``DirichletPartitioner(self_balancing=False)`` of flwr-datasets.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together and count as the group's most frequent class.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Draws the shares, then shuffles the rows.
    alpha : float
        Concentration, greater than 0; or the label skew wanted, ``{js: 0.3}``.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If alpha is not a number greater than 0.
    """
    _check_dirichlet(alpha)
    units = units_of(records)
    strata = units.majority(label_codes(records))
    totals = strata_rows(units, strata)
    shares = dirichlet_shares(rng, alpha, len(totals), n_shards)
    return deal(units, strata, largest_remainder(shares, totals), rng)


def dirichlet_shares(rng: np.random.Generator, alpha: float, n_draws: int, n_parts: int) -> np.ndarray:
    """Draw shares from a symmetric Dirichlet distribution, right for any alpha.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws.
    alpha : float
        Concentration, greater than 0.
    n_draws, n_parts : int
        How many draws, of how many shares.

    Returns
    -------
    float array (n_draws, n_parts)
        Each row sums to 1.

    Examples
    --------
    >>> shares = dirichlet_shares(np.random.default_rng(0), 1e-300, 4, 3)
    >>> shares.sum(axis=1).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    return rng.dirichlet(np.full(n_parts, np.clip(alpha, _LEAST_ALPHA, _GREATEST_ALPHA)), size=n_draws)


def _check_organisations(alpha: float, size: Any) -> None:
    _check_dirichlet(alpha)
    if size is not None:
        inner_scheme("size", size)


def _class_table(weights: np.ndarray, sizes: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Return how many rows of each class each organisation gets: its shares, as far as the classes last."""
    table = fit_table(np.maximum(weights, _LEAST_WEIGHT) * sizes[:, None], sizes, totals)
    assert table is not None  # with all cells allowed there always is one
    return table


def _expect_organisations(records: Records, n_shards: int, measure: str, **options: Any) -> Callable[[float], float]:
    totals = np.bincount(label_codes(records))
    prior = totals / totals.sum()
    number = replicates(4 * len(totals) * n_shards)
    uniforms = seeded(0, "dial", "dirichlet_organisations").random((number, n_shards, len(totals)))
    sizes = np.bincount(_sizes(records, n_shards, seeded(0, "dial", "size"), options["size"]), minlength=n_shards)

    def expected(alpha: float) -> float:
        weights = np.maximum(dirichlet_from(alpha * prior, uniforms), _LEAST_WEIGHT) * sizes[:, None]
        return mean_label_distance(scale_to(weights, sizes, totals), measure)

    return expected


def _sizes(records: Records, n_shards: int, rng: np.random.Generator, size: Any) -> np.ndarray:
    """Return a scheme's shard of each row; without one, shards of equal size."""
    if size is None:
        return np.repeat(np.arange(n_shards), even_counts(np.array([records.n_rows]), n_shards)[0])
    name, options = inner_scheme("size", size)
    return SCHEMES.get(name)(records, n_shards, rng, **options)


def _count_organisations(records: Records, alpha: float, size: Any) -> int | None:
    if size is None:
        return None
    name, options = inner_scheme("size", size)
    count = traits_for(name, options).count
    return None if count is None else count(records, **options)


@SCHEMES.register("dirichlet_organisations")
@scheme_traits(
    check=_check_organisations,
    count=_count_organisations,
    dials={"alpha": Dial(1e-3, 1e4, True, _LABEL_MEASURES, _expect_organisations)},
)
def dirichlet_organisations(
    records: Records, n_shards: int, rng: np.random.Generator, *, alpha: float = 0.5, size: Any = None
) -> np.ndarray:
    """Draw each organisation's mix of classes from a Dirichlet distribution round the pool's; sizes are equal.

    Class shares q_i ~ Dir(alpha p) with p the class shares of the pool: q_ij has mean p_j and variance
    p_j (1 - p_j) / (alpha + 1). As every row is dealt once, the shares drawn are then scaled so that sizes and
    class totals are both met exactly (iterative proportional fitting: odds ratios stay as drawn), which
    narrows their spread by about (n - 1) / n. The peers deal row by row instead and fill the last
    organisations with whatever classes are left.

    Sources: Hsu, Qi and Brown 2019 (Measuring the effects of non-identical data distribution for federated
    visual classification); Acar et al. 2021 (FedDyn). Peers: ``InnerDirichletPartitioner`` of flwr-datasets
    and ``client_inner_dirichlet_partition`` of SMILELab's FedLab, whose alpha is that of a symmetric Dir(a, …,
    a): a = alpha / n_classes where classes are equally frequent.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together and count as the group's most frequent class.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Draws sizes and shares, then shuffles the rows.
    alpha : float
        Concentration, greater than 0; or the label skew wanted, ``{js: 0.3}``.
    size : str or mapping, optional
        A scheme that decides the sizes, ``"linear"`` or ``{scheme: lognormal, sigma: 1}``; equal by default.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If alpha is not a number greater than 0, or size is no scheme.
    """
    _check_organisations(alpha, size)
    units = units_of(records)
    strata = units.majority(label_codes(records))
    totals = strata_rows(units, strata)
    sizes = np.bincount(_sizes(records, n_shards, rng, size), minlength=n_shards)
    shares = class_shares(rng, alpha, totals / totals.sum(), n_shards)
    return deal(units, strata, _class_table(shares, sizes, totals).T, rng)


def class_shares(rng: np.random.Generator, alpha: float, prior: np.ndarray, n_draws: int) -> np.ndarray:
    """Draw class shares of organisations from Dir(alpha * prior), right for any alpha.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws.
    alpha : float
        Concentration, greater than 0.
    prior : float array (n_classes,)
        Class shares of the pool.
    n_draws : int
        How many organisations.

    Returns
    -------
    float array (n_draws, n_classes)
        Each row sums to 1.

    Examples
    --------
    >>> class_shares(np.random.default_rng(0), 1e9, np.array([0.75, 0.25]), 2).round(3).tolist()
    [[0.75, 0.25], [0.75, 0.25]]
    """
    return dirichlet_from(alpha * prior, rng.random((n_draws, len(prior))))
