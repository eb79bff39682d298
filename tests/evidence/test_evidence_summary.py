"""Summaries of a results table: means, intervals, paired differences, sentences."""

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.evidence import (
    compare_with_centralised,
    interval_over_seeds,
    read_results,
    summarise,
    summary_sentences,
)
from fedlab.evidence.results import parameters, rule_labels, setting_columns, setting_labels


def _table(seeds=(0, 1, 2), rules=("majority", "soft"), ties=(None,), shards=(2, 4)):
    rows = []
    for n_shards in shards:
        for rule in rules:
            for tie in ties:
                for seed in seeds:
                    accuracy = 0.9 - 0.01 * n_shards - 0.02 * (rule == "majority") + 0.003 * seed
                    accuracy -= 0.05 * (tie == "lowest")
                    rows.append(
                        {
                            "scheme": "iid",
                            "alpha": np.nan,
                            "n_shards": n_shards,
                            "rule": rule,
                            "tie": tie,
                            "seed": seed,
                            "accuracy": accuracy,
                            "accuracy_low": accuracy - 0.02,
                            "accuracy_high": accuracy + 0.03,
                            "centralised_accuracy": 0.88 + 0.002 * seed,
                            "difference_accuracy_low": -0.9,
                            "difference_accuracy_high": 0.9,
                            "organisation_accuracy_mean": 0.8,
                        }
                    )
    return pd.DataFrame(rows)


def test_means_and_t_intervals():
    """Each cell's mean and interval are those of its seeds, with alpha empty throughout."""
    table = _table()
    found = summarise(table)
    assert found.columns.tolist() == [
        "scheme", "alpha", "n_shards", "rule", "mean", "low", "high", "n_seeds", "interval",
    ]  # fmt: skip
    assert len(found) == 4
    values = table[(table["n_shards"] == 4) & (table["rule"] == "soft")]["accuracy"]
    row = found[(found["n_shards"] == 4) & (found["rule"] == "soft")].iloc[0]
    assert (row["mean"], row["low"], row["high"]) == interval_over_seeds(values)
    assert (row["n_seeds"], row["interval"]) == (3, "seeds")


def test_one_seed_uses_the_bootstrap_interval():
    """With one seed the row's own bootstrap interval is given, and said to be it; else none."""
    found = summarise(_table(seeds=[5]))
    assert set(found["interval"]) == {"bootstrap"}
    assert (found["high"] - found["mean"]).to_numpy() == pytest.approx(0.03)
    bare = summarise(_table(seeds=[5]), metric="centralised_accuracy")
    assert set(bare["interval"]) == {"none"}
    assert bare["low"].isna().all()


def test_difference_is_paired_by_seed():
    """The difference's interval is that of the seeds' own differences, not of two means."""
    table = _table()
    found = compare_with_centralised(table)
    part = table[(table["n_shards"] == 2) & (table["rule"] == "soft")]
    expected = interval_over_seeds(part["accuracy"] - part["centralised_accuracy"])
    row = found[(found["n_shards"] == 2) & (found["rule"] == "soft")].iloc[0]
    assert (row["difference"], row["low"], row["high"]) == expected
    assert not row["excludes_zero"]
    lost = found[(found["n_shards"] == 4) & (found["rule"] == "majority")].iloc[0]
    assert lost["high"] < 0 and lost["excludes_zero"]
    single = compare_with_centralised(_table(seeds=[0]))
    assert (single["low"] == -0.9).all() and set(single["interval"]) == {"bootstrap"}


def test_nothing_but_seeds_is_averaged():
    """Rows that differ in more than the seed are no replicates: named, and told apart by default."""
    table = _table(ties=("lowest", "positive"))
    with pytest.raises(FedlabError, match="add tie to by"):
        summarise(table, ["n_shards", "rule"])
    assert "tie" in summarise(table).columns
    with pytest.raises(FedlabError, match="repeated rows"):
        summarise(pd.concat([table, table]))


def test_columns_are_named_when_missing():
    """A missing column, an empty column and an empty table are errors that say which."""
    table = _table()
    with pytest.raises(FedlabError, match="'acuracy' is not known; did you mean 'accuracy'"):
        summarise(table, metric="acuracy")
    with pytest.raises(FedlabError, match="'shards' is not known; did you mean 'n_shards'"):
        summarise(table, ["shards"])
    with pytest.raises(FedlabError, match="'roc_auc' holds no value"):
        summarise(table.assign(roc_auc=np.nan), metric="roc_auc")
    with pytest.raises(FedlabError, match="centralised_accuracy"):
        compare_with_centralised(table.drop(columns="centralised_accuracy"))
    with pytest.raises(FedlabError, match="no row"):
        summarise(table.iloc[:0])


def test_settings_and_rules_are_told_apart_by_what_varies():
    """Settings are named by parameters that vary; a rule's options only where they vary within that rule."""
    table = pd.concat([_table(ties=("lowest", None)), _table(rules=["any"]).assign(alpha=0.5, scheme="dirichlet")])
    assert parameters(table) == ["scheme", "alpha", "n_shards", "rule", "tie", "seed"]
    assert setting_columns(table) == ["scheme", "alpha"]
    assert set(setting_labels(table)) == {"iid", "dirichlet, alpha 0.5"}
    assert set(rule_labels(table)) == {"any"} | {
        f"{rule} (tie: {tie})" for rule in ("majority", "soft") for tie in ("lowest", "default")
    }


def test_csv_round_trip(tmp_path):
    """A table read back from CSV summarises to the same numbers; another file is refused."""
    path = tmp_path / "results.csv"
    _table().to_csv(path, index=False)
    assert summarise(read_results(path))["mean"].tolist() == summarise(_table())["mean"].tolist()
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FedlabError, match="'n_shards'"):
        read_results(tmp_path / "other.csv")
    with pytest.raises(FedlabError, match="is not there"):
        read_results(tmp_path / "none.csv")


def test_sentences_say_what_the_numbers_say():
    """Best rule, loss, no difference found, gain over working alone: each with the computed numbers."""
    text = "\n".join(summary_sentences(_table()))
    assert "Accuracy on the holdout, 12 results, 95 % t intervals over 3 seeds" in text
    assert "2 organisations: of 2 rules, 'soft' has the highest mean accuracy, 0.883 (interval 0.876 to 0.890)" in text
    assert "4 organisations: against central training (0.882), 'majority' loses 0.039" in text
    assert "excludes 0" in text
    assert "2 organisations: against central training (0.882), 'soft' differs by +0.001" in text
    assert "no difference was found. That is not equality: a loss of 0.001 would fit" in text
    assert "an organisation alone has a mean accuracy of 0.800; 'soft' differs from that by +0.083" in text
    assert "equal to" not in text


def test_sentences_on_ties_and_single_seeds():
    """The tie policy's own effect is told where several ran; one seed is said to rest on the bootstrap."""
    told = summary_sentences(_table(seeds=[0], ties=("lowest", "positive"), shards=[4]))
    assert "bootstrap" in told[0]
    assert sum("tie policy alone moves" in text for text in told) == 2
    assert any("moves 'majority' by 0.050: 0.790 with 'lowest', 0.840 with 'positive'" in text for text in told)
    with pytest.raises(FedlabError, match="more is better"):
        summary_sentences(_table(), "log_loss")
