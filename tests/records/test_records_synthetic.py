"""The synthetic cohort: its population, its draws, and the best possible scores."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from fedlab.errors import FedlabError
from fedlab.records import load_records
from fedlab.records.synthetic import AGES, PRESSURES, _draw, bayes, joint, synthetic

SHAPE = (len(AGES), 2, len(PRESSURES))


@pytest.fixture(scope="module")
def many():
    """Two hundred thousand patients."""
    return synthetic(n_rows=200_000, seed=3)


def test_best_scores_on_a_table_worked_by_hand():
    """Three cells, two with the same risk: .2 x .5, .8 x (.3 + .2)."""
    scores = bayes(np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.8, 0.8]))
    # Positives: .1 at the low score, .4 at the high one; negatives: .4 and .1.
    assert scores["accuracy"] == pytest.approx(0.5 * 0.8 + 0.5 * 0.8)
    assert scores["auc"] == pytest.approx((0.4 * 0.4 + 0.5 * (0.1 * 0.4 + 0.4 * 0.1)) / (0.5 * 0.5))
    assert scores["brier"] == pytest.approx(0.16)
    assert scores["log_loss"] == pytest.approx(-(0.2 * np.log(0.2) + 0.8 * np.log(0.8)))


def test_auc_equals_the_count_over_all_pairs():
    """On a random table with ties, the sum over pairs of cells gives the same AUC."""
    draws = np.random.default_rng(5)
    mass = draws.dirichlet(np.ones(12))
    risk = draws.integers(0, 5, 12) / 4
    won = sum(
        mass[i] * risk[i] * mass[j] * (1 - risk[j]) * (1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0)
        for i, j in itertools.product(range(12), repeat=2)
    )
    expected = won / ((mass * risk).sum() * (mass * (1 - risk)).sum())
    found = bayes(mass, risk)
    assert found["auc"] == pytest.approx(expected, abs=1e-12)
    assert np.isfinite(found["log_loss"])


def test_the_best_classifier_scores_as_promised_on_drawn_patients(many):
    """scikit-learn's metrics of the true risk agree with the exact values within four standard errors."""
    mass, risk = joint()
    frame = many.frame
    cells = np.ravel_multi_index(
        (frame["Age"] - AGES[0], frame["Diabetic"], frame["BloodPressureLevel"] - PRESSURES[0]), SHAPE
    )
    score, best = risk[cells], many.about["bayes"]
    assert accuracy_score(many.y, score > 0.5) == pytest.approx(best["accuracy"], abs=0.0035)
    assert roc_auc_score(many.y, score) == pytest.approx(best["auc"], abs=0.004)
    assert log_loss(many.y, score) == pytest.approx(best["log_loss"], abs=0.004)
    assert brier_score_loss(many.y, score) == pytest.approx(best["brier"], abs=0.002)
    assert best == bayes(mass, risk)


def test_margins_are_those_of_an_adult_population():
    """Mean age, prevalences, mean pressure and the number of distinct rows lie where they are meant to."""
    mass, risk = joint()
    table = mass.reshape(SHAPE)
    assert mass.sum() == pytest.approx(1)
    assert (table.sum((1, 2)) * AGES).sum() == pytest.approx(45.7, abs=0.1)
    assert 0.10 < table[:, 1].sum() < 0.12
    assert 0.20 < (mass * risk).sum() < 0.25
    assert 120 < (table.sum((0, 1)) * PRESSURES).sum() < 130
    distinct = sum((1 - np.exp(-1e6 * mass * share)).sum() for share in (risk, 1 - risk))
    assert 20_000 < distinct < 25_000


def test_risks_rise_in_the_direction_of_the_literature():
    """Diabetes rises with age, pressure with age and diabetes, disease with each of the three."""
    mass, risk = (values.reshape(SHAPE) for values in joint())
    by_age = mass.sum(2)
    assert (np.diff(by_age[:, 1] / by_age.sum(1)) > 0).all()
    mean = (mass * PRESSURES).sum(2) / by_age
    assert (np.diff(mean, axis=0) > 0).all()
    assert (np.diff(mean, axis=1) > 0).all()
    for axis in range(3):
        assert (np.diff(risk, axis=axis) > 0).all()


def test_rows_are_independent_draws_from_the_table(many):
    """Counts fit the population (chi-square), and neighbours in the table do not correlate."""
    mass, risk = joint()
    disease = (mass * risk).reshape(SHAPE).sum(2)
    expected = np.stack([mass.reshape(SHAPE).sum(2) - disease, disease], axis=-1) * many.n_rows
    counts = np.zeros(expected.shape)
    np.add.at(counts, (many.frame["Age"] - AGES[0], many.frame["Diabetic"], many.frame["Disease"]), 1)
    statistic = ((counts - expected) ** 2 / expected)[expected > 5].sum()
    assert chi2.sf(statistic, (expected > 5).sum() - 1) > 1e-4
    age = many.frame["Age"].to_numpy()
    assert abs(np.corrcoef(age[1:], age[:-1])[0, 1]) < 4 / np.sqrt(many.n_rows)


def test_draws_fall_into_the_cell_that_their_number_names():
    """The inverse of the cumulative sums, worked by hand, its last cell open to rounding."""
    cumulative = np.array([0.2, 0.2, 0.7, 0.9999])
    assert _draw(cumulative, np.array([0.0, 0.19, 0.2, 0.69, 0.7, 0.99999])).tolist() == [0, 0, 2, 2, 3, 3]


def test_a_seed_gives_one_table_and_another_seed_another():
    """The same seed repeats every row; another changes them."""
    one, again, other = (synthetic(n_rows=300, seed=seed).frame for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one["Age"].equals(other["Age"])


def test_columns_types_and_identifiers():
    """The canonical columns, whole numbers all, identified from 1."""
    records = load_records({"name": "synthetic", "n_rows": 50})
    assert records.frame.columns.tolist() == ["PatientID", "Age", "Diabetic", "BloodPressureLevel", "Disease"]
    assert set(records.frame.dtypes.astype(str)) == {"int64"}
    assert records.ids.tolist() == list(range(1, 51))
    assert records.positive == 1


@pytest.mark.parametrize(
    "options",
    [{"n_rows": 1}, {"n_rows": 10**7 + 1}, {"n_rows": "100"}, {"n_rows": True}, {"seed": -1}, {"seed": 0.5}],
)
def test_impossible_options_are_refused(options):
    """The error names the option, the value and the range."""
    ((name, value),) = options.items()
    with pytest.raises(FedlabError, match=f"synthetic: {name} is {value!r}; give a whole number from"):
        load_records({"name": "synthetic", **options})


def test_too_few_rows_for_two_classes_are_refused():
    """With two rows of one class the check on reading speaks."""
    with pytest.raises(FedlabError, match="cohort 'synthetic': target column 'Disease' holds one class only, 0"):
        load_records({"name": "synthetic", "n_rows": 2})
