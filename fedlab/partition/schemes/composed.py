"""Schemes made of others: the sizes of one with the classes of another, and any with rows held twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.checks import real_number, whole_number
from fedlab.partition.dealing import deal, strata_rows
from fedlab.partition.dealt import Dealt
from fedlab.partition.margins import fit_table
from fedlab.partition.registry import SCHEMES, inner_scheme, scheme_traits, traits_for
from fedlab.partition.units import label_codes, units_of

if TYPE_CHECKING:
    from fedlab.records import Records

_LITTLE = 0.01  # rows: what an organisation weighs that was dealt none of a class, so that sizes can be met


def _check_mixed(size: Any, label: Any) -> None:
    inner_scheme("size", size)
    inner_scheme("label", label)


def _count_mixed(records: Records, size: Any, label: Any) -> int | None:
    for option, given in (("size", size), ("label", label)):
        name, options = inner_scheme(option, given)
        count = traits_for(name, options).count
        if count is not None and (number := count(records, **options)) is not None:
            return number
    return None


@SCHEMES.register("mixed")
@scheme_traits(check=_check_mixed, count=_count_mixed, follows=lambda size, label: inner_scheme("label", label))
def mixed(
    records: Records, n_shards: int, rng: np.random.Generator, *, size: Any = "quantity", label: Any = "dirichlet"
) -> np.ndarray:
    """Take the sizes of one scheme and the mix of classes of another.

    Both schemes deal the rows. The table of organisations by classes of the second is then scaled to the
    sizes of the first and to the class totals (iterative proportional fitting: the odds ratios between
    organisations and classes stay), rounded to whole rows, and the rows of each class are dealt by it. Sizes
    are exactly those of the size scheme. Where the label scheme promises which classes an organisation holds
    (`pathological`, `class_distribution`), that holds; if sizes and classes exclude each other it is refused.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together; sizes and classes are then met to within a group.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Passed to the two schemes, then shuffles the rows.
    size, label : str or mapping
        The schemes: a name, or a mapping such as ``{scheme: dirichlet, alpha: 0.1}``.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If a scheme is not known, or the sizes cannot be met with the classes that the label scheme promises.
    """
    _check_mixed(size, label)
    units = units_of(records)
    strata = units.majority(label_codes(records))
    totals = strata_rows(units, strata)
    (size_name, size_options), (name, options) = inner_scheme("size", size), inner_scheme("label", label)
    sizes = np.bincount(SCHEMES.get(size_name)(records, n_shards, rng, **size_options), minlength=n_shards)
    shards = SCHEMES.get(name)(records, n_shards, rng, **options)
    cells = np.bincount(shards * len(totals) + strata[units.of_row], minlength=n_shards * len(totals))
    counts = cells.reshape(n_shards, -1)
    kinds = traits_for(name, options).kinds
    promised = kinds is not None and kinds(records, **options) is not None
    table = fit_table(counts, sizes, totals, counts > 0) if promised else fit_table(counts + _LITTLE, sizes, totals)
    if table is None:
        raise FedlabError(
            f"the sizes of {size_name!r} (from {sizes.min()} to {sizes.max()} rows) and the classes that {name!r} "
            "gives each organisation exclude each other: there are not enough rows of some class for a large one; give "
            "more even sizes, or more classes per organisation"
        )
    return deal(units, strata, table.T, rng)


def _check_overlap(share: float, base: Any, copies: int) -> None:
    if share != 1:
        real_number("share", share, "a share of rows from 0 to 1", 0, 1, low_ok=True)
    whole_number("copies", copies, 1)
    inner_scheme("base", base)


@SCHEMES.register("overlap")
@scheme_traits(check=_check_overlap, follows=lambda share, base, copies: inner_scheme("base", base), part=False)
def overlap(
    records: Records,
    n_shards: int,
    rng: np.random.Generator,
    *,
    share: float = 0.1,
    base: Any = "iid",
    copies: int = 1,
) -> Dealt:
    """Deal the rows by another scheme, then let a share of them be held by further organisations as well.

    The only scheme that duplicates rows, for studies of replication: ``round(share * n)`` rows, drawn evenly,
    are each held by `copies` more organisations, drawn evenly from the others. partition.json says so under
    ``overlap``. The holdout has none of them.

    Parameters
    ----------
    records : Records
        The table. Groups are copied whole; the share is then met to within a group.
    n_shards : int
        How many organisations, more than `copies`.
    rng : numpy.random.Generator
        Passed to the base scheme, then draws rows and organisations.
    share : float
        The share of rows held by more than one organisation, from 0 to 1.
    base : str or mapping
        The scheme that deals the rows: a name, or a mapping such as ``{scheme: dirichlet, alpha: 0.1}``.
    copies : int
        How many organisations besides the first hold such a row.

    Returns
    -------
    Dealt
        The organisation of each row, and who else holds it.

    Raises
    ------
    FedlabError
        If the share is out of range, or there are not enough organisations for so many copies.
    """
    _check_overlap(share, base, copies)
    if copies >= n_shards:
        raise FedlabError(
            f"copies {copies} of a row need {copies + 1} organisations, got n_shards={n_shards}; give copies of at "
            f"most {n_shards - 1}, or more organisations"
        )
    name, options = inner_scheme("base", base)
    shards = np.asarray(SCHEMES.get(name)(records, n_shards, rng, **options))
    units = units_of(records)
    order = rng.permutation(units.n)
    held = np.cumsum(units.sizes[order]) - units.sizes[order] // 2
    shared = np.zeros(units.n, dtype=bool)
    shared[order[held <= round(share * records.n_rows)]] = True
    rows = np.flatnonzero(shared[units.of_row])
    # the organisation of a copy is a step from 1 to n - 1 further round: never the one that has the row
    steps = _different_steps(units.n, copies, n_shards, rng)
    others = (shards[rows][:, None] + steps[units.of_row[rows]]) % n_shards
    return Dealt(shards, np.stack([np.repeat(rows, copies), others.ravel()], axis=1))


def _different_steps(n: int, number: int, n_shards: int, rng: np.random.Generator) -> np.ndarray:
    """Draw for each of n things so many different whole numbers from 1 to n_shards - 1."""
    steps = np.empty((n, 0), dtype=np.int64)
    for taken in range(number):
        drawn = rng.integers(1, n_shards - taken, n)
        for column in np.sort(steps, axis=1).T:  # counted among those not taken
            drawn += drawn >= column
        steps = np.column_stack([steps, drawn])
    return steps
