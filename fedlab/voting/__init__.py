"""Ballots and the rules that turn them into a verdict; nothing about how well the verdict does."""

from fedlab.voting import counting, pooling  # noqa: F401  (importing them registers their rules)
from fedlab.voting.ballot_files import BallotFile, load_ballots, save_ballots
from fedlab.voting.ballots import Ballots
from fedlab.voting.casting import cast_ballots
from fedlab.voting.registry import RULES, Rule, check_rule, rule, rule_label, rule_options
from fedlab.voting.support import Support
from fedlab.voting.ties import TIES
from fedlab.voting.verdict import Verdict
from fedlab.voting.votes import vote

__all__ = [
    "RULES",
    "TIES",
    "BallotFile",
    "Ballots",
    "Rule",
    "Support",
    "Verdict",
    "cast_ballots",
    "check_rule",
    "load_ballots",
    "rule",
    "rule_label",
    "rule_options",
    "save_ballots",
    "vote",
]
