"""Rules that learn whom to follow from validation rows: stacking, greedy selection."""

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots
from fedlab.voting.contract import Range
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, add_up, divide, softmax
from fedlab.voting.validation import Validation


@rule(
    "stacking",
    needs=("labels", "validation"),
    choices={"of": {"labels": "labels", "probabilities": "probabilities"}},
    ranges={"C": Range(1e-9)},
    formula="argmax_k of a logistic regression on all models' verdicts (or probabilities)",
    source="D. H. Wolpert, Stacked Generalization, Neural Networks 5(2), 1992; K. M. Ting and I. H. Witten, Issues in "
    "Stacked Generalization, JAIR 10, 1999",
    use="With validation rows by the hundred or more: learns weights, and corrects calibration and class "
    "shares. With few "
    "rows it learns noise: lower C.",
)
def stacking(ballots: Ballots, validation: Validation, of: str = "labels", C: float = 1.0) -> Support:
    """Choose the class that a logistic regression, fitted on the validation rows' ballots, finds most probable.

    Its inputs are each model's verdict, one-hot, or its probabilities; an abstention is all zeros. Scores are its
    probabilities, 0 for classes that no validation row has; the margin is the lead.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    validation : Validation
        Given by `vote`. Rows whose class no model knows are left out.
    of : {"labels", "probabilities"}
        What is learned from.
    C : float
        Inverse strength of the penalty on large weights, as in scikit-learn.

    Raises
    ------
    FedlabError
        If no validation row has a class that a model knows.
    """
    from sklearn.linear_model import LogisticRegression

    truth = _known_truth(validation, "stacking")
    known = truth >= 0
    inputs = _inputs(validation.ballots, of)[:, :, known]
    present = np.unique(truth[known])
    logs = np.full((ballots.n_records, ballots.n_classes), -np.inf)
    if len(present) == 1:
        logs[:, present] = 0.0
        return Support(softmax(logs))
    flat = inputs.reshape(-1, inputs.shape[2]).T
    fitted = LogisticRegression(C=C, max_iter=2000).fit(flat, truth[known])
    given = _inputs(ballots, of)
    slopes = fitted.coef_.T.reshape(ballots.n_models, ballots.n_classes, -1)
    terms = (
        column[:, None] * slope
        for rows, slopes_of_model in zip(given, slopes, strict=True)
        for column, slope in zip(rows, slopes_of_model, strict=True)
    )
    reckoned = fitted.intercept_ + add_up(terms, (ballots.n_records, slopes.shape[2]))
    logs[:, present] = np.hstack([np.zeros_like(reckoned), reckoned]) if len(present) == 2 else reckoned
    return Support(softmax(logs))


def _inputs(ballots: Ballots, of: str) -> np.ndarray:
    """Return what a regression learns from: (n_models, n_classes, n_records)."""
    if of == "probabilities":
        assert ballots.probabilities is not None
        return ballots.probabilities.transpose(0, 2, 1)
    return (ballots.labels[:, None, :] == np.arange(ballots.n_classes)[None, :, None]).astype(np.float64)


@rule(
    "greedy_selection",
    needs=("probabilities", "validation"),
    choices={"metric": {"accuracy": "labels", "log_loss": "labels"}},
    ranges={"rounds": Range(1, whole=True)},
    formula="argmax_k sum_i c_i p_i(k), c_i how often model i was picked; each pick is the one that helps most",
    source="R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, Ensemble Selection from Libraries of Models, "
    "ICML 2004",
    use="Where some models only harm: it leaves them out. Needs fewer validation rows than stacking.",
)
def greedy_selection(ballots: Ballots, validation: Validation, rounds: int = 20, metric: str = "accuracy") -> Support:
    """Pick models one after the other, with replacement, each time the one that helps the mean most; then pool them.

    What helps is measured on the validation rows: accuracy (between equals the log-loss decides, then the lower number
    of the model) or log-loss. The picks up to the best round count. Scores are the weighted mean probabilities;
    the margin is the lead. A record that no picked model answered gets no verdict.

    Parameters
    ----------
    ballots : Ballots
        What the models say, with probabilities.
    validation : Validation
        Given by `vote`, with probabilities. Rows whose class no model knows are left out.
    rounds : int
        How many picks.
    metric : {"accuracy", "log_loss"}
        What shall be best.

    Raises
    ------
    FedlabError
        If the validation ballots have no probabilities, or no row a class that a model knows.
    """
    assert ballots.probabilities is not None
    weights = picks(validation, rounds, metric)
    total = add_up(
        (weight * rows for weight, rows in zip(weights, ballots.probabilities, strict=True) if weight),
        ballots.probabilities.shape[1:],
    )
    weight = add_up((one * said for one, said in zip(weights, ballots.answered, strict=True)), total.shape[:1])
    return Support(divide(total, weight), answered=weight > 0)


def picks(validation: Validation, rounds: int, metric: str) -> np.ndarray:
    """Return how often each model is picked: int (n_models,)."""
    truth = _known_truth(validation, "greedy_selection")
    known = np.flatnonzero(truth >= 0)
    if validation.ballots.probabilities is None:
        raise FedlabError(
            "rule 'greedy_selection' needs probabilities, and the validation ballots hold none; cast them with models "
            "that have predict_proba"
        )
    rows, answered = validation.ballots.probabilities[:, known], validation.ballots.answered[:, known]
    truth = truth[known]
    total, votes = np.zeros(rows.shape[1:]), np.zeros(len(known))
    best, chosen, picked = None, None, np.zeros(len(rows), dtype=np.int64)
    for _ in range(rounds):
        costs = [
            _cost(divide(total + more, votes + said), truth, metric) for more, said in zip(rows, answered, strict=True)
        ]
        number = min(range(len(costs)), key=costs.__getitem__)
        picked[number] += 1
        total, votes = total + rows[number], votes + answered[number]
        if best is None or costs[number] < best:
            best, chosen = costs[number], picked.copy()
    assert chosen is not None
    return chosen


def _cost(means: np.ndarray, truth: np.ndarray, metric: str) -> tuple[float, float]:
    """Return what shall be small, and what decides between equals; rounded, so that order of addition does not."""
    records = np.arange(len(truth))
    loss = round(float(-np.log(np.maximum(means[records, truth], 1e-15)).mean()), 10)
    if metric == "log_loss":
        return loss, 0.0
    others = means.copy()
    others[records, truth] = -1.0
    return round(float((others.max(axis=1) >= means[records, truth] - 1e-12).mean()), 12), loss


def _known_truth(validation: Validation, rule_name: str) -> np.ndarray:
    """Return the validation rows' classes, refusing where no model knows any of them."""
    truth = validation.truth_index
    if (truth < 0).all():
        raise FedlabError(
            f"rule {rule_name!r}: no validation row has one of the classes {validation.ballots.classes[:10].tolist()} "
            "that the models know; give other validation rows"
        )
    return truth
