"""The results table in few numbers: means with intervals, and the vote against central training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.evidence.intervals import Interval, interval_over_seeds
from fedlab.evidence.results import REPLICATES, parameters, require, rule_columns, setting_columns

DEFAULT_BY = ("scheme", "alpha", "n_shards", "rule")


def summarise(
    results: pd.DataFrame, by: Sequence[str] | None = None, metric: str = "accuracy", level: float = 0.95
) -> pd.DataFrame:
    """Average a metric over the seeds of each cell, with an interval.

    Parameters
    ----------
    results : DataFrame
        The results table.
    by : sequence of str, optional
        The parameters that make a cell. By default ``scheme``, ``alpha``, ``n_shards`` and ``rule``, as far
        as the table has them, and every other parameter that varies, so that only seeds are averaged over.
    metric : str
        A column of numbers.
    level : float
        Coverage of the t interval. Bootstrap intervals have the level they were computed with.

    Returns
    -------
    DataFrame
        One row per cell, in the table's order: ``by``, ``mean``, ``low``, ``high``, ``n_seeds`` and
        ``interval``: ``"seeds"`` (Student's t over seeds), ``"bootstrap"`` (one seed: its interval over
        holdout rows) or ``"none"``.

    Raises
    ------
    FedlabError
        If a column is missing, or a cell holds several rows per seed.

    Examples
    --------
    >>> table = pd.DataFrame({"n_shards": [2, 2], "rule": "soft", "seed": [0, 1], "accuracy": [0.8, 0.9]})
    >>> summarise(table).round(2)[["rule", "mean", "low", "high", "n_seeds"]].values.tolist()
    [['soft', 0.85, 0.21, 1.49, 2]]
    """
    require(results, metric)
    columns = default_by(results) if by is None else list(by)
    require_present(results, columns)
    rows = []
    for key, cell in results.groupby(columns, sort=False, dropna=False):
        _check_replicates(cell, columns)
        row = dict(zip(columns, key, strict=True))
        rows.append(row | _estimate(cell, metric, level))
    return pd.DataFrame(rows)


def compare_with_centralised(
    results: pd.DataFrame, metric: str = "accuracy", by: Sequence[str] | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Average the vote's metric less the centralised model's over the seeds of each cell, paired.

    Over seeds: the difference of each seed, with a t interval; with one seed: the paired bootstrap interval
    of its row. A positive difference in accuracy or AUC says that the vote was better.

    Parameters
    ----------
    results, metric, by, level
        As in `summarise`.

    Returns
    -------
    DataFrame
        As `summarise`, with ``difference`` in place of ``mean``, and ``excludes_zero``: True where the
        interval lies to one side of 0. Where it is False, no difference was found, which does not say that
        there is none.

    Raises
    ------
    FedlabError
        As `summarise`, and if the sweep has no centralised baseline.
    """
    central = f"centralised_{metric}"
    require(results, metric, central)
    name = f"difference_{metric}"
    table = results.copy()
    # Recomputed, so that it exists for every metric; equal to the column that the row carries.
    table[name] = table[metric] - table[central]
    found = summarise(table, default_by(results) if by is None else by, name, level).rename(
        columns={"mean": "difference"}
    )
    found["excludes_zero"] = (found["low"] > 0) | (found["high"] < 0)
    return found


def default_by(results: pd.DataFrame) -> list[str]:
    """Return the parameters that make a cell: `DEFAULT_BY` and whatever else varies, in the table's order."""
    wanted = {*DEFAULT_BY, *setting_columns(results), *rule_columns(results)}
    return [name for name in parameters(results) if name in wanted]


def require_present(results: pd.DataFrame, columns: Sequence[str]) -> None:
    """Check that columns exist, whether or not they hold values (``alpha`` may be empty throughout)."""
    for name in columns:
        if name not in results.columns:
            require(results, name)


def _estimate(cell: pd.DataFrame, metric: str, level: float) -> dict[str, Any]:
    held = cell[cell[metric].notna()]
    found, kind = interval_over_seeds(held[metric], level), "seeds" if len(held) > 1 else "none"
    ends = [metric + "_low", metric + "_high"]
    if len(held) == 1 and set(ends) <= set(held.columns) and held[ends].notna().all(axis=None):
        found, kind = Interval(found.estimate, *held[ends].iloc[0].astype(float).tolist()), "bootstrap"
    mean, low, high = (np.nan if value is None else value for value in found)
    return {"mean": mean, "low": low, "high": high, "n_seeds": len(held), "interval": kind}


def _check_replicates(cell: pd.DataFrame, by: Sequence[str]) -> None:
    """Refuse to average over anything but seeds: rows that share a seed are no replicates."""
    seeds = [name for name in REPLICATES if name in cell.columns]
    if len(cell) == 1 or (seeds and not cell.duplicated(seeds).any()):
        return
    varying = [name for name in parameters(cell) if name not in (*seeds, *by) and cell[name].nunique(dropna=False) > 1]
    where = ", ".join(f"{name} {cell[name].iloc[0]}" for name in by)
    mend = f"add {', '.join(varying)} to by, or filter" if varying else "drop the repeated rows"
    raise FedlabError(f"the cell ({where}) holds {len(cell)} rows that are not told apart by seed; {mend}")
