"""Partitions on disk: one file per shard, the holdout, and partition.json that says what they are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError, unknown_name
from fedlab.files import canonical_json, plain, read_json, sha256_file, write_json
from fedlab.partition.sinks import clear_partials
from fedlab.partition.skew import achieved_skew, class_counts, measure_skew
from fedlab.partition.split import Split, organisation_names
from fedlab.records import Records, Schema, column_kinds, read_table, write_table

FORMATS = ("csv", "csv.gz", "parquet")
META = "partition.json"
JOURNAL = ".partition-writing.json"  # the files that a writer that was killed may have left
FILE_NAME = re.compile(r"(data_part[1-9]\d*|holdout)\.(csv|csv\.gz|parquet)")


@dataclass(frozen=True, eq=False)
class Partition:
    """A split that stands on disk; files are read, and their SHA-256 checked, when they are asked for.

    Parameters
    ----------
    dir : Path
        The folder.
    meta : dict
        What its partition.json says.
    """

    dir: Path
    meta: dict[str, Any]

    @property
    def name(self) -> str:
        """What the records are called."""
        return self.meta["name"]

    @property
    def about(self) -> dict[str, Any]:
        """What is known of the records: source, best possible scores, …"""
        return self.meta["about"]

    @property
    def n_shards(self) -> int:
        """How many organisations there are."""
        return self.meta["n_shards"]

    @property
    def organisations(self) -> list[str]:
        """The organisations' names: their sites where each shard is one site, else part1, part2, …"""
        return [entry["organisation"] for entry in self.meta["shards"]]

    @property
    def data_bytes(self) -> int:
        """Bytes of all shard files together: the data that stays where it is."""
        return sum(entry["bytes"] for entry in self.meta["shards"])

    @cached_property
    def schema(self) -> Schema:
        """The schema of the records."""
        return Schema.from_dict(self.meta["schema"])

    @cached_property
    def classes(self) -> np.ndarray:
        """The classes of the whole table, sorted, in the type of the target."""
        return np.array(self.meta["classes"], dtype=self.meta["classes_dtype"])

    def shard_path(self, number: int) -> Path:
        """Return the file of one organisation (from 0: organisation 0 has data_part1)."""
        return self.dir / self._entry(number)["file"]

    def shard(self, number: int) -> Records:
        """Read the rows of one organisation (from 0).

        Raises
        ------
        FedlabError
            If there is no such shard, or its file is missing or has been changed.
        """
        return self._read(self._entry(number))

    def holdout(self) -> Records:
        """Read the rows that no organisation sees.

        Raises
        ------
        FedlabError
            If the partition has no holdout, or its file is missing or has been changed.
        """
        if self.meta["holdout"] is None:
            raise FedlabError(
                f"{self.dir}: this partition has no holdout (made with holdout=0); make one with holdout=0.2"
            )
        return self._read(self.meta["holdout"])

    def _entry(self, number: int) -> dict[str, Any]:
        if not 0 <= number < self.n_shards:
            raise FedlabError(f"{self.dir}: shard {number} does not exist; there are {self.n_shards}, numbered from 0")
        return self.meta["shards"][number]

    def _read(self, entry: dict[str, Any]) -> Records:
        path = self.dir / entry["file"]
        if not path.is_file():
            raise FedlabError(f"{path}: {META} lists this file, but it is missing; write the partition again")
        if sha256_file(path) != entry["sha256"]:
            raise FedlabError(
                f"{path}: the file has been changed since it was written (its SHA-256 is not the one in "
                f"{META}); write the partition again"
            )
        schema = self._schema_of(entry)
        read = read_table(path, schema, part=True, kinds=self.meta["kinds"] | entry.get("kinds", {})).frame
        dtypes = self.meta["dtypes"] | entry.get("dtypes", {})
        return Records(_with_dtypes(read, dtypes), schema, self.name, self.about)

    def _schema_of(self, entry: dict[str, Any]) -> Schema:
        """Return the schema of a file: in a vertical partition that of the organisation's own features."""
        if "features" not in entry:
            return self.schema
        known = {self.schema.id, self.schema.target, self.schema.site, self.schema.group, *entry["features"]}
        sensitive = tuple(name for name in self.schema.sensitive if name in known)
        return replace(self.schema, features=tuple(entry["features"]), sensitive=sensitive)


def write_partition(split: Split, out_dir: Path | str, format: str = "csv", measure: str = "basic") -> Partition:
    """Write a split: data_part1, data_part2, … and holdout in the format, then partition.json.

    Each file appears whole or not at all, and partition.json comes last: a folder without it is not a
    partition. A partition that stood there before, or what a killed writer left of one, is removed first;
    files that no partition lists are never overwritten.

    Parameters
    ----------
    split : Split
        What to write. Columns and their types stay as in its records.
    out_dir : Path or str
        The folder; it is created.
    format : {"csv", "csv.gz", "parquet"}
        What to write the rows as.
    measure : {"basic", "full"}
        Which measures of skew to take (see `measure_skew`).

    Returns
    -------
    Partition

    Raises
    ------
    FedlabError
        If the format is not known, or a file in the way does not belong to a partition.

    Examples
    --------
    >>> import tempfile
    >>> from fedlab.partition import split_records
    >>> frame = pd.DataFrame({"id": range(50), "age": 50, "ill": [0, 1] * 25})
    >>> split = split_records(Records(frame, Schema("id", ["age"], "ill"), "toy"), n_shards=4)
    >>> partition = write_partition(split, tempfile.mkdtemp())
    >>> partition.shard_path(0).name, partition.shard(0).n_rows, partition.meta["holdout"]["rows"]
    ('data_part1.csv', 10, 10)
    """
    if format not in FORMATS:
        raise unknown_name("format of shards", format, FORMATS)
    folder = Path(out_dir)
    meta = _describe(split, format, measure)
    canonical_json(meta)  # what cannot be written must fail before anything old is removed
    entries = [*meta["shards"], *([meta["holdout"]] if meta["holdout"] else [])]
    make_room(folder, [entry["file"] for entry in entries])
    for entry, number in zip(entries, [*range(split.n_shards), -1], strict=False):
        path = folder / entry["file"]
        write_table((split.holdout if number < 0 else split.shard(number)).frame, path)
        entry |= {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    write_json(folder / META, meta)
    (folder / JOURNAL).unlink()
    return Partition(folder, meta)


def read_partition(dir: Path | str) -> Partition:
    """Open a partition that `write_partition` wrote.

    Parameters
    ----------
    dir : Path or str
        Its folder.

    Returns
    -------
    Partition

    Raises
    ------
    FedlabError
        If the folder holds no partition.json (none was written, or not to the end), or one that is damaged.
    """
    folder = Path(dir)
    if not (folder / META).is_file():
        raise FedlabError(f"{folder}: no {META} here, so this is no partition, or writing it was interrupted; write it")
    return Partition(folder, _read_meta(folder))


def _describe(split: Split, format: str, measure: str) -> dict[str, Any]:
    """Return what partition.json says, but for the bytes and hashes of the files."""
    records = split.records
    counts = class_counts(split)
    classes = records.classes
    names = [str(value) for value in plain(classes)]
    skew = measure_skew(split, measure)

    def entry(stem: str, of_class: np.ndarray) -> dict[str, Any]:
        file = f"{stem}.{format}"
        return {"file": file, "rows": of_class.sum(), "class_counts": dict(zip(names, of_class, strict=True))}

    return plain(
        {
            "scheme": split.scheme,
            "options": split.options,
            "n_shards": split.n_shards,
            "seed": split.seed,
            "min_rows": split.min_rows,
            "holdout_share": split.holdout_share,
            "name": records.name,
            "about": records.about,
            "schema": records.schema.to_dict(),
            "n_rows": len(records.frame),
            "classes": classes,
            "classes_dtype": str(classes.dtype),
            "kinds": column_kinds(records.frame),
            "dtypes": _dtypes(records.frame),
            "format": format,
            "shards": [
                entry(f"data_part{number + 1}", counts[number + 1]) | _own(split, number) | {"organisation": name}
                for number, name in enumerate(organisation_names(split))
            ],
            "holdout": entry("holdout", counts[0]) if counts[0].sum() else None,
            "skew": skew,
            "repaired_rows": split.moved,
            **_peculiar(split, skew),
        }
    )


def _own(split: Split, number: int) -> dict[str, Any]:
    """Return in what the columns of an organisation differ from those of the table."""
    own: dict[str, Any] = {} if split.features is None else {"features": split.features[number]}
    if split.quality:
        table, shard = split.records.frame, split.shard(number).frame
        for key, describe in (("kinds", column_kinds), ("dtypes", _dtypes)):
            before, after = describe(table), describe(shard)
            changed = {name: kind for name, kind in after.items() if kind != before[name]}
            own |= {key: changed} if changed else {}
    return own


def _peculiar(split: Split, skew: dict[str, Any]) -> dict[str, Any]:
    """Return what is to be said of a split beyond rows dealt once each: only what applies is there."""
    said: dict[str, Any] = {}
    if split.found:
        said["found"] = {
            option: one | {"achieved": achieved_skew(split, one["measure"], skew)}
            for option, one in split.found.items()
        }
    if len(split.copies):
        shared = len(np.unique(split.copies[:, 0]))
        dealt = int((split.assignment >= 0).sum())
        said["overlap"] = {"rows": shared, "share": shared / dealt, "copies": len(split.copies)}
    if split.features is not None:
        schema = split.records.schema
        roles = (schema.id, schema.target, schema.site, schema.group)
        said["vertical"] = {"shared_columns": [name for name in roles if name is not None]}
    if split.quality:
        changed = [split.changed(number) for number in range(split.n_shards)]
        said["quality"] = [
            one | {"changed_rows": [of_one[place] for of_one in changed]} for place, one in enumerate(split.quality)
        ]
    return said


def _dtypes(frame: pd.DataFrame) -> dict[str, Any]:
    return {str(name): _dtype_name(dtype) for name, dtype in frame.dtypes.items()}


def _dtype_name(dtype: Any) -> Any:
    if isinstance(dtype, pd.CategoricalDtype):
        return {"categories": dtype.categories.tolist(), "ordered": bool(dtype.ordered)}
    return str(dtype)


def _with_dtypes(frame: pd.DataFrame, dtypes: dict[str, Any]) -> pd.DataFrame:
    """Give the columns of a shard the types they had in the whole table."""
    wanted = {
        name: pd.CategoricalDtype(**dtype) if isinstance(dtype, dict) else dtype
        for name, dtype in dtypes.items()
        # text is read as text; older pandas would turn missing into "nan"
        if name in frame.columns and dtype not in ("str", str(frame[name].dtype))
    }
    return frame.astype(wanted)


def make_room(folder: Path, names: list[str]) -> None:
    """Remove an older partition from the folder; leave a journal of the files about to appear."""
    folder.mkdir(parents=True, exist_ok=True)
    old = set(_listed(_read_meta(folder))) if (folder / META).exists() else set()
    if (folder / JOURNAL).exists():
        left = read_json(folder / JOURNAL)["files"]
        old |= {name for name in left if FILE_NAME.fullmatch(name)}
    for name in names:
        if name not in old and (folder / name).exists():
            raise FedlabError(
                f"{folder / name}: this file stands in the way and belongs to no partition here, so it is "
                "not overwritten; choose another folder, or move it away"
            )
    clear_partials(folder)
    write_json(folder / JOURNAL, {"files": sorted(old | set(names))})
    (folder / META).unlink(missing_ok=True)
    for name in old:
        (folder / name).unlink(missing_ok=True)


def _listed(meta: dict[str, Any]) -> list[str]:
    entries = [*meta["shards"], *([meta["holdout"]] if meta["holdout"] else [])]
    return [entry["file"] for entry in entries]


def _read_meta(folder: Path) -> dict[str, Any]:
    """Read partition.json; refuse one that is damaged or names files that are none of a partition's."""
    path = folder / META
    try:
        meta = read_json(path)
        names = _listed(meta)
        whole = len(meta["shards"]) == meta["n_shards"] and all(key in meta for key in ("schema", "dtypes", "kinds"))
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise FedlabError(
            f"{path}: this is not a partition's description ({error!r}); write the partition again"
        ) from error
    if not whole or not all(FILE_NAME.fullmatch(name) for name in names):
        raise FedlabError(
            f"{path}: this is not a partition's description (its files or keys are not the ones that "
            "write_partition writes); write the partition again"
        )
    return meta
