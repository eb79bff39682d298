"""Rules on rankings, which are read off the probabilities: Borda, instant run-off, run-off election."""

from collections.abc import Iterable, Iterator

import numpy as np

from fedlab.voting.ballots import Ballots
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, add_up, count_votes
from fedlab.voting.ties import leading


@rule(
    "borda",
    needs=("probabilities",),
    additive=True,
    formula="argmax_k sum_i #{j : p_i(j) < p_i(k)} + #{j != k : p_i(j) = p_i(k)} / 2",
    source="J.-C. de Borda, Mémoire sur les élections au scrutin, 1781; T. K. Ho, J. J. Hull and S. N. Srihari, "
    "Decision Combination in Multiple Classifier Systems, IEEE TPAMI 16(1), 1994",
    use="With three classes or more, where models rank well but their probabilities cannot be compared. With two "
    "classes it is a majority by the more probable class.",
)
def borda(ballots: Ballots) -> Support:
    """Choose the class of the most Borda points: each model gives a class a point for each class it ranks below.

    Classes of equal probability share their points: half a point for each pair. Scores are shares of the points;
    the margin is the lead. With one class there are no points, and it is chosen.
    """
    assert ballots.probabilities is not None
    if ballots.n_classes == 1:
        votes = ballots.answered.sum(axis=0)
        return Support(votes[:, None], total=votes)
    points = add_up(borda_points(ballots), (ballots.n_records, ballots.n_classes), np.int64)
    return Support(points, total=add_up(points.T, (ballots.n_records,), np.int64))


def borda_points(ballots: Ballots) -> Iterable[np.ndarray]:
    """Yield each model's points, doubled so that they are whole: int (n_records, n_classes)."""
    assert ballots.probabilities is not None
    for rows, said in zip(ballots.probabilities, ballots.answered, strict=True):
        points = np.zeros(rows.shape, dtype=np.int64)
        for other in range(rows.shape[1]):
            below = np.sign(rows - rows[:, other : other + 1]).astype(np.int64) + 1
            below[:, other] = 0
            points += below
        yield points * said[:, None]


@rule(
    "instant_run_off",
    needs=("probabilities",),
    formula="strike out the class with fewest first places, until one has more than half of those left",
    source="Ware's method, 1871 (alternative vote); in classifier combination: M. van Erp, L. Vuurpijl and "
    "L. Schomaker, An Overview and Comparison of Voting Methods for Pattern Recognition, IWFHR 2002",
    use="With many classes, where votes for hopeless classes should pass on to the next best. More votes for a class "
    "can make it lose.",
)
def instant_run_off(ballots: Ballots) -> Support:
    """Strike out the class that fewest models rank first, pass its votes on, until one has more than half.

    A model's vote is for its most probable class among those left, shared equally among several equally probable;
    it is spent when it gives 0 to all that are left. Classes that share the last place go out together, and where
    all that are left are equal the tie policy decides. Scores are shares of the votes in the last round.
    """
    alive = np.ones((ballots.n_records, ballots.n_classes), dtype=bool)
    counts = np.zeros(alive.shape)
    open_records = np.arange(ballots.n_records)
    while len(open_records):
        here = alive[open_records]
        counts[open_records] = add_up(_first_places(ballots, open_records, here), here.shape)
        now = counts[open_records]
        total = add_up(now.T, (len(now),))
        last = leading(np.where(here, -now, -np.inf)) & here
        done = (now.max(axis=1) > total / 2) | (last == here).all(axis=1)
        alive[open_records] = np.where(done[:, None], here, here & ~last)
        open_records = open_records[~done]
    total = add_up(counts.T, (ballots.n_records,))
    return Support(np.where(alive, counts, 0.0), total=total)


def _first_places(ballots: Ballots, records: np.ndarray, alive: np.ndarray) -> Iterator[np.ndarray]:
    """Yield each model's vote over the classes left, on some records."""
    assert ballots.probabilities is not None
    for rows in ballots.probabilities:
        left = np.where(alive, rows[records], 0.0)
        first = (left == left.max(axis=1, keepdims=True)) & (left > 0)
        yield first / np.maximum(first.sum(axis=1, keepdims=True), 1)


@rule(
    "run_off",
    needs=("probabilities",),
    certificate="bound",
    formula="of the two classes with most votes, the one that more models find more probable",
    source="K. Rezaei, K. Banihashem, A. Chegini and S. Feizi, Run-Off Election: Improved Provable Defense against "
    "Data Poisoning Attacks, ICML 2023",
    use="With three classes or more, where hostile organisations are feared: certified against more of them than "
    "majority on many records.",
)
def run_off(ballots: Ballots) -> Support:
    """Hold a second round between the two classes with most votes: each model votes for the more probable of them.

    A tie for a place in the second round goes to the lower class, as in the paper, and so does the second vote of a
    model that finds both equally probable and named neither; a tie of the second round follows the tie
    policy. Scores are shares of the votes in the second round; the margin is the lead there.
    """
    counts = count_votes(ballots)
    if ballots.n_classes == 1:
        return Support(counts, total=counts.sum(axis=1))
    records = np.arange(ballots.n_records)
    low, high = finalists(counts)
    for_low = add_up(second_votes(ballots, low, high), low.shape, np.int64)
    votes = ballots.answered.sum(axis=0)
    values = np.zeros(counts.shape, dtype=np.int64)
    values[records, low], values[records, high] = for_low, votes - for_low
    return Support(values, total=votes)


def finalists(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two classes with most votes on each record, the lower first; ties go to the lower class."""
    two = np.sort(np.argsort(-counts, axis=1, kind="stable")[:, :2], axis=1)
    return two[:, 0], two[:, 1]


def second_votes(ballots: Ballots, low: np.ndarray, high: np.ndarray) -> Iterator[np.ndarray]:
    """Yield where each model votes for the first of two classes: for its own verdict, else for the more probable."""
    assert ballots.probabilities is not None
    records = np.arange(ballots.n_records)
    for labels, rows in zip(ballots.labels, ballots.probabilities, strict=True):
        prefers = rows[records, low] >= rows[records, high]
        yield np.where(labels == low, True, np.where(labels == high, False, prefers)) & (labels >= 0)
