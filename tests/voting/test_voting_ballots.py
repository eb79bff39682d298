"""Ballots: what is refused, what is read-only, what is taken."""

import numpy as np
import pytest

from fedlab.errors import FedlabError
from fedlab.voting import Ballots

LABELS = [[0, 1, 1], [1, -1, 0]]
PROBABILITIES = [[[0.75, 0.25], [0.5, 0.5], [0, 1]], [[0, 1], [0, 0], [1, 0]]]


def make(**changes):
    """Give good ballots of two hospitals on three records, with some fields changed."""
    fields = {
        "labels": LABELS,
        "probabilities": PROBABILITIES,
        "classes": ["no", "yes"],
        "organisations": ("Basel", "Long Beach"),
        "sizes": [10, 30],
        "accuracies": [0.5, float("nan")],
        "class_counts": [[4, 6], [0, 30]],
    }
    return Ballots(**{**fields, **changes})


def test_shapes_and_counts():
    """The counts are read off the arrays, the union of classes and the names."""
    ballots = make()
    assert (ballots.n_models, ballots.n_records, ballots.n_classes) == (2, 3, 2)
    assert ballots.answered.tolist() == [[True, True, True], [True, False, True]]
    assert ballots.organisations == ("Basel", "Long Beach")


def test_arrays_cannot_be_changed_from_outside():
    """Neither the ballots' arrays nor the array they were made from changes checked ballots."""
    labels = np.array(LABELS)
    ballots = make(labels=labels)
    labels[0, 0] = 1
    assert ballots.labels[0, 0] == 0
    for name in ("labels", "probabilities", "classes", "sizes", "accuracies", "class_counts"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(ballots, name)[0] = 0
    with pytest.raises(AttributeError):
        ballots.labels = labels


def test_an_abstaining_models_probabilities_become_zero():
    """Where the label is -1 probabilities count for nothing, and the caller's array is left alone."""
    given = np.array(PROBABILITIES, dtype=float)
    given[1, 1] = [0.9, 0.3]
    ballots = make(probabilities=given)
    assert ballots.probabilities[1, 1].tolist() == [0, 0]
    assert given[1, 1].tolist() == [0.9, 0.3]
    given.setflags(write=False)
    assert make(probabilities=given).probabilities[1, 1].tolist() == [0, 0]


def test_take_models_and_records():
    """A selection takes the same rows or columns of every field, in the order given."""
    ballots = make()
    second = ballots.take_models([1])
    assert second.organisations == ("Long Beach",)
    assert second.labels.tolist() == [[1, -1, 0]]
    assert second.sizes.tolist() == [30]
    assert second.class_counts.tolist() == [[0, 30]]
    assert second.probabilities.tolist() == [PROBABILITIES[1]]
    assert ballots.take_models(np.array([False, True])).organisations == ("Long Beach",)
    swapped = ballots.take_records([2, 0])
    assert swapped.labels.tolist() == [[1, 0], [0, 1]]
    assert swapped.probabilities[0].tolist() == [[0, 1], [0.75, 0.25]]
    assert ballots.take_records(np.array([False, True, False])).labels.tolist() == [[1], [-1]]
    assert ballots.take_records(slice(0, 0)).n_records == 0


def one_row(row):
    """Put one row of probabilities at organisation Basel, record 2."""
    rows = np.array(PROBABILITIES, dtype=float)
    rows[0, 2] = row
    return rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [[0, 1, 1], [1, -1]]}, "different lengths"),
        ({"labels": [0, 1, 1]}, r"shape \(n_models, n_records\)"),
        ({"labels": [[0, 1, 2], [1, -1, 0]]}, "'Basel', record 2: label 2 is out of range; allowed: 0 to 1"),
        ({"labels": [[0, 1, 1], [1, -2, 0]]}, "'Long Beach', record 1: label -2"),
        ({"labels": np.array(LABELS, dtype=float)}, "integers"),
        ({"organisations": ("Basel",)}, "1 models"),
        ({"organisations": "AB"}, "sequence"),
        ({"classes": ["yes", "no"]}, "sorted"),
        ({"classes": ["no", "no"]}, "sorted"),
        ({"classes": []}, "at least one"),
        ({"classes": [0, "yes"]}, "all text, all numbers"),
        ({"classes": np.array([False, 1], dtype=object)}, "all text, all numbers"),
        ({"classes": [0.0, float("nan")]}, "missing or infinite"),
        ({"probabilities": [[[1.0]]]}, r"= \(2, 3, 2\)"),
        ({"probabilities": one_row([0.5, 0.4])}, "'Basel', record 2.*summing to 0.9, not to one"),
        ({"probabilities": one_row([0.5, 0.5 + 2e-6])}, "record 2.*not to one"),
        ({"probabilities": one_row([np.nan, 1])}, "record 2.*not finite and non-negative"),
        ({"probabilities": one_row([np.inf, 0])}, "record 2.*not finite and non-negative"),
        ({"probabilities": one_row([-0.1, 1.1])}, "record 2.*not finite and non-negative"),
        ({"probabilities": one_row([0, 0])}, "summing to 0, not to one"),
        ({"sizes": [10]}, "one number for each of 2"),
        ({"sizes": [10, -1]}, "'Long Beach': size -1"),
        ({"sizes": [10, float("nan")]}, "'Long Beach': size nan"),
        ({"sizes": ["ten", "many"]}, "must be numbers"),
        ({"class_counts": [4, 6]}, r"shape \(n_models, n_classes\) = \(2, 2\)"),
        ({"class_counts": [[4, 6], [1]]}, "different lengths"),
        ({"class_counts": [["a", "b"], ["c", "d"]]}, "numbers of rows"),
        ({"class_counts": [[4, 6], [-1, 2]]}, r"'Long Beach': class counts \[-1.0, 2.0\]"),
        ({"accuracies": [0.5, 1.5]}, "'Long Beach': accuracy 1.5 is out of range"),
    ],
)
def test_bad_ballots_are_refused(changes, message):
    """Each kind of bad input is refused by name of organisation and record, never repaired."""
    with pytest.raises(FedlabError, match=message):
        make(**changes)


def test_rounding_of_32_bit_probabilities_is_accepted_and_kept():
    """A row within 1e-6 of one is taken, and its values are not renormalised."""
    kept = make(probabilities=one_row([0.5, 0.5 + 5e-7])).probabilities[0, 2]
    assert kept.tolist() == [0.5, 0.5 + 5e-7]
