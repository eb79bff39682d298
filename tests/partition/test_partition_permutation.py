"""Keyed permutations and quotas: bijections, all orders equally likely, counts exact."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fedlab.errors import FedlabError
from fedlab.partition import permutation
from fedlab.partition.permutation import Permutations
from fedlab.partition.quotas import QUOTAS, holdout_quotas, repaired


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=4), st.integers(0, 99), st.integers(1, 700))
def test_each_total_is_permuted_whole_in_any_pieces(totals, seed, piece):
    """Every number below a total is hit once, whether asked for at once, mixed with others, or piece by piece."""
    permute = Permutations(np.array(totals), np.random.default_rng(seed))
    which = np.repeat(np.arange(len(totals)), totals)
    numbers = np.concatenate([np.arange(total) for total in totals])
    mixed = np.random.default_rng(1).permutation(len(which))
    out = np.empty(len(which), dtype=np.int64)
    for start in range(0, len(mixed), piece):
        part = mixed[start : start + piece]
        out[part] = permute(which[part], numbers[part])
    for number, total in enumerate(totals):
        assert np.array_equal(np.sort(out[which == number]), np.arange(total))
    assert np.array_equal(permute(which, numbers), out)


@pytest.mark.parametrize("small", [0, 1024])
def test_all_orders_of_few_numbers_come_equally_often(monkeypatch, small):
    """Over seeds, each of the 24 orders of four numbers is as frequent as any other (chi-squared test)."""
    monkeypatch.setattr(permutation, "_SMALL", small)
    counts = dict.fromkeys(permutations(range(4)), 0)
    for seed in range(4800):
        permute = Permutations(np.array([4]), np.random.default_rng(seed))
        counts[tuple(permute(np.zeros(4, dtype=int), np.arange(4)).tolist())] += 1
    assert stats.chisquare(list(counts.values())).pvalue > (1e-9 if small == 0 else 1e-3)


def test_a_great_permutation_looks_random():
    """Rows that land below a cut are a simple random sample: counts in stretches vary as the hypergeometric does."""
    n, cut, stretch = 1_000_000, 200_000, 1000
    chosen = Permutations(np.array([n]), np.random.default_rng(5))(np.zeros(n, dtype=int), np.arange(n)) < cut
    assert chosen.sum() == cut
    counts = chosen.reshape(-1, stretch).sum(axis=1)
    expected = stats.hypergeom(n, cut, stretch)
    z = (counts - expected.mean()) / expected.std()
    assert abs(z.std() - 1) < 0.1 and abs(z).max() < 5
    assert abs(np.corrcoef(chosen[1:], chosen[:-1])[0, 1]) < 0.005


def test_totals_beyond_32_bits_stay_in_range():
    """Of 10 ** 13 rows, the first million go to different places all over the range."""
    total = 10**13
    out = Permutations(np.array([total]), np.random.default_rng(0))(np.zeros(10**6, dtype=int), np.arange(10**6))
    assert out.min() >= 0 and out.max() < total and len(np.unique(out)) == 10**6
    assert out.mean() / total == pytest.approx(0.5, abs=0.002)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 500)), min_size=2, max_size=12),
    st.floats(0.01, 0.9),
    st.integers(0, 9),
)
def test_holdout_quotas_are_exact(cells, share, seed):
    """The total is round(share n); cells and classes are near their share; every class keeps a row."""
    classes, rows = (np.array(part) for part in zip(*sorted(cells), strict=True))
    n, n_classes = int(rows.sum()), len(set(classes.tolist()))
    target = round(share * n)
    if target == 0 or target > n - n_classes:
        with pytest.raises(FedlabError, match="holdout"):
            holdout_quotas(classes, rows, share, np.random.default_rng(seed))
        return
    held = holdout_quotas(classes, rows, share, np.random.default_rng(seed))
    assert held.sum() == target and (held >= 0).all() and (held <= rows).all()
    kept = np.bincount(classes, rows - held)
    assert (kept[np.unique(classes)] >= 1).all()
    if np.bincount(classes, rows).max() and min(rows) * (1 - share) > 2:  # no class had to be kept from emptying
        assert (abs(held - share * rows) < 1.5).all()


def test_holdout_quotas_of_great_tables_do_not_overflow():
    """Ten thousand million rows, half held out: exact to the row."""
    held = holdout_quotas(np.array([0, 1]), np.array([10**10, 3]), 0.5, np.random.default_rng(0))
    assert held.sum() == round(0.5 * (10**10 + 3)) and held[1] in (1, 2)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 40), min_size=4, max_size=4), min_size=1, max_size=3),
    st.integers(1, 6),
    st.integers(0, 9),
)
def test_repair_moves_the_fewest_rows_and_keeps_each_class(quotas, min_rows, seed):
    """Totals of classes stay, no shard is short, and just as many rows move as were lacking."""
    before = np.array(quotas)
    if before.sum() < 4 * min_rows:
        return
    after, moved = repaired(before, min_rows, np.random.default_rng(seed))
    assert np.array_equal(after.sum(axis=1), before.sum(axis=1)) and (after >= 0).all()
    sizes = before.sum(axis=0)
    assert after.sum(axis=0).min() >= min(min_rows, sizes.sum() // 4)
    assert moved == np.maximum(min_rows - sizes, 0).sum() == np.maximum(after.sum(axis=0) - sizes, 0).sum()


def test_dirichlet_quotas_are_those_in_memory():
    """The same generator draws the same shares, rounded to the same whole rows, as the scheme does in memory."""
    from partition_tables import table

    from fedlab.partition.schemes import dirichlet

    labels = np.arange(900) % 3
    shards = dirichlet(table(labels), 5, np.random.default_rng(4), alpha=0.3)
    counts = np.stack([np.bincount(shards[labels == name], minlength=5) for name in range(3)])
    assert np.array_equal(QUOTAS["dirichlet"](np.array([300] * 3), 5, np.random.default_rng(4), alpha=0.3), counts)
