"""Ballots and the rules that turn them into a verdict, and how many hostile organisations a verdict survives."""

from typing import TYPE_CHECKING, Any

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
from fedlab.voting.calibration import CalibratedModel, calibrate
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

if TYPE_CHECKING:
    from fedlab.voting.estimator import VotingEnsemble

__all__ = [
    "CERTIFICATES",
    "RULES",
    "TIES",
    "BallotFile",
    "Ballots",
    "CalibratedModel",
    "Certificate",
    "CollectiveCertificate",
    "Range",
    "RiskCoverage",
    "Rule",
    "Support",
    "Validation",
    "Verdict",
    "VotingEnsemble",
    "calibrate",
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


def __getattr__(name: str) -> Any:
    """Import the classifier when it is asked for: scikit-learn takes a second that params files need not wait for."""
    if name == "VotingEnsemble":
        from fedlab.voting.estimator import VotingEnsemble

        return VotingEnsemble
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
