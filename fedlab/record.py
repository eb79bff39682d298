"""What a notebook hands on as numbers: `record(folder, name=value)` writes them, typed, to `record.json`."""

import math
from pathlib import Path
from typing import Any

from fedlab.errors import FedlabError
from fedlab.files import plain, read_json, write_json

FILE = "record.json"


def _checked(name: str, value: Any) -> Any:
    value = plain(value)
    if value is not None and not isinstance(value, bool | int | float | str):
        raise FedlabError(
            f"record: {name} is a {type(value).__name__}; a recorded value is a number, a text, a truth value "
            "or None. Write larger things to a file in the run's folder"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise FedlabError(f"record: {name} is {value}; record None where a number is not defined")
    return value


def record(folder: Path | str, **values: Any) -> dict[str, Any]:
    """Add named values to a run's record, which a sweep collects into `results.csv`.

    Parameters
    ----------
    folder : Path or str
        The run's folder, the notebook's ``out_dir``.
    **values : bool, int, float, str or None
        What to record. NumPy scalars become plain ones.

    Returns
    -------
    dict
        All that the record holds now.

    Raises
    ------
    FedlabError
        If a value is not a scalar, is not finite, or was recorded before with another type.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> record(folder, accuracy=0.8)
    {'accuracy': 0.8}
    >>> record(folder, rule="majority")
    {'accuracy': 0.8, 'rule': 'majority'}
    """
    path = Path(folder) / FILE
    known = read_json(path) if path.exists() else {}
    for name, value in values.items():
        value = _checked(name, value)
        before = known.get(name)
        if before is not None and value is not None and type(before) is not type(value):
            raise FedlabError(
                f"record: {name} was {before!r} ({type(before).__name__}) and is now {value!r} "
                f"({type(value).__name__}); use one type, or another name"
            )
        known[name] = value
    write_json(path, known)
    return known


def read_record(folder: Path | str) -> dict[str, Any]:
    """Return what a run recorded.

    Raises
    ------
    FedlabError
        If the run recorded nothing.
    """
    path = Path(folder) / FILE
    if not path.exists():
        raise FedlabError(f"{path} is missing: the notebook recorded nothing; call record(out_dir, name=value) in it")
    return dict(read_json(path))
