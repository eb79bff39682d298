"""The figures of what travels: bytes against the number of organisations, and accuracy against bytes."""

from typing import Any

import pandas as pd

from fedlab.errors import FedlabError
from fedlab.evidence.bandwidth import COMPRESSED, DATA, LABELS, PROBABILITIES, bandwidth
from fedlab.evidence.results import in_order
from fedlab.figures.drawing import Drawing, figure, panels, wrapped
from fedlab.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION
from fedlab.figures.tables import MAX_PANELS, bytes_text, shown_shards

_LOOKS: dict[str, dict[str, Any]] = {
    DATA: {"color": BLACK, "linestyle": "--", "marker": ""},
    COMPRESSED: {"color": GREY, "linestyle": ":", "marker": ""},
    LABELS: {"color": SKY, "linestyle": "-.", "marker": "x"},
    PROBABILITIES: {"color": BLUE, "linestyle": "-.", "marker": "+"},
}
_MODELS: list[dict[str, Any]] = [
    {"color": colour, "marker": marker, "linestyle": "-"}
    for colour, marker in zip((VERMILLION, ORANGE, PURPLE, GREEN, "#117733", "#882255"), "osD^v*", strict=True)
]


@figure("bandwidth")
def bandwidth_by_organisations(results: pd.DataFrame) -> Drawing:
    """Draw bytes of data, of models in each form and of ballots against the number of organisations.

    Parameters
    ----------
    results : DataFrame
        The results table of a sweep over ``format`` and ``compact`` (see `fedlab.evidence.bandwidth`).

    Returns
    -------
    Drawing
        Both axes logarithmic.

    Raises
    ------
    FedlabError
        If the models have one form only.
    """
    found = _several_forms(results)
    settings = in_order(found["setting"])[:MAX_PANELS]
    looks = _looks(found)
    made, axes = panels(len(settings), 4.2, 3.6)
    for ax, setting in zip(axes, settings, strict=True):
        for way, look in looks.items():
            rows = found[(found["setting"] == setting) & (found["way"] == way)].sort_values("n_shards")
            ax.plot(rows["n_shards"], rows["bytes"], label=way, markersize=5, **look)
        counts = sorted(found.loc[found["setting"] == setting, "n_shards"].unique())
        ax.set_xscale("log")
        ax.set_xticks(counts, [f"{count:g}" for count in counts])
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda value, _: bytes_text(value))
        ax.minorticks_off()
        ax.set_xlabel("number of organisations (log scale)")
        ax.set_title(wrapped(setting))
    axes[0].set_ylabel("size, all organisations together\n(bytes, log scale)")
    handles, labels = axes[0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower center", ncols=3)
    records = in_order(f"{count:,.0f}" for count in sorted(found["n_records"].dropna().unique()))
    return Drawing(
        made,
        "Bytes that travel, all organisations together: their data, their models in each form, or their answers to "
        f"{' or '.join(records)} records with the questions; mean over "
        f"{_seeds(found)}, no interval.",
        f"Line charts of bytes against the number of organisations. {_extremes(found)}",
    )


@figure("bytes_by_accuracy")
def bytes_by_accuracy(results: pd.DataFrame) -> Drawing:
    """Draw the accuracy of the vote against the bytes of the models, a panel a data set, one number of organisations.

    Parameters
    ----------
    results : DataFrame
        As `bandwidth_by_organisations`.

    Returns
    -------
    Drawing
        The horizontal axis is logarithmic.

    Raises
    ------
    FedlabError
        If the models have one form only.
    """
    found = _several_forms(results)
    settings = in_order(found["setting"])[:MAX_PANELS]
    looks = _looks(found)
    made, axes = panels(len(settings), 4.2, 3.4, sharey=False)
    told = []
    for ax, setting in zip(axes, settings, strict=True):
        own = found[found["setting"] == setting]
        count = shown_shards(own)
        own = own[own["n_shards"] == count]
        for row in own[(own["kind"] == "models") & own["accuracy"].notna()].to_dict("records"):
            look = {name: value for name, value in looks[row["way"]].items() if name != "linestyle"}
            ax.plot(row["bytes"], row["accuracy"], label=row["way"], linestyle="", markersize=8, **look)
            told.append(f"{row['way']} {bytes_text(row['bytes'])}, accuracy {row['accuracy']:.3f}")
        data = float(own.loc[own["way"] == DATA, "bytes"].iloc[0])
        ax.axvline(data, label=DATA, color=BLACK, linestyle="--", linewidth=1)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: bytes_text(value))
        ax.minorticks_off()
        ax.margins(x=0.15, y=0.25)
        ax.set_xlabel("size of all models (bytes, log scale)")
        ax.set_title(wrapped(f"{setting}, {count} organisations" if setting else f"{count} organisations"))
    axes[0].set_ylabel("accuracy of the vote (0 to 1)")
    handles, labels = axes[0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower center", ncols=3)
    return Drawing(
        made,
        f"Accuracy of the vote against the bytes of all models; mean over {_seeds(found)}, no interval. Forms of the "
        "same models stand at the same height; the dashed line is the size of the data.",
        f"Scatter of accuracy against bytes: {'; '.join(told)}.",
    )


def _several_forms(results: pd.DataFrame) -> pd.DataFrame:
    """Return the table of bytes; refuse one with a single form of models, which the figure `bytes` shows."""
    found = bandwidth(results)
    forms = in_order(found.loc[found["kind"] == "models", "way"])
    if len(forms) < 2:
        raise FedlabError(
            f"results table: all models have one form ({forms[0]}); sweep over format or compact to compare forms"
        )
    return found


def _looks(found: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return how each way is drawn, data first, then models from the greatest down, then ballots."""
    models = found[found["kind"] == "models"].groupby("way")["bytes"].mean().sort_values(ascending=False).index
    looks = dict(zip(models, _MODELS * (1 + len(models) // len(_MODELS)), strict=False))
    return (
        {DATA: _LOOKS[DATA], COMPRESSED: _LOOKS[COMPRESSED]}
        | looks
        | {way: _LOOKS[way] for way in (LABELS, PROBABILITIES) if way in set(found["way"])}
    )


def _seeds(found: pd.DataFrame) -> str:
    count = int(found["n_seeds"].max())
    return "1 seed" if count == 1 else f"{count} seeds"


def _extremes(found: pd.DataFrame) -> str:
    models = found[found["kind"] == "models"].sort_values("per_data_byte", kind="stable").to_dict("records")
    least, most = models[0], models[-1]
    return (
        f"Most: {most['way']}, {most['per_data_byte']:.2g} times the bytes of the data with {most['n_shards']:g} "
        f"organisations. Least: {least['way']}, {least['per_data_byte']:.2g} times with {least['n_shards']:g}."
    )
