"""Reading and writing tables of records: CSV and Parquet, each value the same after a round trip."""

import gzip
import io
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.files import atomic_path, sha256_file
from fedlab.records import checks
from fedlab.records.schema import Schema
from fedlab.records.sources import SUFFIXES, Source, csv_bytes, csv_header, suffix_of
from fedlab.records.table import Records

# pandas reads decimals exactly by itself from 3.1 on, and deprecates the option that asked it to.
EXACT: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)
# A number that is not written as pandas would write it: leading zeros, as in the identifier 007, or a plus.
_PADDED = re.compile(rb'[,\r\n" \t-]0[0-9]|\+[0-9]')
_INTEGER = r"-?(?:0|[1-9][0-9]{0,17})"
_DECIMAL = _INTEGER + r"(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# What pandas reads as missing in a CSV file, and "?", which the UCI archive writes.
MISSING = frozenset(
    {
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
        "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "?",
    }
)  # fmt: skip


def read_table(
    path: Path | str,
    schema: Schema,
    name: str | None = None,
    *,
    part: bool = False,
    kinds: Mapping[str, str] | None = None,
) -> Records:
    r"""Read and check a table of records.

    Missing cells are empty, ``?``, or one of pandas' marks (``NA``, ``NaN``, ``null``, ``None``, …).
    Identifiers, sites and groups that are not plain whole numbers stay the text they are: ``007`` is not 7.

    Parameters
    ----------
    path : Path or str
        A file in UTF-8 ending in ``.csv``, ``.csv.gz`` or ``.parquet``.
    schema : Schema
        The roles of its columns. Columns that it does not name are kept.
    name : str, optional
        What to call the records; by default the file's name without its suffix.
    part : bool, default=False
        The file is a part of a checked table (a shard, the holdout): one class only, features missing in all
        rows, and no row at all are then right.
    kinds : mapping of str to str, optional
        What each column holds, as `column_kinds` said of the whole table, so that a part reads the same.

    Returns
    -------
    Records
        With ``about``: source, licence, url, rows and the file's sha256.

    Raises
    ------
    FedlabError
        Naming file, column, first bad rows and the fix, as `check_records` says.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "my.csv"
    >>> _ = path.write_text("id,age,ill\n1,40,no\n2,61,yes\n3,?,no\n")
    >>> read_table(path, Schema("id", ["age"], "ill")).y
    array(['no', 'yes', 'no'], dtype=object)
    """
    path = Path(path)
    header = read_header(path)
    source = Source(str(path), path if suffix_of(path) != ".parquet" else None)
    checks.check_header(header, schema.columns, source)
    frame = _read_parquet(path) if source.path is None else _read_csv(path, schema, source, kinds)
    frame = plain_dtypes(frame)
    checks.check_records(frame, schema, source, part=part)
    about = {
        "source": path.name,
        "licence": "not stated",
        "url": None,
        "rows": len(frame),
        "sha256": sha256_file(path),
    }
    return Records(frame, schema, name or path.name[: -len(suffix_of(path))], about)


def read_header(path: Path | str) -> list[str]:
    """Return a table's column names as they stand in the file, repeated ones included.

    Raises
    ------
    FedlabError
        If there is no such file, it is empty, or it cannot be read as what its suffix says.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if not path.is_file():
        raise FedlabError(f"{path}: there is no such file; relative paths count from {Path.cwd()}")
    if path.stat().st_size == 0:
        raise FedlabError(f"{path}: the file is empty (0 bytes); give a table with a header line and rows")
    if suffix == ".parquet":
        return _parquet_names(path)
    try:
        header = csv_header(path)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    if not header:
        raise FedlabError(f"{path}: the file is empty; give a table with a header line and rows")
    return header


def _parquet_names(path: Path) -> list[str]:
    import pyarrow
    import pyarrow.parquet

    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except (pyarrow.ArrowException, OSError) as error:
        raise FedlabError(f"{path}: this is not a Parquet file ({error}); write it again, or give CSV") from error


def _not_utf8(path: Path) -> FedlabError:
    data = csv_bytes(path)
    try:
        data.decode()
        where = "somewhere"
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        where = f"line {line}: {data[error.start : error.start + 1]!r}"
    return FedlabError(f"{path}: the file is not UTF-8 ({where}); save it as CSV in UTF-8")


def _read_csv(path: Path, schema: Schema, source: Source, kinds: Mapping[str, str] | None) -> pd.DataFrame:
    data = csv_bytes(path)
    known = {name: kind for name, kind in (kinds or {}).items() if kind != "int"}
    frame = parse_csv(
        data,
        source,
        {name: {"float": "float64", "text": "str"}.get(kind, kind) for name, kind in known.items()},
    )
    checks.check_row_lengths(frame, source)
    if kinds is None:
        return keep_text(frame, data, schema, source)
    whole = [name for name in frame.columns if kinds.get(name) == "int" and len(frame) == 0]
    return frame.astype(dict.fromkeys(whole, "int64"))


def parse_csv(data: bytes, source: Source, dtype: dict[str, str], columns: list[str] | None = None) -> pd.DataFrame:
    """Parse the bytes of a CSV file; what pandas cannot parse is an error that names the file."""
    # index_col=False: else pandas takes the first column for an index where rows have one value too many.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.BytesIO(data),
                dtype=dtype,
                usecols=columns,
                na_values=["?"],
                index_col=False,
                low_memory=False,
                encoding="utf-8-sig",
                **EXACT,
            )
    except UnicodeDecodeError as error:
        raise _not_utf8(Path(source.name)) from error
    except pd.errors.ParserWarning as error:
        raise source.error(
            "its rows hold more values than the header has names; name every column, and quote values with commas"
        ) from error
    except pd.errors.ParserError as error:
        raise source.error(f"it is not a regular CSV table ({str(error).strip()}); quote values with commas") from error
    except ValueError as error:
        raise source.error(
            f"a column does not hold what the whole table held there ({error}); write the part again"
        ) from error


def keep_text(frame: pd.DataFrame, data: bytes, schema: Schema, source: Source) -> pd.DataFrame:
    """Read again, as text, the columns whose values pandas would change by taking them for numbers."""
    padded = _PADDED.search(data) is not None
    keys = [name for name in (schema.id, schema.site, schema.group) if name is not None]
    others = [name for name in frame.columns if name not in schema.features or name in keys]
    again = [
        name
        for name in others
        if (padded and frame[name].dtype.kind in "iuf") or (name in keys and frame[name].dtype.kind != "i")
    ]
    if not again:
        return frame
    text = parse_csv(data, source, dict.fromkeys(again, "str"), again)
    return frame.assign(**{name: _number_or_text(text[name], decimals=name not in keys) for name in again})


def _number_or_text(text: pd.Series, decimals: bool) -> pd.Series:
    """Turn a column of text into numbers if every number is written plainly, so that nothing is lost."""
    held = text.dropna()
    if len(held) and held.str.fullmatch(_INTEGER).all():
        return text.astype("int64") if len(held) == len(text) else text.astype("float64")
    if len(held) and decimals and held.str.fullmatch(_DECIMAL).all():
        return text.astype("float64")
    return text


def _read_parquet(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path, engine="pyarrow")
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()


def plain_dtypes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with int64, float64, bool and text columns only, as far as its values allow."""
    return pd.DataFrame({name: _plain_dtype(frame[name]) for name in frame.columns}, index=pd.RangeIndex(len(frame)))


def _plain_dtype(column: pd.Series) -> pd.Series:
    column = column.reset_index(drop=True)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    missing = column.isna()
    kind = getattr(column.dtype, "kind", "O")
    held = pd.api.types.infer_dtype(column, skipna=True) if column.dtype == "object" else ""
    if kind == "b" or (held == "boolean" and not missing.all()):
        return column.astype("float64") if missing.any() else column.astype("bool")
    if held in ("integer", "floating", "mixed-integer-float", "decimal"):
        return column.astype("float64")
    if kind in "iu":
        if missing.any():
            return column.astype("float64")
        fits = kind == "i" or column.max() <= np.iinfo("int64").max
        return column.astype("int64") if fits else column.astype("uint64")
    return column.astype("float64") if kind == "f" else column


def write_table(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a table as CSV, packed CSV or Parquet, by the path's suffix: the same bytes each time.

    CSV is in UTF-8 with a single line feed at the end of each line.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table; its index is not written.
    path : Path or str
        Ends in ``.csv``, ``.csv.gz`` or ``.parquet``.

    Raises
    ------
    FedlabError
        If the suffix is none of these, or CSV could not give a value back (a text such as ``None`` that reads
        as missing); nothing is written then.
    """
    suffix = suffix_of(path)
    if suffix == ".parquet":
        with atomic_path(path) as temporary:
            frame.to_parquet(temporary, engine="pyarrow", index=False)
        return
    check_csv_text(frame, path)
    # A float32 is written by its own shortest digits, which are another float64.
    wide = frame.astype({name: "float64" for name in frame.columns if frame[name].dtype == "float32"})
    with atomic_path(path) as temporary:
        if suffix == ".csv":
            wide.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
            return
        with temporary.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            packed.write(wide.to_csv(index=False, lineterminator="\n").encode())


def check_csv_text(frame: pd.DataFrame, path: Path | str) -> None:
    """Refuse text that would not read back from CSV as it is."""
    for name in frame.columns:
        if isinstance(frame[name].dtype, np.dtype) and frame[name].dtype.kind in "iufb":
            continue
        lost = sorted(value for value in _texts(frame[name].unique()) if value in MISSING or re.search("[\r\0]", value))
        if lost:
            raise FedlabError(
                f"{path}: column {name!r} holds the text {lost[0]!r}, which would not read back from CSV; "
                f"rename that value, or write Parquet (known: {', '.join(SUFFIXES)})"
            )


def _texts(values: Iterable[object]) -> list[str]:
    return [value for value in values if isinstance(value, str)]
