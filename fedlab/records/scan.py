"""The first pass over a table too large for memory: checks, kinds of columns, rows of each class and site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedlab.files import sha256_file
from fedlab.records import checks, reading
from fedlab.records.blocks import BLOCK_BYTES, Block, Watch, file_digest, iter_blocks
from fedlab.records.coding import Coder, FirstRows
from fedlab.records.schema import Schema
from fedlab.records.sources import Source, suffix_of
from fedlab.records.typed import (
    arrow_type,
    decoded,
    is_plain_whole,
    kind_of_arrow,
    kind_of_series,
    kind_of_text,
    parse_lines,
    parse_slowly,
    settled,
    widen,
)
from fedlab.records.unique import Ascending, check_unique

MOST_CELLS = 50_000


@dataclass
class _Column:
    """What has been seen of one column."""

    kind: str | None = None
    missing: bool = False
    held: int = 0  # values that are there
    numbers: int = 0  # of them, those that are numbers
    slips: list[tuple[int, str]] = field(default_factory=list)  # the first that are none, with their rows
    dtype: str | None = None  # of Parquet columns that are neither numbers nor text


class Scan:
    """What a first pass over a table found; and the codes of its rows, in a second pass.

    Parameters
    ----------
    path : Path
        The file.
    schema : Schema
        The roles of its columns.
    coded : mapping of str to str
        Columns whose values are numbered, the target first, and what their values are called in messages.
    to_csv : bool
        Whether the rows are to be written as CSV, so that text of a Parquet file must read back from it.
    block_bytes : int
        See `iter_blocks`.
    watch : callable, optional
        See `iter_blocks`.

    Raises
    ------
    FedlabError
        As `read_table`; rows are named by their number, from 1.
    """

    def __init__(
        self,
        path: Path | str,
        schema: Schema,
        coded: dict[str, str],
        to_csv: bool = True,
        block_bytes: int = BLOCK_BYTES,
        watch: Watch | None = None,
    ) -> None:
        self.path, self.schema, self.block_bytes = Path(path), schema, block_bytes
        self.source = Source(str(self.path))
        self.header = reading.read_header(self.path)
        checks.check_header(self.header, list(dict.fromkeys([*schema.columns, *coded])), self.source)
        self.is_csv = suffix_of(self.path) != ".parquet"
        self.coders = {name: Coder(name, what, self.source) for name, what in coded.items()}
        self.columns = {name: _Column() for name in self.header}
        self.n_rows, self.n_bytes = 0, 0
        self._typed = [name for name in schema.features if name not in coded] if self.is_csv else []
        self._to_csv = to_csv
        self._cells: dict[tuple[int, ...], int] = {}
        self._ascending = Ascending()
        digest = file_digest() if self.is_csv else None
        for block in iter_blocks(self.path, block_bytes, watch=watch, digest=digest):
            self._take(block)
        self.sha256 = digest.hexdigest() if digest is not None else sha256_file(self.path)
        self._finish()

    @property
    def kinds(self) -> dict[str, str]:
        """What each column holds, as `column_kinds` says it of a table in memory."""
        return {name: self._settled(name) for name in self.header}

    @property
    def dtypes(self) -> dict[str, str]:
        """The type in pandas of each column of the whole table."""
        names = {"int": "int64", "float": "float64", "bool": "bool", "text": "str"}
        return {name: self.columns[name].dtype or names[kind] for name, kind in self.kinds.items()}

    def _settled(self, name: str) -> str:
        column = self.columns[name]
        if not self.is_csv and column.kind == "bool" and column.missing:
            return "float"
        return settled(column.kind, column.missing)

    def codes(self, block: Block) -> np.ndarray:
        """Return the place of each row's value among the sorted values of each coded column.

        Returns
        -------
        int array (n_coded, n_rows)

        Raises
        ------
        FedlabError
            If a value was not there in the first pass.
        """
        table = self._strings(block, list(self.coders)) if self.is_csv else block.table
        found = []
        for name, coder in self.coders.items():
            codes = coder.codes(decoded(table[name]), block.first)
            if codes.max(initial=-1) >= len(coder.order):
                raise self.changed()
            found.append(coder.order[codes])
        return np.stack(found)

    def changed(self) -> Exception:
        """Build the error for a file that is no longer what the first pass saw."""
        return self.source.error("the file was changed while it was being read; start again when it is complete")

    def typed_table(self, block: Block) -> Any:
        """Return a block of CSV lines as a table of Arrow, with the types of the whole table."""
        import pyarrow

        types = {name: arrow_type(kind) for name, kind in self.kinds.items()}
        try:
            return parse_lines(block, self.header, types, self.source)
        except pyarrow.ArrowInvalid:
            frame = parse_slowly(block, self.header, self.source)
            texts = self._strings(block, [name for name, kind in self.kinds.items() if kind == "text"])
            arrays = {
                name: texts[name] if kind == "text" else pyarrow.array(frame[name], types[name], from_pandas=True)
                for name, kind in self.kinds.items()
            }
            return pyarrow.table(arrays)

    def _strings(self, block: Block, names: list[str]) -> Any:
        return parse_lines(block, self.header, {name: arrow_type("text") for name in names}, self.source)

    def _take(self, block: Block) -> None:
        table = self._csv_table(block) if self.is_csv else block.table
        self.n_rows += block.n_rows
        self.n_bytes += block.data.size if self.is_csv else table.nbytes
        for name in self.header:
            self._look(name, decoded(table[name]), block)
        self._count_cells(table, block)
        if self._to_csv and not self.is_csv:
            texts = [name for name in self.header if self.columns[name].kind == "text"]
            reading._check_csv_text(table.select(texts).to_pandas(), self.path)

    def _csv_table(self, block: Block) -> Any:
        """Return a block's columns: features in the narrowest kind so far, all others as text."""
        import pyarrow

        others = {name: arrow_type("text") for name in self.header if name not in self._typed}

        def parse() -> Any:
            types = {name: arrow_type(self.columns[name].kind) for name in self._typed}
            return parse_lines(block, self.header, types | others, self.source).select(self.header)

        try:
            if not any(mark in block.data.to_pybytes() for mark in (b"0x", b"0X")):  # Arrow takes them for numbers
                return parse()
        except pyarrow.ArrowInvalid:
            pass
        frame = parse_slowly(block, self.header, self.source)
        for name in self._typed:
            self.columns[name].kind = widen(self.columns[name].kind, kind_of_series(frame[name]))
        try:
            return parse()
        except pyarrow.ArrowInvalid:
            return self._patched(block, frame)

    def _patched(self, block: Block, frame: pd.DataFrame) -> Any:
        """Return a block's columns where pandas reads a number that Arrow does not, such as +5."""
        import pyarrow

        try:
            table = self._strings(block, self.header)
        except pyarrow.ArrowInvalid as error:
            raise self.source.error(
                f"rows {block.first + 1} to {block.first + block.n_rows} are no regular CSV ({error})"
            ) from error
        for place, name in enumerate(self.header):
            if name in self._typed and self.columns[name].kind != "text":
                kind = arrow_type(self.columns[name].kind)
                values = pyarrow.array(frame[name], kind, from_pandas=True)
                table = table.set_column(place, name, pyarrow.chunked_array([values]))
        return table

    def _look(self, name: str, column: Any, block: Block) -> None:
        """Take note of a column's kind and gaps; refuse missing and infinite values where none may be."""
        import pyarrow.compute as pc

        seen = self.columns[name]
        gaps = column.null_count
        if not self.is_csv and str(column.type) in ("float", "double"):
            gaps = pc.sum(pc.is_null(column, nan_is_null=True), min_count=0).as_py()
        required = {self.schema.id: "identifier column", self.schema.target: "target column"}
        if self.schema.site is not None:
            required[self.schema.site] = "site column"
        required = {coded: f"{coder.what} column" for coded, coder in self.coders.items()} | required
        if gaps and name in required:
            frame = pd.DataFrame({name: column.to_pandas()})
            rows = FirstRows(self.source.name, list(range(block.first, block.first + block.n_rows)))
            checks._check_complete(frame, name, required[name], rows, "fill it in, or remove those rows")
        seen.missing = seen.missing or gaps > 0
        if name == self.schema.id:
            self._look_at_ids(column)
        elif not self.is_csv:
            self._look_at_type(name, column)
        elif name not in self._typed:
            seen.kind = widen(seen.kind, kind_of_text(column))
        elif seen.kind is None and gaps < len(column):
            seen.kind = "int"  # it was parsed as such
        seen.held += len(column) - gaps
        if name in self.schema.features:
            self._look_at_feature(name, column, block.first, gaps)

    def _look_at_type(self, name: str, column: Any) -> None:
        seen = self.columns[name]
        if name in self.schema.columns or name in self.coders:
            seen.kind = kind_of_arrow(name, column.type, self.source)
            seen.dtype = "uint64" if str(column.type) == "uint64" and not seen.missing else None
        elif seen.kind is None:
            try:
                seen.kind = kind_of_arrow(name, column.type, self.source)
            except ValueError:
                seen.kind, seen.dtype = "text", str(column.slice(0, 1).to_pandas().dtype)

    def _look_at_ids(self, column: Any) -> None:
        seen = self.columns[self.schema.id]
        before = seen.kind
        if self.is_csv:
            whole = before != "text" and is_plain_whole(column)
            seen.kind = "int" if whole else "text"
            column = column.cast(arrow_type("int")) if whole else column
        else:
            self._look_at_type(self.schema.id, column)
        if before not in (None, seen.kind):
            self._ascending.so_far = False
        self._ascending.update(column)

    def _look_at_feature(self, name: str, column: Any, first: int, gaps: int) -> None:
        import pyarrow
        import pyarrow.compute as pc

        seen = self.columns[name]
        if name in self.coders and seen.kind in ("int", "float"):
            column = column.cast(pyarrow.float64())
        if pyarrow.types.is_floating(column.type):
            if pc.any(pc.is_inf(column), min_count=0).as_py():
                frame = pd.DataFrame({name: column.to_pandas()})
                checks._check_finite(frame, name, FirstRows(self.source.name, list(range(first, first + len(frame)))))
        if not (pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type)):
            seen.numbers += 0 if pyarrow.types.is_boolean(column.type) else len(column) - gaps
            return
        encoded = column.combine_chunks().dictionary_encode()
        texts = pd.Series(encoded.dictionary.to_pylist(), dtype=object)
        numeric = pd.to_numeric(texts, errors="coerce").notna().to_numpy()
        indices = encoded.indices.to_pandas().to_numpy(dtype=float, na_value=np.nan)
        here = indices[~np.isnan(indices)].astype(np.int64)
        seen.numbers += int(numeric[here].sum())
        if len(seen.slips) < 5 and not numeric.all():
            bad = np.flatnonzero(np.isin(indices, np.flatnonzero(~numeric)))[: 5 - len(seen.slips)]
            seen.slips += [(first + int(row), texts[int(indices[row])]) for row in bad]

    def _count_cells(self, table: Any, block: Block) -> None:
        codes = [coder.codes(decoded(table[name]), block.first) for name, coder in self.coders.items()]
        cells, counts = np.unique(np.stack(codes), axis=1, return_counts=True) if len(codes) > 1 else _unique(codes[0])
        for cell, count in zip(cells.T.tolist(), counts.tolist(), strict=True):
            self._cells[tuple(cell)] = self._cells.get(tuple(cell), 0) + count

    def _finish(self) -> None:
        if not self.n_rows:
            raise self.source.error("there is a header but no row; give at least two records")
        for name, coder in self.coders.items():
            coder.settle(as_text=self.is_csv, key=name in (self.schema.site, self.schema.group))
        self._check_target()
        for name in self.schema.features:
            self._check_feature(name)
        if not self._ascending.so_far:
            check_unique(self._ids, self.schema.id, self.source)

    def _check_target(self) -> None:
        coder = self.coders[self.schema.target]
        values = coder.values
        letter = values.dtype.kind
        self.columns[coder.name].kind = {"i": "int", "u": "int", "f": "float", "b": "bool"}.get(letter, "text")
        rows = FirstRows(self.source.name, coder.first_rows)
        checks.check_classes(coder.frame(), coder.name, rows)
        if len(values) < 2:
            raise self.source.error(
                f"target column {coder.name!r} holds one class only, {str(values[0])!r}; give records of at least "
                "two classes"
            )
        checks._check_positive(values, self.schema, self.source)

    def _check_feature(self, name: str) -> None:
        seen = self.columns[name]
        if not seen.held:
            raise self.source.error(f"feature {name!r} is missing in all rows; take it out of features")
        others = seen.held - seen.numbers
        if seen.kind == "text" and others and seen.numbers >= others:
            shown = ", ".join(f"row {row + 1}: {text!r}" for row, text in seen.slips)
            more = f", and {others - len(seen.slips)} more" if others > len(seen.slips) else ""
            raise self.source.error(
                f"column {name!r} holds numbers, but not in {others} rows: {shown}{more}; correct them, leave the "
                "cells empty (missing), or, if the column holds categories, write all of them as words (for example "
                "'code 12')"
            )

    def _ids(self) -> Iterator[Any]:
        name = self.schema.id
        for block in iter_blocks(self.path, self.block_bytes, [name]):
            column = self._strings(block, [name])[name] if self.is_csv else decoded(block.table[name])
            if self.is_csv and self.columns[name].kind == "int":
                column = column.cast(arrow_type("int"))
            yield column.combine_chunks()

    @property
    def dims(self) -> tuple[int, ...]:
        """How many values each coded column has."""
        return tuple(len(coder.values) for coder in self.coders.values())

    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the distinct combinations of coded values, in sorted order, and how many rows each has.

        Returns
        -------
        cells : int array (n_coded, n_cells)
        rows : int array (n_cells,)
        """
        raw = np.array(list(self._cells), dtype=np.int64).T
        placed = np.stack([coder.order[codes] for coder, codes in zip(self.coders.values(), raw, strict=True)])
        if placed.shape[1] > MOST_CELLS or np.prod(self.dims, dtype=float) > 1e7:
            raise self.source.error(
                f"there are too many combinations of {' and '.join(map(repr, self.coders))}; name columns with fewer values"
            )
        cells, of_raw = np.unique(placed, axis=1, return_inverse=True)
        rows = np.zeros(cells.shape[1], dtype=np.int64)
        np.add.at(rows, of_raw.ravel(), np.array(list(self._cells.values()), dtype=np.int64))
        return cells, rows


def _unique(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = np.bincount(codes)
    held = np.flatnonzero(counts)
    return held[None, :], counts[held]

