"""Finding records by name or description: the registry of built-in cohorts, and a user's own file."""

import inspect
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import fedlab
from fedlab.errors import FedlabError, unknown_name
from fedlab.files import canonical_json, sha256_file, sha256_text
from fedlab.records import checks, diabetes_130, heart_disease, nhefs, synthetic
from fedlab.records.reading import read_header, read_table
from fedlab.records.schema import Schema
from fedlab.records.sources import SUFFIXES, Source
from fedlab.records.table import Records
from fedlab.registry import Registry

COHORTS: Registry[Callable[..., Records]] = Registry("cohort")
COHORTS.register("synthetic")(synthetic.synthetic)
COHORTS.register("nhefs")(nhefs.nhefs)
COHORTS.register("heart-disease")(heart_disease.heart_disease)
COHORTS.register("diabetes-130")(diabetes_130.diabetes_130)

_OWN_KEYS = ("path", "name", *(field.name for field in fields(Schema)))
_hashes: dict[tuple[str, int, int], str] = {}


def load_records(data: str | Mapping[str, Any]) -> Records:
    """Load the records that a ``data`` parameter names.

    Parameters
    ----------
    data : str or mapping
        A cohort's name; or ``{"name": …, **options}`` for a cohort with options; or ``{"path": …, "id": …,
        "target": …}`` for an own file, where ``features`` (default: all other columns), ``site``, ``group``,
        ``sensitive``, ``positive`` and a ``name`` for results may be added; or either mapping as JSON text. A
        cohort's name may be an import path (``mymodule:my_cohort``) of a function that returns `Records`.
        Relative paths count from the working folder.

    Returns
    -------
    Records
        Checked.

    Raises
    ------
    FedlabError
        If the name or an option is unknown, or the table does not pass `check_records`.

    Examples
    --------
    >>> load_records("nhefs").n_rows
    1629
    >>> load_records({"name": "synthetic", "n_rows": 500, "seed": 1}).n_rows
    500
    """
    wanted = _mapping(data)
    if "path" in wanted:
        return _load_own(wanted)
    cohort, options = _cohort(wanted)
    records = cohort(**options)
    if not isinstance(records, Records):
        raise FedlabError(
            f"cohort {wanted['name']!r} returned {type(records).__name__}; it must return fedlab.records.Records"
        )
    checks.check_records(records.frame, records.schema, Source(f"cohort {wanted['name']!r}"))
    return records


def check_data(data: str | Mapping[str, Any]) -> None:
    """Check what a ``data`` parameter says as far as that goes without reading anything: names and types.

    Raises
    ------
    FedlabError
        If a cohort, an option or a key is unknown, or a value is of a type that it cannot have.
    """
    wanted = _mapping(data)
    if "path" not in wanted:
        _cohort(wanted)
        return
    for key, value in wanted.items():
        if key not in _OWN_KEYS:
            raise unknown_name("key of data", key, _OWN_KEYS)
        listed = key in ("features", "sensitive") and isinstance(value, list | tuple)
        texts = value if listed else [value]
        if key != "positive" and value is not None and not all(isinstance(text, str) for text in texts):
            raise FedlabError(f"data: {key} is {value!r}; give it as text, in quotes where it looks like a number")
    for key in ("id", "target"):
        if key not in wanted:
            raise FedlabError(f"data: {wanted['path']} is given without {key}; name the {key} column")


def data_fingerprint(data: str | Mapping[str, Any]) -> str:
    """Return a SHA-256 that changes when the records that `load_records` would return may change.

    It covers the description with all default options filled in, and the content: an own file's bytes, the
    embedded file's bytes, the published hash that the loaders of the UCI cohorts insist on, the package's
    version for the synthetic cohort, the source file of a cohort given by import path. A file is hashed again
    only when its size or time changed.

    Parameters
    ----------
    data : str or mapping
        As for `load_records`.

    Returns
    -------
    str
        In hex. The place of an own file does not count, only its content and name.

    Raises
    ------
    FedlabError
        As `load_records`, as far as can be told without reading the table.

    Examples
    --------
    >>> data_fingerprint("synthetic") == data_fingerprint({"name": "synthetic", "n_rows": 10000})
    True
    >>> data_fingerprint("synthetic") == data_fingerprint({"name": "synthetic", "seed": 1})
    False
    """
    wanted = _mapping(data)
    if "path" in wanted:
        path = _own_path(wanted)
        described: dict[str, Any] = {**wanted, "path": path.name}
        content = _file_hash(path)
    else:
        cohort, options = _cohort(wanted)
        bound = inspect.signature(cohort).bind(**options)
        bound.apply_defaults()
        described = {"name": wanted["name"], "options": bound.arguments}
        content = _cohort_content(cohort)
    return sha256_text(canonical_json({"data": described, "content": content}))


def _mapping(data: str | Mapping[str, Any]) -> dict[str, Any]:
    """Bring the forms of a data parameter into one: a mapping with a path or a name."""
    if isinstance(data, str) and data.lstrip().startswith("{"):
        try:
            data = json.loads(data)
        except json.JSONDecodeError as error:
            raise FedlabError(
                f"data {data!r} looks like a mapping but is not JSON ({error}); write it with double quotes, "
                'such as {"path": "my.csv", "id": "PatientID", "target": "Disease"}'
            ) from error
    if isinstance(data, str):
        if data.lower().endswith(SUFFIXES):
            raise FedlabError(
                f"data {data!r} is a file, but not what its columns mean; give a mapping, such as "
                f'{{"path": "{data}", "id": "PatientID", "target": "Disease"}}'
            )
        return {"name": data}
    if not isinstance(data, Mapping):
        raise FedlabError(
            f"data is {data!r}; give a cohort's name ({', '.join(COHORTS)}) or a mapping with a path or a name"
        )
    if "path" not in data and "name" not in data:
        raise FedlabError(f"data {dict(data)!r} has neither path nor name; give one of them")
    return dict(data)


def _cohort(wanted: Mapping[str, Any]) -> tuple[Callable[..., Records], dict[str, Any]]:
    """Return a cohort's function and the options for it, their names checked."""
    name = wanted["name"]
    if not isinstance(name, str):
        raise FedlabError(f"data: name is {name!r}; give a cohort's name as text: {', '.join(COHORTS)}")
    cohort = COHORTS.get(name)
    if not callable(cohort):
        raise FedlabError(f"cohort {name!r} is not a function; name one that returns fedlab.records.Records")
    options = {key: value for key, value in wanted.items() if key != "name"}
    parameters = inspect.signature(cohort).parameters.values()
    named = {one.name: one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    for key in options:
        if key not in named and not any(one.kind is one.VAR_KEYWORD for one in parameters):
            if not named:
                raise FedlabError(f"cohort {name!r} has no options; take {key!r} out")
            raise unknown_name(f"option of cohort {name!r}", key, named)
    for key, parameter in named.items():
        if parameter.default is parameter.empty and key not in options:
            raise FedlabError(f"cohort {name!r} needs the option {key!r}; add it to data")
    return cohort, options


def _cohort_content(cohort: Callable[..., Records]) -> str:
    if cohort is nhefs.nhefs:
        return _file_hash(nhefs.data_path())
    if cohort is heart_disease.heart_disease:
        return heart_disease.ARCHIVE.content
    if cohort is diabetes_130.diabetes_130:
        return diabetes_130.ARCHIVE.content
    if cohort is synthetic.synthetic:
        return fedlab.__version__
    source = inspect.getsourcefile(cohort)
    return fedlab.__version__ if source is None else _file_hash(Path(source))


def _own_path(wanted: Mapping[str, Any]) -> Path:
    """Check the keys of an own file's description and return its path."""
    for key in wanted:
        if key not in _OWN_KEYS:
            raise unknown_name("key of data", key, _OWN_KEYS)
    for key in ("id", "target"):
        if key not in wanted:
            raise FedlabError(f"data: {wanted['path']} is given without {key}; name the {key} column")
    if not isinstance(wanted["path"], str | os.PathLike):
        raise FedlabError(f"data: path is {wanted['path']!r}; give it as text")
    path = Path(wanted["path"])
    if not path.is_file():
        raise FedlabError(f"data: there is no file {str(path)!r}; relative paths count from {Path.cwd()}")
    return path


def _load_own(wanted: Mapping[str, Any]) -> Records:
    path = _own_path(wanted)
    roles = {key: value for key, value in wanted.items() if key not in ("path", "name") and value is not None}
    return read_table(path, schema_of_file(path, roles), wanted.get("name"))


def schema_of_file(path: Path, roles: Mapping[str, Any]) -> Schema:
    """Return the schema of an own file; where no features are named, all columns without another role are.

    Raises
    ------
    FedlabError
        As `Schema`, or if the file or its header cannot be read.
    """
    if "features" in roles:
        return Schema.from_dict(roles)
    return Schema.from_dict({**roles, "features": _all_other_columns(path, roles)})


def _all_other_columns(path: Path, roles: Mapping[str, Any]) -> list[str]:
    header = read_header(path)
    checks.check_header(header, [roles["id"], roles["target"]], Source(str(path)))
    taken = {roles["id"], roles["target"], roles.get("site"), roles.get("group")}
    features = [name for name in header if name not in taken]
    unnamed = [place for place, name in enumerate(header, start=1) if not name.strip()]
    if unnamed:
        raise FedlabError(
            f"{path}: column {unnamed[0]} has no name (row numbers, perhaps?) and would become a feature; "
            "name it, "
            "remove it, or list the features"
        )
    return features


def _file_hash(path: Path) -> str:
    state = path.stat()
    key = (str(path.resolve()), state.st_size, state.st_mtime_ns)
    if key not in _hashes:
        _hashes[key] = sha256_file(path)
    return _hashes[key]
