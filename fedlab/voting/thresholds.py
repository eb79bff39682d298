"""Rules that ask for a number of votes and abstain, or say no, below it: absolute majority, quorum, t of n."""

from dataclasses import replace

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots
from fedlab.voting.contract import Range
from fedlab.voting.counting import conditional
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, count_votes

_OF = {"cast": "labels", "all": "labels"}
# A share such as 2/3 of 3 is two votes, though 2/3 in floating point is a little less or more.
_ROUNDING = 1e-9


@rule(
    "absolute_majority",
    choices={"of": _OF},
    may_abstain=True,
    certificate="threshold",
    formula="k if #{i : l_i = k} > n/2, else no verdict; n the votes cast or all organisations",
    source="Condorcet, Essai sur l'application de l'analyse, 1785; L. I. Kuncheva, Combining Pattern Classifiers, 2nd "
    "ed., Wiley 2014, ch. 4 (simple majority)",
    use="Where no answer is better than one that most organisations do not share; with two classes and no abstentions "
    "it differs from majority at ties only.",
)
def absolute_majority(ballots: Ballots, of: str = "cast") -> Support:
    """Choose the class that more than half of the votes are for; without one, abstain.

    Scores and margins are those of `majority`.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    of : {"cast", "all"}
        Half of the votes cast, or half of all organisations, so that an abstention counts against.
    """
    counts = count_votes(ballots)
    votes = counts.sum(axis=1)
    return Support(counts, total=votes, answered=counts.max(axis=1) * 2 > _base(ballots, votes, of))


@rule(
    "supermajority",
    choices={"of": _OF},
    ranges={"share": Range(0, 1)},
    may_abstain=True,
    certificate="threshold",
    formula="argmax_k #{i : l_i = k} if that count is at least share * n, else no verdict",
    source="D. Black, The Theory of Committees and Elections, Cambridge 1958 (special majorities)",
    use="Where a verdict shall stand only if most organisations agree: raise share and fewer records are decided, "
    "with fewer errors among them.",
)
def supermajority(ballots: Ballots, share: float = 2 / 3, of: str = "cast") -> Support:
    """Choose the most common verdict if at least a share of the votes is for it; otherwise abstain.

    Scores and margins are those of `majority`.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    share : float
        From 0 (`majority`) to 1 (all agree).
    of : {"cast", "all"}
        A share of the votes cast, or of all organisations, so that an abstention counts against.
    """
    counts = count_votes(ballots)
    votes = counts.sum(axis=1)
    needed = share * _base(ballots, votes, of) - _ROUNDING
    return Support(counts, total=votes, answered=(counts.max(axis=1) >= needed) & (votes > 0))


@rule(
    "quorum",
    certificate="threshold",
    ranges={"share": Range(0, 1)},
    may_abstain=True,
    formula="argmax_k #{i : l_i = k} if #{i : i answers} is at least share * n, else no verdict",
    source="the quorum of assemblies; in classification a reject option on the number of answers",
    use="Where organisations may be silent, and a verdict of the few that answer shall not stand for all.",
)
def quorum(ballots: Ballots, share: float = 0.5) -> Support:
    """Choose the most common verdict if at least a share of the organisations answers; otherwise abstain.

    Scores and margins are those of `majority`.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    share : float
        From 0 (`majority`) to 1 (all must answer).
    """
    counts = count_votes(ballots)
    votes = counts.sum(axis=1)
    enough = votes >= share * ballots.n_models - _ROUNDING
    return Support(counts, total=votes, answered=enough & (votes > 0))


@rule(
    "t_of_n",
    ranges={"t": Range(1, whole=True)},
    certificate="threshold",
    formula="positive if #{i : l_i = positive} >= t, else the majority among the other classes",
    source="L. Lam and C. Y. Suen, Application of Majority Voting to Pattern Recognition, IEEE Transactions SMC-A "
    "27(5), 1997",
    use="Between any (t = 1) and unanimous (t = n): where a missed positive and a false alarm cost differently, and t "
    "can be chosen to fit.",
)
def t_of_n(ballots: Ballots, positive: int, t: int = 2) -> Support:
    """Choose the positive class if at least t models say so, otherwise the most common other verdict.

    Scores are shares of the votes cast, as for `any`, which is this rule with t = 1. The margin of a positive verdict
    is the share of positive votes, that of any other its lead over the other classes but the positive. Where fewer
    than t models answered, all of them positive, each other class counts as having one vote.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    positive : int
        Column of the positive class, given by `vote`.
    t : int
        How many votes make a positive verdict.

    Raises
    ------
    FedlabError
        If there are fewer than t organisations.
    """
    if t > ballots.n_models:
        raise FedlabError(
            f"rule 't_of_n': t is {t} and there are {ballots.n_models} organisations, so no verdict could be "
            f"positive; give t from 1 to {ballots.n_models}"
        )
    counts = count_votes(ballots)
    support = conditional(counts, counts[:, positive] >= t, positive)
    short = (support.values == 0).all(axis=1) & (counts.sum(axis=1) > 0) & (ballots.n_classes > 1)
    others = np.arange(ballots.n_classes) != positive
    return replace(support, values=np.where(short[:, None], others.astype(np.int64), support.values))


def _base(ballots: Ballots, votes: np.ndarray, of: str) -> np.ndarray:
    """Return what a share is of, for each record."""
    return votes if of == "cast" else np.full(len(votes), ballots.n_models)
