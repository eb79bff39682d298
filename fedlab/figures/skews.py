"""Measured skew against the option that makes it: from a results table, or from splits alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fedlab.errors import FedlabError
from fedlab.evidence import summarise
from fedlab.evidence.results import REPLICATES, in_order, require, setting_labels
from fedlab.evidence.sentences import seeds_text
from fedlab.figures.drawing import Drawing, figure, panels
from fedlab.figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, styled
from fedlab.figures.tables import NOT_OF_PARTITION, reach

MEASURES = {
    "skew_js": "Jensen-Shannon distance (0 to 1)",
    "skew_hellinger": "Hellinger distance (0 to 1)",
    "skew_tv": "total variation (0 to 1)",
    "skew_ks": "Kolmogorov-Smirnov distance (0 to 1)",
    "skew_wasserstein": "Wasserstein distance\n(standard deviations of the pool)",
    "skew_features_js": "Jensen-Shannon distance of features (0 to 1)",
    "skew_gini": "Gini index of sizes (0 to 1)",
    "skew_effective": "effective number of organisations",
    "skew_auc": "AUC of telling organisations apart (0.5 to 1)",
}
_LABEL = ("skew_js", "skew_hellinger", "skew_tv")
_LABEL_SCHEMES = ("dirichlet", "dirichlet_organisations")  # those whose alpha is about the classes
_LOOKS = [(BLUE, "o", "-"), (VERMILLION, "s", "--"), (GREEN, "^", "-."), (ORANGE, "D", ":"), (PURPLE, "v", "-")]
_LOOKS += [(SKY, "P", "--")]


@figure("skew_by_alpha")
def skew_by_alpha(results: pd.DataFrame) -> Drawing:
    """Draw the label skew that was measured against Dirichlet's alpha, a line for each number of organisations.

    Parameters
    ----------
    results : DataFrame
        The results table.

    Returns
    -------
    Drawing
        Jensen-Shannon, Hellinger and total-variation distance; a point for each seed, means with intervals.

    Raises
    ------
    FedlabError
        If a needed column is missing or empty, or there are no two numeric alphas of a label-Dirichlet scheme.
    """
    require(results, "alpha", "n_shards", "scheme", *_LABEL)
    alpha = pd.to_numeric(results["alpha"], errors="coerce")
    used = results["scheme"].isin(_LABEL_SCHEMES) & alpha.notna()
    table = results[used].assign(alpha=alpha[used])
    if table["alpha"].nunique() < 2:
        raise FedlabError(
            f"label skew against alpha needs two numeric values of alpha at least, with scheme "
            f"{' or '.join(_LABEL_SCHEMES)}; the table has {table['alpha'].nunique()}"
        )
    table = table.assign(setting=setting_labels(table, ("alpha", *NOT_OF_PARTITION)))
    seeds = [name for name in REPLICATES if name in table]
    return _curves(table.drop_duplicates(["setting", "alpha", "n_shards", *seeds]), "alpha", _LABEL, log=True)


def draw_skew(table: pd.DataFrame, option: str, measures: Sequence[str] = _LABEL, log: bool | None = None) -> Drawing:
    """Draw measured skew against an option of a scheme, from the table of `fedlab.partition.skew_over`.

    Parameters
    ----------
    table : DataFrame
        What `skew_over` returned.
    option : str
        The option that varies.
    measures : sequence of str
        Which of its columns, a panel each.
    log : bool, optional
        Whether the option's axis is logarithmic; by default for alpha.

    Returns
    -------
    Drawing
        The figure.

    Raises
    ------
    FedlabError
        If a column is missing or empty.

    Examples
    --------
    >>> from fedlab.partition import skew_over
    >>> from fedlab.records import load_records
    >>> table = skew_over(load_records("nhefs"), "feature", "strictness", [0, 0.5, 1], column="age")
    >>> draw_skew(table, "strictness", ["skew_ks"]).alt[:58]
    'Line chart against strictness from 0 to 1: Kolmogorov-Smir'
    """
    require(table, option, "n_shards", *measures)
    logarithmic = option == "alpha" if log is None else log
    with styled():
        return _curves(table.assign(setting=""), option, measures, logarithmic)


def _curves(table: pd.DataFrame, option: str, measures: Sequence[str], log: bool) -> Drawing:
    lines = in_order(zip(table["setting"], table["n_shards"], strict=True))
    shown = sorted(lines, key=lambda line: (lines.index(line) if line[0] else 0, line[1]))[: len(_LOOKS)]
    width = max(2.9, 6.0 / len(measures))
    # measures of one kind share an axis, so that their heights compare
    made, axes = panels(len(measures), width, 3.3, sharey=set(measures) <= set(_LABEL))
    cells = []
    for ax, measure in zip(axes, measures, strict=True):
        for place, (setting, n_shards) in enumerate(shown):
            rows = table[(table["setting"] == setting) & (table["n_shards"] == n_shards)]
            found = summarise(rows, [option], measure).dropna(subset=["mean"]).sort_values(option)
            cells.append(found.assign(measure=measure))
            label = ", ".join(filter(None, [setting, f"{n_shards:g}"]))
            apart = place - (len(shown) - 1) / 2
            _line(ax, rows, found, (option, measure), label, _LOOKS[place], _moved(table[option], apart, log))
        if log:
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_xlabel(f"{option}{' (log scale)' if log else ''}")
        ax.set_ylabel(MEASURES.get(measure, measure))
        ax.tick_params(labelleft=True)
    axes[0].set_ylim(bottom=0)
    handles, labels = axes[0].get_legend_handles_labels()
    made.legend(handles, labels, title="organisations", loc="outside right upper")
    every = pd.concat(cells)
    left = f" {len(lines) - len(shown)} more lines are not drawn." if len(lines) > len(shown) else ""
    interval = " Bars: 95 % t interval of the mean." if (every["interval"] == "seeds").any() else " No interval."
    schemes = ", ".join(in_order(table["scheme"])) if "scheme" in table else ""
    return Drawing(
        made,
        f"Measured skew against {option} of scheme {schemes}: distance of an organisation from all together, mean over "
        f"organisations by their rows. Small points are splits, large ones means over {seeds_text(every)}, set a "
        f"little apart so that bars do not cover each other."
        f"{interval}{left}",
        f"Line chart against {option} from {table[option].min():g} to {table[option].max():g}: "
        f"{'; '.join(_told(every, option, measure) for measure in measures)}.",
    )


def _line(
    ax: Axes,
    rows: pd.DataFrame,
    found: pd.DataFrame,
    columns: tuple[str, str],
    label: str,
    look: tuple[str, str, str],
    moved: dict[float, float],
) -> None:
    option, measure = columns
    colour, marker, line = look
    if len(rows) > len(found):
        ax.plot(rows[option].map(moved), rows[measure], marker, color=colour, markersize=2.5, alpha=0.45, zorder=2)
    ax.errorbar(
        found[option].map(moved), found["mean"], yerr=reach(found), label=label, color=colour, marker=marker,
        markersize=5, linestyle=line, capsize=2, elinewidth=0.9, zorder=3,
    )  # fmt: skip


def _moved(values: pd.Series, apart: float, log: bool) -> dict[float, float]:
    """Return where each value is drawn: a little aside, so that the bars of several lines do not cover each other."""
    distinct = np.sort(values.unique().astype(float))
    places = np.log10(distinct) if log else distinct
    moved = places + 0.09 * apart * np.diff(places).min() if len(places) > 1 else places
    return dict(zip(distinct.tolist(), (10**moved if log else moved).tolist(), strict=True))


def _told(cells: pd.DataFrame, option: str, measure: str) -> str:
    rows = cells[cells["measure"] == measure]
    name = MEASURES.get(measure, measure).split("\n")[0].split(" (")[0]
    first, last = (rows.loc[rows[option] == end, "mean"].mean() for end in (rows[option].min(), rows[option].max()))
    return f"{name} goes from {first:.2f} to {last:.2f} (mean of the lines)"
