"""Schemes with quantity skew: organisations of different size that see the same distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.checks import real_number
from fedlab.partition.dealing import deal, largest_remainder
from fedlab.partition.registry import SCHEMES, scheme_traits
from fedlab.partition.units import units_of

if TYPE_CHECKING:
    from fedlab.records import Records

_DEFAULT_EXPONENT = 1.0


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
@scheme_traits(check=_check_quantity, count=_count_fractions)
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
    distributions in empirical data); NIID-Bench (Li et al. 2022), "quantity skew", draws sizes from a
    Dirichlet distribution instead. Peers: ``SizePartitioner`` of flwr-datasets for given sizes.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together; sizes then miss their target by at most one group.
    n_shards : int
        How many organisations; with `fractions` their number.
    rng : numpy.random.Generator
        Shuffles the rows.
    exponent : float
        Steepness of the power law, 0 or greater.
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
    # in logarithms, so that a steep law underflows to 0 rather than overflows
    shares: Any = np.exp(-exponent * np.log(np.arange(1, n_shards + 1))) if fractions is None else fractions
    units = units_of(records)
    targets = largest_remainder(np.asarray(shares, dtype=float), len(units.of_row))
    return deal(units, np.zeros(units.n, dtype=np.int64), targets[None, :], rng)
