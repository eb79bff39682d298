"""Reading a table in blocks of whole rows, so that memory does not grow with the file."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fedlab.errors import FedlabError
from fedlab.records.sources import packing_errors, suffix_of

BLOCK_BYTES = 8 * 2**20
_MOST_BYTES = 64 * 2**20  # of one row: beyond it a quote was opened and never closed
# One row, its line feed included: fields in quotes (a quote inside is doubled), or plain ones.
_ROW = re.compile(rb'(?:(?:(?:"[^"]*+")++[^,\n]*+|[^",\n][^,\n]*+)?+,)*+(?:(?:"[^"]*+")++[^,\n]*+|[^",\n][^,\n]*+)?+\n')
_COMMA, _FEED, _RETURN, _QUOTE = b',\n\r"'

Watch = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows of a table that follow each other: as lines of CSV, or as a table of Arrow.

    Parameters
    ----------
    first : int
        Number of the first row, from 0.
    n_rows : int
        How many rows.
    lines : pyarrow.LargeBinaryArray or None
        The rows as they stand in the CSV file, each with one line feed at its end.
    table : pyarrow.Table or None
        The rows of a Parquet file.
    """

    first: int
    n_rows: int
    lines: Any = None
    table: Any = None

    @property
    def data(self) -> Any:
        """The bytes of the lines, as one buffer of Arrow."""
        return self.lines.buffers()[2]


def iter_blocks(
    path: Path | str,
    block_bytes: int = BLOCK_BYTES,
    columns: list[str] | None = None,
    watch: Watch | None = None,
    digest: Any = None,
) -> Iterator[Block]:
    r"""Give a table's rows in blocks; which rows stand in which block means nothing.

    Blank lines are left out, and a line end of carriage return and line feed becomes a line feed.

    Parameters
    ----------
    path : Path or str
        A ``.csv``, ``.csv.gz`` or ``.parquet`` file.
    block_bytes : int
        About how many bytes of the file are held at a time; one row at least.
    columns : list of str, optional
        Which columns to read of a Parquet file; by default all.
    watch : callable, optional
        Called with the share of the file that has been read.
    digest : hash object, optional
        Updated with the bytes of a CSV file as they are read.

    Raises
    ------
    FedlabError
        If the file is not a whole gzip or Parquet file, a quote is never closed, or a value holds a carriage return.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "my.csv"
    >>> _ = path.write_text('id,note\n1,"two\nlines"\n2,none\n')
    >>> [block.lines.to_pylist() for block in iter_blocks(path)]
    [[b'1,"two\nlines"\n', b'2,none\n']]
    """
    path = Path(path)
    if suffix_of(path) == ".parquet":
        return _parquet_blocks(path, block_bytes, columns, watch)
    return _csv_blocks(path, block_bytes, watch, digest)


def _csv_blocks(path: Path, block_bytes: int, watch: Watch | None, digest: Any) -> Iterator[Block]:
    first, header = 0, True
    for data, ends in _whole_rows(path, block_bytes, watch, digest):
        lines = _lines(path, data, ends, first - header)
        if header and len(lines):
            header, lines = False, _compact(lines.slice(1))
        if len(lines):
            yield Block(first, len(lines), lines=lines)
            first += len(lines)


def header_line(path: Path) -> bytes:
    """Return a CSV file's header as it stands there, with one line feed at its end."""
    for data, ends in _whole_rows(path, 2**16, None, None):
        lines = _lines(path, data, ends, 0)
        if len(lines):
            return lines[0].as_py()
    return b""


def _whole_rows(path: Path, block_bytes: int, watch: Watch | None, digest: Any) -> Iterator[tuple[bytes, np.ndarray]]:
    """Give the bytes of whole rows, and where each ends."""
    carry, at_start = b"", True
    for chunk in _chunks(path, block_bytes, watch, digest):
        data = carry + chunk if chunk else carry + (b"\n" if carry else b"")
        if at_start:
            if chunk and len(data) < 3:
                carry = data
                continue
            at_start, data = False, data.removeprefix(b"\xef\xbb\xbf")
        ends = row_ends(data)
        used = int(ends[-1]) if len(ends) else 0
        carry = data[used:]
        if used:
            yield data[:used], ends
        if len(carry) > _MOST_BYTES or (not chunk and carry):
            shown = carry[:60].decode(errors="replace")
            raise FedlabError(f"{path}: the row that begins {shown!r} does not end: close its quote")


def _chunks(path: Path, block_bytes: int, watch: Watch | None, digest: Any) -> Iterator[bytes]:
    """Give the unpacked bytes of a file, then an empty piece."""
    size = max(path.stat().st_size, 1)
    with path.open("rb") as file, packing_errors(path):
        raw: Any = _Hashed(file, digest) if digest is not None else file
        unpacked: BinaryIO = gzip.GzipFile(fileobj=raw) if path.name.lower().endswith(".gz") else raw  # type: ignore[assignment]
        while chunk := unpacked.read(block_bytes):
            yield chunk
            if watch is not None:
                watch(min(file.tell() / size, 1.0))
        yield b""


class _Hashed:
    """A file that hashes what is read from it, once and in order."""

    def __init__(self, file: BinaryIO, digest: Any) -> None:
        self.file, self.digest = file, digest

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.digest.update(data)
        return data


def row_ends(data: bytes) -> np.ndarray:
    """Return where each row of the data ends, past its line feed; what follows the last is not whole."""
    buffer = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(buffer == _FEED) + 1
    if b'"' not in data or not len(ends):
        return ends
    quotes = np.flatnonzero(buffer == _QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    before = buffer[np.maximum(opening - 1, 0)]
    after = buffer[np.minimum(closing + 1, len(buffer) - 1)]
    opens = (opening == 0) | np.isin(before, (_COMMA, _FEED, _QUOTE))
    closes = (closing == len(buffer) - 1) | np.isin(after, (_COMMA, _FEED, _RETURN, _QUOTE))
    if opens.all() and closes.all():  # every second quote closes a field: a line feed between is part of a value
        return ends[np.searchsorted(quotes, ends) % 2 == 0]
    return _row_ends_one_by_one(data, ends, quotes)


def _row_ends_one_by_one(data: bytes, ends: np.ndarray, quotes: np.ndarray) -> np.ndarray:
    """Find the ends of rows where quotes also stand inside plain values, as in ``5" tall``."""
    whole = np.ones(len(ends), dtype=bool)
    done = 0
    for line in np.unique(np.searchsorted(ends, quotes, side="right")).tolist():
        start = int(ends[line - 1]) if line else 0
        if start < done:
            continue
        row = _ROW.match(data, start)
        if row is None:
            return ends[:line][whole[:line]]
        done = row.end()
        whole[line : np.searchsorted(ends, done)] = False
    return ends[whole]


def _lines(path: Path, data: bytes, ends: np.ndarray, first: int) -> Any:
    """Return rows as an array of Arrow, without blank ones, with plain line feeds."""
    import pyarrow

    buffer = np.frombuffer(data, dtype=np.uint8)
    offsets = np.concatenate([[0], ends])
    if b"\r" in data:
        buffer, offsets = _without_returns(path, buffer, offsets, first)
    lines = pyarrow.Array.from_buffers(
        pyarrow.large_binary(), len(ends), [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(buffer)]
    )
    maybe_blank = np.flatnonzero(np.isin(buffer[offsets[:-1]], tuple(b"\n \t")))
    blank = [row for row in maybe_blank.tolist() if not lines[row].as_py().strip()]
    if not blank:
        return lines
    kept = np.ones(len(ends), dtype=bool)
    kept[blank] = False
    return lines.filter(pyarrow.array(kept))


def _without_returns(path: Path, buffer: np.ndarray, offsets: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    returns = buffer == _RETURN
    at_ends = offsets[1:] - 2
    at_ends = at_ends[at_ends >= offsets[:-1]]
    inside = returns.copy()
    inside[at_ends] = False
    if inside.any():
        row = first + int(np.searchsorted(offsets, np.argmax(inside), side="right"))
        raise FedlabError(
            f"{path}: about row {row} a carriage return stands inside a row, which would not read back from CSV; "
            "end lines with line feeds, and take carriage returns out of values"
        )
    gone = np.concatenate([[0], np.cumsum(returns)])
    return buffer[~returns], offsets - gone[offsets]


def _compact(lines: Any) -> Any:
    """Return a sliced array whose buffers hold its own rows only."""
    import pyarrow

    return lines.take(pyarrow.array(np.arange(len(lines))))


def _parquet_blocks(path: Path, block_bytes: int, columns: list[str] | None, watch: Watch | None) -> Iterator[Block]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            total, first = file.metadata.num_rows, 0
            n_rows = max(1, block_bytes // (16 * max(1, len(file.schema_arrow))))
            for batch in file.iter_batches(n_rows, columns=columns):
                table = pyarrow.Table.from_batches([batch]).replace_schema_metadata()
                yield Block(first, len(table), table=table)
                first += len(table)
                if watch is not None:
                    watch(first / total)
    except (pyarrow.ArrowException, OSError) as error:
        raise FedlabError(f"{path}: this Parquet file cannot be read ({error}); write it again") from error


def file_digest() -> Any:
    """Return the hash object whose hex digest names a file in partition.json."""
    return hashlib.sha256()
