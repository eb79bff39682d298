"""Formats: predictions survive exactly, bytes are reproducible, code and unknown types are refused."""

import io
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from fedlab.errors import FedlabError
from fedlab.exchange import FORMATS, format_of
from fedlab.training.constant import ConstantClassifier

MODELS = {
    "random_forest": RandomForestClassifier(5, random_state=0),
    "extra_trees": ExtraTreesClassifier(5, random_state=0),
    "hist_gradient_boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "mlp": make_pipeline(StandardScaler(), MLPClassifier([4], solver="lbfgs", random_state=0, max_iter=2000)),
    "mlp_adam": MLPClassifier([4], random_state=0, max_iter=2000, tol=0.1),
    "mlp_sgd": MLPClassifier([4], random_state=0, max_iter=2000, tol=0.1, solver="sgd"),
    "logistic_regression": LogisticRegression(),
    "gaussian_nb": GaussianNB(),
    "gradient_boosting": GradientBoostingClassifier(n_estimators=5, random_state=0),
    "kd_tree": KNeighborsClassifier(algorithm="kd_tree"),
    "ball_tree": KNeighborsClassifier(algorithm="ball_tree"),
    "decision_tree": DecisionTreeClassifier(random_state=0),
    "svc": SVC(),
    "ada_boost": AdaBoostClassifier(n_estimators=3, random_state=0),
    "bagging": BaggingClassifier(n_estimators=3, max_features=0.5, random_state=0),
    "voting": VotingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(random_state=0))]),
    "constant": ConstantClassifier(),
}


@pytest.fixture(scope="module")
def table():
    """Give features with numbers and text, and a target of three classes that is not 0, 1, 2."""
    rng = np.random.default_rng(5)
    X = pd.DataFrame({"a": rng.normal(size=90), "b": rng.integers(0, 9, 90), "c": rng.choice(["u", "v"], 90)})
    y = np.array(["low", "mid", "top"], dtype=object)[np.digitize(X.a + X.b / 4, [0.7, 1.6])]
    return X, y


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("model", sorted(MODELS))
def test_round_trip_is_exact(tmp_path, table, model, name):
    """What is read back predicts the same, to the last bit, behind steps that encode and impute."""
    X, y = table
    first = ColumnTransformer(
        [
            ("n", SimpleImputer(strategy="median"), ["a", "b"]),
            ("t", OneHotEncoder(sparse_output=False), ["c"]),
        ]
    )
    estimator = make_pipeline(first, MODELS[model]).fit(X, y)
    form = FORMATS.get(name)
    path = tmp_path / f"model{form.suffix}"
    form.write(estimator, path)
    back = form.read(path, trust_pickle=True)
    assert back.predict(X).tolist() == estimator.predict(X).tolist()
    assert back.classes_.tolist() == estimator.classes_.tolist()
    if hasattr(estimator, "predict_proba"):
        np.testing.assert_array_equal(back.predict_proba(X), estimator.predict_proba(X))


@pytest.mark.parametrize("model", ["random_forest", "hist_gradient_boosting", "mlp", "gaussian_nb"])
def test_skops_bytes_do_not_depend_on_history(table, model):
    """A model that was saved and loaded saves to the bytes it came from: no address, no stray memory."""
    X, y = table
    form = FORMATS.get("skops")
    data = form.to_bytes(MODELS[model].fit(X[["a", "b"]], y))
    assert form.to_bytes(form.decode(data, "memory")) == data
    assert {info.date_time for info in zipfile.ZipFile(io.BytesIO(data)).infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_skops_set_is_sorted():
    """A set of strings is written in one order, and a dict keeps its own, whatever its keys are called."""
    form = FORMATS.get("skops")
    words = {f"word{number}" for number in range(50)}
    value = {"z": words, "file": "0.npy", "__id__": 7, "a": np.arange(3)}
    shuffled = {**value, "z": {f"word{number}" for number in reversed(range(50))}}
    assert form.to_bytes(value) == form.to_bytes(shuffled)
    back = form.decode(form.to_bytes(value), "memory")
    assert list(back) == list(value) and back["z"] == words and back["file"] == "0.npy" and back["__id__"] == 7


SCRIPT = """
import hashlib, sys
import numpy as np, pandas as pd
from fedlab.exchange import FORMATS
from fedlab.records import Records, Schema
from fedlab.training import train_organisation
rng = np.random.default_rng(1)
frame = pd.DataFrame({"id": range(300), "a": rng.normal(size=300), "c": rng.choice(["u", "v", "w"], 300)})
frame["t"] = np.where(frame.a + (frame.c == "u") > 0.3, "yes", "no")
frame.loc[::9, "a"] = np.nan
records = Records(frame, Schema("id", ["a", "c"], "t"))
forest = {"name": "random_forest", "n_estimators": 5}
boosting = {"name": "hist_gradient_boosting", "max_iter": 5}
for model in (forest, boosting, "logistic_regression"):
    trained = train_organisation(records, model)
    print(trained.card().model_dump_json())
    for name in FORMATS:
        print(name, hashlib.sha256(FORMATS.get(name).to_bytes(trained.estimator)).hexdigest())
"""


def test_same_bytes_in_other_processes():
    """Training in a process with another hash seed and number of threads gives files of the same bytes."""
    outputs = []
    for seed, threads in (("0", "1"), ("77", "2")):
        env = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True)
        outputs.append(done.stdout.splitlines())
    assert len(outputs[0]) == 15
    assert outputs[0] == outputs[1]


class Bomb:
    """A pickle of this makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        """Run code on reading."""
        return (open, (self.path, "w"))


@pytest.mark.parametrize("name", ["pkl", "joblib"])
def test_pickle_is_not_read_without_trust(tmp_path, name):
    """A pickle that runs code is refused before a byte of it is interpreted; with trust it does run."""
    mark, form = tmp_path / "mark", FORMATS.get(name)
    path = tmp_path / f"model{form.suffix}"
    path.write_bytes(pickle.dumps(Bomb(str(mark))))
    with pytest.raises(FedlabError, match=r"executes code.*trust_pickle=True"):
        form.read(path)
    assert not mark.exists()
    form.read(path, trust_pickle=True).close()
    assert mark.exists()


def test_skops_refuses_unknown_types(tmp_path, table):
    """A skops file that names a function of the system is refused by that name, pickles trusted or not."""
    X, _ = table
    path = tmp_path / "model.skops"
    FORMATS.get("skops").write(FunctionTransformer(os.getenv).fit(X), path)
    for trust in (False, True):
        with pytest.raises(FedlabError, match=r"model\.skops holds types .*'os\.getenv'.*trusted=\['os\.getenv'\]"):
            FORMATS.get("skops").read(path, trust_pickle=trust)
    assert FORMATS.get("skops").read(path, trusted=("os.getenv",)).func is os.getenv


@pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps({"a": 1})])
def test_damaged_skops(tmp_path, content):
    """Bytes that are no skops file give an error that names the file."""
    path = tmp_path / "model.skops"
    path.write_bytes(content)
    with pytest.raises(FedlabError, match=r"model\.skops"):
        FORMATS.get("skops").read(path)


def test_zip_without_schema(tmp_path):
    """A zip that is not skops', and one whose schema is nonsense, give an error that names the file."""
    path = tmp_path / "model.skops"
    for name, content in (("other", "1"), ("schema.json", "{"), ("schema.json", "{}")):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(name, content)
        with pytest.raises(FedlabError, match=r"model\.skops"):
            FORMATS.get("skops").read(path)


@pytest.mark.parametrize("name", ["pkl", "joblib"])
def test_damaged_pickle(tmp_path, name):
    """A cut pickle gives an error that names the file."""
    path = tmp_path / "model.bin"
    path.write_bytes(FORMATS.get(name).to_bytes(GaussianNB())[:-20])
    with pytest.raises(FedlabError, match=r"model\.bin cannot be read"):
        FORMATS.get(name).read(path, trust_pickle=True)


def test_unknown_suffix():
    """A file of another kind is refused, with the nearest suffix."""
    assert format_of("a.b.skops").name == "skops"
    with pytest.raises(FedlabError, match=r"did you mean '\.skops'"):
        format_of("model.skop")
