"""Repair: nothing lost, fewest rows moved, from the largest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.errors import FedlabError
from fedlab.partition.repair import check_room, repair
from fedlab.partition.units import group_units, row_units


def _one_by_one(rows, min_rows):
    """Take one row at a time from the largest shard until no shard is short: the sizes that must come out."""
    rows = list(rows)
    while min(rows) < min_rows:
        rows[rows.index(max(rows))] -= 1
        rows[rows.index(min(rows))] += 1
    return sorted(rows)


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=10), st.integers(1, 6), st.integers(0, 1000))
def test_rows_moved_are_the_fewest_and_from_the_largest(sizes, min_rows, seed):
    """Sizes end as if rows left the largest shard one by one; just the missing rows move."""
    rng = np.random.default_rng(seed)
    shards = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    if sum(sizes) < len(sizes) * min_rows:
        with pytest.raises(FedlabError, match="give "):
            repair(shards, row_units(len(shards)), len(sizes), min_rows, rng)
        return
    repaired = repair(shards, row_units(len(shards)), len(sizes), min_rows, rng)
    assert sorted(np.bincount(repaired, minlength=len(sizes))) == _one_by_one(sizes, min_rows)
    moved = repaired != shards
    assert moved.sum() == sum(max(min_rows - size, 0) for size in sizes)
    assert all(sizes[number] < min_rows for number in repaired[moved])


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=14), st.integers(1, 8), st.integers(0, 1000))
def test_groups_stay_whole_and_two_rows_each_is_always_found(group_sizes, n_shards, seed):
    """With min_rows 2 a repair is found whenever one exists, and no group is parted."""
    rng = np.random.default_rng(seed)
    units = group_units(np.repeat(np.arange(len(group_sizes)), group_sizes).tolist())
    shards = rng.integers(0, n_shards, units.n)[units.of_row]
    possible = units.n >= n_shards and sum(min(size, 2) for size in group_sizes) >= 2 * n_shards
    if not possible:
        with pytest.raises(FedlabError, match="give "):
            repair(shards, units, n_shards, 2, rng)
        return
    repaired = repair(shards, units, n_shards, 2, rng)
    assert np.bincount(repaired, minlength=n_shards).min() >= 2
    assert all(len(np.unique(repaired[units.of_row == unit])) == 1 for unit in range(units.n))


def test_nothing_to_repair_moves_nothing():
    """Shards that are large enough come back as they are."""
    shards = np.array([0, 1, 0, 1])
    assert repair(shards, row_units(4), 2, 2, np.random.default_rng(0)).tolist() == [0, 1, 0, 1]


def test_given_rows_are_a_fair_sample_of_the_giver():
    """A repaired shard does not get only the first or last rows of a sorted table."""
    shards = np.append(np.zeros(1000, dtype=int), [1])
    taken = np.flatnonzero(repair(shards, row_units(1001), 2, 200, np.random.default_rng(0)) == 1)
    assert 400 < taken[:-1].mean() < 600


@pytest.mark.parametrize(
    ("units", "n_shards", "min_rows", "says"),
    [
        (row_units(5), 6, 1, "more than the 5 rows .* give at most 5"),
        (row_units(10), 4, 3, "need 12 rows, but there are 10 .* at most 3 or min_rows of at most 2"),
        (group_units(list("aaab")), 3, 1, "more than the 2 groups"),
        (group_units(list("aaaaab")), 2, 2, "in 2 groups that stay whole; give n_shards of at most 1"),
    ],
)
def test_impossible_requests_say_what_is_possible(units, n_shards, min_rows, says):
    """More shards than rows or groups, or more rows than there are, are refused with the possible numbers."""
    with pytest.raises(FedlabError, match=says):
        check_room(units, n_shards, min_rows)


def test_groups_for_which_no_way_is_found_are_refused():
    """Three groups of four rows cannot make two shards of six; the error says what to change."""
    units = group_units(list("aaaabbbbcccc"))
    with pytest.raises(FedlabError, match=r"no way was found .* smaller min_rows or n_shards"):
        repair(np.array([0] * 8 + [1] * 4), units, 2, 6, np.random.default_rng(0))


def test_one_group_that_fits_moves_rather_than_several():
    """Of groups of 1, 1, 2 and 5 rows the one of 2 fills a gap of 2; the others stay."""
    units = group_units(list("abccddddd"))
    repaired = repair(np.zeros(9, dtype=int), units, 2, 2, np.random.default_rng(0))
    assert repaired.tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0]
