"""Label rules of crowd-kit, an extra (`pip install fedlab-notebooks[crowd]`): GLAD and MACE."""

import warnings
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots
from fedlab.voting.contract import Range
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, count_votes, divide


@rule(
    "glad",
    ranges={"rounds": Range(1, whole=True)},
    batch=True,
    formula="argmax_k P(k | l), with P(l_i right on record j) = sigmoid(ability_i * ease_j)",
    source="J. Whitehill and others, Whose Vote Should Count More: Optimal Integration of Labels from Labelers "
    "of Unknown "
    "Expertise, NIPS 2009; by crowd-kit",
    use="As one_coin, where some records are harder than others for all. Slow: minutes for ten thousand records.",
)
def glad(ballots: Ballots, rounds: int = 100) -> Support:
    """Choose the most probable class when models' abilities and records' difficulties are learned from the ballots.

    Reckoned by crowd-kit. A record's verdict depends on the other records of the batch. Scores are the posterior
    probabilities; the margin is the lead.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    rounds : int
        The greatest number of rounds.

    Raises
    ------
    FedlabError
        If crowd-kit is not installed.
    """
    return _aggregate(ballots, "GLAD", n_iter=rounds)


@rule(
    "mace",
    ranges={"rounds": Range(1, whole=True), "restarts": Range(1, whole=True), "seed": Range(0, whole=True)},
    batch=True,
    formula="argmax_k P(k | l), with l_i = the true class, or a habit of model i when it does not try",
    source="D. Hovy, T. Berg-Kirkpatrick, A. Vaswani and E. Hovy, Learning Whom to Trust with MACE, NAACL-HLT 2013; by "
    "crowd-kit",
    use="Where some organisations may answer by habit, whatever the record: MACE learns how often each does.",
)
def mace(ballots: Ballots, rounds: int = 50, restarts: int = 10, seed: int = 0) -> Support:
    """Choose the most probable class when it is learned how often each model answers by habit.

    Reckoned by crowd-kit. A record's verdict depends on the other records of the batch. Scores are the posterior
    probabilities; the margin is the lead.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    rounds, restarts : int
        The number of rounds, and of starts from random values, the best of which is kept.
    seed : int
        Seed of the random starts.

    Raises
    ------
    FedlabError
        If crowd-kit is not installed.
    """
    return _aggregate(ballots, "MACE", n_iter=rounds, n_restarts=restarts, random_state=seed)


def _aggregate(ballots: Ballots, name: str, **options: Any) -> Support:
    """Let one of crowd-kit's aggregations decide; classes that nobody voted for have no support."""
    votes = count_votes(ballots)
    shares = divide(votes, votes.sum(axis=1))
    if (votes.sum(axis=0) > 0).sum() < 2:  # nothing to weigh up, and crowd-kit would divide by zero
        return Support(shares)
    try:
        from crowdkit import aggregation
    except ImportError as error:
        raise FedlabError(
            f"rule {name.lower()!r} needs crowd-kit ({error}); pip install 'fedlab-notebooks[crowd]', or use the rule "
            "'dawid_skene' or 'one_coin', which need nothing"
        ) from error
    import pandas as pd

    model, record = np.nonzero(ballots.answered)
    answers = pd.DataFrame({"task": record, "worker": model, "label": ballots.labels[model, record]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own use of pandas and of logarithms, nothing the caller can mend
        found = getattr(aggregation, name)(**options).fit_predict_proba(answers)
    support = np.zeros(shares.shape)
    support[np.ix_(found.index.to_numpy(), found.columns.to_numpy())] = np.nan_to_num(found.to_numpy())
    return Support(support)
