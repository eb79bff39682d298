"""The card of a model file: what is known about it without opening it; cards only, no models."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedlab.errors import FedlabError
from fedlab.files import read_json, write_json

CARD_SUFFIX = ".card.json"
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


class Scores(BaseModel):
    """Scores on the organisation's own test rows; a score that is not defined there is None.

    Attributes
    ----------
    accuracy, balanced_accuracy : float
        Shares between 0 and 1.
    roc_auc : float or None
        Two classes: of the greater one; more: one against the rest, mean over the classes. None where the
        test rows do not hold every class that the model knows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: float
    balanced_accuracy: float
    roc_auc: float | None = None


class Preprocessing(BaseModel):
    """What the model file does to the features before its classifier sees them; all empty means nothing.

    Attributes
    ----------
    imputation : str or None
        How missing values are filled: ``"median"`` of this organisation's own training rows.
    imputed : list of str
        The columns it is done to.
    encoding : str or None
        How text becomes numbers: ``"one-hot"``, a missing value being a category of its own.
    encoded : list of str
        The columns it is done to.
    steps : list of str
        Import paths of further steps that the user's own pipeline puts before its classifier.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    imputation: str | None = None
    imputed: list[str] = Field(default_factory=list)
    encoding: str | None = None
    encoded: list[str] = Field(default_factory=list)
    steps: list[str] = Field(default_factory=list)


class Card(BaseModel):
    """What is known about one organisation's model file; no time stands in it: same model, same bytes.

    Attributes
    ----------
    format, file, sha256, bytes : str, str, str, int
        Format name, file name, SHA-256 in hex and size of the model file; filled in by `save_model`.
    organisation, part : str, int
        Whose model it is, and the number of its shard, from 1.
    classes, classes_dtype : list, str
        The estimator's ``classes_`` in its own order, and their NumPy dtype.
    features, dtypes : list of str
        Names of the features in the order the model wants them, and their pandas dtypes.
    n_rows, n_train, n_test : int
        Rows of the shard, rows the model was fitted on, rows it was scored on.
    class_counts : list of int
        Training rows of each class, in the order of `classes`.
    scores : Scores or None
        Scores on the organisation's own test rows; None where there were no rows to spare.
    estimator, parameters : str, dict
        Import path of the classifier and its parameters; what JSON cannot hold stands as its ``repr``.
    n_estimators : int or None
        Number of trees, where the classifier is a forest.
    preprocessing : Preprocessing
        What is done to the features first.
    constant : bool
        The training rows held one class only: this model always answers with it.
    test_size, random_state : float, int or None
        How the shard was split, and the seed of the split and of the estimator.
    notes : list of str
        What the reader should know: warnings of the fit, and why something is missing.
    versions : dict
        Versions of python, numpy, scikit-learn, skops and fedlab that wrote the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = ""
    file: str = ""
    sha256: str = ""
    bytes: int = Field(default=0, ge=0)
    organisation: str
    part: int = Field(ge=1)
    classes: list[bool | int | float | str] = Field(min_length=1)
    classes_dtype: str
    features: list[str]
    dtypes: list[str]
    n_rows: int = Field(ge=1)
    n_train: int = Field(ge=1)
    n_test: int = Field(ge=0)
    class_counts: list[int]
    scores: Scores | None = None
    estimator: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    n_estimators: int | None = None
    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    constant: bool = False
    test_size: float | int = 0.2
    random_state: int | None = None
    notes: list[str] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)

    def class_array(self) -> np.ndarray:
        """Return `classes` as an array of the dtype that the estimator's ``classes_`` has.

        Examples
        --------
        >>> card = Card(
        ...     organisation="part1", part=1, classes=["a", "b"], classes_dtype="object", features=["x"],
        ...     dtypes=["int64"], n_rows=9, n_train=7, n_test=2, class_counts=[3, 4], estimator="m.C",
        ... )
        >>> card.class_array()
        array(['a', 'b'], dtype=object)
        """
        return np.array(self.classes, dtype=np.dtype(self.classes_dtype))


def card_path(path: Path | str) -> Path:
    """Return where the card of a model file stands.

    Examples
    --------
    >>> card_path("models/random_forest_model_part1.skops").name
    'random_forest_model_part1.card.json'
    """
    path = Path(path)
    return path if path.name.endswith(CARD_SUFFIX) else path.with_name(path.stem + CARD_SUFFIX)


def read_card(path: Path | str) -> Card:
    """Read and check the card of a model file.

    Parameters
    ----------
    path : Path or str
        The card, or the model file it stands beside.

    Returns
    -------
    Card
        The checked card.

    Raises
    ------
    FedlabError
        If there is none, or if it is not a card: the message names file and field.
    """
    path = card_path(path)
    if not path.is_file():
        raise FedlabError(
            f"card {path} is missing: a model file is loaded with its card only; "
            "ask the organisation for both files, or write them anew with save_model"
        )
    try:
        content = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FedlabError(f"card {path} is not JSON ({error}); ask the organisation for the file again") from None
    try:
        card = Card.model_validate(content)
    except ValidationError as error:
        raise FedlabError(f"card {path} is not a card: {_first_errors(error)}") from None
    _check_card(card, path)
    return card


def write_card(path: Path | str, card: Card) -> Path:
    """Write a card, atomically, beside the model file or at the card's own path; return where it stands."""
    path = card_path(path)
    write_json(path, card.model_dump(mode="json"))
    return path


def _first_errors(error: ValidationError) -> str:
    """Name the first three fields at fault, what is wrong with each and what stood there."""
    lines = []
    for item in error.errors()[:3]:
        field = ".".join(str(part) for part in item["loc"]) or "(the whole file)"
        lines.append(f"field {field!r}: {item['msg']}, got {str(item['input'])[:80]!r}")
    return "; ".join(lines)


def _check_card(card: Card, path: Path) -> None:
    """Refuse a card whose fields do not fit together."""
    faults = [
        ("sha256", not _SHA256.match(card.sha256), "must be 64 hex digits", card.sha256),
        ("dtypes", len(card.dtypes) != len(card.features), "must have one entry per feature", card.dtypes),
        (
            "class_counts",
            len(card.class_counts) != len(card.classes),
            "must have one per class",
            card.class_counts,
        ),
        (
            "constant",
            card.constant and len(card.classes) != 1,
            "is true, but there are more classes",
            card.classes,
        ),
    ]
    for field, wrong, why, got in faults:
        if wrong:
            raise FedlabError(f"card {path}: field {field!r} {why}, got {got!r}; ask the organisation for it again")
    try:
        back = card.class_array().tolist()
    except (TypeError, ValueError, SyntaxError):
        back = None
    if back != card.classes:
        raise FedlabError(
            f"card {path}: field 'classes_dtype' {card.classes_dtype!r} cannot hold classes {card.classes!r}"
        )
