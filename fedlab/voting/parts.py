"""What each organisation adds to an additive rule's support, and how far it could move it by answering as it likes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.voting.ballots import Ballots
from fedlab.voting.logpools import log_evidence, no_shift, pool_weights, prior_shift
from fedlab.voting.ranks import borda_points
from fedlab.voting.support import whole
from fedlab.voting.validation import Validation
from fedlab.voting.weights import log_odds_weights, model_weights

#: What to do where organisations declare their own weights.
DECLARED = {
    "refuse": "an error: what a hostile organisation weighs is for it to say",
    "trust": "weights are taken as checked by somebody else: a hostile organisation keeps its own",
    "worst": "a hostile organisation declares the largest weight it can; where there is no largest, the radius is 0",
}


@dataclass(frozen=True, eq=False)
class Parts:
    """What each organisation adds, record by record.

    Parameters
    ----------
    values : array (n_models, n_records, n_classes)
        What it adds to each class; their sum orders the classes as the rule's support does. Whole numbers are exact.
    reach : array (n_models, n_classes, n_classes)
        ``reach[i, c, k]``: the most by which organisation i can put class k ahead of class c, whatever it answers.
        Infinite where it can declare any weight.
    weighs : bool array (n_models,)
        Whether it weighs anything, so that its answer alone makes a verdict.
    """

    values: np.ndarray
    reach: np.ndarray
    weighs: np.ndarray


def parts_of(
    ballots: Ballots,
    rule_name: str,
    options: Mapping[str, Any],
    positive: int,
    validation: Validation | None,
    declared: str = "refuse",
) -> Parts:
    """Return what each organisation adds to the support of an additive rule.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    rule_name : str
        A registered additive rule.
    options : mapping
        All its options.
    positive : int
        Column of the positive class.
    validation : Validation or None
        As given to `vote`.
    declared : str
        One of `DECLARED`.

    Returns
    -------
    Parts

    Raises
    ------
    FedlabError
        If weights are declared by the organisations themselves and `declared` is ``refuse``.
    """
    if declared not in DECLARED:
        raise unknown_name("declared", declared, DECLARED)
    votes = _one_hot(ballots)
    ones = np.ones(ballots.n_models, dtype=np.int64)
    if rule_name in ("majority", "quorum", "supermajority", "t_of_n", "any", "unanimous"):
        return _parts(votes, ones, ones)
    if rule_name == "soft":
        assert ballots.probabilities is not None
        return _parts(ballots.probabilities, ones, ones)
    if rule_name == "borda":
        points = np.array(list(borda_points(ballots))).reshape(votes.shape)
        return _parts(points, ones, 2 * (ballots.n_classes - 1) * ones)
    by = options["by"]
    if rule_name == "weighted":
        weights = whole(model_weights(ballots, by, rule_name, validation, positive))
        most = _most(weights, by, rule_name, declared, largest=1.0)
        assert options["of"] == "labels" or ballots.probabilities is not None
        return _parts(votes if options["of"] == "labels" else ballots.probabilities, weights, most)
    if rule_name == "log_odds":
        clip = options["clip"]
        weights = log_odds_weights(ballots, by, clip, validation)
        shift = np.log(max(ballots.n_classes, 2) - 1)
        largest = np.log(1 - clip) - np.log(clip) + shift  # at accuracy 1 - clip; at clip it is less in size
        return _parts(votes, weights, np.abs(_most(weights, by, rule_name, declared, largest)))
    return _pool_parts(ballots, rule_name, options, declared)


def _pool_parts(ballots: Ballots, rule_name: str, options: Mapping[str, Any], declared: str) -> Parts:
    """Return the parts of log_pool and prior_corrected."""
    by, clip = options["by"], options["clip"]
    weights = pool_weights(ballots, by, rule_name)
    shift, seen = no_shift(ballots)
    if rule_name == "prior_corrected":
        assert ballots.class_counts is not None
        shift, seen = prior_shift(ballots, options["target"]), ballots.class_counts > 0
        # A class held by one row in a million weighs as much as one likes: as if the weight had no limit.
        most = _most(weights, "class_counts", rule_name, declared, largest=np.inf)
    else:
        most = _most(weights, by, rule_name, declared, largest=1.0)
    assert ballots.probabilities is not None
    values = np.array(
        [
            weight * log_evidence(rows, said, *beside, clip)
            for weight, rows, said, beside in zip(
                weights, ballots.probabilities, ballots.answered, zip(shift, seen, strict=True), strict=True
            )
        ]
    )
    lowest = np.where(seen, np.log(clip), 0.0) + shift
    reach = np.maximum(shift[:, None, :] - lowest[:, :, None], 0.0)
    return Parts(values, _scaled(reach, most), weights != 0)


def _most(weights: np.ndarray, by: str, rule_name: str, declared: str, largest: float) -> np.ndarray:
    """Return the largest weight that each organisation could have if it were hostile."""
    if by == "equal":
        return weights
    if by == "validation":  # measured by the caller, but a hostile organisation may answer those rows well
        return np.maximum(np.abs(weights), largest)
    if declared == "trust":
        return weights
    if declared == "refuse":
        raise FedlabError(
            f"rule {rule_name!r} weighs by what organisations declare of themselves ({by}), so a hostile one "
            "weighs what "
            "it likes and nothing can be certified; give declared='worst' for the radius at the worst declaration, "
            "declared='trust' where the numbers were checked, or choose a rule without declared weights"
        )
    return np.maximum(np.abs(weights), largest if by == "accuracy" else np.inf)


def _parts(values: Any, weights: np.ndarray, most: np.ndarray) -> Parts:
    """Return parts that are values times weights; a hostile organisation moves a whole weight, or twice nothing."""
    n_classes = values.shape[2]
    unit = np.ones((len(weights), n_classes, n_classes), dtype=np.int64)
    return Parts(values * weights[:, None, None], _scaled(unit, most), weights != 0)


def _scaled(unit: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Return reach times weight, 0 for a class against itself."""
    if np.isinf(most).any():
        reach = np.where(np.isinf(most)[:, None, None], np.inf, unit * np.where(np.isinf(most), 0, most)[:, None, None])
    else:
        reach = unit * most[:, None, None]
    return np.where(np.eye(unit.shape[1], dtype=bool), np.zeros((), dtype=reach.dtype), reach)


def _one_hot(ballots: Ballots) -> np.ndarray:
    """Return votes as 0 and 1: int (n_models, n_records, n_classes)."""
    return (ballots.labels[:, :, None] == np.arange(ballots.n_classes)).astype(np.int64)
