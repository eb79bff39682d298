"""Cards: written and read back exactly, refused where they are not what they should be."""

import json

import numpy as np
import pytest

from fedlab.errors import FedlabError
from fedlab.exchange import Card, Preprocessing, Scores, card_path, read_card, write_card

SHA = "ab" * 32


def _card(**changes: object) -> Card:
    fields: dict[str, object] = {
        "organisation": "part1",
        "part": 1,
        "format": "skops",
        "file": "m_part1.skops",
        "sha256": SHA,
        "bytes": 10,
        "classes": ["a", "b"],
        "classes_dtype": "object",
        "features": ["x", "y"],
        "dtypes": ["int64", "float64"],
        "n_rows": 10,
        "n_train": 8,
        "n_test": 2,
        "class_counts": [3, 5],
        "scores": Scores(accuracy=0.1 + 0.2, balanced_accuracy=0.5),
        "estimator": "m.C",
        "preprocessing": Preprocessing(imputation="median", imputed=["y"]),
    }
    return Card(**{**fields, **changes})


@pytest.mark.parametrize(
    "classes",
    [
        np.array([False, True]),
        np.array([1, 2, 10]),
        np.array([0, 1], dtype=np.int8),
        np.array([0.5, 1.0]),
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([2**60, 2**60 + 1]),
    ],
    ids=lambda classes: str(classes.dtype),
)
def test_classes_keep_values_order_and_dtype(tmp_path, classes):
    """Classes come back with the very values, types and dtype they had."""
    card = _card(classes=classes.tolist(), classes_dtype=str(classes.dtype), class_counts=[1] * len(classes))
    back = read_card(write_card(tmp_path / "m.skops", card))
    assert back == card
    assert back.class_array().dtype == classes.dtype
    assert back.class_array().tolist() == classes.tolist()
    assert [type(value) for value in back.classes] == [type(value) for value in classes.tolist()]


def test_card_stands_beside_its_model(tmp_path):
    """The card's path follows from the model file's, and is its own card's path."""
    assert card_path(tmp_path / "a_part1.pkl") == tmp_path / "a_part1.card.json"
    assert card_path(tmp_path / "a_part1.card.json") == tmp_path / "a_part1.card.json"


def test_same_card_same_bytes(tmp_path):
    """A card written twice has the same bytes: no time stands in it."""
    one, two = write_card(tmp_path / "1.skops", _card()), write_card(tmp_path / "2.skops", _card())
    assert one.read_bytes() == two.read_bytes()


def test_missing_card(tmp_path):
    """A model without card: the error names the card's file."""
    with pytest.raises(FedlabError, match=r"m_part1\.card\.json is missing"):
        read_card(tmp_path / "m_part1.skops")


@pytest.mark.parametrize("text", ["{", "", "\xff"])
def test_not_json(tmp_path, text):
    """Bytes that are not JSON: the error names the file."""
    path = tmp_path / "m.card.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FedlabError, match=r"m\.card\.json is not JSON"):
        read_card(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("part", 0),
        ("part", "one"),
        ("classes", []),
        ("sha256", "abc"),
        ("sha256", ""),
        ("surprise", 1),
        ("dtypes", ["int64"]),
        ("class_counts", [1]),
        ("constant", True),
        ("classes_dtype", "int64"),
        ("classes_dtype", "rubbish"),
        ("classes", [None, 1]),
        ("n_rows", 1.5),
        ("scores", {"accuracy": 1.0}),
    ],
)
def test_bad_field_is_named(tmp_path, field, value):
    """A field that is unknown, of a wrong type, or at odds with another is refused by name."""
    content = {**_card().model_dump(mode="json"), field: value}
    path = tmp_path / "m.card.json"
    path.write_text(json.dumps(content))
    with pytest.raises(FedlabError, match=rf"m\.card\.json.*{field}"):
        read_card(path)


def test_missing_field_and_wrong_shape(tmp_path):
    """A card without a needed field, or a list instead of a card, is refused."""
    content = _card().model_dump(mode="json")
    del content["features"]
    path = tmp_path / "m.card.json"
    path.write_text(json.dumps(content))
    with pytest.raises(FedlabError, match="'features'"):
        read_card(path)
    path.write_text("[1]")
    with pytest.raises(FedlabError, match="the whole file"):
        read_card(path)
