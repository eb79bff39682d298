"""The figure of what skew does to a vote: accuracy against measured skew, a panel for each kind, equal axes."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from fedlab.evidence import MEASURES, skew_effect
from fedlab.evidence.results import in_order
from fedlab.evidence.skew_effect import kind_name, measure_name
from fedlab.figures.drawing import Drawing, figure, panels, wrapped
from fedlab.figures.style import BLACK, GREY, label_style, rule_handle
from fedlab.figures.tables import interval_text, reach

_CENTRAL: dict[str, Any] = {"color": BLACK, "linestyle": "--", "linewidth": 1.2}
_ALONE: dict[str, Any] = {"color": GREY, "linestyle": ":", "linewidth": 1.6}


@figure("accuracy_by_skew")
def accuracy_by_skew(results: pd.DataFrame) -> Drawing:
    """Draw accuracy on the holdout against measured skew: a row of panels per data set, a column per kind of skew.

    Parameters
    ----------
    results : DataFrame
        The results table of a sweep over skews (see `fedlab.evidence.skew_effect`).

    Returns
    -------
    Drawing
        All panels have the same horizontal axis, 0 to 1; those of one data set the same vertical one.

    Raises
    ------
    FedlabError
        If the table has no skewed cells, or none with even shards.
    """
    found = skew_effect(results, "accuracy")
    data, kinds = in_order(found["data"]), [kind for kind in in_order(found["kind"]) if kind != "even"]
    labels = in_order(found["rule"])
    made, axes = panels(len(data) * len(kinds), 2.9, 3.2, columns=len(kinds), sharey=False, sharex=True)
    for row, name in enumerate(data):
        own = axes[row * len(kinds) : (row + 1) * len(kinds)]
        of_data = found[found["data"] == name]
        for ax, kind in zip(own, kinds, strict=True):
            _panel(ax, of_data, kind, labels)
            ax.set_title(wrapped(f"{name}: {kind_name(kind)}" if len(data) > 1 else kind_name(kind), 30))
        _same_height(own, of_data)
        own[0].set_ylabel("accuracy on the holdout (0 to 1)")
    for ax, kind in zip(axes[-len(kinds) :], kinds, strict=True):
        ax.set_xlabel(wrapped(f"{measure_name(kind)} (0 to 1)", 28))
    handles = [rule_handle(label) for label in labels]
    handles += [Line2D([], [], label="centralised", **_CENTRAL), Line2D([], [], label="alone (mean)", **_ALONE)]
    made.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
    return Drawing(
        made,
        "Accuracy of the vote on the holdout against the skew that was measured, for each kind of skew; the leftmost "
        "point of every line is even shards (iid). Dashed: one model on the same rows together, faults included; "
        f"dotted: an organisation's own model, mean over organisations. {interval_text(found)}",
        f"Line charts of accuracy against measured skew for {', '.join(kinds)} on "
        f"{', '.join(map(str, data))}. {_extremes(found)}",
    )


def _panel(ax: Axes, of_data: pd.DataFrame, kind: str, labels: list[str]) -> None:
    """Draw one kind of skew: a line per rule from even shards to the strongest skew, and the references."""
    column = next(start for start in MEASURES if kind.startswith(start))
    even, skewed = of_data[of_data["kind"] == "even"], of_data[of_data["kind"] == kind]
    for place, label in enumerate(labels):
        rows = pd.concat([even.assign(skew=even[f"skew_{column}"]), skewed])
        rows = rows[rows["rule"] == label].sort_values("skew")
        if rows.empty:
            continue
        style = label_style(label)
        ax.errorbar(
            rows["skew"] + (place - (len(labels) - 1) / 2) * 0.008, rows["mean"], yerr=reach(rows), color=style.colour,
            marker=style.marker, linestyle=style.line, capsize=2, elinewidth=0.9, zorder=3,
        )  # fmt: skip
        ax.plot(rows["skew"], rows["centralised"], **_CENTRAL)
        ax.plot(rows["skew"], rows["alone"], **_ALONE)
    ax.set_xlim(-0.04, 1.04)


def _same_height(axes: list[Axes], of_data: pd.DataFrame) -> None:
    values = of_data[["mean", "low", "high", "centralised", "alone"]]
    low, high = max(0.0, float(values.min().min())), min(1.0, float(values.max().max()))
    for ax in axes:
        ax.set_ylim(low - 0.05 * (high - low) - 0.01, high + 0.05 * (high - low) + 0.01)
        if ax is not axes[0]:
            ax.tick_params(labelleft=False)


def _extremes(found: pd.DataFrame) -> str:
    rows = found.dropna(subset=["change"])
    if rows.empty:
        return ""
    worst = rows.sort_values("change", kind="stable").iloc[0].to_dict()
    return (
        f"The greatest fall is of {worst['rule']} under {worst['kind']} skew {worst['skew']:.2f} on {worst['data']}: "
        f"accuracy {worst['mean']:.3f}, the centralised model {worst['centralised']:.3f}."
    )
