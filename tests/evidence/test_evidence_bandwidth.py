"""What travels: bytes by way and number of organisations, and sentences that turn where the numbers turn."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.evidence import bandwidth, bandwidth_sentences
from fedlab.evidence.bandwidth import PROBABILITIES
from fedlab.figures import FIGURES
from fedlab.pipeline.bandwidth import _packed, bytes_sent


def row(n_shards, form, compact, model_bytes, seed, accuracy):
    """A row of results with what `bandwidth` needs: 1,000 bytes of data, 400 compressed, 10 of questions each."""
    return {
        "sweep": "s", "data": "toy", "scheme": "iid", "n_shards": n_shards, "format": form, "compact": compact,
        "rule": "soft", "seed": seed, "accuracy": accuracy, "roc_auc": 0.9, "n_holdout": 50, "data_bytes": 1000,
        "data_compressed_bytes": 400, "model_bytes": model_bytes, "question_bytes": 10 * n_shards,
        "label_ballot_bytes": 5 * n_shards, "probability_ballot_bytes": 20 * n_shards,
    }  # fmt: skip


@pytest.fixture
def table():
    """Pickles beat the data nowhere, tables with two organisations only, pruned ones everywhere, compressed too."""
    rows = []
    for seed in (0, 1):
        for n_shards in (2, 4):
            rows += [
                row(n_shards, "pkl", None, 9000 * n_shards + 100 * seed, seed, 0.80),
                row(n_shards, "compact", None, 300 * n_shards, seed, 0.80),
                row(n_shards, "compact", "pruned", 50 * n_shards, seed, 0.81 - 0.01 * n_shards),
            ]
    return pd.DataFrame(rows)


def test_means_and_ratios_by_hand(table):
    """Two seeds of 18,000 and 18,100 bytes are 18,050, 18.05 times the data; ballots count with their questions."""
    found = bandwidth(table).set_index(["way", "n_shards"])
    assert found.loc[("models, pickled", 2), ["bytes", "per_data_byte", "n_seeds"]].tolist() == [18050, 18.05, 2]
    assert found.loc[("ballots: labels", 4), "bytes"] == 60 and found.loc[("ballots: probabilities", 2), "bytes"] == 60
    assert found.loc[("data, compressed", 4), "per_data_byte"] == 0.4
    assert found["accuracy"].notna().sum() == 6 and found["n_records"].notna().sum() == 4


def test_sentences_turn_where_the_numbers_turn(table):
    """Never, only with two, always; ballots cost as much at models' bytes by bytes a record (30 / 50 each of 2)."""
    told = "\n".join(bandwidth_sentences(table))
    assert "models, pickled: 18 to 36 times the bytes of the data (45 to 90 times compressed): never smaller" in told
    assert "models, tables: 0.6 to 1.2 times" in told and "smaller than the data with 2 organisations only" in told
    assert "models, tables, pruned: 0.1 to 0.2 times" in told and "always smaller than the data compressed" in told
    assert "by -0.010 with 2, -0.030 with 4 organisations" in told
    # 18,050 / (30 / 50) = 30,083 with two organisations; 36,050 / (60 / 50) = 30,042 with four.
    assert "30,000 records answered with 4 organisations, 30,000 with 2" in told
    assert "tables, pruned: ballots of labels, with the questions, cost as much as the models at 170 records" in told


def test_figures_hold_the_numbers(table):
    """Each line of the figure has the table's bytes; one form of models alone is the figure `bytes`'s work."""
    drawing = FIGURES.get("bandwidth")(table)
    lines = {line.get_label(): line.get_ydata().tolist() for line in drawing.figure.axes[0].lines}
    assert lines["models, tables"] == [600, 1200] and lines["ballots: labels"] == [30, 60]
    assert "18" in drawing.alt or "36" in drawing.alt
    points = FIGURES.get("bytes_by_accuracy")(table).figure.axes[0].lines
    assert {line.get_label(): line.get_xdata()[0] for line in points}["models, tables, pruned"] == 200
    with pytest.raises(FedlabError, match="one form"):
        FIGURES.get("bandwidth")(table[table["format"] == "pkl"])
    with pytest.raises(FedlabError, match="model_bytes"):
        bandwidth(table.drop(columns="model_bytes"))


def test_labels_are_packed_in_bits():
    """Two different answers take a bit each, three to 256 (abstentions too) a byte, 257 two bytes."""
    assert _packed(np.array([0, 1, 1, 0, 0, 0, 0, 1, 1])) == bytes([0b01100001, 0b10000000])
    assert _packed(np.array([-1, 0, 1])) == bytes([0, 1, 2])
    assert _packed(np.arange(256)) == bytes(range(256))
    assert np.frombuffer(_packed(np.arange(257)), "<u2").tolist() == list(range(257))


def test_each_setting_has_its_own_first_rule(table):
    """A block of a sweep with another rule is not lost; of a setting with two rules the first one's accuracy counts."""
    other = table.assign(scheme="site", rule="any", accuracy=0.6)
    found = bandwidth(pd.concat([table, other, other.assign(rule="soft", accuracy=0.7)]))
    assert found.groupby("setting", sort=False).size().tolist() == [14, 14]
    own = found[(found["setting"] == "site") & (found["kind"] == "models")]
    assert own["accuracy"].unique().tolist() == [0.6] and own["n_seeds"].unique().tolist() == [2]


def test_models_that_another_rule_voted_on_keep_their_bytes(table):
    """A form, or a number of organisations, in a block with another rule: bytes, but not that rule's accuracy."""
    pruned = table["compact"] == "pruned"
    other = table[~pruned & (table["n_shards"] == 2)].assign(n_shards=3)
    found = bandwidth(pd.concat([table.assign(rule=table["rule"].mask(pruned, "any")), other.assign(rule="any")]))
    whole = found[found["kind"] == "models"].set_index(["way", "n_shards"])
    assert whole.loc["models, tables, pruned", "bytes"].tolist() == [100, 200] and len(whole) == 8
    assert whole["accuracy"].notna().tolist() == [way != "models, tables, pruned" and n != 3 for way, n in whole.index]
    mixed = table.assign(rule=table["rule"].mask(pruned, "any"))
    assert not [text for text in bandwidth_sentences(mixed) if "pruning" in text or "nan" in text]
    assert "nan" not in FIGURES.get("bytes_by_accuracy")(mixed).alt


def test_models_without_probabilities_have_no_ballots_of_them(table):
    """Nothing is measured, and neither table, sentences nor figure speak of it; other settings keep theirs."""
    without = table.assign(probability_ballot_bytes=None, data="svc")
    assert PROBABILITIES not in set(bandwidth(without)["way"])
    assert not [text for text in bandwidth_sentences(without) if "probabilities" in text or "nan" in text]
    drawing = FIGURES.get("bandwidth")(without)
    assert PROBABILITIES not in {line.get_label() for line in drawing.figure.axes[0].lines}
    found = bandwidth(pd.concat([without, table.assign(data="forest")]))
    assert found.loc[found["way"] == PROBABILITIES, "setting"].unique().tolist() == ["forest"]
    assert found["bytes"].notna().all() and found["per_data_byte"].notna().all()


def test_no_probabilities_are_no_bytes_of_them():
    """None, not 0: answers that nobody gave are not cheaper than labels."""
    holdout = SimpleNamespace(X=pd.DataFrame({"a": [1, 2]}))
    partition = SimpleNamespace(n_shards=0, data_bytes=0)
    ballots = SimpleNamespace(n_models=1, labels=np.array([[0, 1]]), probabilities=None)
    assert bytes_sent(partition, holdout, ballots, 7)["probability_ballot_bytes"] is None
