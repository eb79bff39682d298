"""Train all organisations of a partition, each from its own shard file; tell in a table what came of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from fedlab.exchange import FORMATS, Card, model_stem, read_card, save_model
from fedlab.exchange.card import CARD_SUFFIX
from fedlab.exchange.modelfile import model_paths
from fedlab.partition import Partition
from fedlab.training.compact import check_compact
from fedlab.training.local import check_test_size, train_organisation
from fedlab.training.models import build_model


def train_all(
    partition: Partition,
    out_dir: Path | str,
    model: Any = "random_forest",
    test_size: float = 0.2,
    random_state: int | None = 42,
    format: str = "skops",
    compact: str | None = None,
    n_jobs: int | None = None,
) -> list[Path]:
    """Train each organisation on its own shard alone, and save its model file and card.

    Model files that an earlier call left in the folder are removed first, so that no organisation of another
    partition gets a vote; files with another name or another organisation's name on the card stay.

    Parameters
    ----------
    partition : Partition
        A written partition (`fedlab.partition.read_partition`); one shard at a time is read.
    out_dir : Path or str
        Folder for the model files. It is created.
    model, test_size, random_state
        See `fedlab.training.train_organisation`.
    format : str, default "skops"
        A registered format: ``skops``, ``compact``, ``pkl``, ``joblib``.
    compact : {"exact", "pruned"}, optional
        See `fedlab.training.train_organisation`.
    n_jobs : int, optional
        How many organisations train at once, each in a process of its own; the files are the same for any number.

    Returns
    -------
    list of Path
        The model files, in the order of the shards: ``random_forest_model_part1.skops`` and so on, called
        after the model asked for even where an organisation's is constant.

    Raises
    ------
    FedlabError
        As `train_organisation`, or for an unknown format.
    """
    check_test_size(test_size)
    form = FORMATS.get(format)
    estimator = build_model(model, random_state)
    check_compact(compact, estimator)
    stem = model_stem(estimator)
    _remove_earlier(Path(out_dir))
    paths = [Path(out_dir) / f"{stem}_part{number + 1}{form.suffix}" for number in range(partition.n_shards)]

    def train(number: int) -> None:
        trained = train_organisation(partition.shard(number), model, test_size, random_state, compact)
        save_model(trained.estimator, paths[number], trained.card(part=number + 1))

    if n_jobs in (None, 1):
        for number in range(partition.n_shards):
            train(number)
        return paths
    import joblib

    joblib.Parallel(n_jobs=n_jobs)(joblib.delayed(train)(number) for number in range(partition.n_shards))
    return paths


def describe_models(models: Path | str | Iterable[Card]) -> pd.DataFrame:
    """Say in one row per organisation what its card says.

    Parameters
    ----------
    models : Path, str or iterable of Card
        A folder of model files, of which the cards alone are read, or cards.

    Returns
    -------
    DataFrame
        Columns ``organisation``, ``part``, ``rows``, ``train_rows``, ``test_rows``, ``rows_<class>`` for
        each class (training rows, 0 where there are none), ``accuracy``, ``balanced_accuracy``, ``roc_auc``
        (on the organisation's own test rows, NaN where not defined), ``constant``, ``bytes``; in the order
        of the parts.
    """
    cards = [read_card(path) for path in model_paths(models)] if isinstance(models, str | Path) else list(models)
    cards = sorted(cards, key=lambda card: card.part)
    classes = sorted({value for card in cards for value in card.classes}, key=lambda value: (str(type(value)), value))
    return pd.DataFrame([_row(card, classes) for card in cards])


def _remove_earlier(folder: Path) -> None:
    """Remove the model files and cards that `train_all` itself wrote before."""
    for card in sorted(folder.glob(f"*_model_part*{CARD_SUFFIX}")):
        stem = card.name.removesuffix(CARD_SUFFIX)
        part = stem.rpartition("_part")[2]
        if not part.isdecimal() or read_card(card).organisation != f"part{part}":
            continue
        for name in FORMATS:
            card.with_name(stem + FORMATS.get(name).suffix).unlink(missing_ok=True)
        card.unlink()


def _row(card: Card, classes: list[Any]) -> dict[str, Any]:
    """Return the row of one card, with a column for each class of all cards."""
    counts = dict(zip(card.classes, card.class_counts, strict=True))
    scores = card.scores
    return {
        "organisation": card.organisation,
        "part": card.part,
        "rows": card.n_rows,
        "train_rows": card.n_train,
        "test_rows": card.n_test,
        **{f"rows_{value}": counts.get(value, 0) for value in classes},
        "accuracy": float("nan") if scores is None else scores.accuracy,
        "balanced_accuracy": float("nan") if scores is None else scores.balanced_accuracy,
        "roc_auc": float("nan") if scores is None or scores.roc_auc is None else scores.roc_auc,
        "constant": card.constant,
        "bytes": card.bytes,
    }
