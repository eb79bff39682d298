"""Where a table was read from: its header, and how its rows are named to the user in an error."""

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fedlab.errors import FedlabError

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def suffix_of(path: Path | str) -> str:
    """Return which of the known suffixes a file name ends in.

    Raises
    ------
    FedlabError
        If it is none of them.

    Examples
    --------
    >>> suffix_of("shards/data_part1.csv.gz")
    '.csv.gz'
    """
    for suffix in SUFFIXES:
        if Path(path).name.lower().endswith(suffix):
            return suffix
    raise FedlabError(
        f"{path}: this kind of file is not known; give one of {', '.join(SUFFIXES)} (export a spreadsheet as "
        "CSV in UTF-8)"
    )


@dataclass(frozen=True)
class Source:
    """The name of a table for error messages, and its file where it is a file of rows on lines.

    Parameters
    ----------
    name : str
        What messages begin with.
    path : Path, optional
        The CSV file; None where rows have no lines (Parquet, a table made in memory).
    """

    name: str
    path: Path | None = None

    def error(self, what: str) -> FedlabError:
        """Build the error for this table, to be raised by the caller."""
        return FedlabError(f"{self.name}: {what}")

    def show(self, frame: pd.DataFrame, column: str, positions: Iterable[int], limit: int = 5) -> str:
        """Name the first rows among some positions, with what the column holds there.

        Returns
        -------
        str
            Such as ``row 3 (line 4 of the file): '12O', and 2 more``. Rows count from 1, without the header.
        """
        wanted = sorted(int(position) for position in positions)
        first = wanted[:limit]
        raw = self._raw(column, first)
        parts = []
        for position in first:
            line, cell = raw.get(position, (None, frame[column].iloc[position]))
            where = f"row {position + 1}" + (f" (line {line} of the file)" if line else "")
            parts.append(f"{where}: {_cell(cell)}")
        more = f", and {len(wanted) - limit} more" if len(wanted) > limit else ""
        return ", ".join(parts) + more

    def _raw(self, column: str, positions: list[int]) -> dict[int, tuple[int, str]]:
        """Return line number and text of the column's cells, read again: only errors pay for it."""
        if self.path is None:
            return {}
        header = csv_header(self.path)
        at = header.index(column) if column in header else len(header)
        found = {}
        for position, (line, cells) in enumerate(csv_rows(self.path)):
            if position in positions:
                found[position] = (line, cells[at] if at < len(cells) else "")
            if len(found) == len(positions):
                break
        return found


def _cell(value: Any) -> str:
    if value == "":
        return "(empty)"
    value = value.item() if hasattr(value, "item") else value
    return repr(value)


def csv_bytes(path: Path) -> bytes:
    """Return the bytes of a ``.csv`` or, unpacked, of a ``.csv.gz`` file.

    Raises
    ------
    FedlabError
        If the file is not a whole gzip file.
    """
    with _packing_errors(path):
        data = path.read_bytes()
        return gzip.decompress(data) if path.name.lower().endswith(".gz") else data


def csv_header(path: Path) -> list[str]:
    """Return the column names in a CSV file's first line that is not blank; [] if there is none."""
    return next((cells for _, cells in _csv_records(path)), [])


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give each data row of a CSV file: the number of its (first) line, and its cells as text."""
    records = _csv_records(path)
    next(records, None)
    return records


def _csv_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else Path.open
    with _packing_errors(path), opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        before = 0
        for cells in reader:
            # pandas skips blank lines, so they must not count as rows here either.
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield before + 1, cells
            before = reader.line_num


@contextmanager
def _packing_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FedlabError(f"{path}: this is not a whole gzip file ({error}); make or copy it again") from error
    except csv.Error as error:
        raise FedlabError(f"{path}: this is not a CSV table ({error}); save it as CSV in UTF-8") from error
