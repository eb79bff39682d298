"""Ties: which classes lead on a record, and the four policies that choose among several that do."""

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.voting.ballots import Ballots

#: What each tie policy does, for messages and documentation.
TIES = {
    "abstain": "no verdict on that record",
    "lowest": "the lowest of the tied classes, as scikit-learn's VotingClassifier does",
    "positive": "the positive class if it is among the tied, else the lowest of them",
    "probability": "the tied class of the largest mean probability, among equals the lowest; without "
    "probabilities the lowest",
}

# Sums of the same numbers in another order, or .1 + .2 against .3, differ by about 1e-16 of their size for
# each number added: 1e-12 leaves room for thousands of organisations, and is far below any difference that
# data make.
_RELATIVE = 1e-12


def check_tie(tie: str) -> None:
    """Refuse a tie policy that does not exist.

    Raises
    ------
    FedlabError
        With the nearest known name.
    """
    if tie not in TIES:
        raise unknown_name("tie policy", tie, TIES)


def leading(support: np.ndarray) -> np.ndarray:
    """Say which classes have the greatest support.

    Parameters
    ----------
    support : array (n_records, n_classes)
        Integers are compared exactly; floats as equal within 1e-12 of the record's largest absolute support.

    Returns
    -------
    numpy.ndarray
        bool (n_records, n_classes); at least one True in each row.

    Examples
    --------
    >>> leading(np.array([[0.1 + 0.2, 0.3, 0.2]])).tolist()
    [[True, True, False]]
    """
    top = support[:, 0].copy()
    size = np.abs(top)
    for column in support.T[1:]:
        np.maximum(top, column, out=top)
        np.maximum(size, np.abs(column), out=size)
    if support.dtype.kind == "f":
        top = top - _RELATIVE * size
    return support >= top[:, None]


def break_ties(tied: np.ndarray, policy: str, ballots: Ballots, records: np.ndarray, positive: int) -> np.ndarray:
    """Choose one class for each record on which several lead.

    Parameters
    ----------
    tied : bool array (n_tied, n_classes)
        Which classes lead.
    policy : str
        One of `TIES`.
    ballots : Ballots
        The ballots of all records.
    records : int array (n_tied,)
        Which records of the ballots these are.
    positive : int
        Column of the positive class.

    Returns
    -------
    numpy.ndarray
        int (n_tied,): an index into the classes, -1 for an abstention.
    """
    check_tie(policy)
    if policy == "abstain":
        return np.full(len(tied), -1)
    if policy == "positive":
        return np.where(tied[:, positive], positive, tied.argmax(axis=1))
    if policy == "probability" and ballots.probabilities is not None:
        # The sum over organisations orders the classes as their mean does: abstentions hold zeros.
        total = np.zeros(tied.shape)
        for rows in ballots.probabilities:
            total += rows[records]
        tied = leading(np.where(tied, total, 0.0)) & tied
    return tied.argmax(axis=1)


def check_explicit_tie(tie: str | None, ballots: Ballots) -> None:
    """Refuse a policy that the caller asked for by name and that these ballots cannot serve.

    A rule's default policy falls back to the lowest class there; what was asked for in so many words does
    not.
    """
    if tie is None:
        return
    check_tie(tie)
    if tie == "probability" and ballots.probabilities is None:
        raise FedlabError(
            "tie policy 'probability' needs probabilities and these ballots hold none (not every model has "
            "predict_proba); leave tie out to fall back to the lowest class, or choose abstain, lowest or "
            "positive"
        )
