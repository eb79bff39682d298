"""Choosing the holdout: the rows that no organisation ever sees and on which all comparisons are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.checks import real_number
from fedlab.partition.units import Units, codes_of, label_codes, units_of
from fedlab.seeds import rng

if TYPE_CHECKING:
    from fedlab.records import Records


def hold_out(records: Records, share: float, seed: int, purpose: str = "holdout") -> np.ndarray:
    """Choose which rows are held out, in the same mix of classes (and of sites within classes) as the table.

    The units (rows, or groups where the schema names a group) are shuffled, sorted by class, then by site,
    then by size, and sampled systematically: every (1 / share)-th from a random start. Each class, and each
    site within a class, so gives its share to within one unit. Then single units are moved until the number
    of rows is as near ``round(share * n_rows)`` as single moves can bring it: exactly that without groups.
    The pool keeps at least one row of every class.

    The choice depends on the records (their rows in their order), on `share` and on `seed` alone.

    Parameters
    ----------
    records : Records
        The table.
    share : float
        The share of rows to hold out, from 0 to less than 1; 0 means that there is no holdout.
    seed : int
        The seed of the cell.
    purpose : str
        What the rows are for: each purpose has random numbers of its own, and errors name it.

    Returns
    -------
    bool array (n_rows,)
        True where a row is held out; the others are the pool.

    Raises
    ------
    FedlabError
        If the share is not in [0, 1), or leaves no row on either side, or no row of some class in the pool.

    References
    ----------
    Madow and Madow 1944, On the theory of systematic sampling.
    """
    share = real_number(purpose, share, "a share of rows from 0 to less than 1", 0, 1, low_ok=True)
    units = units_of(records)
    n_rows = len(units.of_row)
    if share == 0:
        return np.zeros(n_rows, dtype=bool)
    labels = label_codes(records)
    target = round(share * n_rows)
    if target == 0:
        raise FedlabError(
            f"{purpose} {share} of {n_rows} rows is less than one row; give at least {1 / max(n_rows, 1):.3g}, "
            f"or 0 for no {purpose}"
        )
    generator = rng(seed, purpose)
    order = generator.permutation(units.n)
    order = order[np.lexsort((units.sizes[order], _strata(records, units, labels)[order]))]
    held = np.zeros(units.n, dtype=bool)
    held[order] = _every_nth(units.n, max(1, round(share * units.n)), generator)
    lottery = generator.permutation(units.n)
    kept = _one_of_each_class(units, labels, held, lottery)
    most = units.n - len(kept)
    if most == 0 or (units.single and target > most):
        raise FedlabError(
            f"{purpose} {share} of {n_rows} rows ({units.n} {units.noun}s) leaves no row of "
            f"some class outside it; hold out at most {most} {units.noun}s, a share of {most / units.n:.3g}"
        )
    held[kept] = False
    _approach(held, units.sizes, target, lottery[~np.isin(lottery, kept)])
    return held[units.of_row]


def _strata(records: Records, units: Units, labels: np.ndarray) -> np.ndarray:
    """Return each unit's stratum, numbered by class, then by site."""
    if records.schema.site is None:
        return units.majority(labels)
    sites, names = codes_of(records, records.schema.site)
    return units.majority(labels * len(names) + sites)


def _every_nth(n: int, n_chosen: int, generator: np.random.Generator) -> np.ndarray:
    """Mark `n_chosen` of n places at even distances from a random start."""
    start = int(generator.integers(n))
    passed = (np.arange(n + 1) * n_chosen + start) // n
    return np.diff(passed) > 0


def _one_of_each_class(units: Units, labels: np.ndarray, held: np.ndarray, lottery: np.ndarray) -> np.ndarray:
    """Return for each class a unit to keep in the pool: one not held out, where there is one."""
    rank = np.empty(units.n, dtype=np.int64)
    rank[lottery] = np.arange(units.n)
    rank += units.n * held
    least = np.full(int(labels.max()) + 1, 2 * units.n)
    np.minimum.at(least, labels, rank[units.of_row])
    return np.unique(lottery[least % units.n])


def _approach(held: np.ndarray, sizes: np.ndarray, target: int, movable: np.ndarray) -> None:
    """Move single units into or out of `held`, in place, while that brings its rows nearer to the target."""
    excess = int(sizes[held].sum()) - target
    while excess:
        change = np.where(held[movable], -sizes[movable], sizes[movable])
        best = int(np.argmin(np.abs(excess + change)))
        if abs(excess + change[best]) >= abs(excess):
            break
        held[movable[best]] ^= True
        excess += int(change[best])
    if not held.any():
        held[movable[np.argmin(sizes[movable])]] = True
