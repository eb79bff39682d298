"""The first pass over a table too large for memory: checks, kinds of columns, rows of each class and site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.files import plain, sha256_file
from fedlab.records import checks, reading
from fedlab.records.blocks import BLOCK_BYTES, Block, Watch, file_digest, iter_blocks
from fedlab.records.coding import Coder, FirstRows
from fedlab.records.observed import Observed, are_numbers, refuse_slips
from fedlab.records.schema import Schema
from fedlab.records.sources import Source, suffix_of
from fedlab.records.table import column_kinds
from fedlab.records.typed import arrow_type, decoded, kind_of_series, kind_of_text, parse_lines, parse_slowly, widen
from fedlab.records.unique import check_unique

MOST_CELLS = 50_000


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
        self.columns = {name: Observed(name, self.source, self.is_csv) for name in self.header}
        self._required = self._what_is_required()
        self.n_rows, self.n_bytes = 0, 0
        self._typed = [name for name in schema.features if name not in coded] if self.is_csv else []
        self._to_csv = to_csv
        self._cells: dict[tuple[int, ...], int] = {}
        digest = file_digest() if self.is_csv else None
        for block in iter_blocks(self.path, block_bytes, watch=watch, digest=digest):
            self._take(block)
        self.sha256 = digest.hexdigest() if digest is not None else sha256_file(self.path)
        self._finish()

    def _what_is_required(self) -> dict[str, str]:
        """Return the columns in which no value may be missing, and what they are."""
        required = {name: f"{coder.what} column" for name, coder in self.coders.items()}
        return required | {self.schema.id: "identifier column", self.schema.target: "target column"}

    @property
    def kinds(self) -> dict[str, str]:
        """What each column holds, as `column_kinds` says it of a table in memory."""
        return {name: column.settled for name, column in self.columns.items()}

    @property
    def dtypes(self) -> dict[str, str]:
        """The type in pandas of each column of the whole table."""
        return {name: column.dtype for name, column in self.columns.items()}

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

    def blocks(self, watch: Watch | None = None) -> Iterator[Block]:
        """Give the rows once more; refuse a file that is no longer what the first pass saw."""
        digest = file_digest() if self.is_csv else None
        n_rows = 0
        for block in iter_blocks(self.path, self.block_bytes, watch=watch, digest=digest):
            n_rows += block.n_rows
            yield block
        again = digest.hexdigest() if digest is not None else sha256_file(self.path)
        if n_rows != self.n_rows or again != self.sha256:
            raise self.changed()

    def changed(self) -> FedlabError:
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
            self._look(name, decoded(table[name]), block.first)
        self._count_cells(table, block.first)
        if self._to_csv and not self.is_csv:
            texts = [name for name in self.header if self.columns[name].kind == "text"]
            reading.check_csv_text(table.select(texts).to_pandas(), self.path)

    def _csv_table(self, block: Block) -> Any:
        """Return a block's columns: features in the narrowest kind so far, all others as text."""
        import pyarrow

        others = {name: arrow_type("text") for name in self.header if name not in self._typed}

        def parse() -> Any:
            types = {name: arrow_type(self.columns[name].kind) for name in self._typed}
            return parse_lines(block, self.header, types | others, self.source).select(self.header)

        try:
            data = block.data.to_pybytes()
            if b"0x" not in data and b"0X" not in data:  # Arrow takes 0x1F for a number
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

    def _look(self, name: str, column: Any, first: int) -> None:
        """Take note of a column's kind and gaps; refuse missing and infinite values where none may be."""
        import pyarrow

        seen = self.columns[name]
        gaps = seen.count_gaps(column, first, self._required.get(name))
        if name == self.schema.id:
            seen.see_identifiers(column)
        elif not self.is_csv:
            seen.see_type(column, name in self.schema.columns or name in self.coders)
        elif name not in self._typed:
            seen.kind = widen(seen.kind, kind_of_text(column))
        elif seen.kind is None and gaps < len(column):
            seen.kind = "int"  # it was parsed as such
        if name in self.schema.features:
            as_text = name in self.coders and seen.kind in ("int", "float")
            seen.see_feature(column.cast(pyarrow.float64()) if as_text else column, first, gaps)

    def _count_cells(self, table: Any, first: int) -> None:
        codes = [coder.codes(decoded(table[name]), first) for name, coder in self.coders.items()]
        dims = [int(one.max()) + 1 for one in codes]
        found, counts = np.unique(np.ravel_multi_index(tuple(codes), dims), return_counts=True)
        cells = np.stack(np.unravel_index(found, dims)).T
        for cell, count in zip(map(tuple, cells.tolist()), counts.tolist(), strict=True):
            self._cells[cell] = self._cells.get(cell, 0) + count

    def _finish(self) -> None:
        if not self.n_rows:
            raise self.source.error("there is a header but no row; give at least two records")
        for name, coder in self.coders.items():
            coder.settle(as_text=self.is_csv, key=name in (self.schema.site, self.schema.group))
            if self.is_csv and name not in self.schema.features:
                self.columns[name].kind = column_kinds(coder.frame())[name]
        self._check_target()
        for name in self.schema.features:
            self.columns[name].check_feature()
        if not self.columns[self.schema.id].ascending.so_far:
            check_unique(self._ids, self.schema.id, self.source)

    def _check_target(self) -> None:
        coder = self.coders[self.schema.target]
        rows = FirstRows(self.source.name, coder.first_rows)
        classes = checks.check_classes(coder.frame(), coder.name, rows)
        if self.columns[coder.name].kind == "text":
            self._check_slips(coder)
        if len(classes) < 2:
            raise self.source.error(
                f"target column {coder.name!r} holds one class only, {plain(classes)[0]!r}; give records of at least "
                "two classes"
            )
        checks.check_positive(classes, self.schema, self.source)

    def _check_slips(self, coder: Coder) -> None:
        """Check that no text stands among classes that are numbers."""
        texts = coder.frame()[coder.name].tolist()
        counts = np.zeros(len(texts), dtype=np.int64)
        for cell, count in self._cells.items():
            counts[cell[0]] += count
        numeric = are_numbers(texts)
        slips = [(coder.first_rows[place], texts[place]) for place in np.flatnonzero(~numeric)]
        refuse_slips(coder.name, int(counts[numeric].sum()), int(counts[~numeric].sum()), slips, self.source)

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
                f"there are too many combinations of {' and '.join(map(repr, self.coders))}; "
                "name columns with fewer values"
            )
        cells, of_raw = np.unique(placed, axis=1, return_inverse=True)
        rows = np.zeros(cells.shape[1], dtype=np.int64)
        np.add.at(rows, of_raw.ravel(), np.array(list(self._cells.values()), dtype=np.int64))
        return cells, rows
