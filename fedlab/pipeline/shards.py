"""The first stage: shards in a folder, with a note of what they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlab.files import read_json, write_json

if TYPE_CHECKING:
    from fedlab.partition import Partition

ORIGIN = "made_from.json"
PARTITION = ("data", "holdout", "scheme", "n_shards", "min_rows", "quality", "seed")
"""Of a cell, what decides its partition, beside the options of its scheme."""


def write_origin(folder: Path | str, **made_from: Any) -> None:
    """Note in a partition's folder what it was made from, so that later stages can name it and repeat it."""
    write_json(Path(folder) / ORIGIN, made_from)


def read_origin(folder: Path | str) -> dict[str, Any]:
    """Return what a partition was made from; empty where nobody noted it."""
    path = Path(folder) / ORIGIN
    return dict(read_json(path)) if path.exists() else {}


def make_partition(folder: Path | str, data: Any = "nhefs", n_shards: int | None = 4, **options: Any) -> None:
    """Cut records into shards in a folder, as `1_partition.ipynb` does.

    Parameters
    ----------
    folder : Path or str
        Where to.
    data : str or dict
        The records (see `load_records`).
    n_shards : int or None
        How many organisations.
    **options
        Of `split_records`: ``scheme``, ``holdout``, ``min_rows``, ``seed``, ``quality`` and the scheme's own.
    """
    from fedlab.partition import split_records, write_partition
    from fedlab.records import load_records

    write_partition(split_records(load_records(data), n_shards=n_shards, **options), folder)
    write_origin(folder, data=data, n_shards=n_shards, **options)


def pooled_partition(shards: Path | str, folder: Path | str) -> Partition:
    """Write a partition with one organisation that holds the rows of all organisations of another one.

    Parameters
    ----------
    shards : Path or str
        The other one.
    folder : Path or str
        Where to.

    Returns
    -------
    Partition
    """
    from fedlab.partition import read_partition, write_pooled

    pooled = write_pooled(read_partition(shards), folder)
    write_origin(folder, **read_origin(shards))
    return pooled


def partition_or_default(shards: Path | str) -> Path:
    """Return a folder of shards; where there is none, cut the default cohort into four there."""
    if not (Path(shards) / "partition.json").exists():
        print(f"no shards in {shards}: cutting nhefs into 4 there; 1_partition.ipynb makes others")
        make_partition(shards)
    return Path(shards)
