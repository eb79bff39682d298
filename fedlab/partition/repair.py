"""Bringing every shard up to a least number of rows by moving few rows, never by drawing again."""

from __future__ import annotations

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.units import Units


def check_room(units: Units, n_shards: int, min_rows: int) -> None:
    """Refuse a request for more shards, or more rows in each, than the table can give.

    Raises
    ------
    FedlabError
        Saying how many shards, or which least size, would be possible.
    """
    n_rows = len(units.of_row)
    if n_shards > units.n:
        raise FedlabError(
            f"n_shards {n_shards} is more than the {units.n} {units.noun}s there are outside the holdout; "
            f"give at most {units.n}"
        )
    # a shard can use no more than min_rows of a group's rows to reach min_rows
    usable = int(np.minimum(units.sizes, min_rows).sum())
    if n_shards * min_rows > usable:
        whole = "" if units.single else f" in {units.n} groups that stay whole"
        raise FedlabError(
            f"{n_shards} shards of at least min_rows={min_rows} rows need {n_shards * min_rows} rows, "
            f"but there are {n_rows} outside the holdout{whole}; "
            f"give n_shards of at most {usable // min_rows} or min_rows of at most {n_rows // n_shards}"
        )


def repair(shards: np.ndarray, units: Units, n_shards: int, min_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Move units out of the largest shards until none holds fewer than `min_rows` rows.

    With units of one row the fewest possible rows are moved: as many as the small shards lack. They come off
    the largest shards, as if always from the one that is largest at that moment, and each shard gives
    randomly chosen rows. With groups the same is done one group at a time: the largest shard that can spare
    one gives the smallest group that fills the gap, else the greatest it can spare.

    Parameters
    ----------
    shards : int array (n_rows,)
        The shard of each row; no group straddles two.
    units : Units
        What may be moved.
    n_shards, min_rows : int
        How many shards, and how many rows each holds at least.
    rng : numpy.random.Generator
        Chooses which rows a shard gives.

    Returns
    -------
    int array (n_rows,)
        The same array if there was nothing to repair, else a repaired copy.

    Raises
    ------
    FedlabError
        If it is impossible, or, with groups and ``min_rows > 2``, if no way was found.

    Examples
    --------
    >>> from fedlab.partition.units import row_units
    >>> shards = np.array([0, 0, 0, 0, 0, 1])
    >>> np.bincount(repair(shards, row_units(6), 3, 2, np.random.default_rng(0))).tolist()
    [2, 2, 2]
    """
    check_room(units, n_shards, min_rows)
    rows = np.bincount(shards, minlength=n_shards)
    if rows.min() >= min_rows:
        return shards
    order = rng.permutation(units.n)
    if units.single:
        return _move_rows(shards, rows, min_rows, order)
    shard_of_unit = np.empty(units.n, dtype=np.int64)
    shard_of_unit[units.of_row] = shards
    _move_groups(shard_of_unit, rows, units.sizes, min_rows, order)
    return shard_of_unit[units.of_row]


def _move_rows(shards: np.ndarray, rows: np.ndarray, min_rows: int, order: np.ndarray) -> np.ndarray:
    lacks = np.maximum(min_rows - rows, 0)
    gives = rows - levelled(rows, int(lacks.sum()))
    by_shard = order[np.argsort(shards[order], kind="stable")]
    place_in_shard = np.arange(len(shards)) - np.repeat(np.cumsum(rows) - rows, rows)
    moved = by_shard[place_in_shard < np.repeat(gives, rows)]
    repaired = shards.copy()
    repaired[moved] = np.repeat(np.arange(len(rows)), lacks)
    return repaired


def levelled(rows: np.ndarray, n_taken: int) -> np.ndarray:
    """Return the sizes after `n_taken` rows have been taken, one by one, always from the (first) largest."""
    low, high = 0, int(rows.max())
    while low < high:  # the least level that can be reached: capping all sizes at it takes no more than n_taken
        level = (low + high) // 2
        low, high = (low, level) if np.maximum(rows - level, 0).sum() <= n_taken else (level + 1, high)
    capped = np.minimum(rows, low)
    left = n_taken - int((rows - capped).sum())
    capped[np.flatnonzero(capped == low)[:left]] -= 1
    return capped


def _move_groups(
    shard_of_unit: np.ndarray, rows: np.ndarray, sizes: np.ndarray, min_rows: int, order: np.ndarray
) -> None:
    """Repair in place, one group at a time."""
    while rows.min() < min_rows:
        needy = int(np.argmin(rows))
        donors = np.argsort(-rows, kind="stable")
        for donor in donors[rows[donors] > min_rows]:
            held = order[shard_of_unit[order] == donor]
            held = held[sizes[held] <= rows[donor] - min_rows]
            if len(held):
                break
        else:
            raise FedlabError(
                f"no way was found to give each of {len(rows)} shards min_rows={min_rows} rows while the "
                "groups stay whole; give a smaller min_rows or n_shards"
            )
        gap = min_rows - rows[needy]
        fills = held[sizes[held] >= gap]
        unit = fills[np.argmin(sizes[fills])] if len(fills) else held[np.argmax(sizes[held])]
        shard_of_unit[unit] = needy
        rows[donor] -= sizes[unit]
        rows[needy] += sizes[unit]
