"""The holdout: size, mix, independence, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partition_tables import table, tables

from fedlab.errors import FedlabError
from fedlab.partition import hold_out, split_records


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(20, 200), st.floats(0.05, 0.7), st.integers(0, 10**6))
def test_size_is_exact_and_every_stratum_gets_its_share(n_rows, share, seed):
    """There are round(share * n) rows; each class, and each site in a class, has its share to one row."""
    rng = np.random.default_rng(seed)
    labels = np.append(rng.integers(0, 2, n_rows - 8), [0, 1] * 4)
    sites = rng.integers(0, 3, n_rows)
    held = hold_out(table(labels, sites=sites), share, seed)
    wanted = round(share * n_rows)
    assert held.dtype == bool and held.sum() == wanted
    for label in (0, 1):
        of_class = labels == label
        assert abs(held[of_class].sum() - of_class.sum() * wanted / n_rows) < 1
        for place in range(3):
            cell = of_class & (sites == place)
            assert abs(held[cell].sum() - cell.sum() * wanted / n_rows) < 1


@settings(max_examples=60, derandomize=True, deadline=None)
@given(tables(), st.floats(0.05, 0.9), st.integers(0, 1000))
def test_pool_keeps_every_class_and_groups_stay_whole(records, share, seed):
    """Whatever the share, the pool has rows of every class, both parts have rows, and no group is parted."""
    held = hold_out(records, share, seed)
    assert set(records.y[~held]) == set(records.y)
    assert held.any()
    if records.groups is None:
        assert held.sum() == round(share * records.n_rows)
    else:
        assert not set(records.groups[held]) & set(records.groups[~held])


def test_rare_classes_stay_in_the_pool_and_the_size_is_still_exact():
    """Ten classes of two rows at share 0.8 leave the pool one row of each and four others."""
    labels = np.append(np.repeat(np.arange(10), 2), np.full(50, 10))
    for seed in range(20):
        held = hold_out(table(labels), 0.8, seed)
        assert held.sum() == 56
        assert set(labels[~held]) == set(range(11))


def test_groups_bring_the_size_near():
    """With 300 patients of 1 to 9 encounters the holdout misses its size by a row at most."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(300), rng.integers(1, 10, 300))
    records = table(rng.integers(0, 2, len(groups)), groups)
    for seed in range(5):
        assert abs(hold_out(records, 0.2, seed).sum() - 0.2 * len(groups)) <= 1.5


def test_one_huge_group_is_not_held_out():
    """Of groups of 100, 1 and 1 rows a fifth cannot be held out; two rows come nearer than a hundred."""
    records = table([0] * 102, groups=[0] * 100 + [1, 2])
    for seed in range(10):
        assert hold_out(records, 0.2, seed).sum() in (1, 2)


def test_holdout_depends_on_neither_scheme_nor_shard_count_nor_other_columns():
    """One holdout for all schemes and shard counts, whatever the other columns; another for another seed."""
    rng = np.random.default_rng(1)
    labels, sites = rng.integers(0, 3, 150), rng.integers(0, 4, 150)
    records = table(labels, sites=sites)
    held = hold_out(records, 0.25, 5)
    calls = [("iid", 2, {}), ("iid", 9, {}), ("dirichlet", 5, {"alpha": 0.1}), ("site", None, {})]
    for scheme, n_shards, options in calls:
        split = split_records(records, scheme, n_shards, holdout=0.25, seed=5, **options)
        assert np.array_equal(split.assignment == -1, held)
    more = table(labels, sites=sites, weight=rng.random(150))
    shuffled = type(more)(more.frame[list(more.frame.columns)[::-1]], more.schema, "reordered")
    assert np.array_equal(hold_out(shuffled, 0.25, 5), held)
    assert not np.array_equal(hold_out(records, 0.25, 6), held)


def test_every_row_is_held_out_equally_often():
    """Over 600 seeds each row's frequency in the holdout is its share, within five standard errors."""
    records = table([0] * 13 + [1] * 7)
    often = np.mean([hold_out(records, 0.25, seed) for seed in range(600)], axis=0)
    assert np.abs(often - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 600)


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan"), "0.2", True, None])
def test_impossible_shares_are_refused(share):
    """A share outside [0, 1) or that is no number is refused with the value and what is allowed."""
    with pytest.raises(FedlabError, match=r"holdout must be a share .* from 0 to less than 1, got"):
        hold_out(table([0, 1] * 10), share, 0)


def test_shares_that_leave_a_side_empty_are_refused():
    """Too small a share, and one that takes the last row of a class, are refused with what is possible."""
    with pytest.raises(FedlabError, match=r"less than one row; give at least 0.05"):
        hold_out(table([0, 1] * 10), 0.01, 0)
    with pytest.raises(FedlabError, match=r"hold out at most 18 rows, a share of 0.9"):
        hold_out(table([0, 1] * 10), 0.95, 0)
    with pytest.raises(FedlabError, match="hold out at most 0 groups"):
        hold_out(table([0, 1] * 10, groups=["one"] * 20), 0.5, 0)


def test_share_zero_holds_nothing_out_and_says_so():
    """With holdout=0 all rows are in shards, and asking for the holdout is an error that says why."""
    split = split_records(table([0, 1] * 10), n_shards=2, holdout=0)
    assert split.assignment.min() == 0
    with pytest.raises(FedlabError, match="no holdout"):
        _ = split.holdout
