"""Figures of who takes part: agreement, clear verdicts, bytes kept and sent."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from fedlab.evidence import MARGIN_BINS, from_upper_triangle
from fedlab.evidence.results import in_order
from fedlab.evidence.sentences import seeds_text
from fedlab.figures.drawing import Drawing, figure, panels, wrapped
from fedlab.figures.style import BLACK, ORANGE, SKY, text_on
from fedlab.figures.tables import (
    MOST_ORGANISATIONS,
    bytes_text,
    cell_title,
    one_seed,
    organisation_names,
    prepared,
    read_list,
    reference,
    representative,
    shown_settings,
    shown_shards,
)

_NUMBERS_UP_TO = 8


@figure("agreement")
def agreement_map(results: pd.DataFrame) -> Drawing:
    """Draw a heat map of the share of holdout records on which two organisations say the same."""
    table = prepared(results, "agreement")
    chosen = [pair for pair in representative(table, "agreement") if read_list(pair[1], "agreement")]
    if not chosen:
        prepared(results.assign(agreement=np.nan), "agreement")
    matrices = [_matrix(read_list(row, "agreement")) for _, row in chosen]
    low = min(float(np.nanmin(matrix)) for matrix in matrices)
    made, axes = panels(len(chosen), 3.6 if len(chosen) > 1 else 4.8, 3.4 if len(chosen) > 1 else 4.0, sharey=False)
    image = None
    for ax, (setting, row), matrix in zip(axes, chosen, matrices, strict=True):
        image = ax.imshow(matrix, cmap="cividis", vmin=min(low, 1 - 1e-9), vmax=1.0)
        names = organisation_names(row, len(matrix))
        if len(matrix) <= _NUMBERS_UP_TO:
            for (down, across), value in np.ndenumerate(matrix):
                if not np.isnan(value):
                    colour = text_on(image.cmap(image.norm(value)))
                    ax.text(across, down, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=7)
        if len(matrix) <= MOST_ORGANISATIONS:
            ax.set_xticks(range(len(matrix)), names, rotation=90 if max(map(len, names)) > 2 else 0)
            ax.set_yticks(range(len(matrix)), names)
        ax.set_xlabel("organisation")
        ax.set_ylabel("organisation")
        ax.set_title(wrapped(cell_title(setting, row)))
        ax.grid(visible=False)
    if image is not None:
        made.colorbar(image, ax=axes, label="share of holdout records on which\nboth say the same (0 to 1)")
    return Drawing(
        made,
        "Agreement between organisations: the share of holdout records on which the models of two "
        f"organisations say the same. One cell is drawn for each setting, {one_seed(chosen)}, no interval.",
        f"Heat map of agreement between {len(matrices[0])} organisations, lowest {low:.2f}.",
    )


@figure("margins")
def margins(results: pd.DataFrame) -> Drawing:
    """Draw the histogram of the verdicts' margins for each rule, right ones upwards, wrong ones downwards."""
    table = prepared(results, "margin_right", "margin_wrong")
    setting = in_order(table["setting"])[0]
    rows = table[(table["setting"] == setting) & table["margin_right"].notna()]
    n_shards = shown_shards(rows)
    rows = rows[rows["n_shards"] == n_shards]
    labels = in_order(rows["label"])
    shown = labels[:12]
    made, axes = panels(len(shown), 2.5, 2.1, columns=4, sharex=True)
    edges = np.arange(MARGIN_BINS) / MARGIN_BINS
    wrong_low = []
    for ax, label in zip(axes, shown, strict=True):
        held = [{str(k): v for k, v in row.items()} for row in rows[rows["label"] == label].to_dict("records")]
        right, wrong = (
            np.sum([read_list(row, name) for row in held], axis=0) for name in ("margin_right", "margin_wrong")
        )
        share = 100 / max(right.sum() + wrong.sum(), 1)
        options: dict[str, Any] = {
            "width": 1 / MARGIN_BINS,
            "align": "edge",
            "edgecolor": BLACK,
            "linewidth": 0.4,
        }
        ax.bar(edges, right * share, color=SKY, **options)
        ax.bar(edges, -wrong * share, color=ORANGE, hatch="////", **options)
        ax.axhline(0, color=BLACK, linewidth=0.8)
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        ax.set_title(wrapped(label, 26))
        ax.grid(axis="x", visible=False)
        wrong_low.append(f"{label} {100 * wrong.sum() / max(right.sum() + wrong.sum(), 1):.0f} % wrong")
    made.supxlabel("margin of the verdict (support of the verdict less the next, 0 to 1)", fontsize=9)
    made.supylabel("share of verdicts (%)", fontsize=9)
    made.legend(
        handles=[
            Patch(facecolor=SKY, edgecolor=BLACK, label="right (upwards)"),
            Patch(facecolor=ORANGE, edgecolor=BLACK, hatch="////", label="wrong (downwards)"),
        ],
        loc="outside upper center", ncols=2,
    )  # fmt: skip
    seeds = seeds_text(rows.groupby("label").size().to_frame("n_seeds"))
    left = f" {len(labels) - len(shown)} more rules are not drawn." if len(labels) > len(shown) else ""
    where = f"{setting}, " if setting else ""
    return Drawing(
        made,
        f"How clear the verdicts are ({where}{n_shards} organisations): margins of right and wrong verdicts "
        f"in {MARGIN_BINS} bins, all holdout records of {seeds} together, no interval; abstentions left out.{left}",
        f"Histograms of vote margins for {len(shown)} rules: {'; '.join(wrong_low)}.",
    )


@figure("bytes")
def bytes_sent(results: pd.DataFrame) -> Drawing:
    """Draw the bytes of data that stayed against the bytes of models that travelled, per shard count."""
    table = prepared(results, "data_bytes", "model_bytes")
    settings, note = shown_settings(table)
    both = {name: reference(table, name) for name in ("data_bytes", "model_bytes")}
    looks = {
        "data_bytes": ("data that stayed", SKY, ""),
        "model_bytes": ("models that travelled", ORANGE, "///"),
    }
    n_counts = both["data_bytes"]["n_shards"].nunique()
    made, axes = panels(len(settings), max(3.4, 1.5 + 0.95 * n_counts), 3.5)
    for ax, setting in zip(axes, settings, strict=True):
        counts = sorted(table.loc[table["setting"] == setting, "n_shards"].unique())
        for side, (name, (_, colour, hatch)) in zip((-0.2, 0.2), looks.items(), strict=True):
            rows = both[name][both[name]["setting"] == setting].sort_values("n_shards")
            x = [counts.index(count) + side for count in rows["n_shards"]]
            bars = ax.bar(x, rows["mean"], 0.4, color=colour, hatch=hatch, edgecolor=BLACK, linewidth=0.5)
            ax.bar_label(bars, [bytes_text(value) for value in rows["mean"]], padding=2, fontsize=7)
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda value, _: bytes_text(value))
        ax.minorticks_off()
        ax.set_xticks(range(len(counts)), [f"{count:g}" for count in counts])
        ax.set_xlabel("number of organisations")
        ax.set_title(wrapped(setting))
        ax.grid(axis="x", visible=False)
    lowest = min(float(found["mean"].min()) for found in both.values())
    highest = max(float(found["mean"].max()) for found in both.values())
    axes[0].set_ylim(10 ** (np.floor(np.log10(max(lowest, 1))) - 0.3), highest * 3)
    axes[0].set_ylabel("size (bytes, log scale)")
    made.legend(
        handles=[Patch(facecolor=c, edgecolor=BLACK, hatch=h, label=text) for text, c, h in looks.values()],
        loc="outside lower center", ncols=2,
    )  # fmt: skip
    ratio = (both["model_bytes"]["mean"] / both["data_bytes"]["mean"]).dropna()
    times = " to ".join(in_order([f"{ratio.min():.2g}", f"{ratio.max():.2g}"]))
    return Drawing(
        made,
        "Bytes of data that stayed with the organisations against bytes of all model files that travelled, "
        f"on a log scale; mean over {seeds_text(both['data_bytes'])}, no interval. The models take {times} "
        f"times the bytes of the data.{note}",
        f"Grouped bars of bytes per number of organisations: models take {times} times as many as data.",
    )


def _matrix(values: list[Any]) -> np.ndarray:
    return from_upper_triangle([np.nan if value is None else value for value in values])
