"""All organisations of a partition: each from its own shard, files named and numbered, one table of facts."""

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.exchange import load_models, read_card, save_model
from fedlab.partition import split_records, write_partition
from fedlab.records import Records, Schema
from fedlab.training import describe_models, train_all, train_organisation

FOREST = {"name": "random_forest", "n_estimators": 4}


@pytest.fixture(scope="module")
def partition(tmp_path_factory):
    """Give three organisations, one per site, the last of which has one class only."""
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"id": range(150), "x": rng.normal(size=150), "site": np.repeat(["a", "b", "c"], 50)})
    frame["ill"] = np.where((frame.x > 0) | (frame.site == "c"), "yes", "no")
    split = split_records(Records(frame, Schema("id", ["x"], "ill", site="site")), "site", holdout=0.2)
    return write_partition(split, tmp_path_factory.mktemp("partition"))


def test_one_file_per_organisation(tmp_path, partition):
    """Each model is the one that its own shard alone gives, the constant one under the same name."""
    paths = train_all(partition, tmp_path / "models", FOREST)
    assert [path.name for path in paths] == [f"random_forest_model_part{part}.skops" for part in (1, 2, 3)]
    for number, (model, card) in enumerate(load_models(tmp_path / "models")):
        shard = partition.shard(number)
        alone = train_organisation(shard, FOREST)
        assert card.scores == alone.scores and card.n_rows == shard.n_rows
        assert model.predict(shard.X).tolist() == alone.estimator.predict(shard.X).tolist()
    assert [read_card(path).constant for path in paths] == [False, False, True]


@pytest.mark.parametrize("format", ["skops", "pkl", "joblib"])
def test_same_bytes_again(tmp_path, partition, format):
    """Training twice gives the same files, byte for byte, in every format."""
    for folder in ("1", "2"):
        train_all(partition, tmp_path / folder, FOREST, format=format)
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / folder).iterdir()} for folder in ("1", "2"))
    assert one == two and len(one) == 6


def test_models_of_an_earlier_call_go(tmp_path, partition):
    """Training again with another model or format leaves one model per organisation; other files stay."""
    train_all(partition, tmp_path, FOREST, format="pkl")
    other = train_organisation(partition.shard(0), FOREST)
    save_model(other.estimator, tmp_path / "x_model_part9.skops", other.card(9, "Saint Mary"))
    (tmp_path / "notes.txt").write_text("mine")
    train_all(partition, tmp_path, "decision_tree")
    names = {file.name for file in tmp_path.iterdir() if not file.name.endswith(".card.json")}
    mine = {"notes.txt", "x_model_part9.skops"}
    assert names == mine | {f"decision_tree_model_part{part}.skops" for part in (1, 2, 3)}
    assert [card.part for _, card in load_models(tmp_path)] == [1, 2, 3, 9]


def test_mistakes_lose_nothing(tmp_path, partition):
    """A wrong model or format is refused before the earlier models are touched."""
    train_all(partition, tmp_path, FOREST)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(FedlabError, match="did you mean 'skops'"):
        train_all(partition, tmp_path, FOREST, format="skop")
    with pytest.raises(FedlabError, match="did you mean 'random_forest'"):
        train_all(partition, tmp_path, "random_forst")
    with pytest.raises(FedlabError, match="test_size"):
        train_all(partition, tmp_path, FOREST, test_size=2)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_table_of_models(tmp_path, partition):
    """One row per organisation, counted by hand from the shards and the files."""
    paths = train_all(partition, tmp_path, FOREST)
    table = describe_models(tmp_path)
    assert list(table.organisation) == ["part1", "part2", "part3"]
    assert list(table.rows) == [partition.shard(number).n_rows for number in range(3)]
    assert (table.rows_no + table.rows_yes == table.train_rows).all()
    assert table.rows_no[2] == 0 and list(table.constant) == [False, False, True]
    assert list(table.bytes) == [path.stat().st_size for path in paths]
    assert np.isnan(table.roc_auc[2]) and table.accuracy[2] == 1.0
    cards = [read_card(path) for path in reversed(paths)]
    pd.testing.assert_frame_equal(describe_models(cards), table)


def test_any_number_of_processes_gives_the_same_files(tmp_path):
    """Trained one after the other or two at once: the same model files and cards, byte for byte."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": range(300), "a": rng.integers(0, 9, 300), "b": rng.normal(size=300)})
    frame["ill"] = (frame.a + frame.b > 4).astype(int)
    split = split_records(Records(frame, Schema("id", ["a", "b"], "ill"), "made up"), "iid", 4, seed=0)
    partition = write_partition(split, tmp_path / "shards")
    model = {"name": "random_forest", "n_estimators": 5}
    for name, n_jobs in (("one", None), ("two", 2)):
        paths = train_all(partition, tmp_path / name, model, format="compact", n_jobs=n_jobs)
        assert [path.name for path in paths] == [f"random_forest_model_part{n}.compact" for n in (1, 2, 3, 4)]
    files = [sorted((tmp_path / name).iterdir()) for name in ("one", "two")]
    assert len(files[0]) == 8
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
