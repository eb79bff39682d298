"""Repair that keeps what a scheme promised: no shard gains or loses a kind of row (a class, a site, …)."""

from __future__ import annotations

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.units import Units


def repair_kinds(
    shards: np.ndarray, units: Units, kinds: np.ndarray, n_shards: int, min_rows: int, rng: np.random.Generator
) -> np.ndarray:
    """Move units until no shard holds fewer than `min_rows` rows, each to a shard that holds its kind already.

    A shard gives from what it has over `min_rows`, never its last unit of a kind; the largest that can give
    directly does. Where none can, rows move along the shortest chain of shards that share kinds; with units
    of one row a way is found whenever there is one.

    Parameters
    ----------
    shards : int array (n_rows,)
        The shard of each row.
    units : Units
        What may be moved.
    kinds : int array (n_rows,)
        The kind of each row, from 0; a group counts as its most frequent kind.
    n_shards, min_rows : int
        How many shards, and how many rows each holds at least.
    rng : numpy.random.Generator
        Chooses which rows of a kind a shard gives.

    Returns
    -------
    int array (n_rows,)
        The repaired shards.

    Raises
    ------
    FedlabError
        If there is no way (with groups: if none was found).

    Examples
    --------
    >>> from fedlab.partition.units import row_units
    >>> shards, kinds = np.array([0, 0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 1, 1])
    >>> repaired = repair_kinds(shards, row_units(7), kinds, 3, 2, np.random.default_rng(0))
    >>> np.bincount(repaired).tolist(), kinds[repaired == 1].tolist()
    ([3, 2, 2], [1, 1])
    """
    shard_of_unit = np.empty(units.n, dtype=np.int64)
    shard_of_unit[units.of_row] = shards
    kind_of_unit = units.majority(kinds)
    order = rng.permutation(units.n)
    move = _move_rows if units.single else _move_groups
    move(shard_of_unit, units.sizes, kind_of_unit, n_shards, min_rows, order)
    return shard_of_unit[units.of_row]


def _no_way(number: int, rows: np.ndarray, min_rows: int) -> FedlabError:
    return FedlabError(
        f"organisation {number + 1} of {len(rows)} has {rows[number]} rows, fewer than min_rows={min_rows}, and no "
        "other can spare rows that it may hold by this scheme; "
        f"give min_rows of at most {max(int(rows.min()), 1)}, a smaller n_shards or a milder scheme"
    )


def _move_rows(
    shard_of_unit: np.ndarray,
    sizes: np.ndarray,
    kind_of_unit: np.ndarray,
    n_shards: int,
    min_rows: int,
    order: np.ndarray,
) -> None:
    n_kinds = int(kind_of_unit.max()) + 1
    before = np.bincount(shard_of_unit * n_kinds + kind_of_unit, minlength=n_shards * n_kinds).reshape(n_shards, -1)
    after = before.copy()
    while (rows := after.sum(axis=1)).min() < min_rows:
        needy = int(np.argmin(rows))
        path = _shortest_chain(after, needy, rows > min_rows, rows)
        if path is None:
            raise _no_way(needy, rows, min_rows)
        spare = [int(rows[path[-1][0]]) - min_rows, *(int(after[giver, kind]) - 1 for giver, kind, _ in path)]
        amount = min(min_rows - int(rows[needy]), *spare)
        for giver, kind, taker in path:
            after[giver, kind] -= amount
            after[taker, kind] += amount
    for kind in np.flatnonzero((before != after).any(axis=0)).tolist():
        change = after[:, kind] - before[:, kind]
        units_of_kind = order[kind_of_unit[order] == kind]
        owners = shard_of_unit[units_of_kind]
        given = [units_of_kind[owners == giver][: -change[giver]] for giver in np.flatnonzero(change < 0)]
        shard_of_unit[np.concatenate(given)] = np.repeat(np.arange(n_shards), np.maximum(change, 0))


def _shortest_chain(
    counts: np.ndarray, needy: int, can_spare: np.ndarray, rows: np.ndarray
) -> list[tuple[int, int, int]] | None:
    """Return moves (giver, kind, taker), the first to the needy shard, the last from one that can spare a row."""
    reached: dict[int, tuple[int, int, int] | None] = {needy: None}
    frontier, seen = [needy], np.zeros(counts.shape[1], dtype=bool)
    while frontier:
        found: list[int] = []
        for taker in frontier:
            for kind in np.flatnonzero((counts[taker] > 0) & ~seen).tolist():
                seen[kind] = True
                for giver in np.flatnonzero(counts[:, kind] > 1).tolist():
                    if giver not in reached:
                        reached[giver] = (giver, kind, taker)
                        found.append(giver)
        givers = [shard for shard in found if can_spare[shard]]
        if givers:
            step = reached[max(givers, key=lambda shard: rows[shard])]
            path = []
            while step is not None:
                path.append(step)
                step = reached[step[2]]
            return path[::-1]
        frontier = found
    return None


def _move_groups(
    shard_of_unit: np.ndarray,
    sizes: np.ndarray,
    kind_of_unit: np.ndarray,
    n_shards: int,
    min_rows: int,
    order: np.ndarray,
) -> None:
    rows = np.bincount(shard_of_unit, weights=sizes, minlength=n_shards).astype(np.int64)
    n_kinds = int(kind_of_unit.max()) + 1
    counts = np.bincount(shard_of_unit * n_kinds + kind_of_unit, minlength=n_shards * n_kinds).reshape(n_shards, -1)
    while rows.min() < min_rows:
        needy = int(np.argmin(rows))
        owner, kind = shard_of_unit[order], kind_of_unit[order]
        movable = (counts[needy, kind] > 0) & (counts[owner, kind] > 1) & (rows[owner] - sizes[order] >= min_rows)
        units = order[movable]
        if len(units) == 0:
            raise _no_way(needy, rows, min_rows)
        gap = min_rows - rows[needy]
        fills = units[sizes[units] >= gap]
        unit = fills[np.argmin(sizes[fills])] if len(fills) else units[np.argmax(sizes[units])]
        giver = shard_of_unit[unit]
        shard_of_unit[unit] = needy
        counts[[giver, needy], kind_of_unit[unit]] += [-1, 1]
        rows[[giver, needy]] += np.array([-1, 1]) * sizes[unit]
