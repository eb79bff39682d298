"""Intervals: their coverage on simulated data, pairing, groups, the normal approximation, Student's t."""

import time

import numpy as np
import pytest
from scipy import stats

from fedlab.errors import FedlabError
from fedlab.evidence import METRICS, bootstrap, interval_over_seeds, make_answers, measure, paired_difference
from fedlab.evidence import intervals as module
from fedlab.evidence.statistics import statistic_of


def _answers(seed, n_records=400, strength=1.0, n_classes=2):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, n_classes, n_records)
    scores = strength * np.eye(n_classes)[truth] + generator.normal(size=(n_records, n_classes))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return make_answers(truth, probabilities.argmax(axis=1), probabilities, np.arange(n_classes))


def test_coverage_is_about_95_percent():
    """Over 300 simulated holdouts the intervals hold the true accuracy and AUC in 91 to 98 of a hundred."""
    accuracy = stats.norm.cdf(1 / np.sqrt(2))
    area = stats.norm.cdf(1.0)  # of the difference of the two scores: shift 2, standard deviation 2
    held = np.zeros(2)
    for seed in range(300):
        found = bootstrap(_answers(seed, 200), n_resamples=300, seed=seed)
        held += [low <= true <= high for true, (low, high) in zip((accuracy, area), found.values(), strict=True)]
    assert (held / 300 > 0.91).all() and (held / 300 < 0.985).all()


def test_accuracy_interval_is_the_binomial_one():
    """Resampling rows is a binomial draw: the interval's ends are its quantiles, within sampling error."""
    answers = make_answers([1] * 1000, [1] * 800 + [0] * 200, None, [0, 1])
    low, high = bootstrap(answers, ["accuracy"], n_resamples=20000)["accuracy"]
    assert (low, high) == pytest.approx(stats.binom.ppf([0.025, 0.975], 1000, 0.8) / 1000, abs=0.0021)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("grouped", [False, True])
def test_value_is_the_metric_and_compression_changes_nothing(n_classes, grouped):
    """Each statistic is its metric, over all units and over the distinct ones with their counts."""
    answers = _answers(1, 120, n_classes=n_classes)
    measured = measure(
        answers.truth,
        answers.predicted,
        answers.probabilities,
        answers.classes,
        answers.classes[answers.positive],
    )
    units = np.arange(120) // 3 if grouped else None
    for metric in METRICS:
        statistic = statistic_of(metric, answers, units)
        cells, counts = statistic.distinct()
        assert counts.sum() == (40 if grouped else 120)
        assert statistic.value() == pytest.approx(measured[metric], abs=1e-12)
        assert cells.resampled(counts[None, :])[0] == pytest.approx(measured[metric], abs=1e-12)


def test_resampled_equals_the_metric_of_the_repeated_rows():
    """A weighted statistic equals the metric computed on rows repeated that many times."""
    answers = _answers(2, 60, n_classes=3)
    weights = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), size=5)
    for metric in METRICS:
        drawn = statistic_of(metric, answers).resampled(weights)
        for row, value in zip(weights, drawn, strict=True):
            again = np.repeat(np.arange(60), row)
            alone = measure(
                answers.truth[again], answers.predicted[again], answers.probabilities[again], answers.classes
            )
            assert value == pytest.approx(alone[metric], abs=1e-12)


def test_influence_is_the_derivative():
    """The influence of a unit is how the metric moves when that unit gets a little more weight."""
    answers = _answers(3, 50, n_classes=3)
    step = 1e-6
    weights = 1 + step * np.eye(50)
    for metric in METRICS:
        statistic = statistic_of(metric, answers)
        slope = (statistic.resampled(weights) - statistic.value()) / step
        assert statistic.influence() == pytest.approx(slope, abs=1e-6)


def test_paired_is_narrower_than_unpaired():
    """Two predictors that err on the same rows: pairing leaves a fraction of the unpaired width."""
    first = _answers(4, 400)
    generator = np.random.default_rng(5)
    flips = generator.random(400) < 0.03
    second = make_answers(
        first.truth, np.where(flips, 1 - first.predicted, first.predicted), first.probabilities, [0, 1]
    )
    paired = paired_difference(first, second)
    widths = [high - low for low, high in (bootstrap(a, ["accuracy"])["accuracy"] for a in (first, second))]
    assert paired.high - paired.low < 0.6 * np.hypot(*widths)
    assert paired.estimate == pytest.approx(first.right.mean() - second.right.mean())
    assert paired.low <= paired.estimate <= paired.high


def test_difference_with_itself_is_exactly_zero():
    """A predictor less itself is 0 with interval 0 to 0, in both metrics that rows carry."""
    answers = _answers(6)
    assert paired_difference(answers, answers) == (0, 0, 0)
    assert paired_difference(answers, answers, "roc_auc") == (0, 0, 0)


def test_groups_widen_what_they_hold_together():
    """Where each patient's ten rows are right or wrong together, the grouped interval is about √10 wider."""
    right = np.random.default_rng(7).random(100) < 0.7
    answers = make_answers(np.ones(1000, int), np.repeat(right, 10).astype(int), None, [0, 1])
    plain, grouped = (
        np.ptp(bootstrap(answers, ["accuracy"], groups=groups)["accuracy"])
        for groups in (None, np.repeat(np.arange(100), 10))
    )
    assert grouped / plain == pytest.approx(np.sqrt(10), rel=0.15)


@pytest.mark.parametrize("groups", [None, np.arange(400) // 2])
def test_normal_approximation_agrees_with_the_bootstrap(monkeypatch, groups):
    """Beyond the cap the interval comes from influences: its ends agree with the resampled ones."""
    answers = _answers(8)
    names = ("accuracy", "roc_auc", "brier")
    drawn = bootstrap(answers, names, n_resamples=4000, groups=groups)
    monkeypatch.setattr(module, "MAX_DRAWS", 0)
    normal = bootstrap(answers, names, n_resamples=4000, groups=groups)
    for name in names:
        assert normal[name] == pytest.approx(drawn[name], abs=0.12 * np.ptp(drawn[name]))


def test_work_is_bounded():
    """300,000 distinct rows at 1,000 resamples take seconds: not every row is drawn a thousand times."""
    generator = np.random.default_rng(9)
    truth = generator.integers(0, 2, 300_000)
    score = np.clip(truth * 0.2 + generator.random(300_000) * 0.8, 0, 1)
    answers = make_answers(truth, (score > 0.5).astype(int), np.stack([1 - score, score], axis=1), [0, 1])
    start = time.process_time()
    found = bootstrap(answers)
    assert time.process_time() - start < 10
    assert 0 < np.ptp(found["roc_auc"]) < 0.01


def test_seeds_and_metrics_are_independent():
    """The same seed gives the same interval, alone or with other metrics; another seed another one."""
    answers = _answers(10)
    both = bootstrap(answers, ["accuracy", "roc_auc"], seed=3)
    assert bootstrap(answers, ["roc_auc"], seed=3)["roc_auc"] == both["roc_auc"]
    assert bootstrap(answers, ["roc_auc"], seed=4)["roc_auc"] != both["roc_auc"]


def test_undefined_has_no_interval():
    """One class, no probabilities or no resamples: (None, None), no warning."""
    answers = make_answers([1, 1], [1, 0], None, [0, 1])
    assert bootstrap(answers, METRICS)["roc_auc"] == (None, None)
    assert bootstrap(answers, METRICS)["specificity"] == (None, None)
    assert bootstrap(answers, ["accuracy"], n_resamples=0)["accuracy"] == (None, None)
    assert paired_difference(answers, answers, "roc_auc") == (None, None, None)


def test_rare_class_leaves_out_resamples_without_it():
    """With one positive row in 50, resamples that miss it are left out and the interval stays finite."""
    score = np.linspace(0, 1, 50)
    answers = make_answers([0] * 49 + [1], [0] * 50, np.stack([1 - score, score], axis=1), [0, 1])
    assert bootstrap(answers, ["sensitivity", "roc_auc"]) == {"sensitivity": (0, 0), "roc_auc": (1, 1)}


def test_t_interval_is_scipys():
    """Over seeds: mean and Student's t as scipy computes them; missing values are left out."""
    values = [0.81, 0.83, None, 0.8, float("nan"), 0.86]
    held = np.array([0.81, 0.83, 0.8, 0.86])
    found = interval_over_seeds(values, level=0.9)
    expected = stats.t.interval(0.9, 3, loc=held.mean(), scale=stats.sem(held))
    assert found == pytest.approx((held.mean(), *expected))
    assert interval_over_seeds([0.5]) == (0.5, None, None)
    assert interval_over_seeds([]) == (None, None, None)
    assert interval_over_seeds([None]) == (None, None, None)


def test_bad_input_is_named():
    """Unknown metrics, impossible levels and numbers, groupings and truths that do not fit are errors."""
    answers = _answers(0, 10)
    with pytest.raises(FedlabError, match="did you mean 'accuracy'"):
        bootstrap(answers, ["acuracy"])
    with pytest.raises(FedlabError, match=r"level is 95"):
        bootstrap(answers, level=95)
    with pytest.raises(FedlabError, match="level is 0"):
        interval_over_seeds([1, 2], level=0)
    with pytest.raises(FedlabError, match="n_resamples is -1"):
        bootstrap(answers, n_resamples=-1)
    with pytest.raises(FedlabError, match="groups has 3 entries for 10"):
        bootstrap(answers, groups=[1, 2, 3])
    with pytest.raises(FedlabError, match="different truths"):
        paired_difference(answers, _answers(1, 10))
