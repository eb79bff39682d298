"""Skew against an option: at both ends of the dials it is what theory says, in between what the dial expects."""

import numpy as np
import pytest
from partition_tables import table

from fedlab.errors import FedlabError
from fedlab.partition import measure_skew, skew_over, split_records
from fedlab.partition.registry import traits_of
from fedlab.partition.schemes.label import dirichlet


def half_and_half(n=2000):
    """Return records of two equally frequent classes with a feature of distinct values."""
    return table(np.arange(n) % 2, dose=np.random.default_rng(0).permutation(n))


def test_a_great_alpha_leaves_rounding_alone_and_a_small_one_whole_classes():
    """At alpha 1e9 classes are shared to a row; at 1e-6 both go whole: to one organisation, or to one each."""
    found = skew_over(half_and_half(), "dirichlet", "alpha", [1e-6, 1e9], n_shards=2, seeds=12, min_rows=1)
    even = found[found["alpha"] == 1e9]
    # drawn shares have standard deviation sqrt(1 / (4 (2e9 + 1))) = 1e-5, that is 0.01 of 1000 rows
    assert even["skew_tv"].max() <= 1e-3 and even["skew_js"].max() < 2e-3
    whole = found[found["alpha"] == 1e-6]
    parted = whole["skew_tv"] > 0.4
    assert whole.loc[parted, "skew_tv"].to_numpy() == pytest.approx(0.5)
    # one class against the pool: sqrt(1 - h) with 2 h = 1.5 log2(1.5) + ... by hand: JS² = 1 - 3/4 log2(3) + 0.5
    assert whole.loc[parted, "skew_js"].to_numpy() == pytest.approx(np.sqrt(1.5 - 0.75 * np.log2(3)))
    assert whole.loc[parted, "skew_hellinger"].to_numpy() == pytest.approx(np.sqrt(1 - np.sqrt(0.5)))
    # the other organisation was repaired up to one row
    assert (whole.loc[~parted, "repaired_rows"] == 1).all() and whole.loc[~parted, "skew_tv"].max() < 2e-3
    assert 0 < parted.sum() < 12


def test_in_between_it_is_the_expected_skew():
    """The mean over seeds is what the dial of alpha expects, within four standard errors."""
    records = half_and_half()
    found = skew_over(records, "dirichlet", "alpha", [0.3, 3], n_shards=5, seeds=30, min_rows=1)
    expected = traits_of(dirichlet).dials["alpha"].expect(records, 5, "js")
    for alpha, rows in found.groupby("alpha"):
        error = rows["skew_js"].std() / np.sqrt(len(rows))
        assert abs(rows["skew_js"].mean() - expected(alpha)) < 4 * error
    means = found.groupby("alpha")["skew_js"].mean()
    assert means[0.3] > means[3]


def test_strictness_goes_from_chance_to_separation():
    """At 1 part i of n holds a quantile: KS max((i - 1) / n, 1 - i / n); at 0 that of a random sample."""
    found = skew_over(half_and_half(), "feature", "strictness", [0, 1], n_shards=[2, 4], seeds=5, column="dose")
    ks = found.groupby(["strictness", "n_shards"])["skew_ks"]
    assert ks.mean()[1, 2] == pytest.approx(0.5) and ks.std()[1, 2] == 0
    assert ks.mean()[1, 4] == pytest.approx((0.75 + 0.5 + 0.5 + 0.75) / 4)
    # 0.87 / sqrt(m) for m = 500 rows, less for being a part of the pool: sqrt(1 - 1 / 4)
    assert ks.mean()[0, 4] == pytest.approx(0.87 / np.sqrt(500) * np.sqrt(0.75), rel=0.25)


def test_rows_are_those_of_the_splits():
    """Each row is `measure_skew` of that split, options and holdout passed on; seeds may be named."""
    records = half_and_half(200)
    found = skew_over(records, "dirichlet", "alpha", [1], n_shards=3, seeds=[7], holdout=0.2)
    assert found[["alpha", "n_shards", "seed", "scheme"]].values.tolist() == [[1, 3, 7, "dirichlet"]]
    skew = measure_skew(split_records(records, "dirichlet", 3, 0.2, seed=7, alpha=1))
    assert found["skew_js"][0] == skew["js"] and found["skew_ks"][0] == skew["ks"]


def test_what_cannot_vary_is_refused():
    """An option that the scheme lacks, no value, a scheme that nobody knows."""
    with pytest.raises(FedlabError, match="no option 'beta' to vary; its options: alpha"):
        skew_over(half_and_half(50), "dirichlet", "beta", [1])
    with pytest.raises(FedlabError, match="values of alpha is empty"):
        skew_over(half_and_half(50), "dirichlet", "alpha", [])
    with pytest.raises(FedlabError, match="did you mean 'dirichlet'"):
        skew_over(half_and_half(50), "dirichlett", "alpha", [1])
