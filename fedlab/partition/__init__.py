"""Splitting records over organisations: holdout, schemes, repair, skew, and partitions on disk."""

from fedlab.partition import schemes as schemes  # registers the built-in schemes
from fedlab.partition.assignments import export_assignment, read_assignment
from fedlab.partition.dealt import Dealt
from fedlab.partition.describe import describe_partition
from fedlab.partition.holdout import hold_out
from fedlab.partition.pooled import write_pooled
from fedlab.partition.quality import check_quality
from fedlab.partition.registry import (
    REQUIRED,
    SCHEMES,
    check_options,
    scheme_options,
    scheme_traits,
    shards_determined_by,
)
from fedlab.partition.skew import measure_skew, skew_summary, skew_table
from fedlab.partition.split import Split, split_records
from fedlab.partition.store import Partition, read_partition, write_partition
from fedlab.partition.streaming import stream_partition

__all__ = [
    "REQUIRED",
    "SCHEMES",
    "Dealt",
    "Partition",
    "Split",
    "check_options",
    "check_quality",
    "describe_partition",
    "export_assignment",
    "hold_out",
    "measure_skew",
    "read_assignment",
    "read_partition",
    "scheme_options",
    "scheme_traits",
    "shards_determined_by",
    "skew_summary",
    "skew_table",
    "split_records",
    "stream_partition",
    "write_partition",
    "write_pooled",
]
