"""Model descriptions: names, import paths, mappings, JSON; what is not a classifier is refused."""

import json

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fedlab.errors import FedlabError
from fedlab.exchange import load_model, save_model
from fedlab.records import Records, Schema
from fedlab.training import MODELS, build_model, check_model, model_types, train_organisation

OWN = '''
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

class First(ClassifierMixin, BaseEstimator):
    """Answers with the class of the first row."""
    def __init__(self, flip=False):
        self.flip = flip
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.first_ = int(np.searchsorted(self.classes_, y[0]))
        return self
    def predict(self, X):
        return np.full(len(X), self.classes_[1 - self.first_ if self.flip else self.first_])

class NoClasses(First):
    def fit(self, X, y):
        return self

class NoBase:
    def fit(self, X, y):
        return self
    def predict(self, X):
        return X

class NoPredict:
    def fit(self, X, y):
        return self

def function(X):
    return X
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Put a user's module beside the sweep."""
    (tmp_path / "own_models.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_models"
    import sys

    sys.modules.pop("own_models", None)


def test_reference_model():
    """The default is the reference recipe's forest, whether named, described or written as JSON."""
    for model in ("random_forest", {"name": "random_forest"}, '{"name": "random_forest"}'):
        estimator = build_model(model)
        assert type(estimator) is RandomForestClassifier
        changed = {
            key for key, value in estimator.get_params().items() if value != RandomForestClassifier().get_params()[key]
        }
        assert changed == {"n_estimators", "random_state"}
        assert (estimator.n_estimators, estimator.random_state) == (40, 42)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_named_models_are_seeded_and_checked(name):
    """Each named model passes its own check, and takes the seed wherever it has one."""
    check_model(name)
    seeds = {value for key, value in build_model(name, 7).get_params(deep=True).items() if key.endswith("random_state")}
    assert seeds <= {7}


def test_class_by_import_path():
    """A class with its parameters; a seed of the user's own stays."""
    path = "sklearn.ensemble.HistGradientBoostingClassifier"
    model = build_model({"class": path, "max_iter": 3, "random_state": 5})
    assert isinstance(model, HistGradientBoostingClassifier)
    assert (model.max_iter, model.random_state) == (3, 5)
    assert build_model(path, 1).random_state == 1
    assert build_model({"class": path, "random_state": None}, 1).random_state is None
    assert build_model({"class": "sklearn.ensemble:RandomForestClassifier"}).n_estimators == 100


def test_pipeline_and_nested_estimators():
    """A list of steps becomes a pipeline, a mapping inside the parameters an estimator."""
    steps = [
        {"class": "sklearn.preprocessing.StandardScaler"},
        {"class": "sklearn.neural_network.MLPClassifier", "hidden_layer_sizes": [16]},
    ]
    for model in ({"pipeline": steps}, json.dumps({"pipeline": steps})):
        pipeline = build_model(model, 3)
        assert [type(step) for _, step in pipeline.steps] == [StandardScaler, MLPClassifier]
        assert pipeline[-1].hidden_layer_sizes == [16] and pipeline[-1].random_state == 3
    bag = build_model(
        {
            "class": "sklearn.ensemble.BaggingClassifier",
            "estimator": {"class": "sklearn.tree.DecisionTreeClassifier", "max_depth": 2},
        },
        9,
    )
    assert isinstance(bag, BaggingClassifier) and isinstance(bag.estimator, DecisionTreeClassifier)
    assert (bag.estimator.max_depth, bag.estimator.random_state) == (2, 9)
    assert build_model({"name": "logistic_regression", "C": 0.5})[-1].C == 0.5


def test_named_descriptions_are_not_changed():
    """Building with other parameters leaves the registry as it was, and gives a new estimator each time."""
    build_model({"name": "random_forest", "n_estimators": 3})
    assert build_model("random_forest").n_estimators == 40
    assert build_model("mlp") is not build_model("mlp")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("random_forrest", "did you mean 'random_forest'"),
        ({"name": "random_forrest"}, "did you mean 'random_forest'"),
        (
            {"name": "random_forest", "n_estimator": 4},
            "'n_estimator' is not known; did you mean 'n_estimators'",
        ),
        ({"name": "mlp", "hidden_layer_size": [4]}, "did you mean 'hidden_layer_sizes'"),
        ({"class": "sklearn.ensemble.RandomForestClasifier"}, "RandomForestClasifier"),
        ({"class": "no_such_module.Model"}, "no_such_module"),
        ({"class": "RandomForestClassifier"}, "not an import path"),
        ({"class": 3}, "not an import path"),
        ({"class": "sklearn.ensemble.RandomForestRegressor"}, "is a regressor.*'RandomForestClassifier'"),
        ({"class": "sklearn.cluster.KMeans"}, "is a clusterer"),
        ({"class": "sklearn.preprocessing.StandardScaler"}, "no fit and predict"),
        ({"class": "sklearn.metrics.accuracy_score"}, "not a class"),
        ({"n_estimators": 3}, "exactly one of class, name, pipeline"),
        ({"name": "mlp", "class": "a.B"}, "exactly one of class, name, pipeline"),
        ({"pipeline": []}, "list of steps"),
        ({"pipeline": "mlp"}, "list of steps"),
        ({"pipeline": ["mlp", "random_forest"]}, "no fit and transform"),
        ({"pipeline": [{"class": "sklearn.preprocessing.StandardScaler"}]}, "no fit and predict"),
        ({"class": "sklearn.ensemble.VotingClassifier"}, "cannot be made"),
        (["random_forest"], "is a list"),
        (None, "is a NoneType"),
        ('{"name": ', "looks like JSON"),
        ('["mlp"]', "is a list"),
    ],
    ids=str,
)
def test_bad_descriptions(model, message):
    """Each mistake is refused with what was wrong and what is near, by building and by checking."""
    for use in (build_model, check_model):
        with pytest.raises(FedlabError, match=message):
            use(model)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "random_forest", "n_estimators": -1},
        {"name": "random_forest", "n_estimators": "many"},
        {"name": "logistic_regression", "C": -1.0},
        {"name": "hist_gradient_boosting", "loss": "rubbish"},
    ],
    ids=str,
)
def test_values_are_checked_without_fitting(model):
    """A parameter's value that scikit-learn refuses is found before any training."""
    with pytest.raises(FedlabError, match="must be"):
        check_model(model)


def test_own_class(own, tmp_path, three_classes):
    """A user's own class is trained, saved, and loaded once its type is trusted."""
    spec = {"class": f"{own}:First", "flip": False}
    check_model(spec)
    trained = train_organisation(three_classes, spec)
    assert trained.scores.roc_auc is None and 0 < trained.scores.accuracy < 1
    path = tmp_path / "first_model_part1.skops"
    save_model(trained.estimator, path, trained.card())
    with pytest.raises(FedlabError, match=r"own_models\.First"):
        load_model(path)
    assert model_types(spec) == ("own_models.First",)
    model, _ = load_model(path, trusted=model_types(spec))
    assert model.predict(three_classes.X).tolist() == trained.estimator.predict(three_classes.X).tolist()


def test_own_class_that_lacks_something(own, three_classes):
    """Own classes without predict, without classes_ or that are functions are refused with the reason."""
    for name, message in (
        ("NoPredict", "no fit and predict"),
        ("NoBase", r"class NoBase\(ClassifierMixin, BaseEstimator\)"),
        ("function", "not a class"),
        ("Nothing", "Nothing"),
    ):
        with pytest.raises(FedlabError, match=message):
            build_model(f"{own}:{name}")
    with pytest.raises(FedlabError, match="has no classes_ after fit"):
        train_organisation(three_classes, f"{own}:NoClasses")


class Untagged(ClassifierMixin, BaseEstimator):
    """Refuses every row."""

    def fit(self, X, y):
        """Refuse."""
        raise RuntimeError("no such luck")

    def predict(self, X):
        """Never reached."""


def test_failing_fit_is_explained():
    """What an estimator raises in fit comes out as an error that says how many rows of each class it had."""
    import pandas as pd

    records = Records(pd.DataFrame({"i": range(10), "x": range(10), "t": [0, 1] * 5}), Schema("i", ["x"], "t"))
    with pytest.raises(FedlabError, match=r"Untagged cannot be fitted on 8 rows with \[\d, \d\].*no such luck"):
        train_organisation(records, {"class": f"{__name__}:Untagged"})
    with pytest.raises(FedlabError, match="cannot predict the organisation's 2 test rows"):
        train_organisation(records, {"class": "sklearn.neighbors.KNeighborsClassifier", "n_neighbors": 9})
