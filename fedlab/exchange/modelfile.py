"""Saving a fitted model with its card, and loading it back with every claim of the card checked."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.exchange.card import CARD_SUFFIX, Card, card_path, read_card, write_card
from fedlab.exchange.formats import FORMATS, format_of
from fedlab.files import atomic_path


def save_model(estimator: Any, path: Path | str, card: Card) -> Card:
    """Write a fitted model and its card.

    Both files are written whole or not at all, the card last: a model without its card is never loaded, so
    a kill in between does no harm.

    Parameters
    ----------
    estimator : estimator
        A fitted scikit-learn-compatible classifier.
    path : Path or str
        Where the model file shall stand; its suffix says the format (``.skops``, ``.pkl``, ``.joblib``).
    card : Card
        What is known about the model. Its `format`, `file`, `sha256` and `bytes` are filled in here.

    Returns
    -------
    Card
        The card as written.

    Raises
    ------
    FedlabError
        If the suffix is not a format's, the estimator cannot be written in it, or the card does not fit it.
    """
    path = Path(path)
    form = format_of(path)
    _check_agreement(estimator, card, path)
    try:
        data = form.to_bytes(estimator)
    except Exception as error:  # each format fails in its own way on what it cannot hold
        raise FedlabError(
            f"{type(estimator).__name__} cannot be saved as {form.name!r} ({type(error).__name__}: {error}); "
            "choose another format: pkl holds nearly any estimator, but is loaded only where it is trusted"
        ) from error
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    card = card.model_copy(update={"format": form.name, "file": path.name, "sha256": digest, "bytes": len(data)})
    write_card(path, card)
    return card


def load_model(path: Path | str, trust_pickle: bool = False, trusted: Sequence[str] = ()) -> tuple[Any, Card]:
    """Load a model file after checking it against its card.

    Checked in this order: the card is there and whole, size and SHA-256 of the file, the format and the
    types in the file, the numbers inside trees, then that the estimator's classes and features are the
    card's. The bytes that are hashed are the bytes that are loaded.

    Parameters
    ----------
    path : Path or str
        The model file; its card stands beside it.
    trust_pickle : bool, default False
        Load ``.pkl`` and ``.joblib``, which execute code of whoever made the file.
    trusted : sequence of str
        Import paths of types that a skops file may hold beyond the known ones.

    Returns
    -------
    estimator, Card
        The fitted estimator and its card.

    Raises
    ------
    FedlabError
        At the first check that fails; the message names the file and says what to do.
    """
    path = Path(path)
    form = format_of(path)
    if not path.is_file():
        raise FedlabError(f"model file {path} is missing; ask the organisation for it, or train it again")
    card = read_card(path)
    data = path.read_bytes()
    _check_bytes(data, card, path)
    if card.format != form.name:
        raise FedlabError(
            f"model file {path} ends in {path.suffix!r}, but its card says format {card.format!r}; "
            f"give it back its name {card.file!r}"
        )
    if isinstance(trusted, str):
        trusted = (trusted,)
    estimator = form.decode(data, str(path), trust_pickle=trust_pickle, trusted=tuple(trusted))
    _check_agreement(estimator, card, path)
    return estimator, card


def load_models(folder: Path | str, trust_pickle: bool = False, trusted: Sequence[str] = ()) -> list[tuple[Any, Card]]:
    """Load all model files of a folder, in the order of their part numbers.

    Parameters
    ----------
    folder : Path or str
        Where model files and cards stand. Other files there are left alone.
    trust_pickle, trusted
        See `load_model`.

    Returns
    -------
    list of (estimator, Card)
        In the order of ``card.part``.

    Raises
    ------
    FedlabError
        If there are none, a model lacks its card or a card its model, two have the same part number, or one
        fails a check of `load_model`.
    """
    paths = model_paths(folder)
    return [load_model(path, trust_pickle, trusted) for path in paths]


def model_paths(folder: Path | str) -> list[Path]:
    """Return the model files of a folder in the order of the part numbers on their cards."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FedlabError(f"folder of model files {folder} does not exist; train the models first, or mend the path")
    suffixes = {FORMATS.get(name).suffix for name in FORMATS}
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    models = [path for path in files if path.suffix in suffixes]
    stems = {path.stem for path in models}
    for path in files:
        if path.name.endswith(CARD_SUFFIX) and path.name.removesuffix(CARD_SUFFIX) not in stems:
            raise FedlabError(f"card {path} has no model file beside it; ask the organisation for both files")
    if not models:
        raise FedlabError(
            f"folder {folder} holds no model file ({', '.join(sorted(suffixes))}); train the models first"
        )
    by_part: dict[int, Path] = {}
    for path in models:
        part = read_card(path).part
        if part in by_part:
            raise FedlabError(
                f"model files {by_part[part]} and {path} both say they are part {part}; take one of them away"
            )
        by_part[part] = path
    return [by_part[part] for part in sorted(by_part)]


def model_stem(estimator: Any) -> str:
    """Return how the files of a kind of model are called, before ``_part1``.

    Parameters
    ----------
    estimator : estimator or class
        A pipeline is called after its last step.

    Returns
    -------
    str
        The class name in lower case with underscores, without ``Classifier``, and ``_model``.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    >>> model_stem(RandomForestClassifier), model_stem(HistGradientBoostingClassifier())
    ('random_forest_model', 'hist_gradient_boosting_model')
    """
    while not isinstance(estimator, type) and hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    name = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
    name = name.removesuffix("Classifier") or name
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", name)
    return "_".join(word.lower() for word in words) + "_model"


def _check_bytes(data: bytes, card: Card, path: Path) -> None:
    """Refuse a file whose size or hash is not the card's."""
    digest = hashlib.sha256(data).hexdigest()
    if len(data) == card.bytes and digest == card.sha256:
        return
    renamed = f" (the card describes {card.file!r})" if card.file != path.name else ""
    raise FedlabError(
        f"model file {path} is not the one its card {card_path(path).name} describes{renamed}: "
        f"it has {len(data)} bytes and SHA-256 {digest[:12]}…, the card says {card.bytes} and "
        f"{card.sha256[:12]}…; it was changed, cut short or mixed up: ask the organisation for both files"
    )


def _check_agreement(estimator: Any, card: Card, path: Path) -> None:
    """Refuse an estimator whose classes or features are not the card's."""
    found = getattr(estimator, "classes_", None)
    if not hasattr(estimator, "predict") or found is None:
        raise FedlabError(f"model file {path}: {type(estimator).__name__} is not a fitted classifier")
    found, said = np.asarray(found), card.class_array()
    if found.shape != said.shape or found.dtype != said.dtype or found.tolist() != said.tolist():
        raise FedlabError(
            f"model file {path}: the estimator's classes are {found.tolist()} ({found.dtype}), its card says "
            f"{said.tolist()} ({said.dtype}); their order decides what a vote means: save model and card anew"
        )
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and list(names) != card.features:
        raise FedlabError(
            f"model file {path}: the estimator's features are {list(names)}, its card says {card.features}; "
            "save model and card anew"
        )
    count = getattr(estimator, "n_features_in_", len(card.features))
    if count != len(card.features):
        raise FedlabError(
            f"model file {path}: the estimator takes {count} features, its card lists {len(card.features)}: "
            f"{card.features}; save model and card anew"
        )
