"""Metrics against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from fedlab.errors import FedlabError
from fedlab.evidence import METRICS, make_answers, measure
from fedlab.evidence.ranking import Ranking


def _case(n_classes, n_records=300, seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, n_classes, n_records)
    probabilities = generator.dirichlet(np.ones(n_classes), n_records).round(2)
    probabilities[:, -1] = 1 - probabilities[:, :-1].sum(axis=1)
    probabilities = np.maximum(probabilities, 0)
    return truth, probabilities.argmax(axis=1), probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("names", [[0, 1], [1, 2], ["ill", "well"], [False, True]])
def test_binary_equals_scikit_learn(names):
    """All seven metrics of a binary problem are scikit-learn's, whatever the classes are called."""
    codes, predicted, probabilities = _case(2)
    classes = np.array(names)
    truth = classes[codes]
    found = measure(truth, predicted, probabilities, classes, positive=names[1])
    said, score = classes[predicted], probabilities[:, 1]
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, said), abs=1e-12)
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(truth, said), abs=1e-12)
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(truth == names[1], score), abs=1e-12)
    clipped = np.clip(probabilities, 1e-15, 1 - 1e-15)
    assert found["log_loss"] == pytest.approx(sk.log_loss(codes, clipped), abs=1e-9)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(codes, score), abs=1e-12)
    assert found["sensitivity"] == pytest.approx(sk.recall_score(truth, said, pos_label=names[1]), abs=1e-12)
    assert found["specificity"] == pytest.approx(sk.recall_score(truth, said, pos_label=names[0]), abs=1e-12)
    assert found["coverage"] == 1.0


def test_positive_class_may_be_the_smaller_one():
    """With the first class positive the AUC turns with it and sensitivity and specificity change places."""
    truth, predicted, probabilities = _case(2)
    last = measure(truth, predicted, probabilities, [0, 1], positive=1)
    first = measure(truth, predicted, probabilities, [0, 1], positive=0)
    assert first["sensitivity"] == last["specificity"]
    assert first["roc_auc"] == pytest.approx(last["roc_auc"], abs=1e-12)
    assert measure(truth, predicted, probabilities, [0, 1]) == last


def test_multiclass_equals_scikit_learn():
    """With four classes: macro one-vs-rest AUC, log loss, recalls and half the multi-class Brier score."""
    truth, predicted, probabilities = _case(4)
    found = measure(truth, predicted, probabilities, np.arange(4), positive=2)
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, probabilities.round(12), multi_class="ovr"))
    kept = probabilities[np.arange(len(truth)), truth] > 0
    some = measure(truth[kept], predicted[kept], probabilities[kept], np.arange(4))
    assert some["log_loss"] == pytest.approx(sk.log_loss(truth[kept], probabilities[kept]))
    one_hot = np.eye(4)[truth]
    assert found["brier"] == pytest.approx(((probabilities - one_hot) ** 2).sum(axis=1).mean() / 2)
    assert found["sensitivity"] == pytest.approx((predicted[truth == 2] == 2).mean())
    assert found["specificity"] == pytest.approx((predicted[truth != 2] != 2).mean())


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_area_is_the_share_of_pairs_won(rows):
    """The AUC counts pairs, ties one half: by brute force over all pairs, and None with one class."""
    truth = np.array([row[0] for row in rows])
    score = np.array([row[1] / 5 for row in rows])
    won = [(p > q) + (p == q) / 2 for p in score[truth] for q in score[~truth]]
    area = Ranking(truth, score).area()
    assert area == (pytest.approx(np.mean(won)) if won else None)


def test_rounding_noise_makes_no_order():
    """0.1 + 0.2 and 0.3 are the same score: a tie, not a win."""
    assert Ranking(np.array([True, False]), np.array([0.1 + 0.2, 0.3])).area() == 0.5


def test_abstentions_by_hand():
    """An abstention is wrong in every metric of labels, and coverage says how many there are."""
    found = measure([1, 1, 0, 0], [1, -1, -1, 0], None, [0, 1])
    assert found == {
        "accuracy": 0.5,
        "balanced_accuracy": 0.5,
        "roc_auc": None,
        "log_loss": None,
        "brier": None,
        "sensitivity": 0.5,
        "specificity": 0.5,
        "coverage": 0.5,
    }


def test_class_that_no_model_knows():
    """A truth outside the model's classes is a sure mistake: probability 0, log loss clipped at 1e-15."""
    found = measure(["a", "c"], [0, 1], [[1.0, 0.0], [0.25, 0.75]], ["a", "b"])
    assert found["accuracy"] == 0.5
    assert found["log_loss"] == pytest.approx(-np.log(1e-15) / 2)
    assert found["brier"] == pytest.approx((0.25**2 + 0.75**2 + 1) / 2 / 2)
    assert found["sensitivity"] == 0.0


def test_classes_of_models_of_other_order_and_extra():
    """Extra classes move the indices of a predictor to their place in the longer list."""
    answers = make_answers(["m", "z"], [0, 1], [[0.6, 0.4], [0.1, 0.9]], ["m", "z"], also=["a", "p"])
    assert answers.classes.tolist() == ["a", "m", "p", "z"]
    assert answers.predicted.tolist() == [1, 3]
    assert answers.probabilities.tolist() == [[0, 0.6, 0, 0.4], [0, 0.1, 0, 0.9]]
    assert answers.classes[answers.positive] == "z"


def test_one_class_in_truth_is_none_without_warning():
    """What one class leaves undefined is None: AUC, and sensitivity or specificity."""
    found = measure([0, 0, 0], [0, 0, 1], [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 1])
    assert found["roc_auc"] is None
    assert found["sensitivity"] is None
    assert found["specificity"] == pytest.approx(2 / 3)
    assert all(value is None or np.isfinite(value) for value in found.values())
    assert set(found) == {*METRICS, "coverage"}


def test_supports_are_scaled():
    """Supports that do not sum to 1 are scaled; a row of zeros is uniform; the input stays as it was."""
    scores = np.array([[1.0, 3.0], [0.0, 0.0]])
    answers = make_answers([0, 1], [1, -1], scores, [0, 1])
    assert answers.probabilities.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert scores.tolist() == [[1.0, 3.0], [0.0, 0.0]]


def test_negative_supports_rank_only():
    """Supports below zero give an AUC, and neither log loss nor Brier score."""
    found = measure([0, 1], [0, 1], [[2.0, -2.0], [-1.0, 1.0]], [0, 1])
    assert (found["roc_auc"], found["log_loss"], found["brier"]) == (1.0, None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predicted": [0]}, "one prediction per row"),
        ({"predicted": [0, 2]}, "from -1"),
        ({"predicted": [0.0, 1.0]}, "integers"),
        ({"probabilities": [[1.0], [0.0]]}, "probabilities have shape"),
        ({"probabilities": [[1.0, 0.0], [np.nan, 1.0]]}, "first in row 1"),
        ({"truth": [0, None]}, "truth is missing in 1 rows, first in row 1"),
        ({"truth": ["0", "1"]}, "mix types"),
        ({"positive": "yes"}, "positive is 'yes'"),
        ({"truth": [], "predicted": np.array([], dtype=int), "probabilities": None}, "holdout is empty"),
    ],
)
def test_bad_input_is_named(change, message):
    """Input that does not fit together is an error that says what."""
    good = {"truth": [0, 1], "predicted": [0, 1], "probabilities": None, "classes": [0, 1], "positive": None}
    with pytest.raises(FedlabError, match=message):
        measure(**(good | change))
