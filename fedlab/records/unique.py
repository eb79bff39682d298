"""Whether identifiers are unique, checked exactly without holding them: keys on disk, sorted bucket by bucket."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedlab.records.sources import Source

N_BUCKETS = 256
_MOST_SUSPECTS = 1000
Columns = Callable[[], Iterator[Any]]


class Ascending:
    """Watches a column go by: while each value is greater than the one before, none can be repeated.

    Examples
    --------
    >>> import pyarrow
    >>> watched = Ascending()
    >>> for part in ([1, 2], [3, 9]): watched.update(pyarrow.chunked_array([part]))
    >>> watched.so_far
    True
    >>> watched.update(pyarrow.chunked_array([[9]])); watched.so_far
    False
    """

    def __init__(self) -> None:
        self.so_far = True
        self._last: Any = None

    def update(self, column: Any) -> None:
        """Take the next values, an array of Arrow without missing ones, of the same type each time."""
        import pyarrow.compute as pc

        if not self.so_far or not len(column):
            return
        rises = pc.all(pc.less(column.slice(0, len(column) - 1), column.slice(1)), min_count=0).as_py()
        self.so_far = rises and (self._last is None or bool(pc.less(self._last, column[0]).as_py()))
        self._last = column[len(column) - 1]


def check_unique(columns: Columns, name: str, source: Source, folder: Path | None = None) -> None:
    """Check that no identifier stands twice, with memory that does not grow with their number.

    Each identifier is turned into 64 bits (a number into itself, a text into a hash), which go to one of 256
    temporary files by their first bits; each file is sorted by itself. Texts with equal hashes are read again
    and compared, so the answer is exact.

    Parameters
    ----------
    columns : callable
        Gives the identifiers anew each time, in arrays of Arrow without missing values.
    name : str
        The column.
    source : Source
        Names the table in the message.
    folder : Path, optional
        Where the temporary files go (8 bytes per row); by default the system's.

    Raises
    ------
    FedlabError
        Naming the first rows that share an identifier.

    Examples
    --------
    >>> import pyarrow
    >>> check_unique(lambda: iter([pyarrow.array(["a", "b"]), pyarrow.array(["c"])]), "id", Source("my.csv"))
    """
    try:
        suspects, n_shared = _repeated_keys(columns, folder)
    except OSError as error:
        raise source.error(
            f"the check that identifiers are unique needs 8 bytes of temporary space per row ({error}); free some, or "
            "set TMPDIR to a folder with more; identifiers in ascending order need none"
        ) from error
    if not len(suspects):
        return
    found: dict[Any, list[int]] = {}
    first = 1
    for column in columns():
        keys = _keys(column)
        for place in np.flatnonzero(np.isin(keys, suspects)).tolist():
            found.setdefault(column[place].as_py(), []).append(first + place)
        first += len(column)
    shared = sorted((rows, value) for value, rows in found.items() if len(rows) > 1)
    if not shared:
        return
    rows, value = shared[0]
    shown = ", ".join(f"row {row}: {value!r}" for row in rows[:5])
    more = f", and {n_shared - min(len(rows), 5)} more rows share theirs with another" if n_shared > len(rows) else ""
    raise source.error(
        f"identifier column {name!r} is not unique: {shown}{more}; remove the repeated rows, or, if one person has "
        "several records, give each record its own identifier"
    )


def _keys(column: Any) -> np.ndarray:
    """Return 64 bits for each identifier: equal ones for equal identifiers."""
    import pyarrow
    import pyarrow.types

    if pyarrow.types.is_integer(column.type) or pyarrow.types.is_boolean(column.type):
        values = column.cast(pyarrow.int64()).to_numpy(zero_copy_only=False)
        return _mixed(values.view(np.uint64))
    return pd.util.hash_array(column.to_numpy(zero_copy_only=False).astype(object), categorize=False)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread whole numbers over all 64 bits, one to one (the finaliser of splitmix64)."""
    mixed = values ^ (values >> np.uint64(30))
    mixed = mixed * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _repeated_keys(columns: Columns, folder: Path | None) -> tuple[np.ndarray, int]:
    """Return keys that stand more than once, the first ones of too many, and how many rows have such a key."""
    shift = np.uint64(64 - N_BUCKETS.bit_length() + 1)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tmp-keys-") as place:
        files = [Path(place) / str(number) for number in range(N_BUCKETS)]
        for column in columns():
            keys = _keys(column)
            bucket = (keys >> shift).astype(np.int16)
            order = np.argsort(bucket, kind="stable")
            ends = np.cumsum(np.bincount(bucket, minlength=N_BUCKETS))
            for file, part in zip(files, np.split(keys[order], ends[:-1]), strict=True):
                if len(part):
                    with file.open("ab") as out:
                        part.tofile(out)
        suspects: list[np.ndarray] = []
        n_shared = 0
        for file in files:
            if file.exists():
                keys, counts = np.unique(np.fromfile(file, dtype=np.uint64), return_counts=True)
                suspects.append(keys[counts > 1][:_MOST_SUSPECTS])
                n_shared += int(counts[counts > 1].sum())
        return np.concatenate([*suspects, np.empty(0, dtype=np.uint64)])[:_MOST_SUSPECTS], n_shared
