"""Label rules that learn each model's errors from the ballots alone, by expectation-maximisation: Dawid-Skene."""

from collections.abc import Callable

import numpy as np

from fedlab.voting.ballots import Ballots
from fedlab.voting.contract import Range
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, count_votes, divide, softmax

# As in crowd-kit: no probability is taken as less, so that one surprise does not rule out a class for ever.
_LEAST = 1e-10
_RANGES = {"rounds": Range(1, whole=True), "tolerance": Range(0)}
_USE = "It learns from the batch of records: small batches are noise, and what organisations share in error it takes "


@rule(
    "dawid_skene",
    ranges=_RANGES,
    batch=True,
    formula="argmax_k P(k) prod_i P_i(l_i | k), with P and P_i by expectation-maximisation on the ballots",
    source="A. P. Dawid and A. M. Skene, Maximum Likelihood Estimation of Observer Error-rates Using the EM Algorithm, "
    "Applied Statistics 28(1), 1979; equal to crowd-kit's DawidSkene after as many rounds",
    use="Without validation rows, with many records and organisations of unequal quality. " + _USE + "for truth.",
)
def dawid_skene(ballots: Ballots, rounds: int = 100, tolerance: float = 1e-5) -> Support:
    """Choose the most probable class when class shares and every model's confusion matrix are learned from the ballots.

    Starts from the shares of votes. A record's verdict depends on the other records of the batch. An abstention says
    nothing. Scores are the posterior probabilities; the margin is the lead.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    rounds : int
        The greatest number of rounds.
    tolerance : float
        Stop when the log-likelihood for each verdict gains less.
    """
    return _expectation_maximisation(ballots, _confusions, rounds, tolerance)


@rule(
    "one_coin",
    ranges=_RANGES,
    batch=True,
    formula="as dawid_skene, with P_i(l | k) = a_i if l = k, else (1 - a_i)/(K - 1)",
    source="Y. Zhang, X. Chen, D. Zhou and M. I. Jordan, Spectral Methods Meet EM, JMLR 17, 2016; equal to crowd-kit's "
    "OneCoinDawidSkene",
    use="As dawid_skene, with fewer records: one number for each model instead of a matrix. " + _USE + "for truth.",
)
def one_coin(ballots: Ballots, rounds: int = 100, tolerance: float = 1e-5) -> Support:
    """Choose the most probable class when every model's accuracy is learned from the ballots.

    As `dawid_skene`, with errors spread evenly over the other classes.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    rounds : int
        The greatest number of rounds.
    tolerance : float
        Stop when the log-likelihood for each verdict gains less.
    """
    return _expectation_maximisation(ballots, _coins, rounds, tolerance)


def _expectation_maximisation(
    ballots: Ballots,
    estimate: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    rounds: int,
    tolerance: float,
) -> Support:
    """Alternate between classes given errors and errors given classes."""
    patterns, place, times = np.unique(ballots.labels, axis=1, return_inverse=True, return_counts=True)
    answers = (patterns >= 0).sum(axis=0)
    times = np.where(answers > 0, times, 0)
    if not times.any():
        return Support(np.zeros((ballots.n_records, ballots.n_classes)))
    votes = count_votes(Ballots(patterns, None, ballots.classes, ballots.organisations))
    posterior = divide(votes, answers)
    errors, before = estimate(patterns, posterior, times), -np.inf
    prior = _mean(posterior, times)
    logs = np.log(np.maximum(posterior, _LEAST))
    for _ in range(rounds):
        logs = np.tile(np.log(prior), (len(times), 1))
        for said, error in zip(patterns, errors, strict=True):
            logs += np.vstack([np.log(error), np.zeros(len(prior))])[said]
        posterior = softmax(logs)
        prior, errors = _mean(posterior, times), estimate(patterns, posterior, times)
        now = times @ _log_sum(logs) / (answers * times).sum()
        if now - before < tolerance:
            break
        before = now
    return Support(softmax(logs)[place.reshape(-1)])


def _mean(posterior: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the class shares."""
    return np.maximum(times @ posterior / times.sum(), _LEAST)


def _confusions(patterns: np.ndarray, posterior: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return P(verdict | class) of each model: (n_models, n_classes said, n_classes true)."""
    weight = posterior * times[:, None]
    n_classes = posterior.shape[1]
    found = np.array([[weight[said == k].sum(axis=0) for k in range(n_classes)] for said in patterns])
    found = np.maximum(found, _LEAST)
    return found / found.sum(axis=1, keepdims=True)


def _coins(patterns: np.ndarray, posterior: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the same for a model that errs evenly."""
    n_classes = posterior.shape[1]
    found = np.empty((len(patterns), n_classes, n_classes))
    for number, said in enumerate(patterns):
        answered = said >= 0
        hit = (posterior[answered, said[answered]] * times[answered]).sum()
        skill = hit / max(times[answered].sum(), 1)
        found[number] = (1 - skill) / max(n_classes - 1, 1)
        np.fill_diagonal(found[number], skill)
    return found.clip(_LEAST, 1 - _LEAST)


def _log_sum(logs: np.ndarray) -> np.ndarray:
    """Return the logarithm of each row's sum of exponentials."""
    top = logs.max(axis=1)
    return top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
