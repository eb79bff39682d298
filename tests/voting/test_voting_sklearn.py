"""Equal to scikit-learn's VotingClassifier where that is right, and right where its prefit route is wrong."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import LabelEncoder
from sklearn.tree import DecisionTreeClassifier

from fedlab.voting import cast_ballots, vote

ESTIMATORS = [
    ("forest", RandomForestClassifier(n_estimators=5, random_state=0)),
    ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
    ("bayes", GaussianNB()),
    ("logistic", LogisticRegression(max_iter=500)),
]


def patients(n_classes, names):
    """Make training and test rows whose classes are the names given."""
    X, y = make_classification(
        600, n_features=6, n_informative=4, n_classes=n_classes, flip_y=0.2, random_state=n_classes
    )
    return X[:300], np.asarray(names)[y[:300]], X[300:]


@pytest.mark.parametrize("names", [[0, 1], [1, 2], ["ill", "well"], [0, 1, 2], ["c", "a", "b"], [False, True]])
def test_equal_to_votingclassifier_refitted_on_the_same_rows(names):
    """majority (tie lowest) equals 'hard' and soft equals 'soft', whatever the classes are called."""
    X, y, test = patients(len(names), names)
    ballots = cast_ballots([clone(model).fit(X, y) for _, model in ESTIMATORS], test)
    hard = VotingClassifier(ESTIMATORS, voting="hard").fit(X, y)
    verdict = vote(ballots, "majority", tie="lowest")
    assert verdict.tied.any()  # or the tie policy would not be tested
    assert (verdict.values == hard.predict(test)).all()
    soft = VotingClassifier(ESTIMATORS, voting="soft").fit(X, y)
    verdict = vote(ballots, "soft", tie="lowest")
    assert (verdict.values == soft.predict(test)).all()
    assert np.allclose(verdict.scores, soft.predict_proba(test), rtol=0, atol=1e-12)


@pytest.mark.parametrize("of", ["labels", "probabilities"])
def test_equal_to_votingclassifier_with_weights(of):
    """Weights by size equal its weights."""
    X, y, test = patients(3, [0, 1, 2])
    sizes = [5, 1, 2, 3]
    ballots = cast_ballots([clone(model).fit(X, y) for _, model in ESTIMATORS], test, sizes=sizes)
    voting = "hard" if of == "labels" else "soft"
    theirs = VotingClassifier(ESTIMATORS, voting=voting, weights=sizes).fit(X, y)
    assert (vote(ballots, "weighted", of=of, tie="lowest").values == theirs.predict(test)).all()


def prefit(models, classes, voting):
    """Assemble a VotingClassifier around fitted models, as answers on the web recommend."""
    voter = VotingClassifier([(str(number), model) for number, model in enumerate(models)], voting=voting)
    voter.estimators_ = models
    voter.le_ = LabelEncoder().fit(classes)
    voter.classes_ = voter.le_.classes_
    return voter


def one_feature(low, high):
    """Fit a model that says `low` below 0.5 and `high` above."""
    return DecisionTreeClassifier().fit([[0.0], [1.0]], [low, high])


def test_prefit_route_turns_class_1_into_2():
    """Labels {1, 2}: the prefit route calls class 1 "2" and fails on class 2; the vote here does neither."""
    models = [one_feature(1, 2)] * 3
    assert prefit(models, [1, 2], "hard").predict([[0.0]]).tolist() == [2]
    with pytest.raises(ValueError, match="unseen labels"):
        prefit(models, [1, 2], "hard").predict([[1.0]])
    assert vote(cast_ballots(models, [[0.0], [1.0]])).values.tolist() == [1, 2]


def test_prefit_route_fails_on_text():
    """Text labels: the prefit route cannot count them; here they are classes like others."""
    models = [one_feature("ill", "well")] * 3
    with pytest.raises(TypeError):
        prefit(models, ["ill", "well"], "hard").predict([[0.0]])
    assert vote(cast_ballots(models, [[0.0], [1.0]])).values.tolist() == ["ill", "well"]


def test_prefit_route_mixes_up_the_columns():
    """Organisations holding {0, 1} and {1, 2}: the prefit route's soft vote is wrong without a word."""
    models = [one_feature(0, 1), one_feature(1, 2), one_feature(1, 2)]
    truth = [1, 2]
    wrong = prefit(models, [0, 1, 2], "soft").predict([[0.0], [1.0]])
    assert wrong.tolist() == [0, 1]
    verdict = vote(cast_ballots(models, [[0.0], [1.0]]), "soft")
    assert verdict.values.tolist() == truth
    assert verdict.scores == pytest.approx(np.array([[1 / 3, 2 / 3, 0], [0, 1 / 3, 2 / 3]]))
