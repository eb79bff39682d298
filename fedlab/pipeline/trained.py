"""The second stage: trained models by what they say of the holdout, and the centralised reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.files import read_json, write_json
from fedlab.pipeline.bandwidth import bytes_sent
from fedlab.pipeline.shards import make_partition, partition_or_default, pooled_partition, read_origin

if TYPE_CHECKING:
    import pandas

    from fedlab.exchange import Card
    from fedlab.partition import Partition
    from fedlab.records import Records
    from fedlab.voting import Ballots

TRAINED = "trained.json"
BALLOTS = "ballots.npz"
MODELS = "models"
RECIPE = ("model", "test_size", "random_state", "format", "compact")
"""Of a cell, what decides how its models are trained."""
FEATURES = "holdout_features.parquet"


@dataclass(frozen=True)
class TrainedSet:
    """The models of one partition, by what they say of the holdout.

    Attributes
    ----------
    ballots : Ballots
        Every organisation's answer on every holdout row.
    truth, ids : ndarray (n_records,)
        The holdout's classes and identifiers.
    groups : ndarray (n_records,) or None
        Which rows belong to one patient, where the schema names a group column.
    about : dict
        What `trained.json` says: sizes, classes, bytes, skew, and what it was all made from.
    X : DataFrame (n_records, n_features)
        The rows' features, for rules that look for similar patients.
    """

    ballots: Ballots
    truth: np.ndarray
    ids: np.ndarray
    groups: np.ndarray | None
    about: dict[str, Any]
    X: pandas.DataFrame

    def take(self, rows: np.ndarray) -> TrainedSet:
        """Return the same models' answers on some of the rows, by their places."""
        return replace(
            self,
            ballots=self.ballots.take_records(rows),
            truth=self.truth[rows],
            ids=self.ids[rows],
            groups=None if self.groups is None else self.groups[rows],
            X=self.X.iloc[rows].reset_index(drop=True),
        )

    def at(self, ids: np.ndarray) -> TrainedSet:
        """Return the same models' answers on the rows with these identifiers, in this order.

        Raises
        ------
        FedlabError
            If the models were not asked about one of them.
        """
        if np.array_equal(self.ids, ids):
            return self
        places = {value: place for place, value in enumerate(self.ids.tolist())}
        try:
            return self.take(np.array([places[value] for value in np.asarray(ids).tolist()]))
        except KeyError as error:
            raise FedlabError(
                "the organisations' models and the centralised one were asked about different holdout rows (row "
                f"{error.args[0]!r} is missing); make both from the same data, holdout and seed"
            ) from None

    @property
    def pooled_trees(self) -> np.ndarray | None:
        """Class probabilities of all organisations' trees in one forest; None where the models are not forests.

        A forest's probabilities are the mean over its trees, so the mean over all trees is the mean over forests,
        each weighted by its number of trees (`fedlab.training.pool_trees` makes the forest itself).
        """
        if self.about["trees"] is None or self.ballots.probabilities is None:
            return None
        return np.average(self.ballots.probabilities, axis=0, weights=self.about["trees"])


def answer_holdout(folder: Path | str, partition: Partition, **made_from: Any) -> TrainedSet:
    """Collect a folder's model files, ask each of them about the holdout, and keep the answers.

    This is done once for each set of models; every rule is applied to the same answers.

    Parameters
    ----------
    folder : Path or str
        Holds ``models/``; `ballots.npz` and `trained.json` are written to it.
    partition : Partition
        What the models were trained on; its holdout is asked.
    **made_from
        How the models were trained, to be noted.

    Returns
    -------
    TrainedSet
        The same as `read_trained` gives later.
    """
    from fedlab.exchange import load_models
    from fedlab.records import write_table
    from fedlab.training import model_types, pool_trees
    from fedlab.voting import cast_ballots, save_ballots

    folder = Path(folder)
    # These files were written by the run that calls this, on this machine: no pickle of somebody else's is opened.
    trusted = model_types(made_from["model"]) if "model" in made_from else ()
    loaded = load_models(folder / MODELS, trust_pickle=True, trusted=trusted)
    models, cards = [model for model, _ in loaded], [card for _, card in loaded]
    holdout = partition.holdout()
    ballots = cast_ballots(
        models,
        holdout.X,
        organisations=partition.organisations,
        sizes=[card.n_rows for card in cards],
        accuracies=[_local_accuracy(card) for card in cards],
        class_counts=[card.class_counts for card in cards],
    )
    save_ballots(ballots, folder / BALLOTS, truth=holdout.y, ids=holdout.ids)
    pooled = pool_trees(models)
    sent = bytes_sent(partition, holdout, ballots, sum(card.bytes for card in cards))
    about = _about(partition, holdout, sent) | {
        "trees": None if pooled is None else pooled.trees,
        "made_from": read_origin(partition.dir) | made_from,
    }
    write_table(holdout.X, folder / FEATURES)
    write_json(folder / TRAINED, about)
    return read_trained(folder)


def _local_accuracy(card: Card) -> float:
    """Return an organisation's accuracy on its own test rows; 0 where it had none to test on, so it has no weight."""
    return 0.0 if card.scores is None or card.scores.accuracy is None else card.scores.accuracy


def _about(partition: Partition, holdout: Records, sent: dict[str, int | None]) -> dict[str, Any]:
    """Return what later stages must know of a trained set beyond the answers."""
    from fedlab.partition import skew_summary

    bayes = partition.about.get("bayes") or {}
    classes = [str(value) for value in partition.meta["classes"]]
    counts = [[entry["class_counts"][value] for value in classes] for entry in partition.meta["shards"]]
    return {
        "n_shards": partition.n_shards,
        "positive": holdout.positive,
        "groups": None if holdout.groups is None else np.unique(holdout.groups, return_inverse=True)[1],
        "context": {
            "bayes_accuracy": bayes.get("accuracy"),
            "bayes_roc_auc": bayes.get("auc"),
            "n_rows": partition.meta["n_rows"],
            **sent,
            **skew_summary(partition.meta["skew"]),
            "skew_quality": _faulty_share(partition.meta),
            "organisation_rows": [entry["rows"] for entry in partition.meta["shards"]],
            "organisation_class_counts": counts,
            "classes": partition.meta["classes"],
        },
    }


def _faulty_share(meta: dict[str, Any]) -> float:
    """Return the share of the organisations' records that `quality` changed, by the kind of fault that changed most."""
    rows = sum(entry["rows"] for entry in meta["shards"])
    return max((sum(one["changed_rows"]) / rows for one in meta.get("quality", [])), default=0.0)


def read_trained(folder: Path | str) -> TrainedSet:
    """Read what `answer_holdout` kept.

    Raises
    ------
    FedlabError
        If the folder does not hold a trained set.
    """
    import pandas as pd

    from fedlab.voting import load_ballots

    folder = Path(folder)
    if not (folder / TRAINED).exists():
        raise FedlabError(
            f"{folder} holds no trained models ({TRAINED} is missing); run 2_train.ipynb with this out_dir"
        )
    kept = load_ballots(folder / BALLOTS)
    about = read_json(folder / TRAINED)
    if kept.truth is None or kept.ids is None:
        raise FedlabError(f"{folder / BALLOTS} lacks the holdout's classes; run 2_train.ipynb again")
    return TrainedSet(
        ballots=kept.ballots,
        truth=kept.truth,
        ids=kept.ids,
        groups=None if about["groups"] is None else np.asarray(about["groups"]),
        about=about,
        X=pd.read_parquet(folder / FEATURES),
    )


def train_partition(folder: Path | str, shards: Path | str, pooled: bool = False, **recipe: Any) -> TrainedSet:
    """Train a model on each shard and ask them about the holdout, as `2_train.ipynb` does.

    Parameters
    ----------
    folder : Path or str
        Where models and answers go.
    shards : Path or str
        A folder that `make_partition` or `1_partition.ipynb` wrote.
    pooled : bool
        Train one model on the rows of all shards together instead.
    **recipe
        Of `train_all`: ``model``, ``test_size``, ``random_state``, ``format``,
        ``compact``.

    Returns
    -------
    TrainedSet
        The organisations' answers.
    """
    from fedlab.partition import read_partition
    from fedlab.training import train_all

    partition = pooled_partition(shards, Path(folder) / "pooled") if pooled else read_partition(shards)
    train_all(partition, Path(folder) / MODELS, **recipe)
    return answer_holdout(folder, partition, **recipe)


def trained_or_default(trained: Path | str) -> TrainedSet:
    """Return a folder's trained set; where there is none, train forests on the default shards there."""
    if not (Path(trained) / "trained.json").exists():
        print(f"no trained models in {trained}: training forests on the default shards; 2_train.ipynb makes others")
        train_partition(trained, partition_or_default(Path(trained) / "default_shards"))
    return read_trained(trained)


def centralised(trained: TrainedSet, folder: Path | str) -> TrainedSet:
    """Train the centralised reference of a trained set: its recipe, on all rows as the organisations hold them.

    Parameters
    ----------
    trained : TrainedSet
        Says what it was made from: the same records, holdout and seed are taken.
    folder : Path or str
        Where the reference goes.

    Returns
    -------
    TrainedSet
        With one model.

    Raises
    ------
    FedlabError
        If the trained set does not say what it was made from.
    """
    made_from = trained.about["made_from"]
    if "data" not in made_from:
        raise FedlabError(
            "the trained models do not say which records they were made from, so no centralised reference can be "
            "trained; give one as `central`: the folder of 2_train.ipynb on a partition with n_shards=1"
        )
    shards = Path(folder) / "shards"
    recipe = {name: made_from[name] for name in RECIPE if name in made_from}
    if made_from.get("quality"):
        make_partition(shards, **{name: value for name, value in made_from.items() if name not in recipe})
        return train_partition(Path(folder) / "trained", shards, pooled=True, **recipe)
    same = {name: made_from[name] for name in ("holdout", "seed") if name in made_from}
    make_partition(shards, made_from["data"], n_shards=1, **same)
    return train_partition(Path(folder) / "trained", shards, **recipe)
