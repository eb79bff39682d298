"""Calibration of one model: equal to scikit-learn's where that can do it, and sensible where it cannot."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB

from fedlab.errors import FedlabError
from fedlab.voting import calibrate, cast_ballots


def over_confident(n_classes=2):
    """Make a naive Bayes model that is far too sure of itself: copies of the same columns count as evidence anew."""
    X, y = make_classification(900, 4, n_informative=4, n_redundant=0, n_classes=n_classes, flip_y=0.2, random_state=2)
    frame = pd.DataFrame(np.hstack([X] * 3), columns=[f"x{number}" for number in range(12)])
    y = np.array(["a", "b", "c"])[y]
    return GaussianNB().fit(frame[:300], y[:300]), frame[300:600], y[300:600], frame[600:], y[600:]


def test_isotonic_equals_scikit_learn():
    """For two classes the probabilities are CalibratedClassifierCV's around the frozen model."""
    model, X, y, test, _ = over_confident()
    theirs = CalibratedClassifierCV(FrozenEstimator(model), method="isotonic", ensemble=False).fit(X, y)
    assert calibrate(model, X, y).predict_proba(test) == pytest.approx(theirs.predict_proba(test))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_calibration_helps(method, n_classes):
    """Probabilities are probabilities, far better ones by log-loss, and the model votes as any other."""
    model, X, y, test, truth = over_confident(n_classes)
    better = pickle.loads(pickle.dumps(calibrate(model, X, y, method)))
    rows = better.predict_proba(test)
    assert rows.sum(axis=1) == pytest.approx(1)
    bounded = rows.clip(0.01) / rows.clip(0.01).sum(axis=1, keepdims=True)
    assert log_loss(truth, bounded) < 0.8 * log_loss(truth, model.predict_proba(test))
    ballots = cast_ballots([model, better], test[list(reversed(test.columns))])
    assert np.array_equal(ballots.probabilities[1], rows)
    assert (ballots.classes[ballots.labels[1]] == better.predict(test)).all()


def test_rows_that_lack_a_class():
    """A class that no row has keeps the model's own probability as its share; unknown classes are no hit."""
    model, X, y, test, _ = over_confident(3)
    few = y != "c"
    rows = calibrate(model, X[few], y[few], "platt").predict_proba(test)
    assert rows.shape == (300, 3)
    assert rows.sum(axis=1) == pytest.approx(1)
    only = calibrate(model, X[:5], ["a"] * 5).predict_proba(test)
    assert only == pytest.approx(model.predict_proba(test))
    odd = np.where(y == "c", "d", y)
    assert calibrate(model, X, odd).maps[2] is None


def test_bad_calibration():
    """What cannot be calibrated is refused."""
    model, X, y, _, _ = over_confident()
    with pytest.raises(FedlabError, match="did you mean 'isotonic'"):
        calibrate(model, X, y, "isotonc")
    with pytest.raises(FedlabError, match="no predict_proba"):
        calibrate(RidgeClassifier().fit(X, y), X, y)
    with pytest.raises(FedlabError, match="300 rows and 2 classes"):
        calibrate(model, X, y[:2])
    with pytest.raises(FedlabError, match="y holds numbers"):
        calibrate(model, X, np.zeros(300))
