"""VotingEnsemble: scikit-learn's own checks and tools, models of all kinds, files, partial votes, blocks."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from fedlab.errors import FedlabError
from fedlab.exchange import save_model
from fedlab.records import load_records
from fedlab.training import train_organisation
from fedlab.voting import VotingEnsemble, cast_ballots, vote
from fedlab.voting.blocks import distinct_rows


class AnyRecords:
    """A fitted classifier of three classes that takes any number of columns, as scikit-learn's checks try many."""

    def __init__(self, shift):
        self.classes_ = np.arange(3)
        self.shift = shift

    def __repr__(self):
        return f"AnyRecords({self.shift})"

    def predict_proba(self, X):
        """Cut the sum of the columns in three."""
        total = np.asarray(X, dtype=float).sum(axis=1) + self.shift
        return np.where(np.digitize(total, [0, 3])[:, None] == self.classes_, 0.6, 0.2)

    def predict(self, X):
        """Name the most probable."""
        return self.predict_proba(X).argmax(axis=1)


NO_FIT = "the models are fitted already: fit learns neither classes nor columns, which are the models' own"
EXPECTED = {
    "check_n_features_in_after_fitting": NO_FIT,
    "check_n_features_in": NO_FIT,
    "check_classifiers_one_label": NO_FIT,
    "check_classifiers_classes": NO_FIT,
    "check_classifiers_train": "the stub's models take any number of columns, so that none can be wrong",
}


@parametrize_with_checks(
    [VotingEnsemble([AnyRecords(shift) for shift in (0, 1, -1)])], expected_failed_checks=lambda _: EXPECTED
)
def test_scikit_learns_own_checks(estimator, check):
    """All of scikit-learn's checks but those that a prefit classifier cannot pass."""
    check(estimator)


def rows(n_classes=3, n_rows=240, seed=1):
    """Make rows of a few columns and classes called by text."""
    X, y = make_classification(
        n_rows, n_features=5, n_informative=4, n_redundant=1, n_classes=n_classes, random_state=seed
    )
    return pd.DataFrame(X, columns=list("abcde")), np.array(["ill", "so-so", "well"])[y]


def hospitals():
    """Fit four models of different kinds; one saw two classes only, one has its columns in another order."""
    X, y = rows()
    two = y != "well"
    return [
        RandomForestClassifier(7, random_state=0).fit(X, y),
        GaussianNB().fit(X[list("edcba")], y),
        LogisticRegression(max_iter=500).fit(X[two], y[two]),
        DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y),
    ]


@pytest.mark.parametrize("rule", ["majority", "soft", "median", "log_pool", "borda", "instant_run_off", "run_off"])
def test_equal_to_the_vote_on_cast_ballots(rule):
    """Predictions and probabilities are those of `vote`, whatever the kinds, classes and columns of the models."""
    X, _ = rows(seed=2)
    models = hospitals()
    verdict = vote(cast_ballots(models, X), rule)
    ensemble = VotingEnsemble(models, rule)
    assert ensemble.classes_.tolist() == ["ill", "so-so", "well"]
    assert ensemble.predict(X).tolist() == verdict.values.tolist()
    assert np.array_equal(ensemble.predict_proba(X), verdict.scores)
    assert ensemble.n_features_in_ == 5
    assert list(ensemble.feature_names_in_) == list("abcde")


def test_repeated_records_blocks_and_threads_change_nothing(monkeypatch):
    """Distinct records only, blocks of few records, and several threads: the same bytes."""
    X, _ = rows()
    again = pd.concat([X.round(0)] * 3, ignore_index=True)
    models = hospitals()
    plain = vote(cast_ballots(models, again), "soft")
    asked = []
    real = cast_ballots

    def counting(models, X, *given, **options):
        asked.append(len(X))
        return real(models, X, *given, **options)

    monkeypatch.setattr("fedlab.voting.estimator.cast_ballots", counting)
    monkeypatch.setattr("fedlab.voting.estimator._BLOCK_CELLS", 12 * 50)
    verdict = VotingEnsemble(models, "soft", n_jobs=2).decision(again)
    for name in ("labels", "scores", "margins", "tied", "abstained"):
        assert getattr(verdict, name).tobytes() == getattr(plain, name).tobytes()
    assert max(asked) == 50
    assert sum(asked) == len(again.drop_duplicates())
    asked.clear()
    batch = VotingEnsemble(models, "dawid_skene").decision(again)  # which counts each record as often as it occurs
    assert asked == [len(again)]
    assert np.allclose(batch.scores, vote(real(models, again), "dawid_skene").scores)


def test_distinct_rows_with_gaps_and_text():
    """Gaps equal gaps, text counts, and few repetitions are left alone."""
    frame = pd.DataFrame({"x": [1.0, np.nan, 1.0, np.nan], "s": ["a", "b", "a", "c"]})
    found = distinct_rows(frame)
    assert found.first.tolist() == [0, 1, 3]
    assert found.kind.tolist() == [0, 1, 0, 2]
    assert distinct_rows(np.arange(20.0).reshape(10, 2)) is None
    assert distinct_rows(np.zeros((0, 2))) is None


def test_scikit_learns_tools():
    """Pipelines, cross-validation, importances, calibration and partial dependence take the ensemble as it is."""
    X, y = rows(seed=2)
    ensemble = VotingEnsemble(hospitals(), "soft")
    accuracy = (ensemble.predict(X) == y).mean()
    assert ensemble.score(X, y) == accuracy
    assert cross_val_score(ensemble, X, y, cv=4).mean() == pytest.approx(accuracy)
    piped = make_pipeline(FunctionTransformer(), ensemble).fit(X, y)
    assert (piped.predict(X) == ensemble.predict(X)).all()
    importance = permutation_importance(ensemble, X, y, n_repeats=2, random_state=0)
    assert importance.importances_mean.max() > 0
    calibrated = CalibratedClassifierCV(FrozenEstimator(ensemble), method="sigmoid").fit(X, y)
    assert calibrated.predict_proba(X).shape == (240, 3)
    assert partial_dependence(ensemble.fit(X, y), X, ["a"], grid_resolution=5)["average"].shape == (3, 5)


def test_clone_and_pickle_keep_the_models():
    """A clone has the same models, a pickle equal ones; parameters are left as they were given."""
    X, _ = rows()
    ensemble = VotingEnsemble(hospitals(), "weighted", sizes=[1, 2, 3, 4], options={"of": "probabilities"})
    expected = ensemble.predict_proba(X)
    twin = clone(ensemble)
    assert twin.models is ensemble.models
    assert np.array_equal(twin.predict_proba(X), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(ensemble)).predict_proba(X), expected)
    other = clone(ensemble).set_params(options={"of": "labels"})
    assert not np.array_equal(other.predict_proba(X), expected)


def test_model_files(tmp_path):
    """A folder, or paths, of model files make an ensemble whose names, sizes and counts are the cards'."""
    records = load_records({"name": "synthetic", "n_rows": 400, "seed": 3})
    paths = []
    for number in range(3):
        part = records.take(np.arange(number * 100, (number + 1) * 100))
        trained = train_organisation(part, {"name": "random_forest", "n_estimators": 5}, random_state=number)
        paths.append(tmp_path / f"random_forest_model_part{number + 1}.skops")
        save_model(trained.estimator, paths[-1], trained.card(number + 1, f"hospital {number + 1}"))
    ensemble = VotingEnsemble.from_dir(tmp_path, rule="weighted", options={"by": "minority"})
    assert ensemble.organisations_ == ("hospital 1", "hospital 2", "hospital 3")
    test = records.take(np.arange(300, 400))
    verdict = ensemble.decision(test.X)
    assert verdict.n_records == 100
    by_path = VotingEnsemble(paths, rule="weighted", options={"by": "minority"})
    assert by_path.decision(test.X).scores.tolist() == verdict.scores.tolist()
    assert clone(by_path).decision(test.X).scores.tolist() == verdict.scores.tolist()
    few = ensemble.among(["hospital 3", "hospital 1"])
    assert few.organisations_ == ("hospital 1", "hospital 3")
    assert few.sizes == [100, 100]
    assert (
        few.decision(test.X).labels.tolist() == ensemble.decision(test.X, ["hospital 1", "hospital 3"]).labels.tolist()
    )


def test_those_that_have_not_answered_abstain():
    """None for a model is an abstention on every record: it counts for a quorum, and for nothing else."""
    X, _ = rows(seed=2)
    models = hospitals()
    waiting = [models[0], None, None, models[3]]
    both = VotingEnsemble([models[0], models[3]], "soft")
    assert np.array_equal(VotingEnsemble(waiting, "soft").predict_proba(X), both.predict_proba(X))
    assert not VotingEnsemble(waiting, "quorum").decision(X).abstained.any()
    silent = VotingEnsemble(waiting, "quorum", options={"share": 0.75})
    assert silent.decision(X).abstained.all()
    with pytest.raises(FedlabError, match=r"abstains on 240 of 240 records.*abstain_as"):
        silent.predict(X)
    assert set(silent.set_params(abstain_as="unknown").predict(X)) == {"unknown"}
    with pytest.raises(FedlabError, match="no organisation has answered"):
        VotingEnsemble([None, None]).predict(X)


def test_models_without_probabilities():
    """Rules that need probabilities refuse; where the caller allows, a verdict counts as certainty."""
    X, y = rows()
    models = [RidgeClassifier().fit(X, y), GaussianNB().fit(X, y)]
    with pytest.raises(FedlabError, match="'soft' needs probabilities"):
        VotingEnsemble(models, "soft").predict(X)
    shares = VotingEnsemble(models, "soft", one_hot=True).predict_proba(X)
    said = models[0].predict(X)[:, None] == np.unique(y)
    assert np.allclose(shares, (said + models[1].predict_proba(X)) / 2)


def test_features_missing_or_extra():
    """A column that a model lacks or does not know is an error that names the organisation, unless told otherwise."""
    X, _ = rows()
    ensemble = VotingEnsemble(hospitals(), organisations=["Basel", "Bern", "Chur", "Genf"])
    with pytest.raises(FedlabError, match="'Basel': its model needs column 'e'"):
        ensemble.predict(X.drop(columns="e"))
    with pytest.raises(FedlabError, match=r"'Basel': its model was not fitted on column 'f'.*extra='ignore'"):
        ensemble.predict(X.assign(f=1))
    expected = ensemble.predict(X)
    assert (ensemble.set_params(extra="ignore").predict(X.assign(f=1)) == expected).all()
    with pytest.raises(FedlabError, match="did you mean 'ignore'"):
        ensemble.set_params(extra="ignor").predict(X)


def test_rules_that_learn_from_rows():
    """Validation rows are given, or kept by fit; in cross-validation the rule learns from the training folds."""
    X, y = rows(seed=2)
    known, asked = slice(0, 120), slice(120, 240)
    models = hospitals()
    given = VotingEnsemble(models, "stacking", validation=(X[known], y[known]))
    kept = VotingEnsemble(models, "stacking").fit(X[known], y[known])
    assert np.array_equal(given.predict_proba(X[asked]), kept.predict_proba(X[asked]))
    near = VotingEnsemble(models, "knora_e").fit(X[known], y[known])
    ballots = cast_ballots(models, X)
    direct = vote(
        ballots.take_records(asked), "knora_e", validation=(ballots.take_records(known), y[known], X[known]), X=X[asked]
    )
    assert near.decision(X[asked]).labels.tolist() == direct.labels.tolist()
    assert near.among(near.organisations_[:2]).decision(X[asked]).n_records == 120
    assert cross_val_score(kept, X, y, cv=3).mean() > 0.4
    with pytest.raises(FedlabError, match="'stacking' needs validation"):
        VotingEnsemble(models, "stacking").predict(X)
    with pytest.raises(FedlabError, match=r"validation must be \(X, y\)"):
        VotingEnsemble(models, "stacking", validation=X).predict(X)


def own_rule(ballots):
    """Give support that is no share."""
    return -np.ones((ballots.n_records, ballots.n_classes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": []}, "at least one fitted classifier"),
        ({"models": "models/"}, "from_dir"),
        ({"sizes": [1]}, "sizes must hold one entry for each of 4"),
        ({"rule": "majorty"}, "did you mean 'majority'"),
        ({"options": {"by": "size"}}, "takes no options"),
        ({"tie": "lowst"}, "did you mean 'lowest'"),
        ({"models": [GaussianNB(), "model.skops"]}, "all fitted classifiers or all paths"),
        ({"models": [GaussianNB()]}, "no fitted classifier"),
        ({"rule": own_rule}, "does not sum to one"),
    ],
)
def test_bad_parameters(change, message):
    """What cannot vote is refused with what to do."""
    X, _ = rows()
    with pytest.raises(FedlabError, match=message):
        VotingEnsemble(**{"models": hospitals(), **change}).predict_proba(X)
    if "models" not in change:
        with pytest.raises(FedlabError, match="did you mean 'organisation 2'"):
            VotingEnsemble(hospitals()).among(["organisation 22"])


def test_an_empty_batch_and_abstaining_below():
    """No records give no predictions; a threshold on the margin reaches the vote."""
    X, _ = rows()
    ensemble = VotingEnsemble(hospitals(), "soft")
    assert ensemble.predict(X[:0]).shape == (0,)
    assert ensemble.predict_proba(X[:0]).shape == (0, 3)
    margins = ensemble.decision(X).margins
    strict = ensemble.set_params(abstain_below=0.5).decision(X)
    assert (strict.abstained == (margins < 0.5)).all()
    assert strict.abstained.any()
