"""In what the files of two executions of one run differ, and numbers by how much."""

from __future__ import annotations

import base64
import math
import re
from pathlib import Path
from typing import Any

from fedlab.files import read_json, sha256_file
from fedlab.sweep.store import NOTEBOOK_FILE, RUN_FILE

_RECORD = "record.json"
_TIMED = "_seconds"  # ends the names of what a run recorded of its time, as `fedlab.sweep.collect` takes them
_MOST = 5  # differences told of one file


def differences(was: Path, now: Path) -> list[str]:
    """Return in what two folders of one run differ; nothing for the same results.

    Files are compared by their bytes; where those differ, JSON, tables and arrays by their values. Seconds that were
    recorded (names that end in ``_seconds``) do not count. Executed notebooks are compared by what their cells show:
    printed text, texts and pictures.
    """
    before, after = _files(was), _files(now)
    found = [f"{name} is not written any more" for name in sorted(before - after)]
    found += [f"{name} was not written before" for name in sorted(after - before)]
    for name in sorted(before & after):
        if name == NOTEBOOK_FILE:
            found += _notebooks(was / name, now / name)
        else:
            found += [f"{name}: {text}" for text in file_differences(was / name, now / name)]
    return found


def file_differences(was: Path, now: Path) -> list[str]:
    """Return in what two files differ, the first few of many; nothing for the same content."""
    told = _values(was, now) if sha256_file(was) != sha256_file(now) else []
    return told[:_MOST] + ([f"and {len(told) - _MOST} more"] if len(told) > _MOST else [])


def _files(folder: Path) -> set[str]:
    files = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return {name for name in files if name != RUN_FILE}


def _values(was: Path, now: Path) -> list[str]:
    """Say in what values two files differ; where they cannot be read as such, in how many bytes."""
    readers = {".json": read_json, ".csv": _table, ".gz": _table, ".parquet": _table, ".npz": _arrays}
    reader = _record if was.name == _RECORD else readers.get(was.suffix)
    try:
        if reader is not None:
            told = _walk("", reader(was), reader(now))
            # The same values in other bytes are a difference, save where seconds were left out.
            return told or ([] if reader is _record else ["other bytes, the same values"])
    except (OSError, ValueError, KeyError):
        pass
    return [f"{was.stat().st_size} bytes -> {now.stat().st_size} bytes, not the same"]


def _record(path: Path) -> dict[str, Any]:
    return {name: value for name, value in dict(read_json(path)).items() if not name.endswith(_TIMED)}


def _table(path: Path) -> dict[str, Any]:
    import pandas as pd

    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return {str(name): column.tolist() for name, column in frame.items()}


def _arrays(path: Path) -> dict[str, Any]:
    import numpy as np

    with np.load(path, allow_pickle=False) as held:
        return {name: held[name].ravel().tolist() for name in held.files}


def _walk(name: str, was: Any, now: Any) -> list[str]:
    """Say where two values differ, all the way down."""
    if isinstance(was, dict) and isinstance(now, dict):
        return [text for key in sorted(was.keys() | now.keys()) for text in _member(name, key, was, now)]
    if isinstance(was, list) and isinstance(now, list):
        return _lists(name, was, now)
    if was == now and type(was) is type(now):
        return []
    if _is_number(was) and _is_number(now):
        return [] if math.isnan(was) and math.isnan(now) else [f"{name} {was} -> {now} ({now - was:+.3g})"]
    return [f"{name} {_cut(was)} -> {_cut(now)}"]


def _member(name: str, key: str, was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    inner = f"{name}.{key}".strip(".")
    if key not in was or key not in now:
        return [f"{inner} is not there any more" if key in was else f"{inner} was not there before"]
    return _walk(inner, was[key], now[key])


def _lists(name: str, was: list[Any], now: list[Any]) -> list[str]:
    if len(was) != len(now):
        return [f"{name} has {len(was)} values -> {len(now)}"]
    if not all(_is_number(value) for value in (*was, *now)):
        return [text for i, pair in enumerate(zip(was, now, strict=True)) for text in _walk(f"{name}[{i}]", *pair)]
    apart = [abs(b - a) for a, b in zip(was, now, strict=True) if a != b and not (math.isnan(a) and math.isnan(b))]
    return [f"{name}: {len(apart)} of {len(was)} numbers differ, by {max(apart):.3g} at most"] if apart else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _notebooks(was: Path, now: Path) -> list[str]:
    """Say in which code cells two executed notebooks show something else."""
    before, after = _shows(was), _shows(now)
    if len(before) != len(after):
        return [f"{NOTEBOOK_FILE}: {len(before)} code cells -> {len(after)}"]
    found = []
    for number, (old, new) in enumerate(zip(before, after, strict=True), start=1):
        for kind in sorted(old.keys() | new.keys()):
            if old.get(kind) != new.get(kind):
                told = _told(kind, old.get(kind), new.get(kind))
                found.append(f"{NOTEBOOK_FILE}: {kind} of executed code cell {number} {told}")
    return found


def _shows(path: Path) -> list[dict[str, list[str]]]:
    """Return what each code cell shows, by kind: printed text in one piece, since how it is cut is chance."""
    cells = []
    for cell in read_json(path)["cells"]:
        if cell["cell_type"] != "code":
            continue
        shown: dict[str, list[str]] = {}
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                kind = f"text on {output['name']}"
                shown[kind] = ["".join([*shown.get(kind, []), *output["text"]])]
            for kind, value in output.get("data", {}).items():
                text = value if isinstance(value, str) else "".join(value) if isinstance(value, list) else repr(value)
                # An address in memory is chance.
                shown.setdefault(kind, []).append(re.sub(r"\b0x[0-9a-f]{6,}\b", "0x…", text))
        cells.append(shown)
    return cells


def _told(kind: str, was: list[str] | None, now: list[str] | None) -> str:
    if was is None or now is None:
        return "is new" if was is None else "is gone"
    if kind == "image/png":
        sizes = [sum(len(base64.b64decode(text)) for text in texts) for texts in (was, now)]
        return f"differs: {sizes[0]} bytes -> {sizes[1]} bytes"
    old, new = "\n".join(was).splitlines(), "\n".join(now).splitlines()
    pairs = [(a, b) for a, b in zip(old, new, strict=False) if a != b]
    if not pairs:
        return f"has {len(old)} lines -> {len(new)}"
    return f"differs: {_cut(pairs[0][0])} -> {_cut(pairs[0][1])}"
