"""Agreement, margins, baselines, and the row that a cell of a sweep becomes."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.errors import FedlabError
from fedlab.evidence import (
    METRICS,
    ROW_COLUMNS,
    agreement,
    bootstrap,
    evaluate_vote,
    from_upper_triangle,
    make_answers,
    margin_histogram,
    measure,
    measure_model,
    organisations_alone,
    upper_triangle,
)


def _ballots(labels, probabilities=None, classes=(0, 1), sizes=None):
    labels = np.asarray(labels)
    return SimpleNamespace(
        labels=labels,
        probabilities=None if probabilities is None else np.asarray(probabilities, dtype=float),
        classes=np.asarray(classes),
        organisations=tuple(f"part{i + 1}" for i in range(len(labels))),
        sizes=sizes,
        accuracies=None,
    )


def _cell(n_models=3, n_records=80, seed=0, classes=(0, 1)):
    """Make up a cell: ballots, a majority verdict, the truth, a central model."""
    generator = np.random.default_rng(seed)
    n_classes = len(classes)
    truth = generator.integers(0, n_classes, n_records)
    raw = np.eye(n_classes)[truth] * 0.8 + generator.random((n_models + 1, n_records, n_classes))
    probabilities = raw / raw.sum(axis=2, keepdims=True)
    labels = probabilities.argmax(axis=2)
    ballots = _ballots(labels[:-1], probabilities[:-1], classes, sizes=np.full(n_models, 10.0))
    votes = np.stack([(labels[:-1] == c).mean(axis=0) for c in range(n_classes)], axis=1)
    top = np.sort(votes, axis=1)
    verdict = SimpleNamespace(
        labels=votes.argmax(axis=1),
        scores=votes,
        margins=top[:, -1] - top[:, -2],
        tied=top[:, -1] == top[:, -2],
        abstained=np.zeros(n_records, bool),
        classes=np.asarray(classes),
    )
    central = _ballots(labels[-1:], probabilities[-1:], classes)
    return ballots, verdict, np.asarray(classes)[truth], central


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 10_000))
def test_agreement_is_brute_force(n_models, n_records, seed):
    """Each entry is the share of records both answered on which both say the same; NaN if there is none."""
    labels = np.random.default_rng(seed).integers(-1, 3, (n_models, n_records))
    found = agreement(_ballots(labels, classes=(0, 1, 2)))
    for i in range(n_models):
        for j in range(n_models):
            pairs = [(a, b) for a, b in zip(labels[i], labels[j], strict=True) if a >= 0 and b >= 0]
            expected = np.mean([a == b for a, b in pairs]) if pairs else np.nan
            assert found[i, j] == pytest.approx(expected, nan_ok=True)


def test_agreement_is_fast_and_exact_over_blocks():
    """64 models on 100,000 records take a second or two, and blocks add up to the whole."""
    labels = np.random.default_rng(0).integers(0, 2, (64, 100_000))
    start = time.process_time()
    found = agreement(_ballots(labels))
    assert time.process_time() - start < 8
    assert found[3, 7] == (labels[3] == labels[7]).mean()


def test_upper_triangle_round_trip():
    """The matrix comes back from its upper triangle, and a length that fits no square is refused."""
    matrix = np.array([[1, 0.2, 0.3], [0.2, 1, 0.4], [0.3, 0.4, 1]])
    assert from_upper_triangle(upper_triangle(matrix)).tolist() == matrix.tolist()
    assert from_upper_triangle([]).tolist() == [[1.0]]
    with pytest.raises(FedlabError, match="agreement holds 2 values"):
        from_upper_triangle([0.1, 0.2])


def test_margins_fall_in_their_bins():
    """Edges go to the upper bin despite rounding noise, 1 and beyond to the last, abstentions to none."""
    margins = [0, 0.05, 0.1 + 0.05, 0.95, 1.0, 1.3, np.nan]
    right, wrong = margin_histogram(margins, [True] * 5 + [False] * 2, [True] * 6 + [False])
    assert np.flatnonzero(right).tolist() == [0, 1, 3, 19]
    assert right[19] == 2
    assert (wrong[19], wrong.sum()) == (1, 1)
    shares = np.arange(21) / 20
    assert margin_histogram(1 - (1 - shares), np.ones(21, bool))[0].tolist() == [1] * 19 + [2]


def test_organisations_alone_by_hand():
    """Mean, best, worst and the best one's name are those of each model measured by itself."""
    ballots, _, truth, _ = _cell(n_models=4)
    found = organisations_alone(ballots, truth)
    single = [measure(truth, ballots.labels[i], ballots.probabilities[i], ballots.classes) for i in range(4)]
    for metric in ("accuracy", "roc_auc"):
        values = [one[metric] for one in single]
        assert found[f"organisation_{metric}_mean"] == pytest.approx(np.mean(values))
        assert found[f"organisation_{metric}_best"] == max(values)
        assert found[f"organisation_{metric}_worst"] == min(values)
    assert found["organisation_best"] == f"part{1 + int(np.argmax([one['accuracy'] for one in single]))}"


def test_row_holds_every_column_and_agrees_with_its_parts():
    """The row has ROW_COLUMNS in order, scalars only, and its numbers are those of the parts."""
    ballots, verdict, truth, central = _cell()
    pooled = ballots.probabilities.mean(axis=0)
    context = {
        "data_bytes": 100,
        "n_rows": 500,
        "bayes_accuracy": 0.9,
        "organisation_class_counts": [[6, 4], [5, 5], [9, 1]],
    }
    row = evaluate_vote(ballots, verdict, truth, central=central, pooled=pooled, context=context, seed=1)
    assert tuple(row) == ROW_COLUMNS
    assert all(value is None or type(value) in (int, float, str) for value in row.values())
    vote = measure(truth, verdict.labels, verdict.scores, verdict.classes)
    base = measure_model(central, truth)
    trees = measure(truth, pooled.argmax(axis=1), pooled, ballots.classes)
    for name in METRICS:
        assert row[name] == vote[name]
        assert row[f"centralised_{name}"] == base[name]
        assert row[f"pooled_trees_{name}"] == trees[name]
    answers = make_answers(truth, verdict.labels, verdict.scores, verdict.classes)
    assert (row["roc_auc_low"], row["roc_auc_high"]) == bootstrap(answers, ["roc_auc"], seed=1)["roc_auc"]
    assert row["difference_accuracy"] == pytest.approx(row["accuracy"] - row["centralised_accuracy"])
    assert row["difference_accuracy_low"] <= row["difference_accuracy"] <= row["difference_accuracy_high"]
    assert row["tied"] == verdict.tied.mean()
    assert row["agreement_mean"] == pytest.approx(upper_triangle(agreement(ballots)).mean())
    assert json.loads(row["agreement"]) == upper_triangle(agreement(ballots)).round(4).tolist()
    right, wrong = json.loads(row["margin_right"]), json.loads(row["margin_wrong"])
    assert (len(right), len(wrong)) == (20, 20)
    assert sum(right) / 80 == row["accuracy"]
    assert sum(right) + sum(wrong) == row["n_holdout"] == 80
    assert row["organisation_rows"] == "[10,10,10]"
    assert row["organisation_class_counts"] == "[[6,4],[5,5],[9,1]]"
    assert (row["classes"], row["organisations"]) == ("[0,1]", '["part1","part2","part3"]')
    assert (row["n_rows"], row["bayes_accuracy"], row["bayes_roc_auc"]) == (500, 0.9, None)


def test_row_is_deterministic_and_needs_no_baseline():
    """The same input gives the same row; without central model or trees their columns are None."""
    ballots, verdict, truth, _ = _cell(classes=("a", "b", "c"))
    rows = [evaluate_vote(ballots, verdict, truth, "b", n_resamples=50) for _ in range(2)]
    assert rows[0] == rows[1]
    assert rows[0]["difference_accuracy"] is None
    assert rows[0]["pooled_trees_roc_auc"] is None
    assert rows[0]["sensitivity"] == (verdict.labels[truth == "b"] == 1).mean()


def test_central_that_knows_more_classes_is_measured_on_the_same_list():
    """A central model with a third class does not change the kind of AUC between the two."""
    ballots, verdict, truth, _ = _cell()
    wide = np.dstack([ballots.probabilities[:1], np.zeros((1, 80, 1))])
    central = _ballots(ballots.labels[:1], wide, (0, 1, 2))
    row = evaluate_vote(ballots, verdict, truth, 1, central=central, n_resamples=20)
    both = measure(truth, ballots.labels[0], wide[0], (0, 1, 2))
    assert row["centralised_roc_auc"] == both["roc_auc"]
    assert row["difference_roc_auc"] == pytest.approx(row["roc_auc"] - both["roc_auc"])


def test_bad_input_is_named():
    """Unknown context, several central models and lists of another length are errors that say so."""
    ballots, verdict, truth, _ = _cell()
    with pytest.raises(FedlabError, match="did you mean 'data_bytes'"):
        evaluate_vote(ballots, verdict, truth, context={"data_byte": 1})
    with pytest.raises(FedlabError, match="central holds 3 models"):
        evaluate_vote(ballots, verdict, truth, central=ballots)
    with pytest.raises(FedlabError, match="organisation_rows has shape"):
        evaluate_vote(ballots, verdict, truth, context={"organisation_rows": [1, 2]})
    with pytest.raises(FedlabError, match="pooled has shape"):
        evaluate_vote(ballots, verdict, truth, pooled=np.zeros((80, 3)))
    with pytest.raises(FedlabError, match="of 3 models"):
        measure_model(ballots, truth)
