"""Columns that a scheme needs: there, of the right kind, complete, and not the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError, unknown_name

if TYPE_CHECKING:
    from fedlab.records import Records


def is_numeric(series: pd.Series) -> bool:
    """Say whether a column holds numbers; truth values and categories do not count as such."""
    return pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype)


def check_column(records: Records, column: str) -> str:
    """Return the name of a column, or refuse one that the table does not have."""
    if column not in records.frame.columns:
        raise unknown_name("column", column, map(str, records.frame.columns))
    return column


def numbers_of(records: Records, column: str) -> np.ndarray:
    """Return a column as finite numbers that are not all the same.

    Raises
    ------
    FedlabError
        If there is no such column, it holds no numbers, or one is missing, infinite, or all are the same.
    """
    series = records.frame[check_column(records, column)]
    if not is_numeric(series):
        raise FedlabError(
            f"column {column!r} holds {series.dtype} values, not numbers; give a numeric column, or use scheme "
            "feature_groups, which keeps equal values together"
        )
    values = series.to_numpy(dtype=float, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        raise FedlabError(
            f"column {column!r} has {bad.sum()} values that are missing or not finite, the first in row "
            f"{int(np.argmax(bad))} (from 0); fill them in, leave those rows out, or give another column"
        )
    if len(values) and values.min() == values.max():
        raise FedlabError(f"column {column!r} is {values[0]:g} in all rows, so it tells none apart; give another")
    return values


def standardised(records: Records, columns: Sequence[str] | None) -> np.ndarray:
    """Return numeric columns with mean 0 and standard deviation 1; what is missing counts as the mean.

    Parameters
    ----------
    records : Records
        The table.
    columns : sequence of str or None
        Which; None takes all numeric features that are not the same everywhere.

    Returns
    -------
    float array (n_rows, n_columns)

    Raises
    ------
    FedlabError
        If a named column is not there, not numeric or constant, or no feature is numeric.
    """
    named = columns is not None
    kept = []
    for name in columns if columns is not None else records.schema.features:
        series = records.frame[check_column(records, name)]
        if named and not is_numeric(series):
            raise FedlabError(f"column {name!r} holds {series.dtype} values, not numbers; give numeric columns")
        if not is_numeric(series):
            continue
        values = series.to_numpy(dtype=float, na_value=np.nan)
        finite = np.isfinite(values)
        mean, spread = (values[finite].mean(), values[finite].std()) if finite.any() else (0.0, 0.0)
        if spread > 0:
            kept.append(np.where(finite, (values - mean) / spread, 0.0))
        elif named:
            raise FedlabError(f"column {name!r} has the same value in all rows, so it tells none apart; leave it out")
    if not kept:
        raise FedlabError(
            f"{records.name!r} has no numeric feature that varies "
            f"(features: {', '.join(map(str, records.schema.features))}); name columns that do"
        )
    return np.stack(kept, axis=1)
