"""Writing files so that a kill leaves none half done, and the hashes and the one JSON form they are known by."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fedlab.errors import FedlabError

TEMPORARY = ".tmp-"
# Where a file system has no locks, files are used without: nobody can lock them then to clean them up.
ATTEMPTS = 3


def plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays, tuples and paths into plain Python values, all the way down.

    Examples
    --------
    >>> plain({"n": np.int64(3), "v": (1, np.float64(0.5))})
    {'n': 3, 'v': [1, 0.5]}
    """
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return os.fspath(value) if isinstance(value, Path) else value


def from_json_text(value: Any) -> Any:
    """Return what a JSON text of a list or mapping holds, as papermill's command line passes one; else the value.

    Examples
    --------
    >>> from_json_text('{"by": "accuracy"}'), from_json_text("majority")
    ({'by': 'accuracy'}, 'majority')
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError as error:
            raise FedlabError(f"{value!r} looks like JSON but is not: {error}") from None
    return value


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, NumPy values as plain ones, no NaN."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it replaces ``path`` in one rename, else it is removed.

    Parameters
    ----------
    path : Path or str
        Where the file shall stand. Its folder is created.

    Yields
    ------
    Path
        A path with the same suffix, in the same folder, to write to.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary, handle = _held(lambda: _temporary(target))
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        unlock(handle)


def _temporary(target: Path) -> Path:
    number, name = tempfile.mkstemp(dir=target.parent, prefix=TEMPORARY, suffix="".join(target.suffixes))
    os.close(number)
    return Path(name)


def _held(make: Callable[[], Path]) -> tuple[Path, int | None]:
    """Make a file or folder and lock it: what nobody holds is what a killed process left behind."""
    for _ in range(ATTEMPTS):
        path = make()
        handle = lock(path)
        if handle is not None:
            return path, handle
        # Somebody who cleans up was quicker to take it for a leftover.
        _remove(path)
    return make(), None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def lock(path: Path) -> int | None:
    """Lock a file or folder for as long as this process lives and holds the handle.

    The system frees the lock however a process ends, and a lock says more than a process number, which a zombie keeps
    and a later process may get again.

    Returns
    -------
    int or None
        None where another process has it, where it is not there (any more), or the system has no such locks (Windows).
    """
    try:
        import fcntl

        handle = os.open(path, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who had the lock before may have removed what it was on.
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except OSError:
        pass
    os.close(handle)
    return None


def unlock(handle: int | None) -> None:
    """Give back what `lock` returned."""
    if handle is not None:
        os.close(handle)


@contextmanager
def locked_folder(parent: Path, name: str, mode: int = 0o777) -> Iterator[Path]:
    """Make a folder that is this process's own while it lives, and remove it at the end, unless it was moved.

    Parameters
    ----------
    parent : Path
        Created where it is missing.
    name : str
        Begins the folder's name.
    mode : int
        Who may enter it, before the user's mask.

    Yields
    ------
    Path
    """

    def make() -> Path:
        folder = parent / f"{name}{os.urandom(4).hex()}"
        folder.mkdir(mode, parents=True)
        return folder

    folder, handle = _held(make)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        unlock(handle)


def remove_unlocked(paths: Iterable[Path]) -> None:
    """Remove files and folders that no process has locked: what killed ones left behind."""
    for path in paths:
        handle = lock(path)
        if handle is not None:
            _remove(path)
            unlock(handle)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file in UTF-8 with Unix line ends, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Write a value as indented JSON with sorted keys, atomically."""
    text = json.dumps(plain(value), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file in UTF-8."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
