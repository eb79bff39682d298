"""One form of a skops file's bytes: no memory addresses, no clock, each array once."""

import hashlib
import io
import json
import zipfile
from pathlib import PurePosixPath
from typing import Any

import numpy as np

_SCHEMA = "schema.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def canonical_zip(data: bytes) -> bytes:
    """Rewrite a skops file so that its bytes depend on the model alone.

    skops names its parts after memory addresses and stamps them with the time. Here parts are numbered in
    the order in which the schema mentions them, equal parts are kept once, and the identities, which only
    save memory when the file is read, are left out. The file is compressed: a forest's is a seventh of what
    skops writes.

    Parameters
    ----------
    data : bytes
        A skops file as ``skops.io.dumps`` returns it.

    Returns
    -------
    bytes
        A skops file that loads to the same object.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        schema = json.loads(source.read(_SCHEMA))
        parts = {name: source.read(name) for name in source.namelist() if name != _SCHEMA}
    kept: dict[str, tuple[str, bytes]] = {}
    schema = _canonical(schema, parts, kept)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in kept.values():
            write_part(target, name, content)
        write_part(target, _SCHEMA, json.dumps(schema, separators=(",", ":")).encode())
    return buffer.getvalue()


def _canonical(value: Any, parts: dict[str, bytes], kept: dict[str, tuple[str, bytes]]) -> Any:
    """Return a piece of the schema without addresses; collect in `kept` the parts that it mentions."""
    if isinstance(value, list):
        return [_canonical(item, parts, kept) for item in value]
    if not isinstance(value, dict):
        return value
    loader = value.get("__loader__")
    # A user's dict may have keys of these names too; its values are nodes, never plain strings or numbers.
    node = {key: item for key, item in value.items() if not (key == "__id__" and isinstance(item, int))}
    if loader == "SetNode":  # the order of a set of strings changes from process to process
        content = sorted(node["content"], key=lambda item: json.dumps(_canonical(item, parts, {}), sort_keys=True))
        node = {**node, "content": content}
    if isinstance(node.get("file"), str) and node["file"] in parts:
        node["file"] = _keep(node["file"], parts, kept)
    return {key: _canonical(item, parts, kept) for key, item in node.items()}


def _keep(name: str, parts: dict[str, bytes], kept: dict[str, tuple[str, bytes]]) -> str:
    """Keep a part under the next free number, or under the one that equal bytes already have."""
    content = _without_padding(parts[name])
    key = hashlib.sha256(content).hexdigest() + PurePosixPath(name).suffix
    if key not in kept:
        kept[key] = (f"{len(kept)}{PurePosixPath(name).suffix}", content)
    return kept[key][0]


def _without_padding(content: bytes) -> bytes:
    """Zero the gaps between the fields of an array of records (the nodes of trees): they hold stray memory.

    That memory differs from run to run, and what stood there is nobody else's business.
    """
    if not content.startswith(b"\x93NUMPY") or b"'|V" not in content[:2000]:
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def write_part(target: zipfile.ZipFile, name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
    """Add one part to a zip with a fixed time and fixed rights.

    Parameters
    ----------
    target : ZipFile
        Open for writing.
    name : str
        Of the part.
    content : bytes
        What it holds.
    method : int
        How it is compressed, of `zipfile`.
    """
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.compress_type = method
    info.external_attr = 0o600 << 16
    info.create_system = 3
    target.writestr(info, content, compresslevel=9 if method == zipfile.ZIP_BZIP2 else 6)
