"""Model files with cards: every claim of a card is checked, every failure names the file."""

import os
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from fedlab.errors import FedlabError
from fedlab.exchange import (
    Card,
    card_path,
    load_model,
    load_models,
    model_stem,
    read_card,
    save_model,
    write_card,
)
from fedlab.files import sha256_file

X = pd.DataFrame({"age": [40, 50, 60, 70, 45, 65], "sbp": [120.0, 140, 150, 135, 128, 160]})
Y = np.array([1, 2, 2, 2, 1, 2])


def _card(estimator, part=1, **changes):
    classes = estimator.classes_
    return Card(
        organisation=f"part{part}",
        part=part,
        classes=classes.tolist(),
        classes_dtype=str(classes.dtype),
        features=["age", "sbp"],
        dtypes=["int64", "float64"],
        n_rows=6,
        n_train=6,
        n_test=0,
        class_counts=[1] * len(classes),
        estimator="sklearn.naive_bayes.GaussianNB",
    ).model_copy(update=changes)


@pytest.fixture
def model():
    """Give a fitted model."""
    return GaussianNB().fit(X, Y)


def _saved(folder, model, part=1, suffix=".skops"):
    path = folder / f"gaussian_nb_model_part{part}{suffix}"
    save_model(model, path, _card(model, part))
    return path


@pytest.mark.parametrize("suffix", [".skops", ".pkl", ".joblib"])
def test_saved_and_loaded(tmp_path, model, suffix):
    """The card that comes back is the one that was written, with the facts of the file in it."""
    path = tmp_path / f"m_part1{suffix}"
    card = save_model(model, path, _card(model))
    assert (card.file, card.bytes, card.sha256) == (path.name, path.stat().st_size, sha256_file(path))
    assert card.format == suffix[1:]
    back, read = load_model(path, trust_pickle=True)
    assert read == card == read_card(path)
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m_part1.card.json", path.name]


def test_each_flipped_bit_is_found(tmp_path, model):
    """A flipped bit anywhere in the file is found before the file is read."""
    path = _saved(tmp_path, model)
    good = path.read_bytes()
    for place in range(0, len(good), len(good) // 25):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(FedlabError, match=r"gaussian_nb_model_part1\.skops is not the one its card"):
            load_model(path)
    path.write_bytes(good[:-1])
    with pytest.raises(FedlabError, match="cut short"):
        load_model(path)
    path.write_bytes(good)
    load_model(path)


def test_swapped_cards(tmp_path, model):
    """Two organisations' cards exchanged: the error says which file the card describes."""
    one, two = _saved(tmp_path, model, 1), _saved(tmp_path, GaussianNB().fit(X, Y[::-1]), 2)
    shutil.move(card_path(one), tmp_path / "aside")
    shutil.move(card_path(two), card_path(one))
    with pytest.raises(FedlabError, match=r"part1\.skops is not the one .*describes 'gaussian_nb_model_part2\.skops'"):
        load_model(one)


def test_missing_card_and_missing_model(tmp_path, model):
    """Neither a model without card nor a card without model is loaded."""
    path = _saved(tmp_path, model)
    card = card_path(path).read_bytes()
    card_path(path).unlink()
    for load in (lambda: load_model(path), lambda: load_models(tmp_path)):
        with pytest.raises(FedlabError, match=r"part1\.card\.json is missing"):
            load()
    path.unlink()
    card_path(path).write_bytes(card)
    with pytest.raises(FedlabError, match=r"part1\.skops is missing"):
        load_model(path)
    with pytest.raises(FedlabError, match=r"part1\.card\.json has no model file"):
        load_models(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": [2, 1]}, r"classes are \[1, 2\].*card says \[2, 1\]"),
        ({"classes": [1.0, 2.0], "classes_dtype": "float64"}, r"\(int64\).*\(float64\)"),
        ({"classes": ["1", "2"], "classes_dtype": "object"}, r"card says \['1', '2'\]"),
        ({"classes": [1, 2, 3], "class_counts": [1, 1, 1]}, r"card says \[1, 2, 3\]"),
        ({"features": ["sbp", "age"]}, r"features are \['age', 'sbp'\].*\['sbp', 'age'\]"),
        ({"features": ["age"], "dtypes": ["int64"]}, "features"),
    ],
)
def test_card_at_odds_with_estimator(tmp_path, model, changes, message):
    """A card of other classes, class order, class types or features is refused, in saving and in loading."""
    path = _saved(tmp_path, model)
    with pytest.raises(FedlabError, match=message):
        save_model(model, tmp_path / "other.skops", _card(model, **changes))
    assert not (tmp_path / "other.skops").exists()
    write_card(path, read_card(path).model_copy(update=changes))
    with pytest.raises(FedlabError, match=rf"part1\.skops: .*{message}"):
        load_model(path)


def test_number_of_features_without_names(tmp_path):
    """A model fitted on an array has no names to compare; the number of its features is."""
    model = GaussianNB().fit(X.to_numpy(), Y)
    load_model(_saved(tmp_path, model))
    with pytest.raises(FedlabError, match="takes 2 features, its card lists 1"):
        save_model(model, tmp_path / "m.skops", _card(model, features=["age"], dtypes=["int64"]))


def test_pickle_with_good_hash_is_not_executed(tmp_path, model):
    """A pickle that runs code is refused and not run, though its card's hash is right; so in a folder."""
    mark, path = tmp_path / "mark", _saved(tmp_path, model, suffix=".pkl")
    path.write_bytes(pickle.dumps(_Bomb(str(mark))))
    digest, size = sha256_file(path), path.stat().st_size
    write_card(path, read_card(path).model_copy(update={"sha256": digest, "bytes": size}))
    for load in (lambda: load_model(path), lambda: load_models(tmp_path)):
        with pytest.raises(FedlabError, match=r"part1\.pkl.*executes code.*trust_pickle=True"):
            load()
    assert not mark.exists()
    with pytest.raises(FedlabError, match="not a fitted classifier"):
        load_model(path, trust_pickle=True)
    assert mark.exists()


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_unknown_type_needs_trust(tmp_path):
    """A skops file with a function of the system in it, its card in order, is refused until it is named."""
    model = make_pipeline(FunctionTransformer(os.path.basename, validate=False), GaussianNB())
    model.steps[0][1].func = None
    model.fit(X, Y)
    model.steps[0][1].func = os.system
    path = tmp_path / "m_part1.skops"
    save_model(model, path, _card(model))
    name = f"{os.system.__module__}.system"
    with pytest.raises(FedlabError, match=rf"m_part1\.skops holds types .*{name}"):
        load_model(path)
    assert load_model(path, trusted=[name])[0].steps[0][1].func is os.system


def test_renamed_suffix(tmp_path, model):
    """A pickle that calls itself skops is refused."""
    path = _saved(tmp_path, model, suffix=".pkl")
    with pytest.raises(FedlabError, match="card says format 'pkl'"):
        load_model(path.rename(path.with_suffix(".skops")), trust_pickle=True)


def test_models_come_in_the_order_of_their_numbers(tmp_path, model):
    """Part 10 comes after part 9, and other files in the folder do no harm."""
    for part in (10, 2, 9):
        _saved(tmp_path, model, part)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".tmp-1.skops").write_text("x")
    assert [card.part for _, card in load_models(tmp_path)] == [2, 9, 10]


def test_folder_without_models(tmp_path, model):
    """An empty folder, no folder, and two files of one part are errors."""
    with pytest.raises(FedlabError, match="holds no model file"):
        load_models(tmp_path)
    with pytest.raises(FedlabError, match="does not exist"):
        load_models(tmp_path / "nowhere")
    _saved(tmp_path, model)
    save_model(model, tmp_path / "again.skops", _card(model))
    with pytest.raises(FedlabError, match=r"again\.skops and .*part1\.skops both say they are part 1"):
        load_models(tmp_path)


def test_what_cannot_be_saved_leaves_nothing(tmp_path, model):
    """An unfitted model and one that the format cannot hold are refused; nothing is overwritten."""
    with pytest.raises(FedlabError, match="not a fitted classifier"):
        save_model(GaussianNB(), tmp_path / "m.skops", _card(model))
    path = _saved(tmp_path, model, suffix=".pkl")
    good = path.read_bytes()
    odd = GaussianNB().fit(X, Y)
    odd.extra_ = lambda: None
    with pytest.raises(FedlabError, match="cannot be saved as 'pkl'"):
        save_model(odd, path, _card(odd))
    assert path.read_bytes() == good
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("estimator", "stem"),
    [
        (RandomForestClassifier, "random_forest_model"),
        (RandomForestClassifier(), "random_forest_model"),
        (HistGradientBoostingClassifier(), "hist_gradient_boosting_model"),
        (LogisticRegression(), "logistic_regression_model"),
        (MLPClassifier(), "mlp_model"),
        (GaussianNB, "gaussian_nb_model"),
        (LinearSVC, "linear_svc_model"),
        (make_pipeline(StandardScaler(), MLPClassifier()), "mlp_model"),
    ],
)
def test_stems(estimator, stem):
    """Files are called after the classifier, words parted by underscores."""
    assert model_stem(estimator) == stem
