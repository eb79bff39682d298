"""Turning shares into whole rows and dealing shuffled rows out: the arithmetic under every scheme."""

from __future__ import annotations

import numpy as np

from fedlab.partition.units import Units


def largest_remainder(shares: np.ndarray, totals: np.ndarray | int) -> np.ndarray:
    """Round shares of totals to whole numbers that add up to the totals exactly (Hamilton's method).

    Each part gets the floor of its quota; what is left goes, one each, to the greatest remainders, of equal
    ones to the first.

    Parameters
    ----------
    shares : float array (..., n_parts)
        Shares, 0 or greater; they are taken relative to their sum over the last axis.
    totals : int or int array (...,)
        What is shared out.

    Returns
    -------
    int array (..., n_parts)
        Whole numbers within 1 of their quota.

    Examples
    --------
    >>> largest_remainder(np.array([0.5, 0.3, 0.2]), 7).tolist()
    [4, 2, 1]
    """
    shares = np.asarray(shares, dtype=float)
    totals = np.asarray(totals, dtype=np.int64)
    quotas = shares / shares.sum(axis=-1, keepdims=True) * totals[..., None]
    parts = np.floor(quotas).astype(np.int64)
    left = totals - parts.sum(axis=-1)
    rank = np.argsort(np.argsort(parts - quotas, axis=-1, kind="stable"), axis=-1, kind="stable")
    return parts + (rank < left[..., None])


def even_counts(totals: np.ndarray, n_parts: int) -> np.ndarray:
    """Share several totals out evenly, so that the parts of each, and the sums over all, differ by at most 1.

    Counting goes round the parts without starting again at each total, as cards are dealt.

    Parameters
    ----------
    totals : int array (n_totals,)
        What is shared out.
    n_parts : int
        Over how many parts.

    Returns
    -------
    int array (n_totals, n_parts)

    Examples
    --------
    >>> even_counts(np.array([4, 4]), 3).tolist()
    [[2, 1, 1], [1, 2, 1]]
    """
    ends = np.concatenate([[0], np.cumsum(totals)])
    # how many of the numbers below `end` leave remainder `part` when divided by n_parts
    dealt = (ends[:, None] - np.arange(n_parts) + n_parts - 1) // n_parts
    return np.diff(dealt, axis=0)


def strata_rows(units: Units, strata: np.ndarray) -> np.ndarray:
    """Return how many rows each stratum holds, given each unit's stratum."""
    return np.bincount(strata, weights=units.sizes).astype(np.int64)


def cut(units: Units, order: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Lay units end to end in an order and cut them at targets of rows; a unit goes where its middle lies.

    Parameters
    ----------
    units : Units
        What is cut.
    order : int array (n_units,)
        The order.
    targets : int array (n_parts,)
        Rows of each part; they sum to the rows of all units.

    Returns
    -------
    int array (n_units,)
        The part of each unit.

    Examples
    --------
    >>> from fedlab.partition.units import row_units
    >>> cut(row_units(4), np.array([3, 1, 0, 2]), np.array([1, 3])).tolist()
    [1, 1, 1, 0]
    """
    part = np.empty(units.n, dtype=np.int64)
    if units.single:
        part[order] = np.repeat(np.arange(len(targets)), targets)
    else:
        sizes = units.sizes[order]
        twice_middle = 2 * np.cumsum(sizes) - sizes
        part[order] = np.searchsorted(2 * np.cumsum(targets), twice_middle, side="right")
    return part


def deal(units: Units, strata: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffle the units within each stratum and deal them out so that each shard gets its target of rows.

    The shuffled units of a stratum are laid end to end and cut at the targets; a unit goes where its middle
    lies. With units of one row the targets are met exactly; with groups each cut misses by at most half a
    group.

    Parameters
    ----------
    units : Units
        What is dealt.
    strata : int array (n_units,)
        The stratum of each unit, from 0.
    targets : int array (n_strata, n_shards)
        Rows of each stratum for each shard; a row sums to the rows of its stratum.
    rng : numpy.random.Generator
        Shuffles the units.

    Returns
    -------
    int array (n_rows,)
        The shard of each row.

    Examples
    --------
    >>> from fedlab.partition.units import row_units
    >>> strata = np.array([0, 0, 0, 1, 1, 1])
    >>> shards = deal(row_units(6), strata, np.array([[3, 0], [1, 2]]), np.random.default_rng(0))
    >>> np.bincount(shards[:3], minlength=2).tolist(), np.bincount(shards[3:], minlength=2).tolist()
    ([3, 0], [1, 2])
    """
    n_strata, n_shards = targets.shape
    order = rng.permutation(units.n)
    if n_strata > 1:
        # small integers are sorted by radix, which is what makes a million rows take milliseconds
        small = strata.astype(np.int16) if n_strata < 2**15 else strata
        order = order[np.argsort(small[order], kind="stable")]
    return (cut(units, order, targets.ravel()) % n_shards)[units.of_row]
