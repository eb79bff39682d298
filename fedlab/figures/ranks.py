"""The critical-difference diagram: mean ranks of the rules over many settings, and which are told apart."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fedlab.evidence import MeanRanks, rank_rules
from fedlab.evidence.guide import seeds_of
from fedlab.figures.drawing import Drawing, figure, panels
from fedlab.figures.style import BLACK, GREY, label_style


@figure("critical_difference")
def critical_difference_diagram(results: pd.DataFrame) -> Drawing:
    """Draw each rule's mean rank over all settings, with bars that join rules not told apart.

    Demšar's diagram (2006) turned by a right angle: a line per rule, so that thirty names stay readable.

    Parameters
    ----------
    results : DataFrame
        The results table.

    Returns
    -------
    Drawing
        The figure. Rules that some setting lacks are left out, and named in the caption.

    Raises
    ------
    FedlabError
        If fewer than 3 rules or 2 settings are left.
    """
    ranks = rank_rules(results, "accuracy", missing="drop")
    groups = ranks.groups()
    made = _draw(ranks, groups)
    mean, critical = ranks.mean, ranks.critical_difference
    left = f" Not in every setting, and left out: {', '.join(ranks.left_out)}." if ranks.left_out else ""
    return Drawing(
        made,
        f"Mean rank of {ranks.n_rules} rules by accuracy on the holdout over {ranks.n_blocks} settings (1 is the best "
        f"rule of a setting), each setting the mean over {seeds_of(ranks)}. No interval: two rules whose mean ranks "
        f"differ by less than the critical difference, {critical:.2f} (Nemenyi, 95 %), are not told apart; black "
        "bars on the right join such groups. Settings of one data set share patients, so the true critical "
        f"difference is somewhat greater.{left}",
        f"Mean ranks from {mean.iloc[0]:.1f} ({mean.index[0]}) to {mean.iloc[-1]:.1f} ({mean.index[-1]}) of "
        f"{ranks.n_rules} rules in {ranks.n_blocks} settings; critical difference {critical:.2f}, {len(groups)} groups "
        "of rules that are not told apart.",
    )


def _draw(ranks: MeanRanks, groups: list[list[str]]) -> Figure:
    mean, critical = ranks.mean, ranks.critical_difference
    rules = [str(name) for name in mean.index]
    made, (ax,) = panels(1, 7.0, 1.4 + 0.21 * len(rules), sharey=False)
    for place, rule in enumerate(rules):
        style = label_style(rule)
        ax.plot([1, mean[rule]], [place, place], color=GREY, linewidth=0.6, zorder=1)
        ax.plot([mean[rule]], [place], color=style.colour, marker=style.marker, linestyle="none", zorder=3)
    ax.set_yticks(range(len(rules)), [f"{rule}  {mean[rule]:.1f}" for rule in rules])
    ax.set_ylim(len(rules) - 0.4, -2.7)
    highest = max(ranks.n_rules, 1 + critical)
    gap = highest / 40
    ax.errorbar(
        [1 + critical / 2],
        [-1.3],
        xerr=[critical / 2],
        color=BLACK,
        capsize=4,
        linewidth=1.6,
        label="critical difference",
    )
    told = f"critical difference {critical:.2f}: bars on the right join rules closer than this"
    ax.annotate(told, (1, -2.1), va="center", fontsize=8)
    for number, group in enumerate(groups):
        first, last = rules.index(group[0]), rules.index(group[-1])
        side = highest + gap * (2 + number)
        ax.plot([side, side], [first - 0.25, last + 0.25], color=BLACK, linewidth=2.6, solid_capstyle="butt")
    ax.set_xlim(1 - gap, highest + gap * (3 + len(groups)))
    ticks = np.unique(np.linspace(1, ranks.n_rules, min(ranks.n_rules, 8)).round().astype(int))
    ax.set_xticks(ticks)
    ax.set_xlabel("mean rank (1 is best)")
    ax.grid(axis="y", visible=False)
    return made
