"""Schemes without skew: shards of equal size that resemble the whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedlab.partition.dealing import deal, even_counts, strata_rows
from fedlab.partition.registry import SCHEMES
from fedlab.partition.units import label_codes, units_of

if TYPE_CHECKING:
    from fedlab.records import Records


@SCHEMES.register("iid")
def iid(records: Records, n_shards: int, rng: np.random.Generator) -> np.ndarray:
    """Shuffle all rows, then cut them into shards whose sizes differ by at most one row.

    The shuffle is part of the scheme: a table sorted by its target still gives shards that resemble it.
    Peers: ``IidPartitioner`` of flwr-datasets, which does not shuffle.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together; sizes are then equal to within one group.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Shuffles the rows.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.
    """
    units = units_of(records)
    strata = np.zeros(units.n, dtype=np.int64)
    return deal(units, strata, even_counts(strata_rows(units, strata), n_shards), rng)


@SCHEMES.register("stratified")
def stratified(records: Records, n_shards: int, rng: np.random.Generator) -> np.ndarray:
    """Shuffle the rows of each class, then deal each class out evenly.

    The counts of any class differ by at most one row between shards, and so do the sizes. Peers:
    ``StratifiedKFold`` of scikit-learn.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together and count as the group's most frequent class.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Shuffles the rows.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.
    """
    units = units_of(records)
    strata = units.majority(label_codes(records))
    return deal(units, strata, even_counts(strata_rows(units, strata), n_shards), rng)
