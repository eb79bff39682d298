"""Every figure, one function each: the results table (or a partition) in, a drawing out; no pyplot, no global state."""

import pandas as pd

from fedlab.errors import FedlabError
from fedlab.figures.bandwidth import bandwidth_by_organisations, bytes_by_accuracy
from fedlab.figures.certificates import certified_accuracy, robustness_tradeoff
from fedlab.figures.drawing import FIGURES, Drawing, save
from fedlab.figures.holdings import class_heatmap, draw_partition, size_bars, who_holds_what
from fedlab.figures.organisations import agreement_map, bytes_sent, margins
from fedlab.figures.ranks import critical_difference_diagram
from fedlab.figures.ridgelines import feature_ridgelines
from fedlab.figures.skew_effect import accuracy_by_skew
from fedlab.figures.skews import draw_skew, skew_by_alpha
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
    "accuracy_by_skew",
    "agreement_map",
    "auc_by_shards",
    "bandwidth_by_organisations",
    "bytes_by_accuracy",
    "bytes_sent",
    "certified_accuracy",
    "class_heatmap",
    "critical_difference_diagram",
    "difference_from_centralised",
    "draw_all",
    "draw_partition",
    "draw_skew",
    "feature_ridgelines",
    "label_style",
    "margins",
    "robustness_tradeoff",
    "rule_by_shards",
    "rule_style",
    "save",
    "size_bars",
    "skew_by_alpha",
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
