"""The rules against worked examples, reckoned by hand."""

import numpy as np
import pytest

from fedlab.errors import FedlabError
from fedlab.voting import Ballots, Verdict, vote


def ballots_of(rows, classes=(0, 1, 2), probabilities=None, **fields):
    """Make ballots from one tuple of labels for each record."""
    names = [f"org {number}" for number in range(len(rows[0]))]
    labels = np.array(rows).T
    if probabilities is not None:
        probabilities = np.array(probabilities, dtype=float).transpose(1, 0, 2)
    return Ballots(labels, probabilities, list(classes), names, **fields)


# Five organisations, classes 0, 1, 2; the positive class is 2.
FIVE = ballots_of(
    [
        (0, 0, 0, 1, 2),  # a plain majority
        (0, 1, 1, 2, 2),  # classes 1 and 2 tie
        (2, 2, 2, 2, 2),  # unanimous
        (2, 2, 2, 2, 0),  # one against
        (2, 2, 0, 0, 1),  # 0 and 2 tie, positive in front by nothing
        (1, 0, 0, 1, -1),  # 0 and 1 tie, one abstains
        (2, -1, -1, -1, -1),  # one voice
        (-1, -1, -1, -1, -1),  # nobody
        (2, 0, 1, -1, -1),  # three in a tie
    ]
)


@pytest.mark.parametrize(
    ("rule", "labels", "margins", "tied"),
    [
        (
            "majority",
            [0, 1, 2, 2, 0, 0, 2, -1, 0],
            [2 / 5, 0, 1, 3 / 5, 0, 0, 1, 0, 0],
            [0, 1, 0, 0, 1, 1, 0, 0, 1],
        ),
        (
            "any",
            [2, 2, 2, 2, 2, 0, 2, -1, 2],
            [1 / 5, 2 / 5, 1, 4 / 5, 2 / 5, 0, 1, 0, 1 / 3],
            [0, 0, 0, 0, 0, 1, 0, 0, 0],
        ),
        (
            "unanimous",
            [0, 1, 2, 0, 0, 0, 2, -1, 0],
            [2 / 5, 1 / 5, 1, 1 / 5, 1 / 5, 0, 1, 0, 0],
            [0, 0, 0, 0, 0, 1, 0, 0, 1],
        ),
    ],
)
def test_counting_rules_by_hand(rule, labels, margins, tied):
    """Verdict, margin and ties of the counting rules; their scores are the shares of the votes cast."""
    verdict = vote(FIVE, rule)
    assert verdict.labels.tolist() == labels
    assert verdict.margins == pytest.approx(margins)
    assert verdict.tied.tolist() == [bool(one) for one in tied]
    assert verdict.abstained.tolist() == [label == -1 for label in labels]
    assert verdict.scores[0] == pytest.approx([3 / 5, 1 / 5, 1 / 5])
    assert verdict.scores[5] == pytest.approx([1 / 2, 1 / 2, 0])
    assert verdict.scores[7].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("tie", "positive", "labels"),
    [
        ("lowest", None, [1, 0, 0, 0]),
        ("positive", None, [2, 2, 0, 2]),
        ("positive", 1, [1, 0, 1, 1]),
        ("positive", 0, [1, 0, 0, 0]),
        ("abstain", None, [-1, -1, -1, -1]),
        (None, None, [1, 0, 0, 0]),  # no probabilities: the lowest
    ],
)
def test_tie_policies_by_hand(tie, positive, labels):
    """Each policy on the four ties of the five organisations; a clear majority is left alone."""
    verdict = vote(FIVE, "majority", tie=tie, positive=positive)
    assert verdict.labels[[1, 4, 5, 8]].tolist() == labels
    assert verdict.labels[[0, 2, 3, 6, 7]].tolist() == [0, 2, 2, 2, -1]
    assert verdict.margins[[1, 4, 5, 8]].tolist() == [0] * 4
    assert verdict.tied[[1, 4, 5, 8]].all()


def test_tie_by_probability_by_hand():
    """The tied class of the largest mean probability wins, a class outside the tie never."""
    ballots = ballots_of(
        [(0, 1), (0, 1), (0, 1), (0, -1)],
        probabilities=[
            [(0.5, 0.1, 0.4), (0.0, 0.9, 0.1)],  # means .25, .5, .25
            [(0.4, 0.3, 0.3), (0.1, 0.2, 0.7)],  # means .25, .25, .5: class 2 is in front, and not tied
            [(0.9, 0.1, 0.0), (0.2, 0.4, 0.4)],  # means .55, .25, .2
            [(0.4, 0.6, 0.0), (0.0, 0.0, 0.0)],  # one voice: no tie, though its probability is elsewhere
        ],
    )
    verdict = vote(ballots, "majority")
    assert verdict.labels.tolist() == [1, 0, 0, 0]
    assert verdict.tied.tolist() == [True, True, True, False]
    assert vote(ballots, "majority", tie="probability").labels.tolist() == [1, 0, 0, 0]
    assert vote(ballots, "majority", tie="lowest").labels.tolist() == [0, 0, 0, 0]


def test_positive_class_by_value():
    """The positive class is named by its value, text too; by default it is the greatest."""
    ballots = ballots_of([(0, 1, 1), (1, 1, 1)], classes=["ill", "well"])
    assert vote(ballots, "any", positive="ill").values.tolist() == ["ill", "well"]
    assert vote(ballots, "any").values.tolist() == ["well", "well"]
    assert vote(ballots, "unanimous").values.tolist() == ["ill", "well"]
    with pytest.raises(FedlabError, match=r"positive class 'Ill' is none of the classes.*'ill', 'well'"):
        vote(ballots, "any", positive="Ill")
    with pytest.raises(FedlabError, match="positive class 1 "):
        vote(ballots, "majority", positive=1)


def test_any_is_another_threshold_on_the_count():
    """`any` and `majority` report the same scores, and so the same AUC, but other verdicts."""
    ballots = ballots_of([(0, 0, 1), (0, 0, 0)], classes=[0, 1])
    assert vote(ballots, "any").scores.tolist() == vote(ballots, "majority").scores.tolist()
    assert vote(ballots, "any").labels.tolist() == [1, 0]
    assert vote(ballots, "majority").labels.tolist() == [0, 0]


# Three organisations, three classes, four records; the third abstains on the last.
POOL = ballots_of(
    [(0, 1, 1), (0, 0, 1), (0, 1, 2), (0, 1, -1)],
    probabilities=[
        [(0.9, 0.1, 0.0), (0.4, 0.6, 0.0), (0.3, 0.5, 0.2)],
        [(0.5, 0.3, 0.2), (0.6, 0.4, 0.0), (0.1, 0.8, 0.1)],
        [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)],
        [(0.8, 0.2, 0.0), (0.3, 0.6, 0.1), (0.0, 0.0, 0.0)],
    ],
    sizes=[10, 30, 60],
    accuracies=[0.9, 0.6, 0.7],
)


def test_soft_by_hand():
    """Mean probabilities over those who answer; a three-way tie is a tie."""
    verdict = vote(POOL, "soft")
    assert verdict.scores == pytest.approx(
        np.array(
            [
                [1.6 / 3, 1.2 / 3, 0.2 / 3],
                [1.2 / 3, 1.5 / 3, 0.3 / 3],
                [1 / 3, 1 / 3, 1 / 3],
                [0.55, 0.4, 0.05],
            ]
        )
    )
    assert verdict.labels.tolist() == [0, 1, 0, 0]
    assert verdict.margins == pytest.approx([0.4 / 3, 0.1, 0, 0.15])
    assert verdict.tied.tolist() == [False, False, True, False]


def test_median_by_hand():
    """Medians, made to sum to one; all zero where each is certain of another class; of two the mean."""
    verdict = vote(POOL, "median")
    assert verdict.scores == pytest.approx(
        np.array(
            [
                [0.4 / 0.9, 0.5 / 0.9, 0],  # medians .4 .5 0
                [0.5, 0.4, 0.1],  # medians .5 .4 .1
                [0, 0, 0],
                [0.55, 0.4, 0.05],  # two answer: the means of both
            ]
        )
    )
    assert verdict.labels.tolist() == [1, 0, 0, 0]
    assert verdict.margins == pytest.approx([0.1 / 0.9, 0.1, 0, 0.15])
    assert verdict.tied.tolist() == [False, False, True, False]
    assert vote(POOL, "median", tie="abstain").labels.tolist() == [1, 0, -1, 0]


@pytest.mark.parametrize(
    ("options", "scores", "labels"),
    [
        ({}, [[0.1, 0.9, 0], [0.4, 0.6, 0], [0.1, 0.3, 0.6], [0.25, 0.75, 0]], [1, 1, 2, 1]),
        (
            {"by": "accuracy"},
            [
                [0.9 / 2.2, 1.3 / 2.2, 0],
                [1.5 / 2.2, 0.7 / 2.2, 0],
                [0.9 / 2.2, 0.6 / 2.2, 0.7 / 2.2],
                [0.6, 0.4, 0],
            ],
            [1, 0, 0, 0],
        ),
        (
            {"by": "size", "of": "probabilities"},
            # .1·.9 + .3·.4 + .6·.3 = .39 …; the last: (10·.8 + 30·.3)/40 = .425, (10·.2 + 30·.6)/40 = .5
            [[0.39, 0.49, 0.12], [0.29, 0.63, 0.08], [0.1, 0.3, 0.6], [0.425, 0.5, 0.075]],
            [1, 1, 2, 1],
        ),
    ],
)
def test_weighted_by_hand(options, scores, labels):
    """Weights of those who answer, over their sum."""
    verdict = vote(POOL, "weighted", **options)
    assert verdict.scores == pytest.approx(np.array(scores))
    assert verdict.labels.tolist() == labels


def test_weighted_ties_in_floating_point_are_ties():
    """The sum .1 + .2 ties with .3 whoever is added first; one row more in a million does not tie."""
    ballots = ballots_of([(0, 0, 1), (1, 1, 0)], classes=[0, 1], accuracies=[0.1, 0.2, 0.3])
    assert 0.1 + 0.2 != 0.3
    verdict = vote(ballots, "weighted", by="accuracy", tie="abstain")
    assert verdict.labels.tolist() == [-1, -1]
    assert verdict.margins.tolist() == [0, 0]
    close = ballots_of([(0, 1)], classes=[0, 1], sizes=[1_000_000, 1_000_001])
    assert vote(close, "weighted").labels.tolist() == [1]
    huge = ballots_of([(0, 1)], classes=[0, 1], sizes=[2**50, 2**50 + 1])
    assert vote(huge, "weighted").tied.tolist() == [False]


def test_zero_weights():
    """No weight at all is refused; a record that only weightless models answered gets no verdict."""
    rows = [(0, 1, 1), (-1, 1, -1)]
    with pytest.raises(FedlabError, match="all weights are zero"):
        vote(ballots_of(rows, sizes=[0, 0, 0]), "weighted")
    verdict = vote(ballots_of(rows, sizes=[5, 0, 1]), "weighted")
    assert verdict.labels.tolist() == [0, -1]
    assert verdict.scores[1].tolist() == [0, 0, 0]
    assert vote(ballots_of(rows, sizes=[5, 0, 1]), "majority").labels.tolist() == [1, 1]


def test_an_unmeasured_accuracy_is_named():
    """Weighing by an accuracy that nobody measured names the organisation."""
    ballots = ballots_of([(0, 1)], accuracies=[0.5, float("nan")])
    with pytest.raises(FedlabError, match="'org 1' was not measured"):
        vote(ballots, "weighted", by="accuracy")
    assert vote(ballots, "majority").labels.tolist() == [0]


@pytest.mark.parametrize(
    ("rule", "options", "missing"),
    [
        ("soft", {}, "probabilities"),
        ("median", {}, "probabilities"),
        ("weighted", {}, "sizes"),
        ("weighted", {"by": "accuracy"}, "accuracies"),
    ],
)
def test_missing_needs_are_named(rule, options, missing):
    """A rule whose ballots lack what it needs says what is missing and what to do."""
    with pytest.raises(FedlabError, match=f"needs {missing}, and these ballots hold none; "):
        vote(FIVE, rule, **options)
    with_sizes = ballots_of([(0, 1)], sizes=[1, 2])
    with pytest.raises(FedlabError, match="needs probabilities"):
        vote(with_sizes, "weighted", of="probabilities")


def test_a_tie_policy_asked_for_in_words_is_not_replaced():
    """tie='probability' without probabilities is refused; only the default falls back to the lowest class."""
    with pytest.raises(FedlabError, match=r"needs probabilities.*leave tie out"):
        vote(FIVE, "majority", tie="probability")
    with pytest.raises(FedlabError, match="did you mean 'lowest'"):
        vote(FIVE, "majority", tie="lowst")


@pytest.mark.parametrize("rule", ["majority", "any", "unanimous", "soft", "median", "weighted"])
def test_one_organisation_and_one_class(rule):
    """One organisation's verdict is its own; with one class the verdict is that class, its margin 1."""
    alone = POOL.take_models([1]).take_records([1, 3])
    assert vote(alone, rule).labels.tolist() == [0, 1]
    single = ballots_of([(0, 0), (0, -1), (-1, -1)], ["x"], [[[1], [1]], [[1], [0]], [[0], [0]]], sizes=[1, 2])
    verdict = vote(single, rule)
    assert verdict.labels.tolist() == [0, 0, -1]
    assert verdict.margins.tolist() == [1, 1, 0]
    assert not verdict.tied.any()


def test_values_show_abstentions_as_none():
    """Values are the classes, in their dtype; where the vote abstains they are None, never a class."""
    full = vote(ballots_of([(0, 0), (1, 1)], classes=["a", "b"]))
    assert full.values.dtype.kind == "U"
    assert full.values.tolist() == ["a", "b"]
    partial = vote(ballots_of([(0, 1), (1, 1)], classes=["a", "b"]), tie="abstain")
    assert partial.values.tolist() == [None, "b"]
    assert partial.values[~partial.abstained].tolist() == ["b"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [0, 2]}, "from -1 .* to 1"),
        ({"labels": [0.0, 1.0]}, "integers"),
        ({"labels": [[0, 1]]}, "labels must have shape"),
        ({"scores": [[1, 0]]}, "scores must have shape"),
        ({"margins": [0.5]}, "margins must have shape"),
        ({"margins": [0.5, np.nan]}, "margins must be finite"),
        ({"abstained": [True, False]}, "exactly where"),
    ],
)
def test_bad_verdicts_are_refused(changes, message):
    """A verdict whose parts do not fit together is refused."""
    good = {
        "labels": [0, 1],
        "scores": [[1, 0], [0, 1]],
        "margins": [1, 1],
        "tied": [False, False],
        "abstained": [False, False],
        "classes": [0, 1],
    }
    verdict = Verdict(**good)
    with pytest.raises(ValueError, match="read-only"):
        verdict.labels[0] = 1
    with pytest.raises(FedlabError, match=message):
        Verdict(**{**good, **changes})
