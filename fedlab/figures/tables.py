"""The results table made ready to draw: settings as panels, rules as labels, means with intervals."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.evidence import summarise
from fedlab.evidence.results import REPLICATES, in_order, require, rule_labels, setting_labels
from fedlab.evidence.sentences import seeds_text

T = TypeVar("T")

MAX_PANELS = 6
MOST_ORGANISATIONS = 20
# what a model is does not change who holds what
NOT_OF_PARTITION = ("model", "format", "compact", "test_size")
METRIC_NAMES = {"accuracy": "accuracy", "roc_auc": "ROC AUC"}


def prepared(results: pd.DataFrame, *columns: str, ignore: Sequence[str] = ()) -> pd.DataFrame:
    """Check that the columns are there and add ``setting`` (which panel) and ``label`` (which rule)."""
    require(results, "n_shards", "rule", *columns)
    return results.assign(setting=setting_labels(results, ignore), label=rule_labels(results))


def shown_settings(table: pd.DataFrame) -> tuple[list[str], str]:
    """Return the settings that get a panel, and a sentence on those for which there is no room."""
    settings = in_order(table["setting"])
    left = len(settings) - MAX_PANELS
    note = f" {left} more settings of the table are not drawn." if left > 0 else ""
    return settings[:MAX_PANELS], note


def cells(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return mean and interval of a metric per setting, shard count and rule."""
    return summarise(table, ["setting", "n_shards", "label"], metric).dropna(subset=["mean"])


def reference(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return mean and interval per setting and shard count of a column that is the same for all rules.

    Empty if the table does not have it.
    """
    names = ["setting", "n_shards"]
    if column not in table or table[column].isna().all():
        return pd.DataFrame(columns=[*names, "mean", "low", "high", "n_seeds", "interval"])
    once = table.drop_duplicates([*names, *(name for name in REPLICATES if name in table)])
    return summarise(once, names, column).dropna(subset=["mean"])


def reach(rows: pd.DataFrame) -> np.ndarray:
    """Return how far the interval reaches below and above the mean; 0 where there is none."""
    below, above = rows["mean"] - rows["low"], rows["high"] - rows["mean"]
    return np.nan_to_num(np.maximum(np.stack([below, above]).astype(float), 0.0))


def interval_text(found: pd.DataFrame, mark: str = "Bars") -> str:
    """Say what a figure's intervals are and how many seeds they rest on, as captions do."""
    kinds = set(found["interval"])
    told = []
    if "seeds" in kinds:
        told.append(f"{mark}: 95 % t interval over {seeds_text(found[found['interval'] == 'seeds'])}.")
    if "bootstrap" in kinds:
        told.append(f"{mark}: 95 % bootstrap interval over the holdout's rows, where there is 1 seed.")
    if "none" in kinds:
        told.append("Points without bars have no interval.")
    return " ".join(told)


def representative(table: pd.DataFrame, column: str) -> list[tuple[str, dict[str, Any]]]:
    """Return one row for each setting: the greatest shard count up to 20, the first seed, the first rule."""
    found = []
    for setting, rows in table[table[column].notna()].groupby("setting", sort=False):
        n_shards = shown_shards(rows)
        rows = rows[rows["n_shards"] == n_shards]
        if "seed" in rows:
            rows = rows.sort_values("seed", kind="stable")
        found.append((str(setting), {str(key): value for key, value in rows.iloc[0].to_dict().items()}))
    return found[:MAX_PANELS]


def spread_out(items: Sequence[T], most: int) -> list[T]:
    """Choose so many where there are more: evenly over the sequence, ends included.

    Examples
    --------
    >>> spread_out("abcde", 3), spread_out("ab", 3)
    (['a', 'c', 'e'], ['a', 'b'])
    """
    if len(items) <= most:
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, most).round().astype(int)]


def shown_shards(rows: pd.DataFrame) -> int:
    """Return the greatest shard count whose organisations can be drawn one by one, else the smallest."""
    counts = sorted(int(count) for count in rows["n_shards"].unique())
    return max((count for count in counts if count <= MOST_ORGANISATIONS), default=counts[0])


def read_list(row: dict[str, Any], column: str) -> list[Any]:
    """Read a column that holds a JSON list.

    Raises
    ------
    FedlabError
        If it does not.
    """
    text = row.get(column)
    try:
        held = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        held = None
    if not isinstance(held, list):
        raise FedlabError(
            f"results table: column {column!r} holds {text!r}; it must be a JSON list such as [120,130], "
            "as `evaluate_vote` writes it"
        )
    return held


def organisation_names(row: dict[str, Any], count: int) -> list[str]:
    """Return the organisations' names, or their numbers where the table has no names."""
    held = read_list(row, "organisations") if isinstance(row.get("organisations"), str) else []
    names = [str(name) for name in held] if len(held) == count else [str(number + 1) for number in range(count)]
    return [name if len(name) <= 22 else name[:21] + "…" for name in names]


def cell_title(setting: str, row: dict[str, Any]) -> str:
    """Name the cell that a panel shows: its setting and number of organisations."""
    return ", ".join(filter(None, [setting, f"{row['n_shards']:g} organisations"]))


def one_seed(chosen: list[tuple[str, dict[str, Any]]]) -> str:
    """Say which seeds the cells that are drawn have, as captions do."""
    seeds = in_order(f"{row['seed']:g}" for _, row in chosen if "seed" in row)
    return f"1 seed ({', '.join(seeds)})" if seeds else "1 seed"


def bytes_text(count: float) -> str:
    """Write a number of bytes with a decimal unit.

    Examples
    --------
    >>> bytes_text(950), bytes_text(12_300), bytes_text(1_000_000), bytes_text(4_560_000)
    ('950 B', '12 kB', '1 MB', '4.6 MB')
    """
    units = ["B", "kB", "MB", "GB", "TB"]
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(units) - 1:
        value, unit = value / 1000, unit + 1
    digits = f"{value:.1f}".removesuffix(".0") if unit and value < 9.95 else f"{value:.0f}"
    return f"{digits} {units[unit]}"
