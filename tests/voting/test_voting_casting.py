"""Casting ballots: each model is read through its own classes and its own features."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fedlab.errors import FedlabError
from fedlab.voting import cast_ballots, vote

X = np.array([[0.0], [1.0], [2.0]])


class Stub:
    """A fitted classifier that says what it was told to."""

    def __init__(self, classes, predicted, probabilities=None):
        self.classes_ = np.asarray(classes)
        self.predicted = predicted
        if probabilities is not None:
            self.predict_proba = lambda X: np.asarray(probabilities, dtype=float)

    def predict(self, X):
        """Say it."""
        return np.asarray(self.predicted)


def test_labels_1_and_2_stay_1_and_2():
    """Classes that are not 0, 1, … come back as themselves."""
    model = DecisionTreeClassifier().fit(X, [1, 2, 2])
    ballots = cast_ballots([model] * 3, X)
    assert ballots.classes.tolist() == [1, 2]
    assert ballots.labels.tolist() == [[0, 1, 1]] * 3
    assert vote(ballots).values.tolist() == [1, 2, 2]


def test_union_of_disagreeing_classes():
    """Organisations holding {0,1} and {1,2}: columns are aligned, 0 where a class was never seen."""
    first = DecisionTreeClassifier().fit(X, [0, 1, 1])
    second = DecisionTreeClassifier().fit(X, [1, 2, 2])
    ballots = cast_ballots([first, second], X, ["a", "b"], sizes=[3, 4], accuracies=[1, 0.5])
    assert ballots.classes.tolist() == [0, 1, 2]
    assert ballots.labels.tolist() == [[0, 1, 1], [1, 2, 2]]
    assert ballots.probabilities.tolist() == [
        [[1, 0, 0], [0, 1, 0], [0, 1, 0]],
        [[0, 1, 0], [0, 0, 1], [0, 0, 1]],
    ]
    assert ballots.sizes.tolist() == [3, 4]
    assert ballots.accuracies.tolist() == [1, 0.5]


def test_classes_in_any_order_of_columns():
    """A model whose own classes are not sorted is read through its own order."""
    model = Stub(["b", "a"], ["a", "b"], [[0.25, 0.75], [0.9, 0.1]])
    ballots = cast_ballots([model], X[:2])
    assert ballots.classes.tolist() == ["a", "b"]
    assert ballots.labels.tolist() == [[0, 1]]
    assert ballots.probabilities.tolist() == [[[0.75, 0.25], [0.1, 0.9]]]


@pytest.mark.parametrize(
    ("own", "dtype"),
    [
        (np.array(["no", "yes"], dtype=object), "U"),
        (np.array([False, True]), "b"),
        (np.array([0.0, 1.0]), "f"),
        (np.array([3, 7], dtype=object), "i"),
    ],
)
def test_classes_of_every_plain_type(own, dtype):
    """Text, true/false, whole and broken numbers become plain arrays; votes come back as they were."""
    model = Stub(own, own[[1, 0]], [[0, 1], [1, 0]])
    ballots = cast_ballots([model], X[:2])
    assert ballots.classes.dtype.kind == dtype
    assert vote(ballots).values.tolist() == own[[1, 0]].tolist()


def test_whole_and_broken_numbers_are_one_union():
    """A model fitted on 0, 1 and one fitted on 1.0, 2.0 (a target that had gaps) vote on 0, 1, 2."""
    ballots = cast_ballots([Stub([0, 1], [1]), Stub([1.0, 2.0], [1.0])], X[:1])
    assert ballots.classes.tolist() == [0, 1, 2]
    assert ballots.labels.tolist() == [[1], [1]]


def test_label_is_what_predict_says():
    """Where a model's predict differs from its most probable class, its predict counts."""
    ballots = cast_ballots([Stub([0, 1], [1], [[0.6, 0.4]])], X[:1])
    assert ballots.labels.tolist() == [[1]]


def test_forest_labels_equal_its_predict_and_its_threads_are_left_alone():
    """A forest's labels, taken from its probabilities, equal predict, also in a pipeline; n_jobs stays."""
    rng = np.random.default_rng(3)
    rows, target = rng.integers(0, 3, (120, 2)).astype(float), rng.choice(["a", "b", "c"], 120)
    forest = RandomForestClassifier(n_estimators=8, random_state=1, n_jobs=2).fit(rows, target)
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(6, random_state=2, n_jobs=2))
    pipeline.fit(rows, target)
    serial = RandomForestClassifier(n_estimators=8, random_state=1).fit(rows, target)
    ballots = cast_ballots([forest, pipeline, serial], rows)
    for model, labels in zip((forest, pipeline), ballots.labels, strict=False):
        assert (ballots.classes[labels] == model.predict(rows)).all()
    assert ballots.probabilities[0].tobytes() == ballots.probabilities[2].tobytes()
    assert np.allclose(ballots.probabilities[1], pipeline.predict_proba(rows))
    assert (forest.n_jobs, pipeline.steps[-1][1].n_jobs) == (2, 2)


def test_one_model_without_probabilities_leaves_none_for_all():
    """Probabilities are None as soon as one model has no predict_proba; labels are there."""
    tree = DecisionTreeClassifier().fit(X, ["a", "b", "b"])
    ridge = RidgeClassifier().fit(X, ["a", "b", "b"])
    ballots = cast_ballots([tree, ridge], X)
    assert ballots.probabilities is None
    assert (ballots.classes[ballots.labels[1]] == ridge.predict(X)).all()
    with pytest.raises(FedlabError, match=r"'soft' needs probabilities.*predict_proba"):
        vote(ballots, "soft")


def test_features_are_matched_by_name():
    """Columns in another order, and columns too many, change nothing."""
    frame = pd.DataFrame({"age": [30.0, 70.0, 50.0, 80.0], "sbp": [140.0, 90.0, 130.0, 100.0]})
    target = [0, 1, 0, 1]
    first = LogisticRegression().fit(frame, target)
    second = LogisticRegression().fit(frame[["sbp", "age"]], target)
    only_age = DecisionTreeClassifier().fit(frame[["age"]], target)
    mixed = frame.assign(extra=1.0)[["extra", "sbp", "age"]]
    ballots = cast_ballots([first, second, only_age], mixed)
    assert np.array_equal(ballots.probabilities[0], first.predict_proba(frame))
    assert np.allclose(ballots.probabilities[1], first.predict_proba(frame), atol=1e-4)
    assert ballots.labels[2].tolist() == target


def test_a_missing_feature_names_organisation_and_column():
    """A column that one model needs and the records lack is an error that says whose and which."""
    frame = pd.DataFrame({"age": [30.0, 70.0], "sbp": [140.0, 90.0]})
    model = DecisionTreeClassifier().fit(frame, [0, 1])
    with pytest.raises(FedlabError, match=r"'Zürich'.*column 'sbp'"):
        cast_ballots([model], frame[["age"]], ["Zürich"])
    twice = pd.concat([frame, frame[["sbp"]]], axis=1)
    with pytest.raises(FedlabError, match="column 'sbp' more than once"):
        cast_ballots([model], twice)


def test_an_array_for_models_fitted_on_names():
    """An array is taken where all models agree on the columns' order, and refused where they do not."""
    frame = pd.DataFrame({"age": [30.0, 70.0], "sbp": [140.0, 90.0]})
    model = DecisionTreeClassifier(random_state=0).fit(frame, [0, 1])
    other = DecisionTreeClassifier(random_state=0).fit(frame[["sbp", "age"]], [0, 1])
    nameless = DecisionTreeClassifier(random_state=0).fit(frame.to_numpy(), [0, 1])
    assert cast_ballots([model, nameless], frame.to_numpy()).labels.tolist() == [[0, 1], [0, 1]]
    assert cast_ballots([nameless], frame).labels.tolist() == [[0, 1]]
    with pytest.raises(FedlabError, match=r"'b' was fitted on columns.*give a DataFrame"):
        cast_ballots([model, other], frame.to_numpy(), ["a", "b"])
    with pytest.raises(FedlabError, match=r"'a'.*fitted on 2 columns"):
        cast_ballots([nameless], frame.to_numpy()[:, :1], ["a"])


def test_an_empty_batch_gives_empty_ballots():
    """No records: ballots and a verdict on none, where scikit-learn's models would fail."""
    model = DecisionTreeClassifier().fit(X, ["a", "b", "b"])
    ballots = cast_ballots([model, model], X[:0])
    assert ballots.labels.shape == (2, 0)
    assert ballots.probabilities.shape == (2, 0, 2)
    for rule in ("majority", "any", "unanimous", "soft", "median"):
        verdict = vote(ballots, rule)
        assert verdict.values.tolist() == []
        assert verdict.scores.shape == (0, 2)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "no model"),
        ([Stub([0, 1], [1, 1]), Stub(["0", "1"], ["1", "1"])], "'B' has classes .* text.*'A'.* numbers"),
        ([Stub([0, 1], [1, 1]), Stub([False, True], [True, True])], "'B'.*true/false"),
        ([Stub([0, 1], [1, 1]), DecisionTreeClassifier()], "'B': DecisionTreeClassifier is no fitted"),
        ([Stub([0, 1], [1, 1]), (Stub([0, 1], [1, 1]), "card")], "'B': tuple is no fitted.*give the model"),
        ([Stub([0, 1], [0, 1]), Stub([0, 1], [0, 7])], "'B', record 1: predict said 7"),
        ([Stub([0, 1], [0, 1]), Stub([0, 1], ["0", "1"])], "'B', record 0: predict said '0'"),
        ([Stub([0, 1], [0, 1]), Stub([0, 1], [0])], "'B': predict gave 1 labels for 2 records"),
        ([Stub([0, 1], [0, 1]), Stub([0, 0], [0, 0])], "'B'.*not distinct"),
        ([Stub([2**53, 2**53 + 1], [2**53] * 2), Stub([0.5, 1.5], [0.5] * 2)], "'A'.*change value"),
        (
            [Stub([0, 1], [0, 1], [[1, 0], [0, 1]]), Stub([0, 1], [0, 1], [[1, 0], [0.2, 0.7]])],
            "'B', record 1.*not to one",
        ),
        (
            [Stub([0, 1], [0, 1], [[1, 0], [0, 1]]), Stub([0, 1], [0, 1], [[np.nan, 0], [0, 1]])],
            "'B', record 0.*not finite",
        ),
        (
            [Stub([0, 1], [0, 1], [[1, 0], [0, 1]]), Stub([0, 1], [0, 1], [[1], [1]])],
            r"'B': predict_proba gave shape \(2, 1\)",
        ),
    ],
)
def test_models_that_cannot_vote_are_named(models, message):
    """A model that cannot be read is an error that names its organisation."""
    with pytest.raises(FedlabError, match=message):
        cast_ballots(models, X[:2], ["A", "B"][: len(models)])


def test_a_model_that_fails_on_the_records_is_named():
    """What a model itself refuses (a missing value) names the organisation too."""
    frame = pd.DataFrame({"age": [30.0, np.nan]})
    model = LogisticRegression().fit(frame.fillna(70.0), [0, 1])
    with pytest.raises(FedlabError, match=r"'Basel': its model fails on these records.*NaN"):
        cast_ballots([model], frame, ["Basel"])


def test_several_targets_and_wrong_names_are_refused():
    """A model of two targets cannot vote; there is one name for each model."""
    model = DecisionTreeClassifier().fit(X, [[0, 1], [1, 0], [1, 1]])
    with pytest.raises(FedlabError, match="several targets"):
        cast_ballots([model], X)
    with pytest.raises(FedlabError, match="2 names"):
        cast_ballots([Stub([0], [0] * 3)] * 2, X, ["A"])


def test_an_organisation_that_has_not_answered_abstains():
    """None for a model is an abstention on every record, without classes of its own; none at all is refused."""
    model = DecisionTreeClassifier().fit(X, ["a", "b", "b"])
    ballots = cast_ballots([None, model], X, class_counts=[None, [1, 2]])
    assert ballots.labels.tolist() == [[-1, -1, -1], [0, 1, 1]]
    assert ballots.probabilities[0].tolist() == [[0, 0]] * 3
    assert ballots.class_counts.tolist() == [[0, 0], [1, 2]]
    with pytest.raises(FedlabError, match="no organisation has answered"):
        cast_ballots([None], X)


def test_class_counts_follow_the_models_own_order():
    """Counts stand in the order of each model's classes, and are moved to the columns of the union."""
    models = [Stub(["b", "a"], ["a"] * 3), Stub(["c", "b"], ["c"] * 3)]
    counts = cast_ballots(models, X, class_counts=[[5, 2], [7, 1]]).class_counts
    assert counts.tolist() == [[2, 5, 0], [0, 1, 7]]
    with pytest.raises(FedlabError, match="one row for each of 2 models; got 1"):
        cast_ballots(models, X, class_counts=[[5, 2]])
    with pytest.raises(FedlabError, match="'organisation 2': 3 class counts for the 2 classes"):
        cast_ballots(models, X, class_counts=[[5, 2], [1, 2, 3]])


def test_certainty_for_a_model_without_probabilities():
    """With one_hot a verdict counts as probability one; models that have probabilities keep theirs."""
    tree = DecisionTreeClassifier().fit(X, ["a", "b", "b"])
    ballots = cast_ballots([Stub(["b", "a"], ["a", "b", "a"]), tree], X, one_hot=True)
    assert ballots.probabilities[0].tolist() == [[1, 0], [0, 1], [1, 0]]
    assert np.array_equal(ballots.probabilities[1], tree.predict_proba(X))


def test_threads_change_nothing():
    """Several models asked at a time give the same bytes, and an error in a thread is the same error."""
    rng = np.random.default_rng(3)
    rows, target = rng.random((80, 3)), rng.choice(["a", "b"], 80)
    models = [RandomForestClassifier(6, random_state=seed).fit(rows, target) for seed in range(5)]
    one, three = cast_ballots(models, rows), cast_ballots(models, rows, n_jobs=3)
    assert one.probabilities.tobytes() == three.probabilities.tobytes()
    assert one.labels.tobytes() == three.labels.tobytes()
    with pytest.raises(FedlabError, match="'organisation 2', record 1: predict said 7"):
        cast_ballots([Stub([0, 1], [0, 1, 1]), Stub([0, 1], [0, 7, 1])], X, n_jobs=2)


class _Counting:
    """A stub that notes how many records it was asked about."""

    classes_ = np.array([0, 1])

    def __init__(self):
        self.asked = []

    def predict_proba(self, X):
        """Return probabilities that depend on the record alone."""
        rows = np.asarray(X, dtype=float)
        self.asked.append(len(rows))
        share = 1 / (1 + np.exp(-np.nan_to_num(rows).sum(axis=1)))
        return np.stack([1 - share, share], axis=1)

    def predict(self, X):
        """Return the greater."""
        return self.predict_proba(X).argmax(axis=1)


@pytest.mark.parametrize("named", [True, False])
def test_equal_records_are_asked_about_once(named):
    """Records that repeat, gaps included, cost one question and get the answers that each would get by itself."""
    X = np.random.default_rng(0).integers(0, 3, (500, 3)).astype(float)
    X[X[:, 0] == 2, 0] = np.nan
    table = pd.DataFrame(X, columns=list("abc")) if named else X
    model = _Counting()
    found = cast_ballots([model, None, model], table)
    assert set(model.asked) == {27}
    plain = cast_ballots([model, None, model], table, distinct=False)
    assert set(model.asked[-2:]) == {500}
    assert (found.labels == plain.labels).all() and (found.probabilities == plain.probabilities).all()
    assert (found.labels[1] == -1).all() and found.labels[0].tolist() == _Counting().predict(X).tolist()


def test_records_that_cannot_be_compared_are_all_asked_about():
    """A column of lists cannot be hashed: every record is asked about, and nothing fails."""
    model = _Counting()
    model.predict_proba = lambda X: np.tile([0.25, 0.75], (len(X), 1))
    found = cast_ballots([model], pd.DataFrame({"a": [[1], [1], [2]]}))
    assert found.labels.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("named", [True, False])
def test_repeated_records_are_asked_about_once_with_the_same_answers(named, monkeypatch):
    """Forests that read different columns get the distinct records, and answer as on all of them to the last bit."""
    draws = np.random.default_rng(0)
    table = pd.DataFrame(draws.integers(0, 4, (3000, 3)).astype(float), columns=list("abc"))
    table.loc[draws.random(3000) < 0.1, "a"] = np.nan
    y = draws.integers(0, 3, 3000)
    columns = [["a", "b", "c"], ["c", "a"] if named else ["a", "b", "c"]]
    given = table if named else table.to_numpy()
    models = [
        RandomForestClassifier(4, random_state=seed, n_jobs=2).fit(table[names] if named else given, y)
        for seed, names in enumerate(columns)
    ]
    asked = []
    plain = RandomForestClassifier.predict_proba
    monkeypatch.setattr(
        RandomForestClassifier, "predict_proba", lambda self, X: (asked.append(len(X)), plain(self, X))[1]
    )
    ballots = cast_ballots(models, given, n_jobs=2)
    assert max(asked) <= 5 * 4 * 4
    for number, names in enumerate(columns):
        models[number].n_jobs = 1
        assert np.array_equal(ballots.probabilities[number], plain(models[number], table[names] if named else given))
