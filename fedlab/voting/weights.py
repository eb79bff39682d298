"""Weights of organisations and the rules that use them: weighted, log_odds."""

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots
from fedlab.voting.contract import Range
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, add_up, count_votes, softmax, weight_answered, whole
from fedlab.voting.validation import Validation

#: By what an organisation can be weighed, and what that needs.
WEIGHTS = {
    "size": "sizes",
    "accuracy": "accuracies",
    "positives": "class_counts",
    "minority": "class_counts",
    "validation": "validation",
}


@rule(
    "weighted",
    additive=True,
    choices={"by": WEIGHTS, "of": {"labels": "labels", "probabilities": "probabilities"}},
    formula="argmax_k sum_i w_i [l_i = k] / sum_i w_i, or argmax_k sum_i w_i p_i(k) / sum_i w_i",
    source="L. I. Kuncheva, Combining Pattern Classifiers, 2nd ed., Wiley 2014, ch. 4 (weighted majority); by positive "
    "cases: doi 10.1186/s12911-025-03322-y",
    use="Where organisations differ much in size, or in the cases of the rare class they hold. The weights are what "
    "the organisations say of themselves, unless they are measured on validation rows.",
)
def weighted(
    ballots: Ballots,
    by: str = "size",
    of: str = "labels",
    validation: Validation | None = None,
    positive: int = -1,
) -> Support:
    """Choose the class of the largest weight: a model weighs its training rows, its cases or its accuracy.

    Sums are over the models that answer. Scores are shares of the weight that answered; the margin is the
    lead. A record that only models of weight 0 answered gets no verdict.

    Parameters
    ----------
    ballots : Ballots
        What the models say, with what the weights need.
    by : {"size", "accuracy", "positives", "minority", "validation"}
        The weight: training rows; accuracy on the organisation's own test rows; training rows of the positive
        class; training rows of the class that is rarest over all organisations; accuracy on the validation
        rows.
    of : {"labels", "probabilities"}
        What is weighted: each model's one verdict, or its probabilities (the weighted mean).
    validation : Validation, optional
        Given by `vote`.
    positive : int
        Column of the positive class, given by `vote`.

    Raises
    ------
    FedlabError
        If all weights are zero, or an organisation's accuracy was not measured.
    """
    weights = whole(model_weights(ballots, by, "weighted", validation, positive))
    if not weights.any():
        raise FedlabError(
            f"rule 'weighted' by {by}: all weights are zero, so no verdict weighs anything; use 'majority'"
        )
    total = weight_answered(ballots, weights)
    if of == "labels":
        return Support(count_votes(ballots, weights), total=total, answered=total > 0)
    assert ballots.probabilities is not None
    parts = (weight * rows for weight, rows in zip(weights, ballots.probabilities, strict=True))
    return Support(add_up(parts, ballots.probabilities.shape[1:]), total=total, answered=total > 0)


@rule(
    "log_odds",
    additive=True,
    choices={"by": {"accuracy": "accuracies", "validation": "validation"}},
    ranges={"clip": Range(1e-12, 0.5)},
    formula="argmax_k sum_i w_i [l_i = k] with w_i = log(a_i (K - 1) / (1 - a_i))",
    source="S. Nitzan and J. Paroush, Optimal Decision Rules in Uncertain Dichotomous Choice Situations, International "
    "Economic Review 23(2), 1982; L. Shapley and B. Grofman, Optimizing Group Judgmental Accuracy in the Presence of "
    "Interdependencies, Public Choice 43, 1984",
    use="Where models err independently and their accuracies are known well: then no rule on verdicts is right more "
    "often. Accuracies measured on few rows make weights that are too large: raise clip.",
)
def log_odds(
    ballots: Ballots, by: str = "accuracy", clip: float = 0.001, validation: Validation | None = None
) -> Support:
    """Choose the class of the largest sum of log-odds: a model weighs the logarithm of how much it beats chance.

    With two classes the weight is log(a/(1-a)); with K classes and errors spread evenly log(a(K-1)/(1-a)). A model
    worse than chance weighs less than nothing: its verdict counts against its class. Scores are the posterior
    probabilities under independent errors and equal class shares; the margin is the lead. A model at chance
    weighs 0, and a record that only such models answered gets no verdict.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    by : {"accuracy", "validation"}
        Whose accuracy: on the organisation's own test rows, or on the validation rows.
    clip : float
        Accuracies are kept at least this far from 0 and 1, where the weight would be infinite.
    validation : Validation, optional
        Given by `vote`.

    Raises
    ------
    FedlabError
        If an organisation's accuracy was not measured.

    Examples
    --------
    Three doctors of accuracy .9, .6 and .6: log 9 = 2.20 is more than 2 · log 1.5 = 0.81.

    >>> ballots = Ballots([[0], [1], [1]], None, [0, 1], list("abc"), accuracies=[0.9, 0.6, 0.6])
    >>> log_odds(ballots).values.round(3).tolist()
    [[0.8, 0.2]]
    """
    weights = log_odds_weights(ballots, by, clip, validation)
    return Support(softmax(count_votes(ballots, weights)), answered=weight_answered(ballots, np.abs(weights)) > 0)


def log_odds_weights(ballots: Ballots, by: str, clip: float, validation: Validation | None) -> np.ndarray:
    """Return the log-odds of each model's accuracy; 0 where it is at chance to the last digits."""
    accuracies = model_weights(ballots, by, "log_odds", validation).clip(clip, 1 - clip)
    # With one class there is nothing to be wrong about; then weights count as with two.
    weights = np.log(accuracies) - np.log1p(-accuracies) + np.log(max(ballots.n_classes, 2) - 1)
    return np.where(np.abs(weights) < 1e-12, 0.0, weights)


def model_weights(
    ballots: Ballots, by: str, rule_name: str, validation: Validation | None = None, positive: int = -1
) -> np.ndarray:
    """Return one finite weight from 0 up for each model.

    Parameters
    ----------
    ballots : Ballots
        What the models say, with what the weights need.
    by : str
        One of `WEIGHTS`.
    rule_name : str
        Whose weights these are, for the error message.
    validation : Validation, optional
        For ``validation``.
    positive : int
        Column of the positive class, for ``positives``.

    Raises
    ------
    FedlabError
        If one was not measured.
    """
    if by in ("positives", "minority"):
        counts = ballots.class_counts
        assert counts is not None
        return counts[:, positive] if by == "positives" else counts[:, rarest_class(counts)]
    if by == "validation":
        assert validation is not None
        weights = validation.accuracies()
    else:
        found = ballots.sizes if by == "size" else ballots.accuracies
        assert found is not None
        weights = found
    unknown = [name for name, weight in zip(ballots.organisations, weights, strict=True) if np.isnan(weight)]
    if unknown:
        raise FedlabError(
            f"rule {rule_name!r} by {by}: the {by} of organisation {unknown[0]!r} was not measured (NaN); "
            "weigh by size, or leave the organisation out"
        )
    return weights


def rarest_class(class_counts: np.ndarray) -> int:
    """Return the column of the class with fewest rows over all organisations, but some; the lowest among equals."""
    totals = add_up(class_counts, class_counts.shape[1:])
    return int(np.where(totals > 0, totals, np.inf).argmin())
