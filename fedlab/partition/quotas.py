"""How many rows of each class every shard and the holdout get, decided from counts alone, before any row is dealt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.checks import real_number
from fedlab.partition.dealing import even_counts, largest_remainder
from fedlab.partition.dials import dirichlet_from
from fedlab.partition.registry import SCHEMES
from fedlab.partition.repair import levelled
from fedlab.partition.schemes.label import dirichlet_shares
from fedlab.partition.schemes.size import check_total, exponential_shares, lognormal_shares, power_shares

Quotas = Callable[..., np.ndarray]


def holdout_quotas(cells: np.ndarray, rows: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return how many rows of each cell are held out: the same share of each, to within one row, exact in total.

    As in `hold_out`: cells stand in order of class, then of site, and every (1 / share)-th row is taken from a
    random start. The pool keeps a row of every class.

    Parameters
    ----------
    cells : int array (n_cells,)
        The class of each cell, ascending.
    rows : int array (n_cells,)
        Rows of each cell, 1 or more.
    share : float
        The share of rows to hold out.
    rng : numpy.random.Generator
        Draws the start.

    Returns
    -------
    int array (n_cells,)

    Raises
    ------
    FedlabError
        If the share is impossible.

    Examples
    --------
    >>> holdout_quotas(np.array([0, 1]), np.array([10, 40]), 0.2, np.random.default_rng(0)).tolist()
    [2, 8]
    """
    share = real_number("holdout", share, "a share of rows from 0 to less than 1", 0, 1, low_ok=True)
    total = int(rows.sum())
    target = round(share * total)
    if share == 0:
        return np.zeros_like(rows)
    if target == 0:
        raise FedlabError(
            f"holdout {share} of {total} rows is less than one row; give at least {1 / total:.3g}, or 0 for no holdout"
        )
    n_classes = len(np.unique(cells))
    most = total - n_classes
    if target > most:
        raise FedlabError(
            f"holdout {share} of {total} rows leaves the organisations no row of some class; hold out at most "
            f"{most} rows, a share of {most / total:.3g}"
        )
    start = int(rng.integers(total))
    # whole numbers of Python: rows * target may not fit into 64 bits
    passed = [(end * target + start) // total for end in [0, *np.cumsum(rows).tolist()]]
    held = np.diff(np.array(passed, dtype=np.int64))
    for number in np.unique(cells):
        own = np.flatnonzero(cells == number)
        if (held[own] == rows[own]).all():
            held[own[-1]] -= 1
    room = rows - held - (np.bincount(cells, rows - held)[cells] <= 1)
    for _ in range(target - int(held.sum())):
        taker = int(np.argmax(room))
        held[taker] += 1
        room[taker] -= 1
    return held


def _iid(totals: np.ndarray, n_shards: int, rng: np.random.Generator) -> np.ndarray:
    return even_counts(totals.sum(keepdims=True), n_shards)


def _stratified(totals: np.ndarray, n_shards: int, rng: np.random.Generator) -> np.ndarray:
    return even_counts(totals, n_shards)


def _dirichlet(totals: np.ndarray, n_shards: int, rng: np.random.Generator, alpha: float) -> np.ndarray:
    return largest_remainder(dirichlet_shares(rng, alpha, len(totals), n_shards), totals)


def _quantity(
    totals: np.ndarray, n_shards: int, rng: np.random.Generator, exponent: float, fractions: Any
) -> np.ndarray:
    if fractions is not None and len(fractions) != n_shards:
        raise FedlabError(f"{len(fractions)} fractions make {len(fractions)} organisations, got n_shards={n_shards}")
    return _in_shares(power_shares(n_shards, -exponent) if fractions is None else fractions, totals)


def _sizes(totals: np.ndarray, n_shards: int, rng: np.random.Generator, sizes: Any) -> np.ndarray:
    check_total(sizes, n_shards, int(totals.sum()))
    return np.array([sizes], dtype=np.int64)


def _in_shares(shares: Any, totals: np.ndarray) -> np.ndarray:
    """Share all rows out, whatever their class."""
    return largest_remainder(np.asarray(shares, dtype=float), totals.sum(keepdims=True))


# Each takes the rows of each class and returns an int array (n_strata, n_shards): of one stratum, all rows, or of
# one for each class. Each draws from the generator what its scheme draws first in memory: sizes are then the same.
QUOTAS: dict[str, Quotas] = {
    "iid": _iid,
    "stratified": _stratified,
    "quantity": _quantity,
    "dirichlet": _dirichlet,
    "linear": lambda totals, n, rng: _in_shares(power_shares(n, 1), totals),
    "square": lambda totals, n, rng: _in_shares(power_shares(n, 2), totals),
    "exponential": lambda totals, n, rng, rate: _in_shares(exponential_shares(n, rate), totals),
    "lognormal": lambda totals, n, rng, sigma: _in_shares(lognormal_shares(sigma, rng.standard_normal(n)), totals),
    "dirichlet_sizes": lambda totals, n, rng, alpha: _in_shares(dirichlet_from(alpha, rng.random(n)), totals),
    "sizes": _sizes,
}
STREAMED = (*QUOTAS, "site")


def refuse_unstreamed(scheme: str, options: Mapping[str, Any]) -> None:
    """Refuse a scheme that needs the whole table in memory, or an option that is to be found from it.

    Raises
    ------
    FedlabError
        Saying which schemes stream, and how to use this one.
    """
    SCHEMES.get(scheme)  # a name that nobody knows is another error
    if scheme not in STREAMED:
        raise FedlabError(
            f"scheme {scheme!r} does not stream, only {', '.join(STREAMED)} do; use the in-memory way "
            "(fedlab partition --in-memory, or split_records and write_partition)"
        )
    for name, value in options.items():
        if isinstance(value, Mapping):
            raise FedlabError(f"{name} is {value!r}, which does not stream; give a number, or use the in-memory way")


def check_pool(n_rows: int, n_shards: int, min_rows: int) -> None:
    """Refuse more shards, or more rows in each, than the rows outside the holdout can give.

    Raises
    ------
    FedlabError
        Saying what would be possible.
    """
    if n_shards > n_rows:
        raise FedlabError(
            f"n_shards {n_shards} is more than the {n_rows} rows there are outside the holdout; give at most {n_rows}"
        )
    if n_shards * min_rows > n_rows:
        raise FedlabError(
            f"{n_shards} shards of at least min_rows={min_rows} rows need {n_shards * min_rows} rows, but there are "
            f"{n_rows} outside the holdout; give n_shards of at most {n_rows // min_rows} or min_rows of at most "
            f"{n_rows // n_shards}"
        )


def repaired(quotas: np.ndarray, min_rows: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Bring every shard up to `min_rows` with the fewest rows moved, off the largest shards.

    Parameters
    ----------
    quotas : int array (n_strata, n_shards)
        Rows of each stratum for each shard.
    min_rows : int
        The least number of rows of a shard.
    rng : numpy.random.Generator
        Draws, of the strata a shard holds, those that it gives from, as if its rows were drawn.

    Returns
    -------
    quotas : int array (n_strata, n_shards)
    moved : int
        How many rows were moved.

    Examples
    --------
    >>> repaired(np.array([[4, 1, 0]]), 1, np.random.default_rng(0))
    (array([[3, 1, 1]]), 1)
    """
    rows = quotas.sum(axis=0)
    lacks = np.maximum(min_rows - rows, 0)
    moved = int(lacks.sum())
    if not moved:
        return quotas, 0
    quotas = quotas.copy()
    gives = rows - levelled(rows, moved)
    given = np.zeros(len(quotas), dtype=np.int64)
    for shard in np.flatnonzero(gives):
        taken = _drawn(quotas[:, shard], int(gives[shard]), rng)
        quotas[:, shard] -= taken
        given += taken
    pile = np.repeat(np.arange(len(quotas)), given)
    ends = np.cumsum(lacks)
    for shard in np.flatnonzero(lacks):
        part = pile[ends[shard] - lacks[shard] : ends[shard]]
        quotas[:, shard] += np.bincount(part, minlength=len(quotas))
    return quotas, moved


def _drawn(stratum_rows: np.ndarray, n_drawn: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows without putting them back, and return how many of each stratum came."""
    left, found = stratum_rows.copy(), np.zeros_like(stratum_rows)
    for _ in range(n_drawn):
        stratum = np.searchsorted(np.cumsum(left), rng.integers(left.sum()), side="right")
        left[stratum] -= 1
        found[stratum] += 1
    return found
