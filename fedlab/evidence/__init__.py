"""How good the vote is, how sure that is, and what it is compared with."""

from fedlab.evidence.agreement import (
    MARGIN_BINS,
    agreement,
    from_upper_triangle,
    margin_histogram,
    upper_triangle,
)
from fedlab.evidence.answers import Answers, make_answers
from fedlab.evidence.bandwidth import bandwidth, bandwidth_sentences
from fedlab.evidence.baselines import measure_model, model_answers, organisations_alone
from fedlab.evidence.certified import CERTIFIED_COLUMNS, certified_columns
from fedlab.evidence.evaluate import CONTEXT, ROW_COLUMNS, evaluate_vote
from fedlab.evidence.guide import decision_guide, rule_table
from fedlab.evidence.intervals import Interval, bootstrap, interval_over_seeds, paired_difference
from fedlab.evidence.metrics import METRICS, measure, measure_answers
from fedlab.evidence.ranks import MeanRanks, compare_rules, critical_difference, rank_rules
from fedlab.evidence.results import parameters, read_results
from fedlab.evidence.sentences import summary_sentences
from fedlab.evidence.skew_effect import BREAKS, MEASURES, skew_effect, skew_sentences
from fedlab.evidence.summary import compare_with_centralised, summarise

__all__ = [
    "BREAKS",
    "CERTIFIED_COLUMNS",
    "CONTEXT",
    "MARGIN_BINS",
    "MEASURES",
    "METRICS",
    "ROW_COLUMNS",
    "Answers",
    "Interval",
    "MeanRanks",
    "agreement",
    "bandwidth",
    "bandwidth_sentences",
    "bootstrap",
    "certified_columns",
    "compare_rules",
    "compare_with_centralised",
    "critical_difference",
    "decision_guide",
    "evaluate_vote",
    "from_upper_triangle",
    "interval_over_seeds",
    "make_answers",
    "margin_histogram",
    "measure",
    "measure_answers",
    "measure_model",
    "model_answers",
    "organisations_alone",
    "paired_difference",
    "parameters",
    "rank_rules",
    "read_results",
    "rule_table",
    "skew_effect",
    "skew_sentences",
    "summarise",
    "summary_sentences",
    "upper_triangle",
]
