"""Splitting a table: the holdout first, then a scheme over the rest, checked and repaired."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.checks import whole_number
from fedlab.partition.holdout import hold_out
from fedlab.partition.registry import SCHEMES, check_options, shards_determined_by, traits_of
from fedlab.partition.repair import check_room, repair
from fedlab.partition.units import Units, units_of
from fedlab.seeds import rng

if TYPE_CHECKING:
    from fedlab.records import Records


@dataclass(frozen=True, eq=False)
class Split:
    """Which organisation gets which rows of a table, and how that came about.

    Parameters
    ----------
    records : Records
        The whole table.
    assignment : int array (n_rows,)
        The organisation of each row, from 0; -1 is the holdout.
    scheme : str
        Name or import path of the scheme.
    options : dict
        All options of the scheme, defaults included.
    n_shards : int
        How many organisations.
    holdout_share : float
        The share of rows that was to be held out.
    min_rows : int
        The least number of rows of an organisation.
    seed : int
        The seed.
    """

    records: Records
    assignment: np.ndarray
    scheme: str
    options: dict[str, Any]
    n_shards: int
    holdout_share: float
    min_rows: int
    seed: int

    @cached_property
    def _rows(self) -> list[np.ndarray]:
        """The rows of the holdout, then of each shard: one sort instead of a search for each."""
        order = np.argsort(self.assignment, kind="stable")
        ends = np.cumsum(np.bincount(self.assignment + 1, minlength=self.n_shards + 1))
        return np.split(order, ends[:-1])

    def rows(self, number: int) -> np.ndarray:
        """Return the row numbers of a shard (from 0), or of the holdout (-1), in the table's order."""
        if not -1 <= number < self.n_shards:
            raise FedlabError(f"shard {number} does not exist; there are {self.n_shards}, numbered from 0")
        return self._rows[number + 1]

    def shard(self, number: int) -> Records:
        """Return the rows of one organisation (from 0), in the table's order."""
        if number < 0:
            raise FedlabError(f"shard {number} does not exist; there are {self.n_shards}, numbered from 0")
        return self.records.take(self.rows(number))

    @property
    def holdout(self) -> Records:
        """The rows that no organisation sees, in the table's order.

        Raises
        ------
        FedlabError
            If the split was made without a holdout.
        """
        if len(self.rows(-1)) == 0:
            raise FedlabError(
                "this split has no holdout (it was made with holdout=0); give holdout a share such as 0.2"
            )
        return self.records.take(self.rows(-1))


def split_records(
    records: Records,
    scheme: str = "iid",
    n_shards: int | None = None,
    holdout: float = 0.2,
    min_rows: int = 2,
    seed: int = 0,
    **options: Any,
) -> Split:
    """Split a table over organisations, with a holdout that none of them sees.

    The holdout is chosen by `hold_out`, whatever the scheme. The scheme then deals the other rows out; shards
    that it leaves below `min_rows` are repaired by `repair`, or refused where the scheme does not allow that
    (`site`). Every row ends in exactly one shard or in the holdout; rows of one group always stay together.

    The split depends on the order of the rows, not on the order of the columns. Shards keep the table's row
    order: a table sorted by its target gives shards that are sorted so as well.

    Parameters
    ----------
    records : Records
        The table.
    scheme : str
        A registered name (`SCHEMES`) or the import path of a function
        ``scheme(records, n_shards, rng, **options) -> int array (n_rows,)``.
    n_shards : int, optional
        How many organisations; may be left out where the scheme says it (`site`, explicit `fractions`).
    holdout : float
        The share of rows to hold out, in [0, 1).
    min_rows : int
        The least number of rows of an organisation.
    seed : int
        The seed of the cell.
    **options
        The options of the scheme.

    Returns
    -------
    Split

    Raises
    ------
    FedlabError
        If something asked for is unknown or impossible; the message says what would be possible.

    Examples
    --------
    >>> import pandas as pd
    >>> from fedlab.records import Records, Schema
    >>> frame = pd.DataFrame({"id": range(100), "age": 50, "ill": [0, 1] * 50})
    >>> split = split_records(Records(frame, Schema("id", ["age"], "ill"), "toy"), "stratified", n_shards=4)
    >>> [split.shard(number).n_rows for number in range(4)], split.holdout.n_rows
    ([20, 20, 20, 20], 20)
    """
    complete = check_options(scheme, options)
    min_rows = whole_number("min_rows", min_rows, 1)
    seed = whole_number("seed", seed, 0)
    if n_shards is not None:
        n_shards = whole_number("n_shards", n_shards, 1)
    held = hold_out(records, holdout, seed)
    pool = records.take(np.flatnonzero(~held)) if held.any() else records
    n_shards = _shard_count(records, pool, scheme, n_shards, options)
    units = units_of(pool)
    if traits_of(SCHEMES.get(scheme)).repaired:
        check_room(units, n_shards, min_rows)
    drawn = SCHEMES.get(scheme)(pool, n_shards, rng(seed, "partition"), **complete)
    shards = _checked(drawn, units, n_shards, scheme)
    if traits_of(SCHEMES.get(scheme)).repaired:
        shards = repair(shards, units, n_shards, min_rows, rng(seed, "partition", "repair"))
    else:
        _refuse_small(shards, n_shards, min_rows, scheme)
    assignment = np.full(len(held), -1, dtype=np.int64)
    assignment[~held] = shards
    return Split(records, assignment, scheme, complete, n_shards, float(holdout), min_rows, seed)


def _shard_count(records: Records, pool: Records, scheme: str, n_shards: int | None, options: dict[str, Any]) -> int:
    """Return the number of organisations, from the user or from the scheme."""
    determined = shards_determined_by(scheme, records, options)
    if determined is None:
        if n_shards is None:
            raise FedlabError(f"scheme {scheme!r} needs n_shards, the number of organisations; got none")
        return n_shards
    if determined != shards_determined_by(scheme, pool, options):
        raise FedlabError(
            f"scheme {scheme!r} makes {determined} organisations of {records.name!r}, but the holdout takes "
            "all rows of one of them; give a smaller holdout, or leave out organisations with so few rows"
        )
    if n_shards is not None and n_shards != determined:
        raise FedlabError(
            f"scheme {scheme!r} makes {determined} organisations of {records.name!r} with these options, "
            f"got n_shards={n_shards}; leave n_shards out, or give {determined}"
        )
    return determined


def _checked(drawn: Any, units: Units, n_shards: int, scheme: str) -> np.ndarray:
    """Return what a scheme drew as an int array, or say how it breaks the contract of a scheme."""
    shards = np.asarray(drawn)
    n_rows = len(units.of_row)
    must = f"scheme {scheme!r} must return {n_rows} whole numbers from 0 to {n_shards - 1}, one per row"
    if shards.shape != (n_rows,) or shards.dtype.kind not in "iu":
        raise FedlabError(f"{must}; got an array of shape {shards.shape} and type {shards.dtype}")
    if shards.min() < 0 or shards.max() >= n_shards:
        raise FedlabError(f"{must}; got numbers from {shards.min()} to {shards.max()}")
    shards = shards.astype(np.int64)
    if not units.single:
        shard_of_unit = np.empty(units.n, dtype=np.int64)
        shard_of_unit[units.of_row] = shards
        strays = shard_of_unit[units.of_row] != shards
        if strays.any():
            raise FedlabError(
                f"scheme {scheme!r} puts rows of one group into different shards (row "
                f"{int(np.argmax(strays))} of the {n_rows} outside the holdout is one); rows of a group must "
                "stay together: choose another scheme or column, or a schema without group"
            )
    return shards


def _refuse_small(shards: np.ndarray, n_shards: int, min_rows: int, scheme: str) -> None:
    rows = np.bincount(shards, minlength=n_shards)
    if rows.min() < min_rows:
        number = int(np.argmin(rows))
        raise FedlabError(
            f"scheme {scheme!r} leaves organisation {number + 1} of {n_shards} with {rows[number]} rows "
            f"outside the holdout, fewer than min_rows={min_rows}, and rows are not moved between its "
            f"organisations; give min_rows={rows[number]}, a smaller holdout, or records without that one"
        )


def organisation_names(split: Split) -> list[str]:
    """Name the organisations of a split: after their sites where each holds one site of its own, else part1, part2, …

    Examples
    --------
    >>> import pandas as pd
    >>> from fedlab.records import Records, Schema
    >>> frame = pd.DataFrame({"id": range(8), "age": 50, "ill": [0, 1] * 4, "town": list("aabbaabb")})
    >>> records = Records(frame, Schema("id", ["age"], "ill", site="town"), "toy")
    >>> organisation_names(split_records(records, "site", holdout=0))
    ['a', 'b']
    >>> organisation_names(split_records(records, n_shards=3, holdout=0))
    ['part1', 'part2', 'part3']
    """
    sites = split.records.sites
    if sites is not None:
        held = [{str(site) for site in sites[split.rows(number)]} for number in range(split.n_shards)]
        names = [site for own in held for site in own]
        if all(len(own) == 1 for own in held) and len(set(names)) == split.n_shards:
            return names
    return [f"part{number + 1}" for number in range(split.n_shards)]
