"""Splitting records over organisations: holdout, schemes, repair, skew, and partitions on disk."""

from fedlab.partition import schemes as schemes  # registers the built-in schemes
from fedlab.partition.describe import describe_partition
from fedlab.partition.holdout import hold_out
from fedlab.partition.registry import (
    REQUIRED,
    SCHEMES,
    check_options,
    scheme_options,
    scheme_traits,
    shards_determined_by,
)
from fedlab.partition.skew import measure_skew
from fedlab.partition.split import Split, split_records
from fedlab.partition.store import Partition, read_partition, write_partition
from fedlab.partition.streaming import stream_partition

__all__ = [
    "REQUIRED",
    "SCHEMES",
    "Partition",
    "Split",
    "check_options",
    "describe_partition",
    "hold_out",
    "measure_skew",
    "read_partition",
    "scheme_options",
    "scheme_traits",
    "shards_determined_by",
    "split_records",
    "stream_partition",
    "write_partition",
]
