"""What the columns of a table read in blocks hold: kinds that widen from block to block as whole columns would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fedlab.records import reading
from fedlab.records.blocks import Block
from fedlab.records.schema import Schema
from fedlab.records.sources import Source

_TRUE, _FALSE = ["True", "TRUE", "true"], ["False", "FALSE", "false"]
_PLAIN = r"^-?(?:0|[1-9][0-9]{0,17})$"
_PADDED = r"^[ \t-]*0[0-9]|\+[0-9]"


def widen(one: str | None, other: str | None) -> str | None:
    """Return the kind of a column of which two parts have these kinds; None is a part without any value.

    Examples
    --------
    >>> widen("int", "float"), widen("bool", "int"), widen(None, "bool")
    ('float', 'text', 'bool')
    """
    if one is None or other is None or one == other:
        return one or other
    return "float" if {one, other} == {"int", "float"} else "text"


def settled(kind: str | None, missing: bool) -> str:
    """Return the kind of a whole column, given the kind of its values and whether one is missing.

    Whole numbers with gaps are floats, as pandas has it; truth values with gaps stay the text they are.
    """
    if kind is None:
        return "float"
    return {"int": "float", "bool": "text"}.get(kind, kind) if missing else kind


def arrow_type(kind: str | None) -> Any:
    """Return the type of Arrow for a kind of column."""
    import pyarrow

    kinds = {"int": pyarrow.int64(), "float": pyarrow.float64(), "bool": pyarrow.bool_(), None: pyarrow.int64()}
    return kinds.get(kind, pyarrow.string())


def parse_lines(block: Block, header: Sequence[str], types: dict[str, Any], source: Source) -> Any:
    """Read some columns of a block of CSV lines as these types of Arrow.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a value is not of the type of its column, a row is too short or too long, or the bytes are not UTF-8.
    """
    import pyarrow
    import pyarrow.csv

    marks = sorted(reading.MISSING)
    table = pyarrow.csv.read_csv(
        pyarrow.BufferReader(block.data),
        pyarrow.csv.ReadOptions(column_names=list(header), block_size=max(block.data.size, 1)),
        pyarrow.csv.ParseOptions(newlines_in_values=True),
        pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=marks,
            true_values=_TRUE,
            false_values=_FALSE,
            strings_can_be_null=True,
        ),
    )
    if len(table) != block.n_rows:
        raise pyarrow.ArrowInvalid(f"{block.n_rows} lines hold {len(table)} rows")
    return table


def parse_slowly(block: Block, header: Sequence[str], source: Source) -> pd.DataFrame:
    """Read a block of CSV lines as `read_table` reads a file, with its messages, or say which row is irregular.

    Raises
    ------
    FedlabError
        If the bytes are not UTF-8, or a row holds more or fewer values than the header has names.
    """
    import csv
    import io

    for row, line in enumerate(block.lines, start=block.first + 1):
        try:
            text = line.as_py().decode()
        except UnicodeDecodeError as error:
            raise source.error(f"row {row} is not UTF-8 ({error.object!r}); save the file as CSV in UTF-8") from error
        cells = next(csv.reader(io.StringIO(text, newline="")), [])
        if len(cells) != len(header):
            raise source.error(
                f"row {row} holds {len(cells)} values where the header has {len(header)} names; complete the row, "
                "quote values with commas, or remove the row if the file was cut off there"
            )
    names = io.StringIO()
    csv.writer(names, lineterminator="\n").writerow(header)
    return reading.parse_csv(names.getvalue().encode() + block.data.to_pybytes(), source, {})


def kind_of_series(column: pd.Series) -> str | None:
    """Return the kind of the values of a column that pandas read."""
    held = column.dropna()
    if not len(held):
        return None
    if isinstance(held.dtype, np.dtype) and held.dtype.kind in "iufb":
        return {"i": "int", "b": "bool"}.get(held.dtype.kind, "float")
    return "bool" if pd.api.types.infer_dtype(held) == "boolean" else "text"


def is_plain_whole(column: Any) -> bool:
    """Say whether all values of a text column of Arrow are whole numbers written plainly (7, not 007 or +7)."""
    import pyarrow.compute as pc

    held = column.drop_null() if column.null_count else column
    chunks = held.chunks if hasattr(held, "chunks") else [held]
    if all(_only_digits(chunk) for chunk in chunks if len(chunk)):
        return True
    return bool(pc.all(pc.match_substring_regex(held, _PLAIN), min_count=0).as_py())


def _only_digits(chunk: Any) -> bool:
    """Say, at the speed of memory, whether an array of text holds numbers of 1 to 18 digits without a leading 0."""
    import pyarrow

    chunk = chunk.cast(pyarrow.large_string())
    ends = np.frombuffer(chunk.buffers()[1], dtype=np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
    data = np.frombuffer(chunk.buffers()[2] or b"", dtype=np.uint8)
    lengths = np.diff(ends)
    if lengths.min() < 1 or lengths.max() > 18:
        return False
    digits = data[ends[0] : ends[-1]] - np.uint8(48)
    return bool((digits < 10).all() and ((digits[ends[:-1] - ends[0]] > 0) | (lengths == 1)).all())


def kind_of_text(column: Any) -> str | None:
    """Return what kind of values a text column of Arrow holds; numbers that would read back otherwise are text.

    Examples
    --------
    >>> import pyarrow
    >>> [kind_of_text(pyarrow.chunked_array([cells])) for cells in (["1", None], ["1.5"], ["007"], ["true"], ["a"])]
    ['int', 'float', 'text', 'bool', 'text']
    """
    import pyarrow
    import pyarrow.compute as pc

    held = column.drop_null()
    if not len(held):
        return None
    if is_plain_whole(held):
        return "int"
    if pc.all(pc.is_in(held, pyarrow.array(_TRUE + _FALSE))).as_py():
        return "bool"
    if pc.any(pc.match_substring_regex(held, _PADDED)).as_py():
        return "text"
    try:
        held.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        return "text"
    return "float"


def kind_of_arrow(name: str, dtype: Any, source: Source) -> str:
    """Return the kind of a Parquet column; refuse what is neither numbers, truth values nor text.

    Raises
    ------
    FedlabError
        Naming column and type.
    """
    import pyarrow.types as types

    if types.is_dictionary(dtype):
        dtype = dtype.value_type
    if types.is_integer(dtype):
        return "int"
    if types.is_floating(dtype) or types.is_decimal(dtype):
        return "float"
    if types.is_boolean(dtype):
        return "bool"
    if types.is_string(dtype) or types.is_large_string(dtype) or types.is_string_view(dtype):
        return "text"
    raise source.error(f"column {name!r} holds {dtype}, neither numbers nor text; make it all numbers or all text")


def typed_values(texts: Sequence[str], name: str, key: bool, source: Source) -> pd.Series:
    """Return the distinct texts of a column that is no feature in the type that `read_table` gives the column.

    Examples
    --------
    >>> typed_values(["2", "10"], "ill", False, Source("my.csv")).tolist()
    [2, 10]
    >>> typed_values(["02", "10"], "ill", False, Source("my.csv")).tolist()
    ['02', '10']
    """
    # a second column, never empty, keeps a lone value from looking like a blank line
    frame = pd.DataFrame({name: list(texts), "\0": 1})
    data = frame.to_csv(index=False, lineterminator="\n").encode()
    schema = Schema("\0", ("\0\0",), "\0\0\0", site=name if key else None)
    parsed = reading.parse_csv(data, source, {})
    return reading.plain_dtypes(reading.keep_text(parsed, data, schema, source))[name]


def decoded(column: Any) -> Any:
    """Return a Parquet column of categories as the values they stand for, decimals as floats."""
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column.cast(pyarrow.float64()) if pyarrow.types.is_decimal(column.type) else column
