"""The scheme that repeats a split that someone else made, from a file that says who holds which row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.assignments import count_organisations, read_assignment
from fedlab.partition.dealt import Dealt
from fedlab.partition.registry import SCHEMES, scheme_traits

if TYPE_CHECKING:
    from fedlab.records import Records


def _check_path(path: str) -> None:
    if not isinstance(path, str | Path) or not str(path):
        raise FedlabError(f"path must be the path of an assignment file, got {path!r}")


@SCHEMES.register("from_file")
@scheme_traits(
    check=_check_path,
    count=lambda records, path: count_organisations(path),
    repaired=False,
    whole=True,
    part=False,
)
def from_file(records: Records, n_shards: int, rng: np.random.Generator, *, path: str) -> Dealt:
    """Give each organisation the rows that a file says, e.g. one that `export_assignment` wrote.

    Rows that the file lists as ``holdout`` are the holdout, and the share asked for plays no part: a published
    split into training and test rows is repeated exactly. If it lists none, the holdout is drawn as for any
    other scheme (``holdout=0`` repeats the file's split exactly). Nothing else is drawn and nothing repaired.
    A row listed for several organisations is held by all of them (see `overlap`). Peer: ``indexes_per_node``
    of FLEXible.

    Parameters
    ----------
    records : Records
        The whole table.
    n_shards : int
        The number of organisations in the file.
    rng : numpy.random.Generator
        Not used.
    path : str
        The file: CSV with the columns ``organisation`` and the identifier or ``row`` (see `read_assignment`).

    Returns
    -------
    Dealt
        The organisation of each row of the whole table, -1 for the holdout.

    Raises
    ------
    FedlabError
        If the file cannot be read or does not fit the table.
    """
    shards, copies, _ = read_assignment(path, records)
    return Dealt(shards, copies)
