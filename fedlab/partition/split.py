"""Splitting a table: the holdout first, then a scheme over the rest, checked and repaired."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.checks import whole_number
from fedlab.partition.dealt import Dealt, as_dealt, no_copies
from fedlab.partition.dials import turn_dials
from fedlab.partition.holdout import hold_out
from fedlab.partition.quality import check_quality, degrade
from fedlab.partition.registry import SCHEMES, Traits, check_options, shards_determined_by, traits_for
from fedlab.partition.repair import check_room, repair
from fedlab.partition.repair_kinds import repair_kinds
from fedlab.partition.units import Units, units_of
from fedlab.seeds import rng

if TYPE_CHECKING:
    import pandas as pd

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
    copies : int array (n_copies, 2)
        Pairs of row and organisation: who holds a row besides the organisation it is assigned to (`overlap`,
        `from_file`). Empty for all other schemes: they give every row to one.
    features : tuple of tuples of str or None
        For a vertical split the features of each organisation; all then hold all rows that are not held out.
    quality : list of dict
        What is done to the records of organisations (see `check_quality`); the holdout stays as it is.
    found : dict
        Options found by the skew asked for (see `turn_dials`).
    moved : int
        How many rows repair moved.
    """

    records: Records
    assignment: np.ndarray
    scheme: str
    options: dict[str, Any]
    n_shards: int
    holdout_share: float
    min_rows: int
    seed: int
    copies: np.ndarray = field(default_factory=no_copies)
    features: tuple[tuple[str, ...], ...] | None = None
    quality: list[dict[str, Any]] = field(default_factory=list)
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    moved: int = 0

    @cached_property
    def _rows(self) -> list[np.ndarray]:
        """The rows of the holdout, then of each shard: one sort instead of a search for each."""
        if self.features is not None:
            return [np.flatnonzero(self.assignment < 0), *[np.flatnonzero(self.assignment >= 0)] * self.n_shards]
        rows, shards = np.arange(len(self.assignment)), self.assignment
        if len(self.copies):
            rows, shards = np.append(rows, self.copies[:, 0]), np.append(shards, self.copies[:, 1])
            in_order = np.argsort(rows, kind="stable")
            rows, shards = rows[in_order], shards[in_order]
        order = np.argsort(shards.astype(np.int16) if self.n_shards < 2**15 else shards, kind="stable")
        ends = np.cumsum(np.bincount(shards + 1, minlength=self.n_shards + 1))
        return np.split(rows[order], ends[:-1])

    def rows(self, number: int) -> np.ndarray:
        """Return the row numbers of a shard (from 0), or of the holdout (-1), in the table's order."""
        if not -1 <= number < self.n_shards:
            raise FedlabError(f"shard {number} does not exist; there are {self.n_shards}, numbered from 0")
        return self._rows[number + 1]

    def shard(self, number: int) -> Records:
        """Return the rows of one organisation (from 0) as it holds them, in the table's order."""
        return self._degraded(number)[0]

    def changed(self, number: int) -> list[int]:
        """Return how many records of an organisation (from 0) each kind of `quality` changed."""
        return self._degraded(number)[1]

    def _degraded(self, number: int) -> tuple[Records, list[int]]:
        if number < 0:
            raise FedlabError(f"shard {number} does not exist; there are {self.n_shards}, numbered from 0")
        shard = self.records.take(self.rows(number))
        if self.features is not None:
            shard = _with_features(shard, self.features[number])
        return degrade(shard, self.records, self.quality, self.seed, number) if self.quality else (shard, [])

    def held(self) -> tuple[pd.DataFrame, np.ndarray]:
        """Return features and target of all rows as the organisations hold them, and who holds each.

        Returns
        -------
        frame : DataFrame
            Shard after shard; a row that several hold stands there for each.
        shards : int array (n_held,)
            The organisation of each row of the frame, from 0.
        """
        import pandas as pd

        columns = [*self.records.schema.features, self.records.schema.target]
        shards = np.repeat(np.arange(self.n_shards), [len(rows) for rows in self._rows[1:]])
        if self.quality:
            parts = [self.shard(number).frame[columns] for number in range(self.n_shards)]
            return pd.concat(parts, ignore_index=True), shards
        return self.records.frame[columns].iloc[np.concatenate(self._rows[1:])], shards

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
    quality: Any = None,
    **options: Any,
) -> Split:
    """Split a table over organisations, with a holdout that none of them sees.

    The holdout is chosen by `hold_out`, whatever the scheme. The scheme then deals the other rows out; shards
    that it leaves below `min_rows` are repaired by `repair`, or refused where the scheme does not allow that
    (`site`). Every row ends in exactly one shard or in the holdout (`overlap` and `vertical` aside, which say
    so in the split); rows of one group always stay together.

    The split depends on the order of the rows, not on the order of the columns. Shards keep the table's row
    order: a table sorted by its target gives shards that are sorted so as well.

    Parameters
    ----------
    records : Records
        The table.
    scheme : str
        A registered name (`SCHEMES`) or the import path of a function
        ``scheme(records, n_shards, rng, **options)`` that returns an int array (n_rows,) or a `Dealt`.
    n_shards : int, optional
        How many organisations; may be left out where the scheme says it (`site`, explicit `fractions`).
    holdout : float
        The share of rows to hold out, in [0, 1).
    min_rows : int
        The least number of rows of an organisation.
    seed : int
        The seed of the cell.
    quality : mapping or sequence of mappings, optional
        What is wrong with the records of organisations, e.g. ``{"kind": "label_noise", "probability": [0, 0.1]}``
        (see `check_quality`). The holdout stays as it is, and so does who gets which row.
    **options
        The options of the scheme. Where it has a dial, a skew may be asked for: ``alpha={"js": 0.3}``.

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
    traits = traits_for(scheme, complete)
    if traits.whole:
        return _split_whole(records, scheme, complete, n_shards, holdout, min_rows, seed, quality)
    held = hold_out(records, holdout, seed)
    pool = records.take(np.flatnonzero(~held)) if held.any() else records
    n_shards = _shard_count(records, pool, scheme, n_shards, options)
    degraded = check_quality(quality, n_shards, records)
    units = units_of(pool)
    if traits.repaired:
        check_room(units, n_shards, min_rows)
    turned, found = turn_dials(scheme, pool, n_shards, complete)
    drawn = SCHEMES.get(scheme)(pool, n_shards, rng(seed, "partition"), **turned)
    dealt = _checked(drawn, units, n_shards, scheme)
    shards = dealt.shards
    if dealt.features is not None:
        _refuse_small(np.repeat(np.arange(n_shards), len(shards)), n_shards, min_rows, scheme)
    elif traits.repaired:
        shards = _repaired(shards, pool, units, traits, turned, n_shards, min_rows, seed)
    else:
        _refuse_small(shards, n_shards, min_rows, scheme)
    of_pool = np.flatnonzero(~held)
    assignment = np.full(len(held), -1, dtype=np.int64)
    assignment[of_pool] = shards
    copies = _moved_along(dealt, shards)
    copies[:, 0] = of_pool[copies[:, 0]]
    moved = int((shards != dealt.shards).sum())
    split = Split(records, assignment, scheme, complete, n_shards, float(holdout), min_rows, seed)
    return replace(split, copies=copies, features=dealt.features, quality=degraded, found=found, moved=moved)


def _split_whole(
    records: Records,
    scheme: str,
    options: dict[str, Any],
    n_shards: int | None,
    holdout: float,
    min_rows: int,
    seed: int,
    quality: Any,
) -> Split:
    """Split by a scheme that deals the whole table and may say itself which rows are held out."""
    n_shards = _shard_count(records, records, scheme, n_shards, options)
    drawn = SCHEMES.get(scheme)(records, n_shards, rng(seed, "partition"), **options)
    dealt = _checked(drawn, units_of(records), n_shards, scheme, least=-1)
    assignment = dealt.shards
    share = float(np.mean(assignment < 0))
    if share == 0:
        share = float(holdout)
        assignment = np.where(hold_out(records, holdout, seed), -1, assignment)
    _refuse_small(assignment[assignment >= 0], n_shards, min_rows, scheme)
    copies = dealt.copies[assignment[dealt.copies[:, 0]] >= 0]
    split = Split(records, assignment, scheme, options, n_shards, share, min_rows, seed)
    return replace(split, copies=copies, quality=check_quality(quality, n_shards, records))


def _repaired(
    shards: np.ndarray,
    pool: Records,
    units: Units,
    traits: Traits,
    options: dict[str, Any],
    n_shards: int,
    min_rows: int,
    seed: int,
) -> np.ndarray:
    """Bring every shard up to `min_rows`, within the kinds of row that the scheme gave it."""
    if np.bincount(shards, minlength=n_shards).min() >= min_rows:
        return shards
    generator = rng(seed, "partition", "repair")
    kinds = None if traits.kinds is None else traits.kinds(pool, **options)
    if kinds is None:
        return repair(shards, units, n_shards, min_rows, generator)
    return repair_kinds(shards, units, kinds, n_shards, min_rows, generator)


def _moved_along(dealt: Dealt, shards: np.ndarray) -> np.ndarray:
    """Return the copies after repair: a row moved to who has its copy leaves the copy where it came from."""
    copies = dealt.copies.copy()
    met = shards[copies[:, 0]] == copies[:, 1]
    copies[met, 1] = dealt.shards[copies[met, 0]]
    return copies


def _with_features(records: Records, features: tuple[str, ...]) -> Records:
    """Return records with these features alone, and the other columns that have a role."""
    from fedlab.records import Records as NewRecords

    schema = records.schema
    known = {schema.id, schema.target, schema.site, schema.group, *features}
    own = replace(schema, features=features, sensitive=tuple(name for name in schema.sensitive if name in known))
    kept = [name for name in records.frame.columns if name in own.columns]
    return NewRecords(records.frame[kept], own, records.name, records.about)


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


def _checked(drawn: Any, units: Units, n_shards: int, scheme: str, least: int = 0) -> Dealt:
    """Return what a scheme drew, or say how it breaks the contract of a scheme."""
    dealt = as_dealt(drawn)
    shards = np.asarray(dealt.shards)
    n_rows = len(units.of_row)
    must = f"scheme {scheme!r} must return {n_rows} whole numbers from {least} to {n_shards - 1}, one per row"
    if shards.shape != (n_rows,) or shards.dtype.kind not in "iu":
        raise FedlabError(f"{must}; got an array of shape {shards.shape} and type {shards.dtype}")
    if shards.min() < least or shards.max() >= n_shards:
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
    return replace(dealt, shards=shards)


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
