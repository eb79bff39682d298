"""Schemes that follow where the records really come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.partition.registry import SCHEMES, scheme_traits
from fedlab.partition.units import codes_of

if TYPE_CHECKING:
    from fedlab.records import Records


def _site_column(records: Records, column: str | None) -> str:
    """Return the column that names the site, or say that there is none."""
    chosen = records.schema.site if column is None else column
    if chosen is None:
        raise FedlabError(
            f"scheme 'site' needs a column that names the site, but the schema of {records.name!r} names "
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
