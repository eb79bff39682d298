"""A written partition as a table for people: who holds what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from fedlab.partition.store import Partition


def describe_partition(partition: Partition) -> pd.DataFrame:
    """Return one row per organisation: its file, rows, classes and distance from all shards together.

    Parameters
    ----------
    partition : Partition
        What `write_partition` or `read_partition` returned.

    Returns
    -------
    DataFrame
        Indexed by the organisation's name; columns ``file``, ``rows``, one ``class …`` per class, ``js`` and ``tv``
        (see `measure_skew`), ``bytes``.
    """
    import pandas as pd

    rows = []
    for entry, skew in zip(partition.meta["shards"], partition.meta["skew"]["per_organisation"], strict=True):
        who = {"organisation": entry["organisation"], "file": entry["file"], "rows": entry["rows"]}
        classes = {f"class {name}": count for name, count in entry["class_counts"].items()}
        measures = {"js": round(skew["js"], 3), "tv": round(skew["tv"], 3)}
        rows.append({**who, **classes, **measures, "bytes": entry["bytes"]})
    return pd.DataFrame(rows).set_index("organisation")
