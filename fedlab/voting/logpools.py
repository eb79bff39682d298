"""Rules that multiply probabilities: log-opinion pool, its prior-corrected form, product; and the extremes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots
from fedlab.voting.classes import plain_values, positions
from fedlab.voting.contract import Range
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, add_up, divide, softmax
from fedlab.voting.weights import model_weights

_BY = {"equal": "probabilities", "size": "sizes", "accuracy": "accuracies"}
_CLIP = Range(1e-300, 0.5)


@rule(
    "log_pool",
    needs=("probabilities",),
    additive=True,
    choices={"by": _BY},
    ranges={"clip": _CLIP},
    formula="argmax_k sum_i w_i log max(p_i(k), clip) / sum_i w_i",
    source="C. Genest and J. V. Zidek, Combining Probability Distributions: A Critique and an Annotated Bibliography, "
    "Statistical Science 1(1), 1986 (logarithmic pool); clipped, as forests give exact zeros",
    use="Where models are calibrated and a confident one should count for more than in soft. Clip bounds what one "
    "organisation can do.",
)
def log_pool(ballots: Ballots, by: str = "equal", clip: float = 0.01) -> Support:
    """Choose the class of the largest weighted mean of log-probabilities over the models that answer.

    Scores are the geometric means of the clipped probabilities, made to sum to one; the margin is the lead. A record
    that only models of weight 0 answered gets no verdict.

    Parameters
    ----------
    ballots : Ballots
        What the models say, with probabilities.
    by : {"equal", "size", "accuracy"}
        What a model weighs.
    clip : float
        Probabilities below this count as this, so that no model can veto a class.
    """
    weights = pool_weights(ballots, by, "log_pool")
    return _pooled(ballots, weights, *no_shift(ballots), clip)


@rule(
    "prior_corrected",
    needs=("probabilities", "class_counts"),
    additive=True,
    choices={"by": _BY},
    ranges={"clip": _CLIP},
    formula="argmax_k sum_i w_i [log max(p_i(k), clip) - log prior_i(k)] / sum_i w_i + log target(k)",
    source="M. Saerens, P. Latinne and C. Decaestecker, Adjusting the Outputs of a Classifier to New a Priori "
    "Probabilities, Neural Computation 14(1), 2002 (label shift), in a logarithmic pool",
    use="Where organisations hold the classes in very different shares (a clinic of the ill, a screening of the well): "
    "each model's answer is read as evidence beyond its own class shares.",
)
def prior_corrected(ballots: Ballots, target: Any = "pooled", by: str = "equal", clip: float = 0.01) -> Support:
    """Choose the class by log-pool, each organisation's own class prior divided out and the target's put back.

    An organisation's prior is its share of training rows of each class. About a class that it never saw it says
    nothing: there its evidence counts as 0 and the target's prior alone speaks. Scores are the pooled
    probabilities; the margin is the lead.

    Parameters
    ----------
    ballots : Ballots
        What the models say, with probabilities and class counts.
    target : {"pooled", "uniform"}, list or mapping
        The class shares of the records voted on: those of all organisations' training rows together, equal ones, or
        shares given in the order of the classes or by class.
    by : {"equal", "size", "accuracy"}
        What a model weighs.
    clip : float
        Probabilities below this count as this.

    Raises
    ------
    FedlabError
        If the target is no list of class shares, or an organisation has no training rows.

    Examples
    --------
    The first saw three ill for each well, so that its .75 for "ill" is no evidence at all:

    >>> ballots = Ballots([[0], [1]], [[[0.75, 0.25]], [[0.4, 0.6]]], ["ill", "well"], ["north", "south"],
    ...                   class_counts=[[30, 10], [20, 20]])
    >>> prior_corrected(ballots, target="uniform").values.round(2).tolist()
    [[0.45, 0.55]]
    """
    weights = pool_weights(ballots, by, "prior_corrected")
    assert ballots.class_counts is not None
    return _pooled(ballots, weights, prior_shift(ballots, target), ballots.class_counts > 0, clip)


@rule(
    "product",
    needs=("probabilities",),
    certificate="zero",
    formula="argmax_k prod_i p_i(k)",
    source="Kittler, Hatef, Duin and Matas, On Combining Classifiers, IEEE TPAMI 20(3), 1998 (product rule)",
    use="Where models are calibrated and err independently, and all are honest: one zero vetoes a class. Forests give "
    "exact zeros; log_pool clips them.",
)
def product(ballots: Ballots) -> Support:
    """Choose the class of the largest product of probabilities over the models that answer.

    Nothing is clipped: where every class has a zero, all tie, and the tie policy decides. Scores are the products
    divided by their sum, all zeros there; the margin is the lead. Reckoned in logarithms, so that many models
    do not make zeros of small numbers.
    """
    assert ballots.probabilities is not None
    logs = add_up(
        (_log(np.where(said[:, None], rows, 1.0)) for rows, said in _answers(ballots)),
        ballots.probabilities.shape[1:],
    )
    return Support(softmax(logs))


@rule(
    "maximum",
    needs=("probabilities",),
    certificate="zero",
    formula="argmax_k max_i p_i(k)",
    source="Kittler, Hatef, Duin and Matas, On Combining Classifiers, IEEE TPAMI 20(3), 1998 (max rule)",
    use="Where one confident model should decide; with forests of few trees many records tie at 1.",
)
def maximum(ballots: Ballots) -> Support:
    """Choose the class of which any one model is most certain.

    Scores are the maxima divided by their sum; the margin is the lead in scores.
    """
    assert ballots.probabilities is not None
    return _shares(ballots.probabilities.max(axis=0))  # who abstains holds zeros, which raise no maximum


@rule(
    "minimum",
    needs=("probabilities",),
    certificate="zero",
    formula="argmax_k min_i p_i(k)",
    source="Kittler, Hatef, Duin and Matas, On Combining Classifiers, IEEE TPAMI 20(3), 1998 (min rule)",
    use="Where a class should be chosen only if no model finds it unlikely; with two classes the same as maximum.",
)
def minimum(ballots: Ballots) -> Support:
    """Choose the class whose least probability over the models that answer is largest.

    Scores are the minima divided by their sum, all zeros where every class has a zero: then all tie. The margin
    is the lead in scores.
    """
    assert ballots.probabilities is not None
    said = ballots.answered
    least = np.where(said[:, :, None], ballots.probabilities, np.inf).min(axis=0)
    return _shares(np.where((said.sum(axis=0) > 0)[:, None], least, 0.0))


def pool_weights(ballots: Ballots, by: str, rule_name: str) -> np.ndarray:
    """Return what each model weighs in a pool, not all of them zero."""
    if by == "equal":
        return np.ones(ballots.n_models)
    weights = model_weights(ballots, by, rule_name)
    if not weights.any():
        raise FedlabError(
            f"rule {rule_name!r} by {by}: all weights are zero, so nothing weighs anything; use by='equal'"
        )
    return weights


def prior_shift(ballots: Ballots, target: Any) -> np.ndarray:
    """Return log target(k) - log prior_i(k) for each model and class; log target(k) where a class was never seen."""
    counts = ballots.class_counts
    assert counts is not None
    rows = add_up(counts.T, (ballots.n_models,))
    for name, number in zip(ballots.organisations, rows, strict=True):
        if number == 0:
            raise FedlabError(
                f"rule 'prior_corrected': organisation {name!r} has no training rows in class_counts, so it has no "
                "prior; leave it out of the vote"
            )
    priors = np.where(counts > 0, counts / rows[:, None], 1.0)
    return np.log(target_shares(ballots, target)) - np.log(priors)


def target_shares(ballots: Ballots, target: Any) -> np.ndarray:
    """Return the class shares that a target names, each above 0, summing to one."""
    if isinstance(target, str) and target == "uniform":
        return np.full(ballots.n_classes, 1 / ballots.n_classes)
    if isinstance(target, str) and target == "pooled":
        assert ballots.class_counts is not None
        totals = add_up(ballots.class_counts, (ballots.n_classes,))
        return np.maximum(totals, 0.5) / np.maximum(totals, 0.5).sum()  # a class that nobody holds: half a row
    wanted = f"give 'pooled', 'uniform' or a share above 0 for each of the classes {ballots.classes[:10].tolist()}"
    if isinstance(target, Mapping):
        place = positions(plain_values(list(target), "the classes of target"), ballots.classes)
        if sorted(place.tolist()) != list(range(ballots.n_classes)):
            raise FedlabError(f"rule 'prior_corrected': target names {list(target)}; {wanted}")
        target = [list(target.values())[number] for number in np.argsort(place)]
    try:
        shares = np.asarray(target, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FedlabError(f"rule 'prior_corrected': target {target!r} is no list of shares; {wanted}") from error
    if shares.shape != (ballots.n_classes,) or not (shares > 0).all() or not abs(shares.sum() - 1) <= 1e-6:
        raise FedlabError(f"rule 'prior_corrected': target {target!r} must sum to one; {wanted}")
    return shares


def log_evidence(
    rows: np.ndarray, answered: np.ndarray, shift: np.ndarray, seen: np.ndarray, clip: float
) -> np.ndarray:
    """Return what one model adds to a pool before its weight: clipped logarithms plus a shift, 0 where it abstains."""
    logs = np.where(seen, np.log(np.maximum(rows, clip)), 0.0) + shift
    return np.where(answered[:, None], logs, 0.0)


def no_shift(ballots: Ballots) -> tuple[np.ndarray, np.ndarray]:
    """Return the shift and the seen classes of a pool without correction: none, and all."""
    shape = (ballots.n_models, ballots.n_classes)
    return np.zeros(shape), np.ones(shape, dtype=bool)


def _pooled(ballots: Ballots, weights: np.ndarray, shift: np.ndarray, seen: np.ndarray, clip: float) -> Support:
    """Return the weighted mean of the clipped logarithms as shares."""
    assert ballots.probabilities is not None
    parts = (
        weight * log_evidence(rows, said, *beside, clip)
        for weight, (rows, said), beside in zip(weights, _answers(ballots), zip(shift, seen, strict=True), strict=True)
    )
    total = add_up(parts, ballots.probabilities.shape[1:])
    weight = add_up((weight * said for weight, said in zip(weights, ballots.answered, strict=True)), total.shape[:1])
    return Support(divide(softmax(divide(total, weight)), (weight > 0).astype(np.float64)), answered=weight > 0)


def _answers(ballots: Ballots) -> Any:
    """Yield each model's probabilities and where it answered."""
    assert ballots.probabilities is not None
    return zip(ballots.probabilities, ballots.answered, strict=True)


def _log(rows: np.ndarray) -> np.ndarray:
    """Return logarithms, minus infinity for 0 without a warning."""
    return np.log(rows, out=np.full(rows.shape, -np.inf), where=rows > 0)


def _shares(values: np.ndarray) -> Support:
    """Return values made to sum to one, zeros where all are."""
    return Support(divide(values, add_up(values.T, values.shape[:1])))
