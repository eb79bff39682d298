"""Schemes with label skew: organisations see the classes in different shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedlab.partition.checks import real_number
from fedlab.partition.dealing import deal, largest_remainder, strata_rows
from fedlab.partition.registry import SCHEMES, scheme_traits
from fedlab.partition.units import label_codes, units_of

if TYPE_CHECKING:
    from fedlab.records import Records

# outside them the shares are one-hot, or equal, to all digits anyway, and the draws would under- or overflow
_LEAST_ALPHA, _GREATEST_ALPHA = 1e-300, 1e24


def _check_dirichlet(alpha: float) -> None:
    real_number("alpha", alpha, "a number greater than 0", 0, float("inf"), low_ok=False)


@SCHEMES.register("dirichlet")
@scheme_traits(check=_check_dirichlet)
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
        Concentration, greater than 0.

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
