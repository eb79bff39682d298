"""The rows of a block in the form in which they are written: lines of CSV, or tables for Parquet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.records.blocks import Block, header_line, row_ends
from fedlab.records.typed import arrow_type, decoded

if TYPE_CHECKING:
    from fedlab.records.scan import Scan


def csv_header(scan: Scan) -> bytes:
    """Return the header line of shards in CSV: that of the file, as it stands there, if it is CSV itself."""
    if scan.is_csv:
        return header_line(scan.path)
    names = io.StringIO()
    csv.writer(names, lineterminator="\n").writerow(scan.header)
    return names.getvalue().encode()


def csv_lines(scan: Scan, block: Block) -> Any:
    """Return a block's rows as lines of CSV: those of the file, or what `write_table` would write."""
    import pyarrow

    if scan.is_csv:
        return block.lines
    frame = block.table.to_pandas().astype(
        {name: dtype for name, dtype in scan.dtypes.items() if dtype in ("int64", "uint64", "float64", "bool")}
    )
    data = frame.to_csv(index=False, header=False, lineterminator="\n").encode()
    offsets = np.concatenate([[0], row_ends(data)])
    return pyarrow.Array.from_buffers(
        pyarrow.large_binary(), len(frame), [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(data)]
    )


def table_schema(scan: Scan) -> Any:
    """Return the columns of shards in Parquet, as a schema of Arrow."""
    import pyarrow
    import pyarrow.parquet

    if scan.is_csv:
        return pyarrow.schema([(name, arrow_type(kind)) for name, kind in scan.kinds.items()])
    schema = pyarrow.parquet.read_schema(scan.path).remove_metadata()
    empty = schema.empty_table()
    return pyarrow.schema([(name, decoded(empty[name]).type) for name in schema.names])


def typed_table(scan: Scan, block: Block) -> Any:
    """Return a block's rows as a table of Arrow, of the columns that `table_schema` gives."""
    import pyarrow

    if scan.is_csv:
        return scan.typed_table(block)
    return pyarrow.table({name: decoded(block.table[name]) for name in scan.header})
