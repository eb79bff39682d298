"""Schemes that follow where the records really come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.partition.registry import SCHEMES, scheme_traits
from fedlab.partition.schemes.feature import balance
from fedlab.partition.units import codes_of

if TYPE_CHECKING:
    from fedlab.records import Records


def _site_column(records: Records, column: str | None, scheme: str = "site") -> str:
    """Return the column that names the site, or say that there is none."""
    chosen = records.schema.site if column is None else column
    if chosen is None:
        raise FedlabError(
            f"scheme {scheme!r} needs a column that names the site, but the schema of {records.name!r} names "
            f"none; give one of its columns as option column: {', '.join(map(str, records.frame.columns))}"
        )
    if chosen not in records.frame.columns:
        raise unknown_name("column", chosen, map(str, records.frame.columns))
    return chosen


def _count_sites(records: Records, column: str | None) -> int:
    return len(codes_of(records, _site_column(records, column))[1])


@SCHEMES.register("site")
@scheme_traits(count=_count_sites, repaired=False)
def site(records: Records, n_shards: int, rng: np.random.Generator, *, column: str | None = None) -> np.ndarray:
    """Give each site, e.g. each hospital, its own rows.

    Organisations stand in the sorted order of the column's values. Nothing is drawn and nothing repaired:
    rows of one hospital are never moved to another. Peers: ``NaturalIdPartitioner`` of flwr-datasets, the
    natural splits of FLamby (du Terrail et al. 2022).

    Parameters
    ----------
    records : Records
        The table.
    n_shards : int
        The number of sites.
    rng : numpy.random.Generator
        Not used.
    column : str, optional
        The column that names the site; by default the schema's.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If there is no such column, a value is missing, or `n_shards` is not the number of sites.
    """
    chosen = _site_column(records, column)
    codes, sites = codes_of(records, chosen)
    if n_shards != len(sites):
        raise FedlabError(
            f"column {chosen!r} names {len(sites)} sites ({', '.join(map(str, sites[:10]))}"
            f"{', …' if len(sites) > 10 else ''}), got n_shards={n_shards}; "
            f"leave n_shards out, or give {len(sites)}"
        )
    return codes


def _check_groups(column: str | None, groups: Sequence[Sequence[str]] | None) -> None:
    if groups is None:
        return
    listed = isinstance(groups, Sequence) and not isinstance(groups, str) and len(groups)
    if not listed or not all(isinstance(one, Sequence) and not isinstance(one, str) and len(one) for one in groups):
        raise FedlabError(f"groups must be a list of lists of sites, one list per organisation, got {groups!r}")
    names = [str(name) for one in groups for name in one]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FedlabError(f"site {twice[0]!r} stands in groups more than once; each site belongs to one organisation")


def _count_groups(records: Records, column: str | None, groups: Sequence[Sequence[str]] | None) -> int | None:
    return None if groups is None else len(groups)


@SCHEMES.register("grouped_sites")
@scheme_traits(check=_check_groups, count=_count_groups, repaired=False)
def grouped_sites(
    records: Records,
    n_shards: int,
    rng: np.random.Generator,
    *,
    column: str | None = None,
    groups: Sequence[Sequence[str]] | None = None,
) -> np.ndarray:
    """Give each organisation all rows of several sites, e.g. a trust with its hospitals.

    Without `groups` the sites, from the largest on, go one by one to the organisation that has the fewest
    rows so far. Nothing is drawn and nothing repaired. Peer: ``GroupedNaturalIdPartitioner`` of flwr-datasets.

    Parameters
    ----------
    records : Records
        The table.
    n_shards : int
        How many organisations; with `groups` their number.
    rng : numpy.random.Generator
        Not used.
    column : str, optional
        The column that names the site; by default the schema's.
    groups : sequence of sequences of str, optional
        The sites of each organisation; every site stands in exactly one.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If there is no such column, fewer sites than organisations, or `groups` names a site that there is not
        or leaves one out.
    """
    _check_groups(column, groups)
    chosen = _site_column(records, column, "grouped_sites")
    codes, sites = codes_of(records, chosen)
    if groups is None:
        if len(sites) < n_shards:
            raise FedlabError(
                f"column {chosen!r} names {len(sites)} sites, too few for {n_shards} organisations; "
                f"give n_shards of at most {len(sites)}"
            )
        return balance(np.bincount(codes), n_shards)[codes]
    organisation = {str(name): number for number, one in enumerate(groups) for name in one}
    names = [str(name) for name in sites]
    unknown = [name for name in organisation if name not in names]
    if unknown:
        raise unknown_name(f"site in groups (column {chosen!r}):", unknown[0], names)
    left_out = [name for name in names if name not in organisation]
    if left_out:
        raise FedlabError(f"groups leaves out site {left_out[0]!r} of column {chosen!r}; add it to an organisation")
    return np.array([organisation[name] for name in names])[codes]
