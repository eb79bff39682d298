"""Each scheme does what its name says; options and shard counts are known before any row is dealt."""

import numpy as np
import pytest
from partition_tables import table

from fedlab.errors import FedlabError
from fedlab.partition import (
    REQUIRED,
    SCHEMES,
    check_options,
    scheme_options,
    scheme_traits,
    shards_determined_by,
    split_records,
)
from fedlab.partition.schemes.label import dirichlet_shares
from fedlab.seeds import rng

SORTED = table(np.repeat([0, 1, 2], [500, 300, 200]))


def cut(records, scheme, n_shards, seed=0, **options):
    """Return the shards of a scheme alone, without holdout or repair."""
    return SCHEMES.get(scheme)(records, n_shards, rng(seed, "partition"), **options)


def counts(records, shards):
    """Return rows per shard and class."""
    return np.array(
        [
            [(records.y[shards == number] == label).sum() for label in records.classes]
            for number in range(shards.max() + 1)
        ]
    )


@pytest.mark.parametrize("n_shards", [1, 2, 3, 7, 64, 999, 1000])
def test_iid_sizes_are_equal_to_one_row(n_shards):
    """Sizes of iid shards differ by at most one row."""
    sizes = np.bincount(cut(SORTED, "iid", n_shards), minlength=n_shards)
    assert sizes.min() >= sizes.max() - 1 and len(sizes) == n_shards


def test_iid_means_shuffled():
    """On a table sorted by its target iid shards have the class counts of a draw without replacement."""
    deviations = []
    for seed in range(200):
        of_class = counts(SORTED, cut(SORTED, "iid", 5, seed))[:, 0]
        deviations.extend(of_class - 100)
    variance = 200 * 0.5 * 0.5 * (1000 - 200) / 999  # hypergeometric
    assert abs(np.mean(deviations)) < 1e-9
    assert np.var(deviations) == pytest.approx(variance, rel=0.2)


@pytest.mark.parametrize("n_shards", [1, 2, 3, 7, 64])
def test_stratified_counts_and_sizes_are_equal_to_one_row(n_shards):
    """Counts of each class, and sizes, differ by at most one row between stratified shards."""
    of_class = counts(SORTED, cut(SORTED, "stratified", n_shards))
    assert np.ptp(of_class, axis=0).max() <= 1
    assert np.ptp(of_class.sum(axis=1)) <= 1


def test_stratified_rows_are_shuffled_within_classes():
    """A class's rows do not go to shards in table order or in turn."""
    shards = cut(SORTED, "stratified", 2)
    of_first_half = shards[:250].mean()
    assert 0.3 < of_first_half < 0.7
    assert 0.3 < np.mean(shards[:499] == shards[1:500]) < 0.7


@pytest.mark.parametrize(("alpha", "n_shards"), [(0.1, 4), (0.5, 10), (5.0, 3)])
def test_dirichlet_shares_have_the_moments_of_the_formula(alpha, n_shards):
    """Shares have mean 1/n and variance (n-1) / (n² (n alpha + 1)); those of two classes are independent."""
    shares = np.array(
        [counts_of_all(cut(SORTED, "dirichlet", n_shards, seed, alpha=alpha), n_shards) for seed in range(500)]
    )
    variance = (n_shards - 1) / (n_shards**2 * (n_shards * alpha + 1))
    assert np.abs(shares.mean(axis=0) - 1 / n_shards).max() < 5 * np.sqrt(variance / 500)
    # rounding to whole rows of a class of 200 adds at most (1/200)² / 4
    assert shares.var(axis=0).mean() == pytest.approx(variance, rel=0.1, abs=1e-5)
    between = np.corrcoef(shares[:, 0, 0], shares[:, 0, 1])[0, 1]
    assert abs(between) < 5 / np.sqrt(500)


def counts_of_all(shards, n_shards):
    """Return each shard's share of each class of the sorted table (n_shards, 3)."""
    cells = np.bincount(shards * 3 + SORTED.y, minlength=n_shards * 3).reshape(n_shards, 3)
    return cells / np.array([500, 300, 200])


def test_dirichlet_without_end_is_stratified_and_near_zero_gives_a_class_to_one():
    """A huge alpha deals each class evenly to a row; a tiny one gives each class to one organisation."""
    for alpha in (1e9, 1e308):
        of_class = counts(SORTED, cut(SORTED, "dirichlet", 5, alpha=alpha))
        assert np.abs(of_class - np.array([100, 60, 40])).max() <= 1
    for alpha in (1e-9, 5e-324):
        for seed in range(10):
            share = counts_of_all(cut(SORTED, "dirichlet", 5, seed, alpha=alpha), 5)
            assert sorted(np.unique(share)) == [0, 1]


def test_dirichlet_tiniest_alpha_favours_no_organisation():
    """At the smallest float each of ten organisations still wins a tenth of the draws."""
    wins = dirichlet_shares(np.random.default_rng(0), 5e-324, 5000, 10).mean(axis=0)
    assert np.abs(wins - 0.1).max() < 5 * np.sqrt(0.09 / 5000)


def test_quantity_sizes_follow_the_power_law():
    """Sizes are 1/i by largest remainder (Zipf) worked by hand, equal at exponent 0, and as given."""
    assert np.bincount(cut(SORTED, "quantity", 4)).tolist() == [480, 240, 160, 120]
    assert np.bincount(cut(SORTED, "quantity", 3, exponent=2)).tolist() == [735, 184, 81]
    assert np.bincount(cut(SORTED, "quantity", 4, exponent=0)).tolist() == [250] * 4
    assert np.bincount(cut(SORTED, "quantity", 3, fractions=[0.1, 0.2, 0.7])).tolist() == [100, 200, 700]


def test_quantity_rows_are_shuffled():
    """The mean class of a quantity shard of a sorted table is near the table's."""
    shards = cut(SORTED, "quantity", 2)
    assert SORTED.y[shards == 1].mean() == pytest.approx(SORTED.y.mean(), abs=0.15)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fractions": [0.5, 0.4]}, "fractions must sum to 1, got .* sum 0.9"),
        ({"fractions": [1.5, -0.5]}, r"fractions\[1\] must be a number greater than 0, got -0.5"),
        ({"fractions": []}, "fractions must be a list of numbers"),
        ({"fractions": "0.5"}, "fractions must be a list of numbers"),
        ({"fractions": [0.5, 0.5], "exponent": 2}, "no meaning beside explicit fractions"),
        ({"exponent": -1}, "exponent must be a number of 0 or more, got -1"),
        ({"exponent": float("inf")}, "exponent must be a number of 0 or more"),
    ],
)
def test_impossible_quantities_are_refused(options, says):
    """Fractions that do not sum to 1 or stand beside an exponent are refused before any table is read."""
    with pytest.raises(FedlabError, match=says):
        check_options("quantity", options)


@pytest.mark.parametrize("alpha", [0, -1, float("nan"), float("inf"), "0.5", True, None])
def test_impossible_alphas_are_refused(alpha):
    """Alpha must be a finite number greater than 0, in the check and in the scheme itself."""
    with pytest.raises(FedlabError, match="alpha must be a number greater than 0, got"):
        check_options("dirichlet", {"alpha": alpha})
    with pytest.raises(FedlabError, match="alpha must be a number greater than 0, got"):
        cut(SORTED, "dirichlet", 2, alpha=alpha)


def test_site_gives_each_site_its_rows_in_sorted_order():
    """Organisations are the sites in sorted order, by the schema's column or another one."""
    towns = ["Zug", "Bern", "Zug", "Aarau", "Bern", "Zug"]
    records = table([0, 1] * 3, sites=towns, ward=[2, 10, 2, 2, 10, 10])
    assert cut(records, "site", 3).tolist() == [2, 1, 2, 0, 1, 2]
    assert cut(records, "site", 2, column="ward").tolist() == [0, 1, 0, 0, 1, 1]
    assert shards_determined_by("site", records) == 3
    assert shards_determined_by("site", records, {"column": "ward"}) == 2
    split = split_records(records, "site", holdout=0, min_rows=1)
    assert set(split.shard(1).frame["town"]) == {"Bern"}


def test_site_refuses_what_it_cannot_do():
    """A missing or misspelt column, a wrong count, a missing value, a small site: errors that help."""
    records = table([0, 1] * 4, sites=["a"] * 4 + ["b"] * 3 + ["c"])
    with pytest.raises(FedlabError, match=r"names none; give one of its columns .*: id, age, ill"):
        split_records(table([0, 1] * 4), "site")
    with pytest.raises(FedlabError, match="column 'twon' is not known; did you mean 'town'"):
        split_records(records, "site", column="twon")
    with pytest.raises(FedlabError, match=r"makes 3 organisations .* got n_shards=2; leave n_shards out, or give 3"):
        split_records(records, "site", 2, holdout=0)
    with pytest.raises(FedlabError, match=r"organisation 3 of 3 with 1 rows .* min_rows=2"):
        split_records(records, "site", holdout=0)
    with pytest.raises(FedlabError, match="'town' has no value in 1 rows, the first is row 1"):
        cut(table([0, 1, 1], sites=["a", None, "b"]), "site", 2)
    with pytest.raises(FedlabError, match="rows of one group into different shards"):
        split_records(table([0, 1] * 4, groups=[1] * 8, sites=list("aaaabbbb")), "site", holdout=0)


def test_a_site_that_the_holdout_would_swallow_is_an_error():
    """A hospital does not vanish silently because all its rows fell into the holdout."""
    records = table([0] * 60 + [1] * 61, sites=["a"] * 60 + ["b"] * 60 + ["c"])
    refused = 0
    for seed in range(20):
        try:
            assert split_records(records, "site", holdout=0.5, min_rows=1, seed=seed).n_shards == 3
        except FedlabError as error:
            assert "the holdout takes all rows of one of them" in str(error)
            refused += 1
    assert 0 < refused < 20


def test_options_are_known_and_others_refused_with_a_suggestion():
    """Options come from the signature; unknown ones name the nearest, or the scheme that takes them."""
    assert scheme_options("iid") == {}
    assert scheme_options("dirichlet") == {"alpha": 0.5}
    assert check_options("site", {}) == {"column": None}
    with pytest.raises(FedlabError, match="'alhpa' is not known; did you mean 'alpha'"):
        check_options("dirichlet", {"alhpa": 1})
    with pytest.raises(FedlabError, match=r"'iid' takes no options, got 'alpha' .*option of: dirichlet"):
        check_options("iid", {"alpha": 1})
    with pytest.raises(FedlabError, match="scheme 'dirichelt' is not known; did you mean 'dirichlet'"):
        split_records(SORTED, "dirichelt", 3)


def test_shard_counts_that_the_scheme_fixes():
    """Fractions fix the number of organisations, a power law does not; then n_shards is needed."""
    assert shards_determined_by("quantity", SORTED, {"fractions": [0.5, 0.25, 0.25]}) == 3
    assert shards_determined_by("quantity", SORTED) is None
    assert split_records(SORTED, "quantity", fractions=[0.5, 0.25, 0.25]).n_shards == 3
    with pytest.raises(FedlabError, match=r"makes 2 organisations .* got n_shards=3"):
        split_records(SORTED, "quantity", 3, fractions=[0.5, 0.5])
    with pytest.raises(FedlabError, match="2 fractions make 2 organisations, got n_shards=3"):
        cut(SORTED, "quantity", 3, fractions=[0.5, 0.5])
    with pytest.raises(FedlabError, match="scheme 'iid' needs n_shards"):
        split_records(SORTED, "iid")


@pytest.mark.parametrize("scheme", ["iid", "stratified", "quantity", "dirichlet"])
def test_group_sizes_are_near_their_target(scheme):
    """With groups of up to six rows a shard of an even scheme is within one group of its target."""
    generator = np.random.default_rng(2)
    groups = np.repeat(np.arange(400), generator.integers(1, 7, 400))
    records = table(generator.integers(0, 2, len(groups)), groups)
    options = {"exponent": 0} if scheme == "quantity" else {"alpha": 1e12} if scheme == "dirichlet" else {}
    sizes = np.bincount(cut(records, scheme, 8, **options), minlength=8)
    allowed = 6 if scheme in ("iid", "quantity") else 12
    assert np.abs(sizes - len(groups) / 8).max() <= allowed


@scheme_traits(count=lambda records, *, start, step: None)
def _alternating(records, n_shards, rng, *, start, step=1):
    return (np.arange(records.n_rows) * step + start) % n_shards


def _wrong(records, n_shards, rng, *, how="shape"):
    good = np.arange(records.n_rows) % n_shards
    return {"shape": good[1:], "type": good / 1.0, "range": good + 1, "below": good - 1}[how]


def _lazy(records, n_shards, rng, **anything):
    return np.zeros(records.n_rows, dtype=np.int8)


def test_own_schemes_by_import_path():
    """A user's function by import path is used with its options; a missing one is asked for."""
    name = f"{__name__}:_alternating"
    assert scheme_options(name) == {"start": REQUIRED, "step": 1}
    split = split_records(SORTED, name, 4, holdout=0, start=3)
    assert split.assignment[:5].tolist() == [3, 0, 1, 2, 3]
    assert split.options == {"start": 3, "step": 1}
    with pytest.raises(FedlabError, match="needs a value for 'start'"):
        split_records(SORTED, name, 4)


@pytest.mark.parametrize("how", ["shape", "type", "range", "below"])
def test_own_schemes_that_break_the_contract_are_refused(how):
    """A wrong shape, type or range of a user's scheme is an error that says what it must return."""
    with pytest.raises(FedlabError, match="must return 1000 whole numbers from 0 to 3, one per row"):
        split_records(SORTED, f"{__name__}:_wrong", 4, holdout=0, how=how)


def test_own_schemes_that_leave_shards_empty_are_repaired():
    """A user's scheme that gives all rows to one organisation still makes n shards; options are passed."""
    split = split_records(SORTED, f"{__name__}:_lazy", 4, holdout=0, min_rows=3, anything=1)
    assert np.bincount(split.assignment).tolist() == [991, 3, 3, 3]


def test_own_schemes_may_not_part_groups():
    """A user's scheme that parts a group is refused."""
    records = table([0, 1] * 10, groups=np.repeat(np.arange(10), 2))
    with pytest.raises(FedlabError, match="puts rows of one group into different shards"):
        split_records(records, f"{__name__}:_alternating", 2, holdout=0, start=0)
