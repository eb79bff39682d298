"""Where the rows of a stream go: one file for each shard, written piece by piece, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.files import sha256_file

BUFFER_BYTES = 96 * 2**20  # of all files together
LEAST_BYTES, LEAST_ROWS = 2**12, 128  # of one file, before they are written
_PARTIAL = re.compile(r"\.partial-(data_part[1-9]\d*|holdout)\.(csv|csv\.gz|parquet)")


def partial_path(path: Path) -> Path:
    """Return where a file is written until it is whole."""
    return path.with_name(f".partial-{path.name}")


def clear_partials(folder: Path) -> None:
    """Remove what a writer that was killed left of files that were not whole."""
    if folder.is_dir():
        for path in folder.iterdir():
            if _PARTIAL.fullmatch(path.name):
                path.unlink(missing_ok=True)


@contextmanager
def all_or_nothing(folder: Path, paths: list[Path]) -> Iterator[None]:
    """Remove all of these files, whole or not, if anything goes wrong; turn a full disk into a message.

    Raises
    ------
    FedlabError
        If the disk is full.
    """
    try:
        yield
    except BaseException as error:
        clear_partials(folder)
        for path in paths:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise FedlabError(
                f"{folder}: writing the shards failed ({error.strerror}); what was written has been removed: "
                "free some space, or give another folder"
            ) from error
        raise


class LineSinks:
    """Files of lines, each with a buffer; no file is held open, so their number is not limited.

    A buffer is written in pieces of one size, so that packed bytes do not depend on the blocks that rows came in.

    Parameters
    ----------
    paths : list of Path
        The files, ``.csv`` or ``.csv.gz``.
    header : bytes
        The first line of each.
    """

    def __init__(self, paths: list[Path], header: bytes) -> None:
        self._paths = paths
        self._piece = int(min(max(BUFFER_BYTES // len(paths), LEAST_BYTES), 2**20))
        self._buffers = [bytearray(header) for _ in paths]
        self._hashes = [hashlib.sha256() for _ in paths]
        self._bytes = [0] * len(paths)
        self._packed = paths[0].name.endswith(".gz")
        for path in paths:
            partial_path(path).write_bytes(b"")

    def add(self, lines: Any, shards: np.ndarray) -> None:
        """Add a block of lines, an array of Arrow, each to the file of its shard."""
        import pyarrow

        order, ends = _by_shard(shards, len(self._paths))
        ordered = lines.take(pyarrow.array(order))
        offsets = np.frombuffer(ordered.buffers()[1], dtype=np.int64)[ordered.offset :]
        data = memoryview(ordered.buffers()[2])
        cuts = offsets[np.concatenate([[0], ends])].tolist()
        for number in np.flatnonzero(np.diff(cuts)).tolist():
            buffer = self._buffers[number]
            buffer += data[cuts[number] : cuts[number + 1]]
            if len(buffer) >= self._piece:
                used = len(buffer) // self._piece * self._piece
                self._write(number, bytes(buffer[:used]))
                del buffer[:used]

    def _write(self, number: int, data: bytes) -> None:
        with partial_path(self._paths[number]).open("ab") as file:
            for start in range(0, len(data), self._piece):
                piece = data[start : start + self._piece]
                if self._packed:
                    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
                    piece = packer.compress(piece) + packer.flush()
                file.write(piece)
                self._hashes[number].update(piece)
                self._bytes[number] += len(piece)

    def finish(self) -> list[dict[str, Any]]:
        """Write what is left, give the files their names, and return bytes and SHA-256 of each."""
        for number, buffer in enumerate(self._buffers):
            self._write(number, bytes(buffer))
            buffer.clear()
        _put_in_place(self._paths)
        return [
            {"bytes": size, "sha256": digest.hexdigest()}
            for size, digest in zip(self._bytes, self._hashes, strict=True)
        ]

    def close(self) -> None:
        """Do nothing: no file is open."""


class TableSinks:
    """Parquet files, each with a buffer of rows that makes one row group.

    Parameters
    ----------
    paths : list of Path
        The files.
    schema : pyarrow.Schema
        Their columns.
    row_bytes : float
        Bytes of a row, about.
    """

    def __init__(self, paths: list[Path], schema: Any, row_bytes: float) -> None:
        import pyarrow.parquet

        allow_open_files(len(paths))
        self._paths, self._schema = paths, schema
        self._rows = int(min(max(BUFFER_BYTES / len(paths) / max(row_bytes, 1), LEAST_ROWS), 2**17))
        self._held: list[list[Any]] = [[] for _ in paths]
        self._waiting = np.zeros(len(paths), dtype=np.int64)
        self._writers: list[Any] = []
        for path in paths:
            self._writers.append(pyarrow.parquet.ParquetWriter(partial_path(path), schema))

    def add(self, table: Any, shards: np.ndarray) -> None:
        """Add a block of rows, a table of Arrow, each to the file of its shard."""
        import pyarrow

        order, ends = _by_shard(shards, len(self._paths))
        ordered = table.cast(self._schema).take(pyarrow.array(order)).combine_chunks()
        starts = np.concatenate([[0], ends[:-1]])
        for number in np.flatnonzero(ends - starts).tolist():
            # a copy, as a slice would keep its whole block in memory
            start, size = int(starts[number]), int(ends[number] - starts[number])
            part = ordered.slice(start, size)
            self._held[number].append(part.take(pyarrow.array(np.arange(size))))
            self._waiting[number] += size
            if self._waiting[number] >= self._rows:
                self._write(number, self._waiting[number] // self._rows * self._rows)

    def _write(self, number: int, n_rows: int) -> None:
        import pyarrow

        table = pyarrow.concat_tables(self._held[number]).combine_chunks()
        self._writers[number].write_table(table.slice(0, n_rows), row_group_size=self._rows)
        left = table.slice(n_rows)
        self._held[number] = [left.take(pyarrow.array(np.arange(len(left))))] if len(left) else []
        self._waiting[number] = len(left)

    def finish(self) -> list[dict[str, Any]]:
        """Write what is left, give the files their names, and return bytes and SHA-256 of each."""
        for number, waiting in enumerate(self._waiting.tolist()):
            if waiting:
                self._write(number, waiting)
            self._writers[number].close()
        _put_in_place(self._paths)
        return [{"bytes": path.stat().st_size, "sha256": sha256_file(path)} for path in self._paths]

    def close(self) -> None:
        """Close all files."""
        for writer in self._writers:
            if writer.is_open:
                writer.close()


def _by_shard(shards: np.ndarray, n_files: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in order of their shard, and where each shard ends."""
    small = shards.astype(np.int16) if n_files < 2**15 else shards
    return np.argsort(small, kind="stable"), np.cumsum(np.bincount(shards, minlength=n_files))


def _put_in_place(paths: list[Path]) -> None:
    for path in paths:
        partial = partial_path(path)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
    for path in paths:
        partial_path(path).replace(path)


def allow_open_files(n_files: int) -> None:
    """Raise the limit of open files of this process as far as `n_files` files need.

    Raises
    ------
    FedlabError
        If the system allows fewer.
    """
    try:
        import resource
    except ImportError:  # a system without such limits
        return
    needed = n_files + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise FedlabError(
            f"{n_files} Parquet files need to be open at once, but this system allows {hard} (ulimit -Hn); "
            "write csv or csv.gz, which keep no file open, or fewer shards"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
