"""Counting the distinct rows of a file block by block; the values get their types when all are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedlab.records import checks, reading
from fedlab.records.blocks import BLOCK_BYTES, iter_blocks
from fedlab.records.schema import Schema
from fedlab.records.sources import Source, suffix_of
from fedlab.records.typed import arrow_type, decoded, parse_lines, parse_slowly

_N = "\0n"


def count_file(path: Path, schema: Schema, block_bytes: int | None, watch: Any) -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows of features and target, each once as it was written, and how often each occurs.

    Raises
    ------
    FedlabError
        If a column is missing, or a block is no regular CSV.
    """
    names = list(dict.fromkeys([*schema.features, schema.target]))
    header = reading.read_header(path)
    source = Source(str(path))
    checks.check_header(header, names, source)
    is_csv = suffix_of(path) != ".parquet"
    total: Any = None
    waiting: list[Any] = []
    for part in _counted_blocks(path, header, names, source, block_bytes or BLOCK_BYTES, watch):
        waiting.append(part)
        if sum(map(len, waiting)) >= (0 if total is None else len(total)):
            total, waiting = _added([*([] if total is None else [total]), *waiting], names), []
    if total is None:
        raise source.error("there is a header but no row; give at least one record")
    total = _added([total, *waiting], names)
    counts = total[_N].to_numpy().astype(np.float64)
    frame = total.select(names).to_pandas()
    if is_csv:
        frame = _typed(frame, source)
    return reading.plain_dtypes(frame), counts


def _counted_blocks(
    path: Path, header: list[str], names: list[str], source: Source, block_bytes: int, watch: Any
) -> Iterator[Any]:
    """Give for each block the distinct rows as a table of Arrow, with a column of counts."""
    import pyarrow

    text = {name: arrow_type("text") for name in names}
    for block in iter_blocks(path, block_bytes, names, watch):
        if block.table is not None:
            table = pyarrow.table({name: decoded(block.table[name]) for name in names})
        else:
            try:
                table = parse_lines(block, header, text, source)
            except pyarrow.ArrowInvalid as error:
                parse_slowly(block, header, source)  # names the row that is irregular
                raise source.error(
                    f"rows {block.first + 1} to {block.first + block.n_rows} are no regular CSV ({error})"
                ) from error
        counted = table.group_by(names, use_threads=False).aggregate([([], "count_all")])
        yield counted.select([*names, "count_all"]).rename_columns([*names, _N])


def _added(tables: list[Any], names: list[str]) -> Any:
    import pyarrow

    if len(tables) == 1:
        return tables[0]
    added = pyarrow.concat_tables(tables, promote_options="permissive").group_by(names, use_threads=False)
    return added.aggregate([(_N, "sum")]).select([*names, f"{_N}_sum"]).rename_columns([*names, _N])


def _typed(frame: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Return columns of text in the types that `read_table` reads from the same text."""
    data = frame.assign(**{_N: 1}).to_csv(index=False, lineterminator="\n").encode()  # no line is blank
    return reading.parse_csv(data, source, {})[list(frame.columns)]
