"""Every figure, one function each: the results table in, a drawing out; no pyplot, no global state."""

import pandas as pd

from fedlab.errors import FedlabError
from fedlab.figures.drawing import FIGURES, Drawing, save
from fedlab.figures.organisations import agreement_map, bytes_sent, margins, who_holds_what
from fedlab.figures.ranks import critical_difference_diagram
from fedlab.figures.style import label_style, rule_style
from fedlab.figures.vote import (
    accuracy_by_shards,
    auc_by_shards,
    difference_from_centralised,
    rule_by_shards,
)

__all__ = [
    "FIGURES",
    "Drawing",
    "accuracy_by_shards",
    "agreement_map",
    "auc_by_shards",
    "bytes_sent",
    "critical_difference_diagram",
    "difference_from_centralised",
    "draw_all",
    "label_style",
    "margins",
    "rule_by_shards",
    "rule_style",
    "save",
    "who_holds_what",
]


def draw_all(results: pd.DataFrame) -> tuple[dict[str, Drawing], dict[str, str]]:
    """Draw every figure that a results table supports.

    Parameters
    ----------
    results : DataFrame
        The results table.

    Returns
    -------
    drawings : dict of str to Drawing
        By the names of `FIGURES`.
    left_out : dict of str to str
        Why each of the others cannot be drawn from this table.
    """
    drawings, left_out = {}, {}
    for name in FIGURES:
        try:
            drawings[name] = FIGURES.get(name)(results)
        except FedlabError as error:
            left_out[name] = str(error)
    return drawings, left_out
