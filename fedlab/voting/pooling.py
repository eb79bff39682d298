"""Rules that pool probabilities by averages: soft, median, trimmed mean."""

import numpy as np

from fedlab.voting.ballots import Ballots
from fedlab.voting.contract import Range
from fedlab.voting.orders import values_left_out
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, add_up, divide


@rule(
    "soft",
    needs=("probabilities",),
    additive=True,
    formula="argmax_k mean_i p_i(k)",
    source="Kittler, Hatef, Duin and Matas, On Combining Classifiers, IEEE TPAMI 20(3), 1998 (sum rule)",
    use="The first choice where models give probabilities and organisations are of similar size: an unsure model "
    "counts for less. Wrong where models are badly calibrated or see other class shares than the target.",
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
    certificate="bound",
    formula="argmax_k median_i p_i(k)",
    source="Kittler, Hatef, Duin and Matas, On Combining Classifiers, IEEE TPAMI 20(3), 1998 (median rule)",
    use="As soft, where a few models may be far off: the middle does not move with them.",
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
    "trimmed_mean",
    needs=("probabilities",),
    ranges={"trim": Range(0, 0.5)},
    certificate="bound",
    formula="argmax_k mean of p_i(k) without the floor(trim * n) least and greatest",
    source="L. I. Kuncheva, Combining Pattern Classifiers, 2nd ed., Wiley 2014, ch. 5 (trimmed mean)",
    use="Between soft and median: how many far-off models to set aside on either side is yours to say.",
)
def trimmed_mean(ballots: Ballots, trim: float = 0.2) -> Support:
    """Choose the class of the largest mean probability, the least and greatest values of each class left out.

    Of the n models that answer, floor(trim·n) values are left out at either end, class by class, but always one
    or two left in the middle: at 0 this is `soft`, at 0.5 `median`. Scores are the means divided by their sum; the
    margin is the lead in scores.

    Parameters
    ----------
    ballots : Ballots
        What the models say, with probabilities.
    trim : float
        The share of values to leave out at either end, from 0 to 0.5.
    """
    assert ballots.probabilities is not None
    answered = ballots.answered
    votes = answered.sum(axis=0)
    cut = values_left_out(votes, trim)
    ordered = np.sort(np.where(answered[:, :, None], ballots.probabilities, np.inf), axis=0)
    kept = (np.where((place >= cut) & (place < votes - cut), 1, 0) for place in range(ballots.n_models))
    parts = (
        np.where(keep[:, None] == 1, rows, 0.0) for keep, rows in zip(kept, ordered, strict=True)
    )  # a product would make NaN of the infinite
    means = divide(add_up(parts, ordered.shape[1:]), votes - 2 * cut)
    return Support(divide(means, add_up(means.T, votes.shape)))
