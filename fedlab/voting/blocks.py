"""Records in blocks and without repetition, so that memory is bounded and no model is asked the same twice."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fedlab.voting.verdict import Verdict


class Distinct(NamedTuple):
    """Which records stand for all."""

    first: np.ndarray  #: int array (n_distinct,): the first record of each kind, in order
    kind: np.ndarray  #: int array (n_records,): which of these each record equals


def distinct_rows(X: Any) -> Distinct | None:
    """Find records that repeat: those equal in every column, missing values equal to missing values.

    Parameters
    ----------
    X : DataFrame or array (n_records, n_features)
        The records.

    Returns
    -------
    Distinct or None
        None where less than a tenth of the records repeat, so that leaving them out would not pay.

    Examples
    --------
    >>> found = distinct_rows(np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]))
    >>> found.first.tolist(), found.kind.tolist()
    ([0, 1], [0, 1, 0])
    """
    import pandas as pd

    frame = X if hasattr(X, "columns") else pd.DataFrame(np.asarray(X))
    n_records = len(frame)
    if not n_records or not frame.shape[1]:
        return None
    if n_records > 20_000 and _few_repeat(frame.iloc[:: n_records // 10_000]):
        return None
    try:
        hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    except TypeError:  # a cell that holds a list, say
        return None
    kind, kinds = pd.factorize(hashes)
    if len(kinds) > 0.9 * n_records:
        return None
    first = np.empty(len(kinds), dtype=np.int64)
    first[kind[::-1]] = np.arange(n_records)[::-1]  # written last, the first of each kind stays
    for _, column in frame.items():  # two records of one hash are not always equal
        values = column.to_numpy()
        theirs = values[first][kind]
        if not ((values == theirs) | (pd.isna(values) & pd.isna(theirs))).all():
            return None
    return Distinct(first, kind)


def _few_repeat(sample: Any) -> bool:
    """Say whether hardly any record of a sample repeats; then a full look is not worth its time."""
    import pandas as pd

    try:
        return len(pd.unique(pd.util.hash_pandas_object(sample, index=False))) > 0.99 * len(sample)
    except TypeError:
        return True


def blocks(n_records: int, size: int) -> Iterator[slice]:
    """Yield slices of at most so many records; one empty slice for none.

    Examples
    --------
    >>> list(blocks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for start in range(0, max(n_records, 1), size):
        yield slice(start, min(start + size, n_records))


def take_rows(X: Any, rows: Any) -> Any:
    """Return some records of a DataFrame or array."""
    return X.iloc[rows] if hasattr(X, "iloc") else np.asarray(X)[rows]


def join_verdicts(verdicts: list[Verdict], kind: np.ndarray | None) -> Verdict:
    """Return blocks of verdicts as one; with `kind` each verdict is spread over the records it stands for."""

    def joined(name: str) -> np.ndarray:
        whole = np.concatenate([getattr(one, name) for one in verdicts])
        return whole if kind is None else whole[kind]

    names = ("labels", "scores", "margins", "tied", "abstained")
    return Verdict(**{name: joined(name) for name in names}, classes=verdicts[0].classes)
