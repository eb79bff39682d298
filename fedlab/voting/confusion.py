"""Label rules that learn from validation rows what each verdict means: naive_bayes, bks."""

import numpy as np

from fedlab.voting.ballots import Ballots
from fedlab.voting.contract import Range
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, add_up, count_votes, divide, softmax
from fedlab.voting.validation import Validation


@rule(
    "naive_bayes",
    needs=("labels", "validation"),
    choices={"prior": {"validation": "labels", "uniform": "labels"}},
    ranges={"smoothing": Range(1e-9)},
    formula="argmax_k log P(k) + sum_i log P(l_i | k), with P(l | k) from the validation rows",
    source="L. Xu, A. Krzyzak and C. Y. Suen, Methods of Combining Multiple Classifiers, IEEE Trans. SMC 22(3), 1992; "
    "L. I. Kuncheva, Combining Pattern Classifiers, 2nd ed., Wiley 2014, ch. 4",
    use="With a few hundred validation rows: learns which model confuses which classes. Over-confident where "
    "models err "
    "together.",
)
def naive_bayes(ballots: Ballots, validation: Validation, smoothing: float = 1.0, prior: str = "validation") -> Support:
    """Choose the most probable class given all verdicts, each read through its model's confusion matrix.

    Verdicts are taken as independent given the class; an abstention says nothing. Scores are the posterior
    probabilities; the margin is the lead.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    validation : Validation
        Given by `vote`. Rows whose class no model knows are left out.
    smoothing : float
        Rows added to each cell of the confusion matrices, and to each class of the prior.
    prior : {"validation", "uniform"}
        The class shares of the validation rows, or equal ones.
    """
    known, truth = _known(validation)
    n_classes = ballots.n_classes
    sizes = np.bincount(truth, minlength=n_classes) + smoothing
    logs = np.tile(
        np.log(sizes / sizes.sum()) if prior == "validation" else np.zeros(n_classes), (ballots.n_records, 1)
    )
    for labels, said in zip(ballots.labels, known, strict=True):
        logs += _likelihoods(said, truth, n_classes, smoothing)[labels]
    return Support(softmax(logs))


def _likelihoods(said: np.ndarray, truth: np.ndarray, n_classes: int, smoothing: float) -> np.ndarray:
    """Return log P(verdict | class) of one model: (n_classes + 1, n_classes), the last row for an abstention."""
    answered = said >= 0
    cells = np.bincount(said[answered] * n_classes + truth[answered], minlength=n_classes**2)
    counts = cells.reshape(n_classes, n_classes) + smoothing
    return np.vstack([np.log(counts / counts.sum(axis=0)), np.zeros(n_classes)])


@rule(
    "bks",
    needs=("labels", "validation"),
    choices={"fallback": {"majority": "labels", "naive_bayes": "labels", "abstain": "labels"}},
    may_abstain=True,
    formula="argmax_k #{validation rows of class k with the same verdicts (l_1, …, l_n)}",
    source="Y. S. Huang and C. Y. Suen, A Method of Combining Multiple Experts for the Recognition of Unconstrained "
    "Handwritten Numerals, IEEE TPAMI 17(1), 1995 (behaviour-knowledge space)",
    use="With few organisations and many validation rows, so that each combination of verdicts occurs often. No "
    "independence assumed.",
)
def bks(ballots: Ballots, validation: Validation, fallback: str = "majority") -> Support:
    """Choose the class that was most frequent among validation rows with exactly the same verdicts.

    An abstention is a verdict like another here. Scores are the class shares of those rows; the margin is the lead.
    Equal shares are a tie.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    validation : Validation
        Given by `vote`. Rows whose class no model knows are left out.
    fallback : {"majority", "naive_bayes", "abstain"}
        What decides where no validation row has the same verdicts.
    """
    known, truth = _known(validation)
    both = np.concatenate([known, ballots.labels], axis=1)
    _, cell = np.unique(both, axis=1, return_inverse=True)
    cell = cell.reshape(-1)
    cells = np.zeros((int(cell.max(initial=-1)) + 1, ballots.n_classes), dtype=np.int64)
    np.add.at(cells, (cell[: len(truth)], truth), 1)
    counts = cells[cell[len(truth) :]]
    rows = counts.sum(axis=1)
    shares = divide(counts, rows)
    answered = ballots.answered.any(axis=0)
    if fallback == "abstain":
        return Support(shares, answered=answered & (rows > 0))
    if fallback == "majority":
        votes = count_votes(ballots)
        other = divide(votes, add_up(votes.T, rows.shape, np.int64))
    else:
        other = naive_bayes(ballots, validation).shares
    return Support(np.where(rows[:, None] > 0, shares, other))


def _known(validation: Validation) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and true classes of the validation rows whose class some model knows."""
    truth = validation.truth_index
    return validation.ballots.labels[:, truth >= 0], truth[truth >= 0]
