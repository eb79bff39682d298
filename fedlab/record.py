"""What a notebook hands on: `record(folder, name=value)` writes numbers and texts, typed, to `record.json`.

Arrays, tables and files become files of the run's folder, with their SHA-256.
"""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.files import atomic_path, canonical_json, plain, read_json, sha256_file, write_json

FILE = "record.json"
FOLDER = "recorded"
LONGEST = 10_000
"""Characters of JSON that a list or mapping may have in a row."""
_GREATEST = 2**63
KINDS: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "text", dict: "file", type(None): "none"}
"""Types of recorded values as `record.json` holds them, and what they are called."""


def kind(value: Any) -> str:
    """Name the type of a recorded value: bool, int, float, text, file, or none for None.

    Examples
    --------
    >>> [kind(value) for value in (True, 1, 0.5, "1", {"file": "recorded/x.npy"}, None)]
    ['bool', 'int', 'float', 'text', 'file', 'none']
    """
    return KINDS[type(value)]


def one_kind(kinds: set[str]) -> str | None:
    """Return the kind that a column of several kinds has: None counts for nothing, int beside float is float.

    Returns
    -------
    str or None
        None where they are in conflict; ``"none"`` where there is no value at all.

    Examples
    --------
    >>> one_kind({"int", "float", "none"}), one_kind({"int", "text"}), one_kind({"int", "bool"})
    ('float', None, None)
    """
    held = kinds - {"none"}
    if held == {"int", "float"}:
        return "float"
    return next(iter(held), "none") if len(held) < 2 else None


def record(folder: Path | str, **values: Any) -> dict[str, Any]:
    """Add named values to a run's record, which a sweep collects into `results.csv` and `results.parquet`.

    Parameters
    ----------
    folder : Path or str
        The run's folder, the notebook's ``out_dir``.
    **values
        What to record. A truth value, int, float, text or None stands in the row (NumPy scalars become plain ones).
        A list or mapping becomes JSON text, of at most 10,000 characters. A NumPy array becomes the file
        ``recorded/NAME.npy``, a DataFrame (without its index) ``recorded/NAME.parquet``, a Path is that file, which
        must lie in the folder: the row then holds the file's name. The type alone decides, never the size, so that a
        column means the same in all cells.

    Returns
    -------
    dict
        All that the record holds now. A file is a mapping of its name in the folder, its bytes and its SHA-256.

    Raises
    ------
    FedlabError
        If a value has none of these types, is not finite, is an int beyond 64 bits, was recorded before with another
        type (int and float are one), or cannot be written; nothing is recorded then.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> record(folder, accuracy=0.8)
    {'accuracy': 0.8}
    >>> record(folder, rule="majority", cuts=[0.2, 0.8])
    {'accuracy': 0.8, 'cuts': '[0.2,0.8]', 'rule': 'majority'}
    >>> record(folder, margins=np.zeros(3))["margins"]["file"]
    'recorded/margins.npy'
    """
    path = Path(folder) / FILE
    known = read_json(path) if path.exists() else {}
    checked = {}
    # Files take their places at the end, all together: a value that is refused leaves none of them.
    with ExitStack() as files:
        for name, value in values.items():
            value = _checked(Path(folder), name, value, files)
            before = known.get(name)
            if one_kind({kind(before), kind(value)}) is None:
                raise FedlabError(
                    f"record: {name} was {before!r} ({kind(before)}) and is now {value!r} ({kind(value)}); "
                    "use one type, or another name"
                )
            checked[name] = value
    known = dict(sorted((known | checked).items()))
    write_json(path, known)
    return known


def read_raw_record(folder: Path | str) -> dict[str, Any]:
    """Return what a run recorded as `record.json` has it, a file as a mapping with its name and SHA-256.

    Raises
    ------
    FedlabError
        If the run recorded nothing.
    """
    path = Path(folder) / FILE
    if not path.exists():
        raise FedlabError(f"{path} is missing: the notebook recorded nothing; call record(out_dir, name=value) in it")
    return dict(read_json(path))


def read_record(folder: Path | str) -> dict[str, Any]:
    """Return what a run recorded, a file by its name within the run's folder.

    Raises
    ------
    FedlabError
        If the run recorded nothing.
    """
    return {name: in_row(value) for name, value in read_raw_record(folder).items()}


def in_row(value: Any, within: str = "") -> Any:
    """Return a recorded value as a row of results holds it.

    Parameters
    ----------
    value : bool, int, float, str, dict or None
        From `read_raw_record`.
    within : str
        What to put before a file's name: where the run's folder is, with ``/`` at the end.

    Examples
    --------
    >>> in_row({"file": "recorded/x.npy", "sha256": "0"}, "runs/vote/1a/"), in_row(3)
    ('runs/vote/1a/recorded/x.npy', 3)
    """
    return within + value["file"] if isinstance(value, dict) else value


def _checked(folder: Path, name: str, value: Any, files: ExitStack) -> Any:
    """Return a value as `record.json` holds it; what becomes a file takes its place when ``files`` ends."""
    if isinstance(value, Path):
        return _file(folder, name, value)
    if isinstance(value, np.ndarray) and value.ndim:
        return _array(folder, name, value, files)
    if hasattr(value, "to_parquet"):
        return _table(folder, name, value, files)
    if isinstance(value, list | tuple | dict):
        return _json_text(name, value)
    value = plain(value)
    if value is not None and not isinstance(value, bool | int | float | str):
        raise FedlabError(
            f"record: {name} is a {type(value).__name__}; a recorded value is a number, a text, a truth value, None, "
            "a list, a mapping, a NumPy array, a DataFrame or the Path of a file in the run's folder"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise FedlabError(f"record: {name} is {value}; record None where a number is not defined")
    if isinstance(value, int) and not -_GREATEST <= value < _GREATEST:
        raise FedlabError(f"record: {name} is {value}, beyond 64 bits; record it as a float or a text")
    return value


def _json_text(name: str, value: Any) -> str:
    try:
        text = canonical_json(value)
    except (TypeError, ValueError) as error:
        raise FedlabError(
            f"record: {name} cannot be JSON text: {error}; record None for NaN, plain values inside"
        ) from None
    if len(text) > LONGEST:
        raise FedlabError(
            f"record: {name} has {len(text):,} characters as JSON, more than the {LONGEST:,} that a row may hold; "
            "record a NumPy array or a DataFrame, which become files"
        )
    return text


def _array(folder: Path, name: str, value: np.ndarray, files: ExitStack) -> dict[str, Any]:
    target = _own_file(folder, name, ".npy")
    path = files.enter_context(atomic_path(target))
    try:
        np.save(path, value, allow_pickle=False)
    except ValueError as error:
        raise FedlabError(f"record: {name} is an array of {value.dtype}: {error}; record numbers or texts") from None
    return _described(folder, target, path)


def _table(folder: Path, name: str, value: Any, files: ExitStack) -> dict[str, Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.Table.from_pandas(value, preserve_index=False)
    except pyarrow.ArrowException as error:
        raise FedlabError(f"record: {name} cannot be a Parquet table: {error}; give each column one type") from None
    target = _own_file(folder, name, ".parquet")
    path = files.enter_context(atomic_path(target))
    pyarrow.parquet.write_table(table, path, version="2.6", compression="snappy")
    return _described(folder, target, path)


def _own_file(folder: Path, name: str, suffix: str) -> Path:
    if not name.isidentifier():
        raise FedlabError(f"record: {name!r} cannot name a file; use letters, digits and '_'")
    return folder / FOLDER / (name + suffix)


def _file(folder: Path, name: str, value: Path) -> dict[str, Any]:
    if not value.is_file():
        raise FedlabError(f"record: {name} is the path {value}, where no file is; write the file first")
    if folder.resolve() not in value.resolve().parents:
        raise FedlabError(f"record: {name} is the path {value}, which is not in the run's folder; write it to out_dir")
    return _described(folder, value, value)


def _described(folder: Path, target: Path, held: Path) -> dict[str, Any]:
    """Describe a file by its name and by what it will hold."""
    name = target.resolve().relative_to(folder.resolve()).as_posix()
    return {"file": name, "bytes": held.stat().st_size, "sha256": sha256_file(held)}
