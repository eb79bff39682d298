"""How figures look: one colour and marker per rule everywhere, told apart in grey as well."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from matplotlib.lines import Line2D

# Okabe and Ito, Color Universal Design (2008); yellow is left out for lines: too faint on white.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY, LIGHT = "#666666", "#DDDDDD"
CLASS_COLOURS = (SKY, ORANGE, GREEN, PURPLE, "#F0E442", BLUE, VERMILLION)
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++", "oo")

RC = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "figure.dpi": 110,
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 6,
    "savefig.dpi": 150,
    "svg.fonttype": "path",
    "svg.hashsalt": "fedlab",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


class RuleStyle(NamedTuple):
    """A rule's colour, marker and line."""

    colour: str
    marker: str
    line: Any  # a matplotlib line style: a name or a dash pattern


_KNOWN = {
    "majority": RuleStyle(BLUE, "o", "-"),
    "soft": RuleStyle(VERMILLION, "s", "-"),
    "any": RuleStyle(ORANGE, "^", "-"),
    "unanimous": RuleStyle(GREEN, "v", "-"),
    "median": RuleStyle(PURPLE, "D", "-"),
    "run_off": RuleStyle(BLACK, "*", "--"),
    "weighted": RuleStyle(SKY, "P", "-"),
    "weighted(by=size)": RuleStyle(SKY, "P", "-"),
    "weighted(by=accuracy)": RuleStyle(SKY, "X", "--"),
}
_MARKERS = ("<", ">", "p", "h", "*", "d", "8")
_LINES = ("-", "--", "-.")
_TIE_LINES = {"lowest": ":", "probability": "--", "positive": "-.", "abstain": (0, (1, 2, 4, 2))}


def rule_style(rule: str) -> RuleStyle:
    """Return a rule's style: fixed for the usual ones, else drawn from its name, the same in every figure.

    Examples
    --------
    >>> rule_style("majority")
    RuleStyle(colour='#0072B2', marker='o', line='-')
    >>> rule_style("mymodule:my_rule") == rule_style("mymodule:my_rule")
    True
    """
    if rule in _KNOWN:
        return _KNOWN[rule]
    drawn = hashlib.sha256(rule.encode()).digest()
    colours = (BLUE, VERMILLION, ORANGE, GREEN, PURPLE, SKY)
    return RuleStyle(
        colours[drawn[0] % len(colours)], _MARKERS[drawn[1] % len(_MARKERS)], _LINES[drawn[2] % len(_LINES)]
    )


def label_style(label: str) -> RuleStyle:
    """Return the style of a rule's label: where tie policies are compared, each has its own line.

    Examples
    --------
    >>> label_style("soft (tie: lowest)")
    RuleStyle(colour='#D55E00', marker='s', line=':')
    """
    rule, _, options = label.partition(" (")
    style = rule_style(rule)
    for tie, line in _TIE_LINES.items():
        if f"tie: {tie}" in options:
            return RuleStyle(style.colour, style.marker, line)
    return style


def text_on(colour: Any) -> str:
    """Return black or white, whichever reads better on a colour (relative luminance, WCAG 2).

    Examples
    --------
    >>> text_on((1, 1, 0.6, 1)), text_on((0, 0.1, 0.3, 1))
    ('black', 'white')
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if luminance > 0.179 else "white"


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style to what is drawn inside, whatever the user's own settings; put them back afterwards."""
    from matplotlib import style

    with style.context(["default", RC]):
        yield


def rule_handle(label: str) -> Line2D:
    """Return a rule's entry in a legend."""
    style = label_style(label)
    return Line2D([], [], color=style.colour, marker=style.marker, linestyle=style.line, label=label)
