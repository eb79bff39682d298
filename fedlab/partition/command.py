"""What `fedlab partition` does with the words of its command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fedlab.errors import FedlabError
from fedlab.partition.quotas import refuse_unstreamed
from fedlab.partition.registry import check_options
from fedlab.partition.split import split_records
from fedlab.partition.store import Partition, write_partition
from fedlab.partition.streaming import Progress, stream_partition
from fedlab.records import load_records
from fedlab.records.cohorts import schema_of_file


def parse_options(given: Sequence[str]) -> dict[str, Any]:
    """Turn ``name=value`` into options; values are read as in a params file.

    Raises
    ------
    FedlabError
        If there is no ``=``, a name stands twice, or a value is no YAML.

    Examples
    --------
    >>> parse_options(["alpha=0.5", "fractions=[0.7, 0.3]"])
    {'alpha': 0.5, 'fractions': [0.7, 0.3]}
    """
    options: dict[str, Any] = {}
    for one in given:
        name, sign, text = one.partition("=")
        if not sign or not name.strip():
            raise FedlabError(f"option {one!r} is not of the form name=value, such as alpha=0.5")
        if name.strip() in options:
            raise FedlabError(f"option {name.strip()!r} is given twice; give it once")
        try:
            options[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise FedlabError(f"option {one!r}: the value cannot be read ({error}); quote it") from error
    return options


def partition_file(
    path: Path,
    roles: Mapping[str, str | None],
    out: Path,
    options: Sequence[str],
    in_memory: bool,
    *,
    scheme: str,
    format: str,
    **asked: Any,
) -> Partition:
    """Split a file as the command line asks, and print what came of it.

    Parameters
    ----------
    path : Path
        The table.
    roles : mapping
        The keys of a schema; lists as text with commas between, `features` None for all other columns.
    out : Path
        The folder.
    options : sequence of str
        Options of the scheme, ``name=value``.
    in_memory : bool
        Whether to load the table, so that any scheme can be used.
    scheme, format, **asked
        As for `stream_partition`.

    Raises
    ------
    FedlabError
        As `stream_partition`, or `split_records` and `write_partition`.
    """
    named = {name: value for name, value in roles.items() if value}
    keys: dict[str, Any] = {
        name: [one.strip() for one in value.split(",")] if name in ("features", "sensitive") else value
        for name, value in named.items()
    }
    if "positive" in keys:
        keys |= parse_options([f"positive={keys['positive']}"])
    complete = parse_options(options)
    if in_memory:
        records = load_records({"path": str(path), **keys})
        made = write_partition(split_records(records, scheme, **asked, **complete), out, format)
    else:
        refuse_unstreamed(scheme, complete)
        check_options(scheme, complete)
        schema = schema_of_file(path, keys)
        made = stream_partition(path, schema, out, scheme, format=format, progress=progress_line(), **asked, **complete)
    held = made.meta["holdout"]
    rows = [entry["rows"] for entry in made.meta["shards"]]
    print(
        f"{out}: {made.n_shards} shards of {min(rows):,} to {max(rows):,} rows"
        + (f", holdout of {held['rows']:,}" if held else ", no holdout")
        + f", {made.meta['n_rows']:,} in all"
    )
    return made


def progress_line() -> Progress:
    """Return a watcher that shows the share done: one changing line on a terminal, else a line for each quarter."""
    shown: dict[str, int] = {}
    terminal = sys.stderr.isatty()

    def watch(phase: str, share: float) -> None:
        step = int(share * (100 if terminal else 4))
        if shown.get(phase) == step:
            return
        shown[phase] = step
        text = f"{phase:8}{share:5.0%}"
        sys.stderr.write(f"\r{text}" + ("\n" if share == 1 else "") if terminal else f"{text}\n")
        sys.stderr.flush()

    return watch
