"""Rules that pool probabilities or weigh organisations: soft, median, weighted."""

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, add_up, count_votes, divide, weight_answered, whole


@rule(
    "soft",
    needs=("probabilities",),
    additive=True,
    formula="argmax_k mean_i p_i(k)",
    source="Kittler, Hatef, Duin and Matas, On Combining Classifiers, IEEE TPAMI 20(3), 1998 (sum rule)",
)
def soft(ballots: Ballots) -> Support:
    """Choose the class of the largest mean probability over the models that answer.

    A model gives probability 0 to a class that it never saw. Scores are the means; the margin is the lead.
    """
    assert ballots.probabilities is not None
    total = add_up(ballots.probabilities, ballots.probabilities.shape[1:])
    return Support(divide(total, ballots.answered.sum(axis=0)))


@rule(
    "median",
    needs=("probabilities",),
    formula="argmax_k median_i p_i(k)",
    source="Kittler, Hatef, Duin and Matas, On Combining Classifiers, IEEE TPAMI 20(3), 1998 (median rule)",
)
def median(ballots: Ballots) -> Support:
    """Choose the class of the largest median probability over the models that answer.

    Between two middle models the median is their mean. Scores are the medians divided by their sum; all
    zeros, and a tie of all classes, where every median is 0 (three models, each certain of another class).
    The margin is the lead in scores.
    """
    assert ballots.probabilities is not None
    answered = ballots.answered
    votes = answered.sum(axis=0)
    # Those who abstain sort behind all others, where no middle reaches.
    ordered = np.sort(np.where(answered[:, :, None], ballots.probabilities, np.inf), axis=0)
    records = np.arange(ballots.n_records)
    lower = ordered[np.maximum(votes - 1, 0) // 2, records]
    upper = ordered[np.minimum(votes // 2, ballots.n_models - 1), records]
    medians = np.where(votes[:, None] > 0, lower / 2 + upper / 2, 0.0)
    return Support(divide(medians, add_up(medians.T, votes.shape)))


@rule(
    "weighted",
    additive=True,
    choices={
        "by": {"size": "sizes", "accuracy": "accuracies"},
        "of": {"labels": "labels", "probabilities": "probabilities"},
    },
    formula="argmax_k sum_i w_i [l_i = k] / sum_i w_i, or argmax_k sum_i w_i p_i(k) / sum_i w_i",
    source="L. I. Kuncheva, Combining Pattern Classifiers, 2nd ed., Wiley 2014, ch. 4 (weighted majority)",
)
def weighted(ballots: Ballots, by: str = "size", of: str = "labels") -> Support:
    """Choose the class of the largest weight: a model weighs its training rows or its accuracy.

    Sums are over the models that answer. Scores are shares of the weight that answered; the margin is the
    lead. A record that only models of weight 0 answered gets no verdict.

    Parameters
    ----------
    ballots : Ballots
        What the models say, with `sizes` or `accuracies`.
    by : {"size", "accuracy"}
        The weight: training rows, or accuracy on the organisation's own test rows.
    of : {"labels", "probabilities"}
        What is weighted: each model's one verdict, or its probabilities.

    Raises
    ------
    FedlabError
        If all weights are zero, or an organisation's accuracy was not measured.
    """
    weights = whole(_weights(ballots, by))
    total = weight_answered(ballots, weights)
    if of == "labels":
        return Support(count_votes(ballots, weights), total=total, answered=total > 0)
    assert ballots.probabilities is not None
    parts = (weight * rows for weight, rows in zip(weights, ballots.probabilities, strict=True))
    return Support(add_up(parts, ballots.probabilities.shape[1:]), total=total, answered=total > 0)


def _weights(ballots: Ballots, by: str) -> np.ndarray:
    """Return one finite weight for each model, not all of them zero."""
    weights = ballots.sizes if by == "size" else ballots.accuracies
    assert weights is not None
    unknown = [name for name, weight in zip(ballots.organisations, weights, strict=True) if np.isnan(weight)]
    if unknown:
        raise FedlabError(
            f"rule 'weighted' by {by}: the {by} of organisation {unknown[0]!r} was not measured (NaN); "
            "weigh by size, or leave the organisation out"
        )
    if not weights.any():
        raise FedlabError(
            f"rule 'weighted' by {by}: all weights are zero, so no verdict weighs anything; use 'majority'"
        )
    return weights
