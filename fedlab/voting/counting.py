"""Rules that count verdicts: majority, any, unanimous."""

from dataclasses import replace

import numpy as np

from fedlab.voting.ballots import Ballots
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, count_votes


@rule(
    "majority",
    additive=True,
    formula="argmax_k #{i : l_i = k}",
    source="L. I. Kuncheva, Combining Pattern Classifiers, 2nd ed., Wiley 2014, ch. 4 (plurality)",
    use="The baseline: needs nothing but verdicts, and no organisation weighs more than another. Good where the "
    "organisations are alike; loses where some are much larger or hold other classes.",
)
def majority(ballots: Ballots) -> Support:
    """Choose the most common verdict.

    It need not be the verdict of more than half of the models (that makes it a plurality). Abstentions do not
    count. Scores are shares of the votes cast; the margin is the lead over the next class, as a share of the
    votes cast.

    Examples
    --------
    >>> majority(Ballots([[0], [2], [2], [-1]], None, [1, 2, 3], list("abcd"))).values.tolist()
    [[1, 0, 2]]
    """
    counts = count_votes(ballots)
    return Support(counts, total=counts.sum(axis=1))


@rule(
    "any",
    formula="positive if #{i : l_i = positive} >= 1, else the majority among the other classes",
    source="1-of-n vote, a logical OR: what sum(votes) >= 1 computes",
    certificate="threshold",
    use="Where missing a positive costs far more than a false alarm, and organisations are few: with many of them "
    "nearly every record becomes positive.",
)
def any_positive(ballots: Ballots, positive: int) -> Support:
    """Choose the positive class if any model says so, otherwise the most common verdict.

    Scores are shares of the votes cast, as for `majority`, so the verdict is not always the class of the
    greatest score: ``any`` is another threshold on the same share, and measures of ranking such as the AUC
    equal those of `majority`. The margin of a positive verdict is the share of positive votes (by how many
    votes the condition holds), that of any other verdict its lead, as for `majority`.
    """
    counts = count_votes(ballots)
    return conditional(counts, counts[:, positive] >= 1, positive)


@rule(
    "unanimous",
    formula="positive if l_i = positive for all i that answer, else the majority among the other classes",
    source="n-of-n vote, a logical AND",
    certificate="threshold",
    use="Where a false alarm costs far more than a missed positive, and organisations are few.",
)
def unanimous(ballots: Ballots, positive: int) -> Support:
    """Choose the positive class if all models that answer say so, otherwise the most common other verdict.

    With more than two classes the votes for the positive class are then set aside: of (positive, positive, 0,
    1, 1) the verdict is 1. Scores are shares of all votes cast, as for `majority`, so the verdict is not
    always the class of the greatest score. The margin of a positive verdict is 1; that of another is its lead
    over the other classes but the positive, with two classes the share of votes that broke the unanimity.
    """
    counts = count_votes(ballots)
    return conditional(counts, counts[:, positive] == counts.sum(axis=1), positive)


def conditional(counts: np.ndarray, holds: np.ndarray, positive: int) -> Support:
    """Leave in the race the positive class alone where the condition holds, the others where it does not."""
    is_positive = np.arange(counts.shape[1]) == positive
    votes = counts.sum(axis=1)
    in_the_race = Support(np.where(holds[:, None] == is_positive, counts, 0), total=votes)
    return replace(in_the_race, scores=Support(counts, total=votes).shares)
