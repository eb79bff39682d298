"""Rounding shares to rows, dealing, and units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.partition.dealing import deal, even_counts, largest_remainder, strata_rows
from fedlab.partition.units import group_units, row_units


def test_largest_remainder_worked_by_hand():
    """The usual example of Hamilton's method (ten seats, six parties), a tie, and two totals at once."""
    votes = np.array([47_000, 16_000, 15_800, 12_000, 6_100, 3_100])
    assert largest_remainder(votes, 10).tolist() == [5, 2, 1, 1, 1, 0]
    assert largest_remainder(np.array([1.0, 1.0, 1.0]), 4).tolist() == [2, 1, 1]
    both = largest_remainder(np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([3, 6]))
    assert both.tolist() == [[2, 1], [5, 1]]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.floats(1e-9, 1, allow_subnormal=False), min_size=1, max_size=30), st.integers(0, 10**9))
def test_largest_remainder_is_exact_and_within_one(shares, total):
    """Parts sum to the total and none is a whole row or more from its quota."""
    parts = largest_remainder(np.array(shares), total)
    assert parts.sum() == total
    assert np.all(np.abs(parts - np.array(shares) / sum(shares) * total) < 1 + 1e-6)
    assert parts.min() >= 0


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(1, 12))
def test_even_counts_equal_dealing_cards(totals, n_parts):
    """The counts are those of dealing the rows out one by one, going round without starting again."""
    cards = np.repeat(np.arange(len(totals)), totals)
    dealt = np.zeros((len(totals), n_parts), dtype=int)
    np.add.at(dealt, (cards, np.arange(len(cards)) % n_parts), 1)
    assert even_counts(np.array(totals), n_parts).tolist() == dealt.tolist()


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 6))
def test_deal_meets_targets_exactly_with_rows_and_nearly_with_groups(seed, n_strata, n_shards):
    """Rows meet every target exactly; groups stay whole and miss it by at most the largest group."""
    rng = np.random.default_rng(seed)
    strata = np.append(rng.integers(0, n_strata, 60), np.arange(n_strata))
    rows = row_units(len(strata))
    targets = largest_remainder(rng.random((n_strata, n_shards)) + 0.01, strata_rows(rows, strata))
    got = np.zeros_like(targets)
    np.add.at(got, (strata, deal(rows, strata, targets, rng)), 1)
    assert got.tolist() == targets.tolist()

    groups = group_units(np.repeat(np.arange(len(strata)), rng.integers(1, 5, len(strata))).tolist())
    targets = largest_remainder(rng.random((n_strata, n_shards)) + 0.01, strata_rows(groups, strata))
    shards = deal(groups, strata, targets, rng)
    assert all(len(np.unique(shards[groups.of_row == unit])) == 1 for unit in range(groups.n))
    got = np.zeros_like(targets)
    np.add.at(got, (strata[groups.of_row], shards), 1)
    assert np.abs(got - targets).max() <= groups.sizes.max()


def test_groups_of_one_row_are_dealt_like_rows():
    """Naming a group column whose groups are single rows changes nothing."""
    strata = np.array([0, 1, 1, 0, 1, 0, 0])
    targets = np.array([[1, 3], [2, 1]])
    groups = group_units(list("abcdefg"))
    by_row = deal(row_units(7), strata, targets, np.random.default_rng(3))
    assert deal(groups, strata, targets, np.random.default_rng(3)).tolist() == by_row.tolist()


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.integers(0, 10**6))
def test_majority_equals_counting(seed):
    """A group's code is its most frequent, of equally frequent ones the lowest, as a plain count says."""
    rng = np.random.default_rng(seed)
    units = group_units(rng.integers(0, 12, 50).tolist())
    codes = rng.integers(0, 4, 50)
    counted = [int(np.argmax(np.bincount(codes[units.of_row == unit]))) for unit in range(units.n)]
    assert units.majority(codes).tolist() == counted


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_rows_without_a_group_are_units_of_their_own(missing):
    """Two rows without a group value are not held together."""
    assert group_units(["a", missing, "a", missing]).sizes.tolist() == [2, 1, 1]
