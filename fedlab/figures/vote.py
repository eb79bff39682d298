"""Figures of how good the vote is: against shard count, against central training, rule by rule."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fedlab.evidence import compare_with_centralised
from fedlab.evidence.results import in_order, require
from fedlab.figures.drawing import COLUMNS, Drawing, figure, panels, wrapped
from fedlab.figures.references import draw_references, reference_handles, reference_text, references
from fedlab.figures.style import BLACK, label_style, rule_handle, text_on
from fedlab.figures.tables import (
    METRIC_NAMES,
    cells,
    interval_text,
    prepared,
    reach,
    shown_settings,
)

_MOST_DIFFERENCE_PANELS = 12


@figure("accuracy_by_shards")
def accuracy_by_shards(results: pd.DataFrame) -> Drawing:
    """Draw accuracy on the holdout against the number of organisations, one line per rule, with references.

    Parameters
    ----------
    results : DataFrame
        The results table.

    Returns
    -------
    Drawing
        With a single shard count: a dot and interval per rule instead of lines.

    Raises
    ------
    FedlabError
        If a needed column is missing or empty.
    """
    return _by_shards(results, "accuracy")


@figure("auc_by_shards")
def auc_by_shards(results: pd.DataFrame) -> Drawing:
    """Draw ROC AUC on the holdout against the number of organisations (see `accuracy_by_shards`)."""
    return _by_shards(results, "roc_auc")


def _by_shards(results: pd.DataFrame, metric: str) -> Drawing:
    table = prepared(results, metric)
    found = cells(table, metric)
    lines = references(table, metric)
    if found["n_shards"].nunique() == 1:
        return _dots(table, found, lines, metric)
    return _lines(table, found, lines, metric)


def _lines(table: pd.DataFrame, found: pd.DataFrame, lines: dict[str, pd.DataFrame], metric: str) -> Drawing:
    settings, note = shown_settings(table)
    labels = in_order(found["label"])
    made, axes = panels(len(settings), 4.2 if len(settings) > 1 else 7.0, 3.9)
    for ax, setting in zip(axes, settings, strict=True):
        draw_references(ax, lines, setting, across=True)
        counts = sorted(found.loc[found["setting"] == setting, "n_shards"].unique())
        step = _dodge(counts, len(labels))
        for place, label in enumerate(labels):
            rows = found[(found["setting"] == setting) & (found["label"] == label)].sort_values("n_shards")
            if rows.empty:
                continue
            style = label_style(label)
            x = np.log2(rows["n_shards"].to_numpy(float)) + (place - (len(labels) - 1) / 2) * step
            ax.errorbar(
                x, rows["mean"], yerr=reach(rows), label=label, color=style.colour, marker=style.marker,
                linestyle=style.line, capsize=2, elinewidth=0.9, zorder=3,
            )  # fmt: skip
        ax.set_xticks(np.log2(counts), [f"{count:g}" for count in counts])
        ax.set_xlabel("number of organisations (log scale)")
        ax.set_title(wrapped(setting))
        ax.grid(axis="x", visible=False)
    axes[0].set_ylim(*_limits([found, lines["centralised"], lines["alone"], lines["bayes"]]))
    for ax in axes[::COLUMNS]:
        ax.set_ylabel(f"{METRIC_NAMES[metric]} on the holdout (0 to 1)")
    drawn = [rule_handle(label) for label in labels]
    made.legend(handles=drawn + reference_handles(lines), loc="outside right upper")
    return Drawing(
        made,
        f"{_capital(METRIC_NAMES[metric])} of the vote on the holdout against the number of organisations, "
        "one line per rule; points are means, set a little apart so that bars do not cover each other. "
        f"{interval_text(found)}{reference_text(lines)}{note}",
        f"Line chart of {METRIC_NAMES[metric]} against {_list(sorted(found['n_shards'].unique()))} "
        "organisations for the rules "
        f"{', '.join(labels)}. {_extremes(found, metric)}",
    )


def _dots(table: pd.DataFrame, found: pd.DataFrame, lines: dict[str, pd.DataFrame], metric: str) -> Drawing:
    settings, note = shown_settings(table)
    order = found.groupby("label", sort=False)["mean"].mean().sort_values(kind="stable").index.tolist()
    n_shards = int(found["n_shards"].iloc[0])
    height = 1.7 + 0.27 * len(order)
    made, axes = panels(len(settings), 4.4 if len(settings) > 1 else 6.4, height, sharex=True)
    for ax, setting in zip(axes, settings, strict=True):
        draw_references(ax, lines, setting, across=False)
        for place, label in enumerate(order):
            rows = found[(found["setting"] == setting) & (found["label"] == label)]
            if not rows.empty:
                _dot(ax, rows, place, label)
        ax.set_yticks(range(len(order)), order)
        ax.set_ylim(-0.6, len(order) - 0.4)
        ax.set_xlabel(f"{METRIC_NAMES[metric]} on the holdout (0 to 1)")
        ax.set_title(wrapped(setting))
        ax.grid(axis="y", visible=False)
    axes[0].set_xlim(*_limits([found, lines["centralised"], lines["alone"], lines["bayes"]]))
    handles = reference_handles(lines)
    if handles:
        made.legend(handles=handles, loc="outside lower center", ncols=2)
    return Drawing(
        made,
        f"{_capital(METRIC_NAMES[metric])} of the vote of {n_shards} organisations on the holdout, rules in "
        f"order of their mean. {interval_text(found)}{reference_text(lines)}{note}",
        f"Dot plot of {METRIC_NAMES[metric]} for {len(order)} rules and {n_shards} organisations. "
        f"{_extremes(found, metric)}",
    )


@figure("difference_from_centralised")
def difference_from_centralised(results: pd.DataFrame) -> Drawing:
    """Draw the vote's accuracy less the centralised model's, paired, per rule and shard count."""
    require(results, "accuracy", "centralised_accuracy")
    table = prepared(results, "accuracy", "centralised_accuracy")
    found = compare_with_centralised(table, "accuracy", ["setting", "n_shards", "label"])
    found = found.rename(columns={"difference": "mean"}).dropna(subset=["mean"])
    asked = in_order(zip(found["setting"], found["n_shards"], strict=True))
    shown = _shown_panels(asked)
    note = f" {len(asked) - len(shown)} more panels are not drawn." if len(asked) > len(shown) else ""
    labels = in_order(found["label"])[::-1]
    columns = min(4, len(shown))
    made, axes = panels(
        len(shown), 2.6 if len(shown) > 1 else 6.0, 1.2 + 0.25 * len(labels), columns=columns, sharex=True
    )
    for ax, (setting, n_shards) in zip(axes, shown, strict=True):
        ax.axvline(0, color=BLACK, linewidth=1, zorder=1)
        for place, label in enumerate(labels):
            rows = found[(found["setting"] == setting) & (found["n_shards"] == n_shards) & (found["label"] == label)]
            if not rows.empty:
                _dot(ax, rows, place, label)
        ax.set_yticks(range(len(labels)), labels)
        ax.set_ylim(-0.6, len(labels) - 0.4)
        ax.set_title("\n".join(filter(None, [wrapped(setting, 28), f"{n_shards:g} organisations"])))
        ax.grid(axis="y", visible=False)
        ax.locator_params(axis="x", nbins=5)
    made.supxlabel("accuracy of the vote less that of one model on all rows", fontsize=9)
    clear = int(found["excludes_zero"].sum())
    return Drawing(
        made,
        "What the vote gains (right of 0) or loses (left of 0) in accuracy against one model trained on "
        f"all rows; differences are paired. {interval_text(found)} {clear} of {len(found)} intervals "
        "exclude 0; where one includes it, no difference was found, which does not show that there is "
        f"none.{note}",
        f"Dot plot of accuracy differences for the rules {', '.join(labels[::-1])}, from "
        f"{found['mean'].min():+.3f} "
        f"to {found['mean'].max():+.3f}; {clear} of {len(found)} intervals exclude zero.",
    )


def _shown_panels(asked: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Choose panels where there are too many: of each setting the smallest and the greatest shard count."""
    if len(asked) <= _MOST_DIFFERENCE_PANELS:
        return asked
    counts: dict[str, list[float]] = {}
    for setting, n_shards in asked:
        counts.setdefault(setting, []).append(n_shards)
    if len(counts) == 1:
        return asked[:_MOST_DIFFERENCE_PANELS]
    ends = [(setting, end) for setting, held in counts.items() for end in in_order([min(held), max(held)])]
    return ends[:_MOST_DIFFERENCE_PANELS]


@figure("rule_by_shards")
def rule_by_shards(results: pd.DataFrame) -> Drawing:
    """Draw a heat map of mean accuracy, rules down, shard counts across, the number in each field."""
    table = prepared(results, "accuracy")
    found = cells(table, "accuracy")
    settings, note = shown_settings(table)
    labels = in_order(found["label"])
    counts = sorted(found["n_shards"].unique())
    low, high = float(found["mean"].min()), float(found["mean"].max())
    width = max(2.2, 0.62 * len(counts) + 0.4)
    made, axes = panels(
        len(settings), width + (1.6 if len(settings) < 3 else 0.8), 1.1 + 0.3 * len(labels), sharey=True
    )
    image = None
    for ax, setting in zip(axes, settings, strict=True):
        part = found[found["setting"] == setting].pivot(index="label", columns="n_shards", values="mean")
        values = part.reindex(index=labels, columns=counts).to_numpy(float)
        image = ax.imshow(values, cmap="cividis", vmin=low, vmax=max(high, low + 1e-9), aspect="auto")
        for (down, across), value in np.ndenumerate(values):
            if not np.isnan(value):
                colour = text_on(image.cmap(image.norm(value)))
                ax.text(across, down, f"{value:.3f}", ha="center", va="center", color=colour, fontsize=8)
        ax.set_xticks(range(len(counts)), [f"{count:g}" for count in counts])
        ax.set_yticks(range(len(labels)), labels)
        ax.set_xlabel("number of organisations")
        ax.set_title(wrapped(setting))
        ax.grid(visible=False)
    if image is not None:
        made.colorbar(image, ax=axes, label="mean accuracy\non the holdout (0 to 1)")
    seeds = interval_text(found.assign(interval="seeds")).split("over ")[-1]
    return Drawing(
        made,
        f"Mean accuracy of the vote on the holdout by rule and number of organisations, over {seeds}{note}",
        f"Heat map of mean accuracy for {len(labels)} rules at {_list(counts)} organisations. "
        f"{_extremes(found, 'accuracy')}",
    )


def _dot(ax: Axes, rows: pd.DataFrame, place: float, label: str) -> None:
    style = label_style(label)
    ax.errorbar(
        rows["mean"], [place], xerr=reach(rows), color=style.colour, marker=style.marker, linestyle="none",
        capsize=2.5, elinewidth=1.1, label=label, zorder=3,
    )  # fmt: skip


def _dodge(counts: list[float], lines: int) -> float:
    gaps = np.diff(np.log2(counts)) if len(counts) > 1 else np.array([1.0])
    return min(0.07, 0.55 * float(gaps.min()) / max(lines - 1, 1))


def _limits(parts: list[pd.DataFrame]) -> tuple[float, float]:
    """Return limits that hold all points and intervals, within 0 to 1."""
    values = [part[name].to_numpy(float) for part in parts if len(part) for name in ("mean", "low", "high")]
    held = np.concatenate(values)
    low, high = max(0.0, float(np.nanmin(held))), min(1.0, float(np.nanmax(held)))
    pad = 0.05 * max(high - low, 0.02)
    return low - pad, high + pad if math.isfinite(high) else 1.0


def _extremes(found: pd.DataFrame, metric: str) -> str:
    best, worst = found.iloc[found["mean"].argmax()], found.iloc[found["mean"].argmin()]
    name = METRIC_NAMES[metric]
    return (
        f"The highest mean {name} is {best['mean']:.3f} ({best['label']}, {best['n_shards']:g} "
        f"organisations), the lowest {worst['mean']:.3f} ({worst['label']}, {worst['n_shards']:g} "
        "organisations)."
    )


def _list(counts: list[float]) -> str:
    return ", ".join(f"{count:g}" for count in counts)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
