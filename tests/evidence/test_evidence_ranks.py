"""Mean ranks, Friedman's test and comparisons of rules: published worked examples, brute force, properties, errors."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from fedlab.errors import FedlabError
from fedlab.evidence import compare_rules, critical_difference, rank_rules
from fedlab.evidence.ranks import holm, signed_rank_p

# Ranks of four variants of C4.5 on 14 data sets: Demšar 2006, table 6.
DEMSAR = np.array(
    [
        [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
        [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)  # fmt: skip
NAMES = ("c45", "m", "cf", "m_cf")


def results_of(scores, names=NAMES, seeds=(0,), metric="accuracy"):
    """Return a results table in which each row of scores is a data set."""
    rows = [
        {"data": f"d{number}", "scheme": "iid", "n_shards": 4, "rule": name, "seed": seed, metric: float(value)}
        for number, row in enumerate(scores)
        for name, value in zip(names, row, strict=True)
        for seed in seeds
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def demsar():
    """Give Demšar's example: scores whose ranks are his."""
    return rank_rules(results_of(1 - DEMSAR / 10))


@pytest.mark.parametrize(
    ("n_rules", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_quantiles_are_those_of_the_published_table(n_rules, q):
    """Demšar's table 5a: q at 0.05; with 6 N = k (k + 1) the critical difference is q itself."""
    assert critical_difference(n_rules, 1) / np.sqrt(n_rules * (n_rules + 1) / 6) == pytest.approx(q, abs=1e-3)


def test_the_published_worked_example(demsar):
    """Mean ranks 3.143, 2.000, 2.893, 1.964; critical difference 1.25 at 0.05 and 1.12 at 0.10, as he finds."""
    assert demsar.mean.round(3).to_dict() == {"m_cf": 1.964, "m": 2.0, "cf": 2.893, "c45": 3.143}
    assert demsar.critical_difference == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, 0.9) == pytest.approx(1.12, abs=0.005)
    # He prints 9.28 without correction for ties. Tied groups of 2, 2, 4, 2 in rows of 4: 1 - (6 + 6 + 60 + 6) / 840.
    assert demsar.friedman.statistic == pytest.approx(9.28 / (1 - 78 / 840), abs=0.01)
    assert 0.01 < demsar.friedman.p_value < 0.02
    assert not compare_rules(demsar)["told_apart"].any() and demsar.groups() == [["m_cf", "m", "cf", "c45"]]
    # At 0.10 pure C4.5 is worse than both with m, and cf cannot be told from either.
    at_ten = rank_rules(results_of(1 - DEMSAR / 10), level=0.9)
    found = compare_rules(at_ten)
    apart = found[found["told_apart"]]
    assert set(zip(apart["rule"], apart["other"], strict=True)) == {("m_cf", "c45"), ("m", "c45")}
    assert at_ten.groups() == [["m_cf", "m", "cf"], ["cf", "c45"]]


def test_nemenyi_p_values_agree_with_the_critical_difference(demsar):
    """A pair is told apart at a level exactly where its p-value is below one less the level."""
    found = compare_rules(demsar).set_index(["rule", "other"])
    for (rule, other), p_value in found["p_value"].items():
        distance = abs(demsar.mean[rule] - demsar.mean[other])
        assert critical_difference(4, 14, 1 - p_value) == pytest.approx(distance, abs=1e-6)


def test_signed_rank_p_by_all_signs():
    """The share of all sign vectors that are at least as lopsided, ties and zeros included, by enumeration."""
    generator = np.random.default_rng(0)
    for n in (1, 2, 5, 8):
        for _ in range(5):
            values = generator.integers(-3, 5, n).astype(float)
            held = rankdata(np.abs(values))[values != 0]
            got = abs((np.sign(values[values != 0]) * held).sum())
            sums = [abs(np.dot(signs, held)) for signs in product((-1, 1), repeat=len(held))]
            assert signed_rank_p(values) == pytest.approx(np.mean(np.array(sums) >= got - 1e-9))
    assert signed_rank_p([0, 0, 0]) == 1.0


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=14, unique_by=lambda value: round(abs(value), 9)))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_signed_rank_p_is_scipys_where_there_are_no_ties(values):
    """Without ties and zeros the two exact tests are one."""
    values = [round(value, 9) for value in values]
    if 0 in values:
        values[values.index(0)] = 2.0
    assert signed_rank_p(values) == pytest.approx(float(wilcoxon(values, method="exact").pvalue))


def test_holm_by_hand():
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling: 0.02, 0.03, 0.06, 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_wilcoxon_holm_against_a_reference():
    """One rule better in all of 8 blocks, another in none more than by chance: p = 2/256 times 2, and larger."""
    rows = [[0.9 + number / 100, 0.8, 0.8 + (-1) ** number * (number + 1) / 1000] for number in range(8)]
    ranks = rank_rules(results_of(rows, ("good", "majority", "other")))
    found = compare_rules(ranks, "wilcoxon_holm", "majority").set_index("rule")
    assert found.loc["good", "p_value"] == pytest.approx(2 / 256 * 2)
    assert found.loc["good", ["better", "worse"]].tolist() == [8, 0]
    assert found.loc["good", "difference"] == pytest.approx(0.135)
    assert found["told_apart"].to_dict() == {"good": True, "other": False}
    assert len(compare_rules(ranks, "wilcoxon_holm")) == 3


@given(st.integers(3, 6), st.integers(2, 8), st.integers(0, 10**6))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_ranks_by_counting(n_rules, n_blocks, seed):
    """A rule's rank is 1 + how many are better + half of how many others equal it; ranks sum to k (k + 1) / 2."""
    scores = np.random.default_rng(seed).integers(0, 4, (n_blocks, n_rules)) / 10
    names = [f"r{number}" for number in range(n_rules)]
    ranks = rank_rules(results_of(scores, names))
    for number, name in enumerate(names):
        mine = scores[:, [number]]
        expected = 1 + (scores > mine).sum(axis=1) + ((scores == mine).sum(axis=1) - 1) / 2
        assert ranks.ranks[name].tolist() == expected.tolist()
    assert ranks.mean.is_monotonic_increasing
    assert ranks.mean.sum() == pytest.approx(n_rules * (n_rules + 1) / 2)


def test_seeds_are_averaged_before_ranking_and_are_no_blocks():
    """Three seeds of two data sets are two blocks; a rule that wins two seeds by little and loses one by much loses."""
    table = results_of([[0.5, 0.5, 0.4], [0.6, 0.6, 0.5]], ("a", "b", "c"), seeds=(0, 1, 2))
    table.loc[(table["rule"] == "a") & (table["seed"] < 2), "accuracy"] += 0.01
    table.loc[(table["rule"] == "a") & (table["seed"] == 2), "accuracy"] -= 0.05
    ranks = rank_rules(table)
    assert (ranks.n_blocks, ranks.n_seeds) == (2, (3, 3))
    assert ranks.mean.to_dict() == {"b": 1.0, "a": 2.0, "c": 3.0}


def test_means_that_differ_in_the_last_bit_are_ties():
    """0.1 + 0.2 + 0.3 over 3 and 0.2 + 0.2 + 0.2 over 3 share their rank."""
    table = results_of([[0.0, 0.2, 0.0], [0.0, 0.2, 0.0]], ("a", "b", "c"), seeds=(0, 1, 2))
    table.loc[table["rule"] == "a", "accuracy"] = [0.1, 0.2, 0.3] * 2
    assert rank_rules(table).mean.to_dict() == {"a": 1.5, "b": 1.5, "c": 3.0}


def test_settings_can_be_put_together_by_data():
    """blocks=["data"] averages the settings of a data set, each with the same weight, and ranks those means."""
    table = results_of([[0.9, 0.8, 0.1], [0.9, 0.8, 0.1]], ("a", "b", "c"))
    skewed = table.assign(scheme="site", accuracy=[0.2, 0.5, 0.1] * 2)
    both = pd.concat([table, skewed])
    assert rank_rules(both).n_blocks == 4 and rank_rules(both).mean.to_dict() == {"a": 1.5, "b": 1.5, "c": 3.0}
    together = rank_rules(both, blocks=["data"])
    assert together.scores.loc["d0"].round(3).to_dict() == {"b": 0.65, "a": 0.55, "c": 0.1}
    assert together.mean.to_dict() == {"b": 1.0, "a": 2.0, "c": 3.0}


def test_of_log_loss_less_is_better():
    """The least log loss has rank 1."""
    ranks = rank_rules(results_of([[0.5, 0.7, 0.9]] * 2, ("a", "b", "c"), metric="log_loss"), "log_loss")
    assert ranks.mean.to_dict() == {"a": 1.0, "b": 2.0, "c": 3.0}


def test_equal_rules_do_not_differ():
    """All ranks equal: Friedman's test says so instead of dividing by zero, and no pair is told apart."""
    ranks = rank_rules(results_of(np.full((4, 3), 0.8), ("a", "b", "c")))
    assert ranks.friedman == (0.0, 1.0) and ranks.groups() == [["a", "b", "c"]]
    for method in ("nemenyi", "wilcoxon_holm"):
        assert compare_rules(ranks, method)["p_value"].tolist() == [1.0] * 3


def test_groups_by_brute_force():
    """Bars join the sets of neighbours with no pair told apart that lie within no greater such set."""
    generator = np.random.default_rng(3)
    quality = np.linspace(0, 3, 9)
    names = [f"r{number}" for number in range(9)]
    ranks = rank_rules(results_of(quality + generator.normal(0, 0.3, (60, 9)), names))
    pairs = compare_rules(ranks)
    apart = {frozenset(pair) for pair in pairs.loc[pairs["told_apart"], ["rule", "other"]].to_numpy().tolist()}
    order = ranks.mean.index.tolist()
    runs = [order[first:last] for first in range(9) for last in range(first + 2, 10)]
    fine = [run for run in runs if not any(frozenset(pair) in apart for pair in combinations(run, 2))]
    assert ranks.groups() == [run for run in fine if not any(set(run) < set(other) for other in fine)]
    assert 1 < len(ranks.groups()) < 9


def test_a_missing_cell_is_refused_or_the_rule_dropped_everywhere():
    """A rule without a block, or with fewer seeds in it, is named; with missing="drop" it is left out of all."""
    table = results_of(1 - DEMSAR / 10, seeds=(0, 1))
    for lost in (
        table[~((table["rule"] == "m") & (table["data"] == "d3"))],
        table[~((table["rule"] == "m") & (table["data"] == "d3") & (table["seed"] == 1))],
        table.assign(accuracy=table["accuracy"].where(~((table["rule"] == "m") & (table["data"] == "d3")))),
    ):
        with pytest.raises(FedlabError, match=r"rule 'm' has no value, or fewer seeds .* block 'd3'"):
            rank_rules(lost)
        ranks = rank_rules(lost, missing="drop")
        assert ranks.left_out == ("m",) and set(ranks.mean.index) == {"c45", "cf", "m_cf"} and ranks.n_blocks == 14


def test_words_and_sizes_that_make_no_sense_are_refused(demsar):
    """Unknown metric, method, reference, level and too few rules or blocks: each error says what is allowed."""
    table = results_of(1 - DEMSAR / 10)
    with pytest.raises(FedlabError, match=r"metric 'acuracy' is not known; did you mean 'accuracy'"):
        rank_rules(table, "acuracy")
    with pytest.raises(FedlabError, match="did you mean 'drop'"):
        rank_rules(table, missing="drp")
    with pytest.raises(FedlabError, match="level is 95"):
        rank_rules(table, level=95)
    with pytest.raises(FedlabError, match="has 2 rules and 14 blocks"):
        rank_rules(table[table["rule"].isin(["m", "cf"])])
    with pytest.raises(FedlabError, match="has 4 rules and 1 blocks"):
        rank_rules(table[table["data"] == "d0"])
    with pytest.raises(FedlabError, match="method 'nemeny'"):
        compare_rules(demsar, "nemeny")
    with pytest.raises(FedlabError, match="reference: rule 'majority'"):
        compare_rules(demsar, "wilcoxon_holm", "majority")
    with pytest.raises(FedlabError, match="got 1 rules and 5 blocks"):
        critical_difference(1, 5)
