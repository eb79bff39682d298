"""All organisations' rows in one place, as they hold them: what a central repository of the same data would hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from fedlab.partition.split import Split
from fedlab.partition.store import Partition, write_partition
from fedlab.records import Records


def write_pooled(partition: Partition, out_dir: Path | str) -> Partition:
    """Write a partition with one organisation that holds the rows of all, with the same holdout.

    The centralised reference of a partition whose records differ in quality is trained on this: the rows with the
    faults that the organisations have, not the table that they came from.

    Parameters
    ----------
    partition : Partition
        A written partition with a holdout.
    out_dir : Path or str
        Where to write.

    Returns
    -------
    Partition
        One shard, rows in the order of organisations. A row that several hold stands there once, as the first of
        them holds it; a vertical partition's features stand side by side.

    Examples
    --------
    >>> import tempfile
    >>> from fedlab.partition import split_records
    >>> from fedlab.records import Schema
    >>> frame = pd.DataFrame({"id": range(50), "age": 50, "ill": [0, 1] * 25})
    >>> split = split_records(Records(frame, Schema("id", ["age"], "ill"), "toy"), n_shards=4)
    >>> pooled = write_pooled(write_partition(split, tempfile.mkdtemp()), tempfile.mkdtemp())
    >>> pooled.n_shards, pooled.shard(0).n_rows, pooled.holdout().n_rows
    (1, 40, 10)
    """
    frames = [partition.shard(number).frame for number in range(partition.n_shards)]
    pool = _side_by_side(frames) if "vertical" in partition.meta else pd.concat(frames, ignore_index=True)
    pool = pool.drop_duplicates(partition.schema.id, ignore_index=True)
    held_out = partition.holdout().frame
    whole = pd.concat([pool, held_out[pool.columns]], ignore_index=True)
    # A vertical partition leaves out sensitive columns that are no feature of anybody.
    sensitive = tuple(name for name in partition.schema.sensitive if name in whole.columns)
    schema = replace(partition.schema, sensitive=sensitive)
    records = Records(whole, schema, partition.name, partition.about)
    assignment = np.repeat([0, -1], [len(pool), len(held_out)])
    meta = partition.meta
    return write_partition(
        Split(records, assignment, "pooled", {}, 1, meta["holdout_share"], meta["min_rows"], meta["seed"]), out_dir
    )


def _side_by_side(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Join the features of organisations that hold the same rows in the same order."""
    joined = frames[0]
    for frame in frames[1:]:
        joined = pd.concat([joined, frame[[name for name in frame.columns if name not in joined.columns]]], axis=1)
    return joined
