"""One organisation's training: the reference recipe to the last digit, and sense on odd shards."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

from fedlab.errors import FedlabError
from fedlab.exchange import Preprocessing
from fedlab.partition import read_partition, split_records, write_partition
from fedlab.records import Records, Schema, load_records, read_table
from fedlab.training import MODELS, ConstantClassifier, train_organisation

SCRIPT = """
import sys
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

path, identifier, target, *features = sys.argv[1:]
table = pd.read_csv(path)
X = table.drop(columns=[identifier, target])[features]
y = table[target]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)
model = RandomForestClassifier(n_estimators=40, random_state=42)
model.fit(X_train, y_train)
print(repr(float(accuracy_score(y_test, model.predict(X_test)))))
"""


def _plain_script(path, schema):
    command = [sys.executable, "-c", SCRIPT, str(path), schema.id, schema.target, *schema.features]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _records(y, group=None, **columns):
    frame = pd.DataFrame({"id": np.arange(len(y)), **columns, "t": y})
    if not columns:
        frame["x"] = np.arange(len(y)) * 0.5
    names = list(columns) or ["x"]
    return Records(frame, Schema("id", names, "t", group=group), "shard")


def test_equals_plain_script_on_coded_patients(tmp_path):
    """On 2,000 patients in a CSV the accuracy is a plain scikit-learn script's, to the last digit."""
    rng = np.random.default_rng(2)
    n = 2000
    frame = pd.DataFrame(
        {
            "PatientID": rng.permutation(n) + 1,
            "Age": rng.integers(18, 95, n),
            "Diabetic": rng.integers(0, 2, n),
            "BloodPressureLevel": rng.integers(80, 200, n),
        }
    )
    risk = frame.Age / 30 + frame.Diabetic + frame.BloodPressureLevel / 60 - 5 + rng.logistic(size=n)
    frame["Disease"] = (risk > 0).astype(int)
    path = tmp_path / "data_part1.csv"
    frame.to_csv(path, index=False)
    schema = Schema("PatientID", ["Age", "Diabetic", "BloodPressureLevel"], "Disease")
    trained = train_organisation(read_table(path, schema))
    assert trained.scores.accuracy == _plain_script(path, schema)
    assert (trained.n_rows, trained.n_train, trained.n_test) == (2000, 1600, 400)


def test_equals_plain_script_on_real_patients(tmp_path):
    """The same on a shard of real patients, blood pressures missing."""
    split = split_records(load_records("nhefs"), n_shards=2, seed=1)
    partition = read_partition(write_partition(split, tmp_path).dir)
    shard = partition.shard(0)
    assert shard.X.isna().any().any()
    trained = train_organisation(shard)
    assert trained.scores.accuracy == _plain_script(partition.shard_path(0), partition.schema)
    assert type(trained.estimator) is RandomForestClassifier
    assert trained.preprocessing == Preprocessing()


def test_scores_are_scikit_learns(three_classes):
    """All three scores, on the rows that train_test_split keeps back, for more than two classes."""
    records = Records(three_classes.frame.dropna(), three_classes.schema)
    trained = train_organisation(records, "logistic_regression", test_size=0.3, random_state=1)
    _, X_test, _, y_test = train_test_split(records.X, records.y, test_size=0.3, random_state=1)
    predicted = trained.estimator.predict(X_test)
    assert trained.scores.accuracy == accuracy_score(y_test, predicted)
    assert trained.scores.balanced_accuracy == balanced_accuracy_score(y_test, predicted)
    shares = trained.estimator.predict_proba(X_test)
    assert trained.scores.roc_auc == roc_auc_score(y_test, shares, multi_class="ovr")
    assert trained.classes.tolist() == ["ill", "mild", "well"]


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [1, 2], [1.0, 2.0]], ids=str)
@pytest.mark.parametrize("model", ["random_forest", "mlp", "hist_gradient_boosting", "gaussian_nb"])
def test_classes_of_any_kind(labels, model):
    """Text, booleans and numbers as classes: learnt, scored, and kept as what they are."""
    x = np.random.default_rng(0).normal(size=120)
    y = np.array(labels)[(x > 0).astype(int)]
    records = _records(y, x=x)
    quick = {"name": model, "max_iter": 20} if model == "hist_gradient_boosting" else model
    trained = train_organisation(records, quick)
    assert trained.classes.tolist() == labels
    assert [type(value) for value in trained.classes.tolist()] == [type(value) for value in labels]
    assert trained.scores.accuracy > 0.9 and trained.scores.roc_auc > 0.9
    assert trained.card().class_array().tolist() == labels
    assert sum(trained.class_counts) == trained.n_train == 96


@pytest.mark.parametrize("model", sorted(MODELS))
def test_missing_values_and_text(three_classes, model):
    """Every named model takes missing numbers and text, and booleans, and answers rows that lack them."""
    smaller = {
        "random_forest": "n_estimators",
        "extra_trees": "n_estimators",
        "hist_gradient_boosting": "max_iter",
    }
    spec = {"name": model, smaller[model]: 5} if model in smaller else model
    trained = train_organisation(three_classes, spec)
    assert trained.scores.accuracy > 0.4
    rows = three_classes.X.iloc[:3].copy()
    rows["age"] = rows["age"].astype(float)
    rows.loc[0, ["age", "sbp"]] = np.nan
    rows["smoker"] = rows["smoker"].astype(object)
    shares = trained.estimator.predict_proba(rows.astype({"smoker": bool}))
    assert shares.shape == (3, 3) and np.allclose(shares.sum(axis=1), 1)
    assert trained.preprocessing.encoded == ["ward"]
    needs = model in ("gaussian_nb", "mlp", "logistic_regression")
    assert trained.preprocessing.imputed == (["age", "sbp", "smoker"] if needs else [])


def test_column_that_is_missing_altogether():
    """An organisation that never measured a feature trains without a word."""
    records = _records([0, 1] * 20, x=np.full(40, np.nan), z=np.tile([0.0, 1.0], 20))
    boosting = {"name": "hist_gradient_boosting", "max_iter": 5, "min_samples_leaf": 2}
    for model, imputed in (("logistic_regression", ["x", "z"]), (boosting, ["x"]), ("random_forest", [])):
        trained = train_organisation(records, model)
        assert trained.scores.accuracy == 1.0
        assert trained.notes == () and trained.preprocessing.imputed == imputed
        rows = pd.DataFrame({"x": [5.0, np.nan], "z": [1.0, 0.0]})
        assert trained.estimator.predict(rows).tolist() == [1, 0]


def test_one_class_only():
    """A shard of one class gives a constant model that says so, with everything a card needs."""
    trained = train_organisation(_records(["ill"] * 10))
    assert isinstance(trained.estimator, ConstantClassifier) and trained.constant
    card = trained.card(part=3)
    assert (card.classes, card.class_counts, card.constant, card.organisation) == (
        ["ill"],
        [8],
        True,
        "part3",
    )
    assert "hold class ill only" in card.notes[0]
    assert (card.scores.accuracy, card.scores.roc_auc) == (1.0, None)


def test_second_class_in_the_test_rows_only():
    """The second class falls into the test part: constant model, scored as wrong on it."""
    test = train_test_split(np.arange(10), test_size=0.2, random_state=42)[1]
    y = np.zeros(10, dtype=int)
    y[test[0]] = 1
    trained = train_organisation(_records(y))
    assert trained.constant and trained.classes.tolist() == [0]
    assert (trained.class_counts, trained.n_rows) == ((8,), 10)
    assert trained.scores.accuracy == 0.5 and trained.scores.roc_auc is None


def test_class_unseen_in_training():
    """A third class among the test rows only: the model knows two, AUC is not defined, nothing warns."""
    test = train_test_split(np.arange(20), test_size=0.2, random_state=42)[1]
    y = np.arange(20) % 2
    y[test[0]] = 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = train_organisation(_records(y))
    assert trained.classes.tolist() == [0, 1]
    assert trained.scores.roc_auc is None and 0 <= trained.scores.accuracy < 1


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("model", ["random_forest", "logistic_regression", "hist_gradient_boosting", "mlp"])
def test_tiny_shards(n, model):
    """One to five rows: trained; scored as soon as a row can be spared, which from two rows on it can."""
    trained = train_organisation(_records(np.arange(n) % 2), model)
    assert (trained.n_train, trained.n_test) == ((1, 0) if n == 1 else (n - 1, 1))
    assert (trained.scores is None) == (n == 1)
    assert trained.estimator.predict(pd.DataFrame({"x": [0.5]}))[0] in (0, 1)
    if n == 1:
        assert "too few rows (1)" in trained.notes[0]


def test_all_rows_for_training():
    """test_size 0 and shares that leave nothing to fit on: all rows train, no scores, and a note."""
    for share, note in ((0, "test_size is 0"), (0.9, "too few rows")):
        trained = train_organisation(_records([0, 1, 0, 1]), test_size=share)
        assert (trained.n_train, trained.n_test, trained.scores) == (4, 0, None)
        assert note in trained.notes[0]


def test_groups_stay_together():
    """No group has rows on both sides; a shard of one group has no test rows."""
    rng = np.random.default_rng(4)
    group = rng.integers(0, 30, 200)
    frame = pd.DataFrame({"id": range(200), "g": group, "x": group.astype(float), "t": rng.integers(0, 2, 200)})
    schema = Schema("id", ["x"], "t", group="g")
    fitted = []

    class Spy(ConstantClassifier):
        def fit(self, X, y):
            fitted.append(set(X["x"]))
            return super().fit(X, y)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedlab.training.local.build_model", lambda model, seed: Spy())
        trained = train_organisation(Records(frame, schema))
    kept = set(group) - {int(value) for value in fitted[0]}
    assert len(kept) == 6
    assert trained.n_test == sum(np.isin(group, list(kept))) and trained.n_train + trained.n_test == 200
    alone = train_organisation(Records(frame.assign(g=1), schema))
    assert (alone.n_test, alone.scores) == (0, None) and "too few groups (1)" in alone.notes[0]


def test_warnings_become_notes():
    """A fit that does not converge says so on the card, and raises no warning."""
    x = np.random.default_rng(0).normal(size=60)
    trained = train_organisation(_records((x > 0).astype(int), x=x), {"name": "mlp", "max_iter": 1})
    assert any(note.startswith("ConvergenceWarning: ") and "\n" not in note for note in trained.notes)


def test_card_holds_the_facts():
    """Parameters, trees, features and versions stand on the card."""
    x = np.random.default_rng(0).normal(size=50)
    card = train_organisation(
        _records((x > 0).astype(int), x=x, n=np.arange(50)), {"name": "random_forest", "n_estimators": 6}
    ).card(2)
    assert card.estimator == "sklearn.ensemble._forest.RandomForestClassifier"
    assert (card.n_estimators, card.parameters["n_estimators"], card.parameters["criterion"]) == (
        6,
        6,
        "gini",
    )
    assert (card.features, card.dtypes, card.part) == (["x", "n"], ["float64", "int64"], 2)
    assert (card.test_size, card.random_state) == (0.2, 42)
    assert set(card.versions) == {"python", "numpy", "scikit-learn", "skops", "fedlab"}


@pytest.mark.parametrize("share", [1, 1.0, -0.1, "0.2", True, None, float("nan")])
def test_bad_test_size(share):
    """A share that is none is refused with the value."""
    with pytest.raises(FedlabError, match="test_size"):
        train_organisation(_records([0, 1, 0, 1]), test_size=share)


def test_no_rows():
    """An empty shard is refused."""
    with pytest.raises(FedlabError, match="have no rows"):
        train_organisation(_records(np.array([0, 1])).take([]))
