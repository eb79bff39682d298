"""Ballots and the rules that turn them into a verdict; nothing about how well the verdict does."""

from fedlab.voting import (  # noqa: F401  (importing them registers their rules)
    competence,
    confusion,
    counting,
    crowd,
    latent,
    learned,
    logpools,
    pooling,
    ranks,
    thresholds,
    weights,
)
from fedlab.voting.abstention import RiskCoverage, risk_coverage
from fedlab.voting.ballot_files import BallotFile, load_ballots, save_ballots
from fedlab.voting.ballots import Ballots
from fedlab.voting.casting import cast_ballots
from fedlab.voting.certificates import Certificate, certificate
from fedlab.voting.collective import CollectiveCertificate, certified_accuracy, collective_certificate
from fedlab.voting.contract import CERTIFICATES, Range, Rule
from fedlab.voting.registry import RULES, check_rule, rule, rule_label, rule_options
from fedlab.voting.support import Support
from fedlab.voting.ties import TIES
from fedlab.voting.validation import Validation
from fedlab.voting.verdict import Verdict
from fedlab.voting.votes import vote

__all__ = [
    "CERTIFICATES",
    "RULES",
    "TIES",
    "BallotFile",
    "Ballots",
    "Certificate",
    "CollectiveCertificate",
    "Range",
    "RiskCoverage",
    "Rule",
    "Support",
    "Validation",
    "Verdict",
    "cast_ballots",
    "certificate",
    "certified_accuracy",
    "check_rule",
    "collective_certificate",
    "load_ballots",
    "risk_coverage",
    "rule",
    "rule_label",
    "rule_options",
    "save_ballots",
    "vote",
]
