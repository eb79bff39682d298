"""What figures compare the vote with: the centralised model, an organisation alone, the Bayes optimum."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from fedlab.figures.style import BLACK, GREY, LIGHT, PURPLE
from fedlab.figures.tables import reference

_REFERENCES: dict[str, tuple[str, str, Any]] = {
    "centralised": ("one model on all rows", BLACK, "--"),
    "alone": ("one organisation alone, mean", GREY, ":"),
    "bayes": ("best possible (Bayes)", PURPLE, "-."),
}


def references(table: pd.DataFrame, metric: str) -> dict[str, pd.DataFrame]:
    """Return mean and interval of each reference per setting and shard count; empty where unknown."""
    columns = {
        "centralised": f"centralised_{metric}",
        "alone": f"organisation_{metric}_mean",
        "bayes": f"bayes_{metric}",
        "best": f"organisation_{metric}_best",
        "worst": f"organisation_{metric}_worst",
    }
    return {name: reference(table, column) for name, column in columns.items()}


def draw_references(ax: Axes, lines: dict[str, pd.DataFrame], setting: str, across: bool) -> None:
    """Draw what the vote is compared with: along the shard counts, or upright through a dot plot."""
    here = {name: rows[rows["setting"] == setting].sort_values("n_shards") for name, rows in lines.items()}
    best, worst = here["best"], here["worst"]
    if len(best) and len(best) == len(worst):
        _band(ax, best["n_shards"], worst["mean"], best["mean"], across, LIGHT, 0.55)
    central = here["centralised"]
    if len(central) and central["low"].notna().all():
        _band(ax, central["n_shards"], central["low"], central["high"], across, GREY, 0.3)
    for name, (_, colour, line) in _REFERENCES.items():
        rows = here[name]
        if not len(rows):
            continue
        if across:
            ax.plot(
                np.log2(rows["n_shards"].to_numpy(float)),
                rows["mean"],
                color=colour,
                linestyle=line,
                zorder=2,
            )
        else:
            ax.axvline(float(rows["mean"].iloc[0]), color=colour, linestyle=line, zorder=2)


def _band(
    ax: Axes, counts: pd.Series, low: pd.Series, high: pd.Series, across: bool, colour: str, alpha: float
) -> None:
    if across:
        x = np.log2(counts.to_numpy(float))
        ax.fill_between(x, low.to_numpy(float), high.to_numpy(float), color=colour, alpha=alpha, linewidth=0)
    else:
        ax.axvspan(float(low.iloc[0]), float(high.iloc[0]), color=colour, alpha=alpha, linewidth=0)


def reference_handles(lines: dict[str, pd.DataFrame]) -> list[Line2D]:
    """Return the legend's entries for the references that there are."""
    found = [
        Line2D([], [], color=colour, linestyle=line, label=text)
        for name, (text, colour, line) in _REFERENCES.items()
        if len(lines[name])
    ]
    if len(lines["best"]):
        found.append(Line2D([], [], color=LIGHT, linewidth=7, label="one organisation alone, worst to best"))
    return found


def reference_text(lines: dict[str, pd.DataFrame]) -> str:
    """Return the caption's sentences on the references that there are."""
    told = []
    if len(lines["centralised"]):
        banded = lines["centralised"]["low"].notna().any()
        told.append(f" Dashed: one model on all rows{', its interval shaded' if banded else ''}.")
    if len(lines["alone"]):
        told.append(" Dotted: an organisation alone, the mean over organisations.")
    if len(lines["best"]):
        told.append(
            " Pale band: worst to best organisation, means over seeds, cut off at the axes; which one is "
            "best is seen only on the holdout."
        )
    if len(lines["bayes"]):
        told.append(" Dash-dotted: the best that any model can reach on this cohort.")
    return "".join(told)
