"""Figures of what hostile organisations cannot change: certified accuracy, and what it costs in accuracy."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fedlab.errors import FedlabError
from fedlab.evidence.results import in_order
from fedlab.evidence.sentences import seeds_text
from fedlab.figures.drawing import COLUMNS, Drawing, figure, panels, wrapped
from fedlab.figures.style import BLACK, BLUE, ORANGE, SKY, label_style, rule_handle
from fedlab.figures.tables import MAX_PANELS, cells, interval_text, prepared, reach, read_list, spread_out

_COLUMN = "certified_accuracy"
_HOSTILE: dict[int, tuple[str, str, Any]] = {
    0: (BLACK, "o", "-"),
    1: (BLUE, "s", "--"),
    2: (SKY, "^", "-."),
    4: (ORANGE, "D", ":"),
}
_BOUNDS = (
    "Where a rule's certificate is a bound and not exact (run_off, median, trimmed_mean; docs/rules.md) the true share "
    "may be higher; rules without a certificate are not drawn."
)


@figure("certified_accuracy")
def certified_accuracy(results: pd.DataFrame) -> Drawing:
    """Draw certified accuracy against the number of hostile organisations, a panel per shard count, a line per rule.

    Parameters
    ----------
    results : DataFrame
        The results table.

    Returns
    -------
    Drawing
        Means over seeds.

    Raises
    ------
    FedlabError
        If ``certified_accuracy`` is missing or empty.
    """
    table, shares = _certified(results)
    asked = in_order(zip(table["setting"], table["n_shards"], strict=True))
    shown = spread_out(sorted(asked, key=lambda one: (in_order(table["setting"]).index(one[0]), one[1])), MAX_PANELS)
    note = f" {len(asked) - len(shown)} more panels are not drawn." if len(asked) > len(shown) else ""
    labels = in_order(table["label"])
    made, axes = panels(len(shown), 3.4 if len(shown) > 1 else 6.4, 3.2, columns=_columns(len(shown)))
    for ax, (setting, n_shards) in zip(axes, shown, strict=True):
        here = (table["setting"] == setting) & (table["n_shards"] == n_shards)
        longest = 1
        for place, label in enumerate(labels):
            rows = shares[(here & (table["label"] == label)).to_numpy()]
            if len(rows):
                longest = max(longest, _draw_curve(ax, rows.mean(axis=0), label, place / len(labels)))
        ax.set_xlim(-0.03 * longest, longest * 1.03)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("hostile organisations")
        ax.set_title("\n".join(filter(None, [wrapped(setting), f"{n_shards:g} organisations"])))
    axes[0].set_ylim(-0.03, 1.03)
    for ax in axes[:: _columns(len(shown))]:
        ax.set_ylabel("certified accuracy\non the holdout (0 to 1)")
    made.legend(handles=[rule_handle(label) for label in labels], loc="outside right upper")
    first = shares[:, 0]
    best = cells(table.assign(one=shares[:, 1]), "one").sort_values("mean", kind="stable").iloc[-1]
    return Drawing(
        made,
        "Certified accuracy against the number of hostile organisations: the share of holdout rows whose verdict is "
        "right and that no such number of organisations, answering as they like, can change; at 0 it is the accuracy. "
        f"Means over {_seeds(table)}, no intervals. {_BOUNDS}{note}",
        f"Falling lines of certified accuracy for the rules {', '.join(labels)}: from {first.min():.2f} to "
        f"{first.max():.2f} with no hostile organisation. With one the best is "
        f"{best['mean']:.2f} ({best['label']}, {best['n_shards']:g} "
        "organisations).",
    )


@figure("robustness_tradeoff")
def robustness_tradeoff(results: pd.DataFrame) -> Drawing:
    """Draw accuracy and certified accuracy against the number of organisations, a panel per rule.

    Parameters
    ----------
    results : DataFrame
        The results table.

    Returns
    -------
    Drawing
        A line each for 0, 1, 2 and 4 hostile organisations.

    Raises
    ------
    FedlabError
        If ``certified_accuracy`` is missing or empty, or there is one shard count only.
    """
    table, shares = _certified(results)
    counts = sorted(table["n_shards"].unique())
    if len(counts) < 2:
        raise FedlabError(
            f"the trade-off is between shard counts, and the table has certificates at {counts[0]:g} organisations "
            "only; give the sweep several n_shards"
        )
    asked = in_order(zip(table["setting"], table["label"], strict=True))
    shown = asked[:MAX_PANELS]
    note = f" {len(asked) - len(shown)} more panels are not drawn." if len(asked) > len(shown) else ""
    made, axes = panels(len(shown), 3.4 if len(shown) > 1 else 6.4, 3.2, columns=_columns(len(shown)))
    found = {}
    for r in _HOSTILE:
        name = "accuracy" if r == 0 and "accuracy" in table else f"certified_{r}"
        values = shares[:, r] if r < shares.shape[1] else 0.0
        found[r] = cells(table if name == "accuracy" else table.assign(**{name: values}), name)
    for ax, (setting, label) in zip(axes, shown, strict=True):
        for place, (r, (colour, marker, line)) in enumerate(_HOSTILE.items()):
            rows = found[r][(found[r]["setting"] == setting) & (found[r]["label"] == label)].sort_values("n_shards")
            ax.errorbar(
                np.log2(rows["n_shards"].to_numpy(float)) + (place - 1.5) * 0.03, rows["mean"],
                yerr=reach(rows), color=colour, marker=marker, linestyle=line,
                capsize=2, elinewidth=0.9, zorder=3, label=_hostile(r),
            )  # fmt: skip
        ax.set_xticks(np.log2(counts), [f"{count:g}" for count in counts])
        ax.set_xlabel("organisations (log scale)")
        ax.set_title("\n".join(filter(None, [wrapped(setting), label])))
        ax.grid(axis="x", visible=False)
    axes[0].set_ylim(-0.03, 1.03)
    for ax in axes[:: _columns(len(shown))]:
        ax.set_ylabel("certified accuracy\non the holdout (0 to 1)")
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle=line, label=_hostile(r))
        for r, (colour, marker, line) in _HOSTILE.items()
    ]
    made.legend(handles=handles, loc="outside right upper")
    ends = [found[r].groupby("n_shards")["mean"].mean() for r in (0, 1)]
    return Drawing(
        made,
        "What more organisations cost and protect: accuracy of the vote (no hostile organisation), and the share of "
        "holdout rows that is right and stays so whatever 1, 2 or 4 hostile organisations answer. "
        f"{interval_text(found[1])} {_BOUNDS}{note}",
        f"Line chart against {', '.join(f'{count:g}' for count in counts)} organisations. From {counts[0]:g} to "
        f"{counts[-1]:g} organisations the mean over rules of accuracy goes from {ends[0].iloc[0]:.3f} to "
        f"{ends[0].iloc[-1]:.3f}, of accuracy certified against one hostile organisation from {ends[1].iloc[0]:.3f} "
        f"to {ends[1].iloc[-1]:.3f}.",
    )


def _certified(results: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the rows that have certificates, and their shares by r, filled up with 0: (n_rows, at least 2)."""
    table = prepared(results, _COLUMN)
    table = table[table[_COLUMN].notna()].sort_values("n_shards", kind="stable")
    lists = [read_list({_COLUMN: text}, _COLUMN) for text in table[_COLUMN]]
    shares = np.zeros((len(lists), max(2, *(len(one) + 1 for one in lists))))
    for row, one in zip(shares, lists, strict=True):
        row[: len(one)] = one
    return table.reset_index(drop=True), shares


def _draw_curve(ax: Axes, means: np.ndarray, label: str, late: float) -> int:
    """Draw one rule's curve to its first 0, finer the later, so that equal ones show; return where that is."""
    last = int(np.flatnonzero(means).max(initial=0)) + 1
    style = label_style(label)
    r = np.arange(last + 1)
    ax.plot(
        r, means[: last + 1], color=style.colour, marker=style.marker, linestyle=style.line, label=label,
        markevery=max(1, last // 8), markersize=8 - 4 * late, linewidth=2.6 - 1.6 * late, zorder=3,
    )  # fmt: skip
    return last


def _columns(count: int) -> int:
    return 2 if count == 4 else COLUMNS


def _seeds(table: pd.DataFrame) -> str:
    counted = cells(table.assign(one=1.0), "one")
    return seeds_text(counted)


def _hostile(r: int) -> str:
    return "none hostile: accuracy" if r == 0 else f"{r} hostile"
