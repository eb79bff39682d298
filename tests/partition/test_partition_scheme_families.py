"""Each scheme of the field does what its name says: values worked by hand, formulas, refusals."""

import numpy as np
import pandas as pd
import pytest
from partition_tables import table

from fedlab.errors import FedlabError
from fedlab.partition import (
    SCHEMES,
    check_options,
    export_assignment,
    read_partition,
    shards_determined_by,
    split_records,
    write_partition,
)
from fedlab.partition.margins import fit_table
from fedlab.partition.repair_kinds import repair_kinds
from fedlab.partition.schemes.clusters import k_means
from fedlab.partition.schemes.label import class_shares
from fedlab.partition.units import group_units, row_units
from fedlab.records import Records, Schema
from fedlab.seeds import rng

SORTED = table(np.repeat([0, 1, 2], [500, 300, 200]), dose=np.random.default_rng(3).normal(size=1000))


def cut(records, scheme, n_shards, seed=0, **options):
    """Return the shards of a scheme alone, without holdout or repair."""
    complete = check_options(scheme, options)
    return SCHEMES.get(scheme)(records, n_shards, rng(seed, "partition"), **complete)


def counts(records, shards, n_shards):
    """Return rows per shard and class."""
    labels = np.searchsorted(records.classes, records.y)
    n = len(records.classes)
    return np.bincount(shards * n + labels, minlength=n_shards * n).reshape(n_shards, n)


# quantity skew


def test_sizes_of_the_size_laws_by_hand():
    """Linear, square and exponential sizes are 1:2:3:4, 1:4:9:16 and e**i of 1000 rows, by largest remainder."""
    assert np.bincount(cut(SORTED, "linear", 4)).tolist() == [100, 200, 300, 400]
    assert np.bincount(cut(SORTED, "square", 3)).tolist() == [71, 286, 643]
    assert np.bincount(cut(SORTED, "exponential", 3)).tolist() == [90, 245, 665]
    assert np.bincount(cut(SORTED, "exponential", 4, rate=0)).tolist() == [250] * 4
    assert np.bincount(cut(SORTED, "sizes", 3, sizes=[1, 990, 9])).tolist() == [1, 990, 9]


@pytest.mark.parametrize(
    "call", [("linear", {}), ("lognormal", {}), ("dirichlet_sizes", {}), ("sizes", {"sizes": [500] * 2})]
)
def test_size_schemes_shuffle(call):
    """Shards of a table sorted by its target have the table's class shares, not the first or the last classes."""
    shards = cut(SORTED, call[0], 2, **call[1])
    large = np.bincount(shards).argmax()
    assert SORTED.y[shards == large].mean() == pytest.approx(SORTED.y.mean(), abs=0.15)


def test_drawn_sizes_have_the_moments_of_the_formulas():
    """Logs of log-normal sizes differ with standard deviation sigma; Dirichlet sizes have their variance."""
    records = table(np.arange(20_000) % 2)
    logs = np.array([np.log(np.bincount(cut(records, "lognormal", 10, seed, sigma=0.5))) for seed in range(150)])
    assert logs.std(axis=1, ddof=1).mean() == pytest.approx(0.5 * 0.9727, rel=0.05)  # c4 of ten
    shares = [np.bincount(cut(records, "dirichlet_sizes", 5, seed, alpha=2), minlength=5) / 2e4 for seed in range(200)]
    assert np.mean(shares, axis=0) == pytest.approx(np.full(5, 0.2), abs=5 * np.sqrt(4 / 25 / 11 / 200))
    assert np.var(shares, axis=0).mean() == pytest.approx(4 / (25 * 11), rel=0.15)


def test_sizes_that_do_not_fit_are_refused_with_the_sum_needed():
    """Explicit sizes must sum to the rows outside the holdout and are never changed by repair."""
    assert shards_determined_by("sizes", SORTED, {"sizes": [300, 500]}) == 2
    assert split_records(SORTED, "sizes", sizes=[300, 500]).n_shards == 2
    with pytest.raises(FedlabError, match=r"sum to the 800 rows outside the holdout, .* sum 801; change them by -1"):
        split_records(SORTED, "sizes", sizes=[300, 501])
    with pytest.raises(FedlabError, match="organisation 1 of 2 with 1 rows"):
        split_records(SORTED, "sizes", sizes=[1, 799])
    for bad in ([], "12", [0, 800], [1.5, 2], None):
        with pytest.raises(FedlabError, match="sizes"):
            check_options("sizes", {"sizes": bad})


# label skew


@pytest.mark.parametrize("alpha", [0.5, 4.0])
def test_class_shares_have_the_moments_of_the_formula(alpha):
    """Shares drawn have mean p and variance p (1 - p) / (alpha + 1)."""
    prior = np.array([0.5, 0.3, 0.2])
    drawn = class_shares(np.random.default_rng(0), alpha, prior, 20_000)
    variance = prior * (1 - prior) / (alpha + 1)
    assert drawn.sum(axis=1) == pytest.approx(np.ones(20_000))
    assert (np.abs(drawn.mean(axis=0) - prior) < 5 * np.sqrt(variance / 20_000)).all()
    assert drawn.var(axis=0) == pytest.approx(variance, rel=0.05)


def test_dirichlet_organisations_meets_sizes_and_keeps_the_spread():
    """Sizes are equal to a row, or the size scheme's; class shares vary by the formula times (n - 1) / n."""
    records = table(np.repeat([0, 1, 2], [5000, 3000, 2000]))
    n, alpha, prior = 20, 8.0, np.array([0.5, 0.3, 0.2])
    spread = []
    for seed in range(30):
        of_class = counts(records, cut(records, "dirichlet_organisations", n, seed, alpha=alpha), n)
        assert (of_class.sum(axis=1) == 500).all()
        spread.append((of_class / 500).var(axis=0))
    expected = prior * (1 - prior) / (alpha + 1) * (n - 1) / n
    assert np.mean(spread, axis=0) == pytest.approx(expected, rel=0.12)
    sizes = np.bincount(cut(records, "dirichlet_organisations", 4, alpha=0.01, size="linear"))
    assert sizes.tolist() == [1000, 2000, 3000, 4000]
    even = counts(records, cut(records, "dirichlet_organisations", 4, alpha=1e9), 4)
    assert np.abs(even - [1250, 750, 500]).max() <= 1


def test_pathological_hands_classes_out_evenly():
    """With 10 classes, 5 organisations and k = 4 each class is held by 2, and dealt evenly to them."""
    records = table(np.tile(np.arange(10), 30))
    for seed in range(5):
        of_class = counts(records, cut(records, "pathological", 5, seed, classes_per_organisation=4), 5)
        assert ((of_class > 0).sum(axis=1) == 4).all() and ((of_class > 0).sum(axis=0) == 2).all()
        assert set(of_class[of_class > 0]) == {15}


@pytest.mark.parametrize(
    ("labels", "n_shards", "k", "says"),
    [
        ([0, 1, 2] * 10, 4, 4, "more than the 3 classes there are; give at most 3"),
        ([0, 1, 2] * 10, 2, 1, "cannot hold all 3 classes; give n_shards of at least 3 or .* at least 2"),
        ([0] * 20 + [1] * 2, 5, 2, "give 7; give classes_per_organisation of at most 1"),
    ],
)
def test_impossible_class_counts_say_what_is_possible(labels, n_shards, k, says):
    """k of fewer classes, too few organisations for all classes, and too rare classes are refused."""
    with pytest.raises(FedlabError, match=says):
        cut(table(labels), "pathological", n_shards, classes_per_organisation=k)


def test_sorted_shards_are_blocks_of_the_sorted_table():
    """Two organisations with one block each part the sorted table; with two blocks each sizes are equal to a row."""
    records = table(np.repeat([0, 1], 51))
    of_class = counts(records, cut(records, "sorted_shards", 2, shards_per_organisation=1), 2)
    assert sorted(of_class.tolist()) == [[0, 51], [51, 0]]
    for seed in range(10):
        of_class = counts(SORTED, cut(SORTED, "sorted_shards", 7, seed), 7)
        assert np.ptp(of_class.sum(axis=1)) <= 1
        assert (of_class > 0).sum() <= 7 * 2 + 2  # each of the two cuts between classes adds one at most
    with pytest.raises(FedlabError, match=r"need 22 rows, but there are 20 .* at most 1"):
        cut(table([0, 1] * 10), "sorted_shards", 11)


def test_class_distribution_is_the_one_given():
    """Rows of each class are dealt in the shares given; a class with share 0 never arrives, by repair neither."""
    shares = [[0.1, 0.0, 0.5], [0.9, 0.5, 0.0], [0.0, 0.5, 0.5]]
    of_class = counts(SORTED, cut(SORTED, "class_distribution", 3, distribution=shares), 3)
    assert of_class.tolist() == [[50, 0, 100], [450, 150, 0], [0, 150, 100]]
    few = table([0] * 20 + [1] * 20)
    split = split_records(few, "class_distribution", holdout=0, min_rows=6, distribution=[[1.0, 0.9], [0.0, 0.1]])
    assert counts(few, split.assignment, 2).tolist() == [[20, 14], [0, 6]] and split.moved == 4
    for bad, says in (
        ([[0.5, 0.5], [0.4, 0.5]], r"each column of distribution must sum to 1, .* \[0.9, 1.0\]"),
        ([[0.5, 0.5], [0.5]], "must be equally long"),
        ([0.5, 0.5], "must be a list of rows"),
        ([[-1, 0.5], [2, 0.5]], r"distribution\[0\]\[0\] must be a share"),
    ):
        with pytest.raises(FedlabError, match=says):
            check_options("class_distribution", {"distribution": bad})
    with pytest.raises(FedlabError, match="2 columns, but there are 2 organisations and 3 classes"):
        split_records(SORTED, "class_distribution", distribution=[[0.5, 0.5], [0.5, 0.5]])


# feature skew


def test_strictness_one_separates_and_zero_is_iid():
    """At 1 no value of an organisation lies above one of the next; at 0 the order of the column plays no part."""
    dose = SORTED.frame["dose"].to_numpy()
    shards = cut(SORTED, "feature", 4, column="dose")
    assert np.bincount(shards).tolist() == [250] * 4
    assert all(dose[shards == one].max() <= dose[shards == one + 1].min() for one in range(3))
    other = Records(SORTED.frame.assign(dose=-(dose**3)), SORTED.schema, "turned round")
    iid = cut(SORTED, "feature", 4, column="dose", strictness=0)
    assert np.array_equal(iid, cut(other, "feature", 4, column="dose", strictness=0))
    means = [dose[cut(SORTED, "feature", 4, seed, column="dose", strictness=0) == 0].mean() for seed in range(200)]
    assert np.std(means) == pytest.approx(dose.std() / np.sqrt(250) * np.sqrt(0.75), rel=0.2)


def test_strictness_is_the_share_of_rank_correlation_of_a_blend():
    """The blend's correlation with the normal scores is s / sqrt(s² + (1 - s)²), whatever the column's scale."""
    records = table([0, 1] * 5000, dose=np.exp(np.random.default_rng(0).normal(size=10_000) * 3))
    ranks = records.frame["dose"].rank().to_numpy()
    for s in (0.2, 0.5, 0.8):
        shards = cut(records, "feature", 10_000, column="dose", strictness=s)  # one row each: shard is the rank
        rho = s / np.hypot(s, 1 - s)
        assert np.corrcoef(ranks, shards)[0, 1] == pytest.approx(6 / np.pi * np.arcsin(rho / 2), abs=0.02)


def test_equal_values_are_cut_at_random():
    """A cut through equal values takes those rows at random, not in table order."""
    records = table([0, 1] * 200, dose=np.repeat([1.0, 2.0], 200))
    shards = cut(records, "feature", 4, column="dose")
    assert 60 < np.flatnonzero(shards == 0).mean() < 140


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1.0] * 40, "is 1 in all rows"),
        ([np.nan] + [1.0, 2.0, 3.0] * 13, "1 values that are missing or not finite, the first in row 0"),
        ([1.0, np.inf] * 20, "missing or not finite"),
        (["x", "y"] * 20, "not numbers; give a numeric column"),
    ],
)
def test_columns_that_tell_nothing_are_refused(values, says):
    """A constant, incomplete, infinite or text column is refused; so is one that is not there."""
    with pytest.raises(FedlabError, match=says):
        split_records(table([0, 1] * 20, dose=values), "feature", 2, holdout=0, column="dose")
    with pytest.raises(FedlabError, match="column 'dosis' is not known; did you mean 'dose'"):
        split_records(table([0, 1] * 20, dose=values), "feature", 2, column="dosis")
    for strictness in (-0.1, 1.1, "1", None):
        with pytest.raises(FedlabError, match="strictness must be a number from 0"):
            check_options("feature", {"column": "dose", "strictness": strictness})


def test_feature_groups_stay_whole_and_balanced():
    """At 1 each value is at one organisation; of values with 50, 40, 30 and 30 rows the fair halves are made."""
    ward = np.repeat(["a", "b", "c", "d"], [50, 40, 30, 30])
    records = table([0, 1] * 75, ward=ward)
    shards = cut(records, "feature_groups", 2, column="ward")
    assert pd.Series(shards).groupby(ward).nunique().max() == 1
    assert sorted(np.bincount(shards)) == [70, 80]
    half = cut(records, "feature_groups", 2, column="ward", strictness=0.5)
    at_home = pd.Series(half == shards).groupby(ward).mean()
    assert at_home.between(0.6, 0.9).all()  # half of them, and half of the others by chance
    with pytest.raises(FedlabError, match="make at most 4 organisations, got n_shards=5; give at most 4"):
        cut(records, "feature_groups", 5, column="ward")
    with pytest.raises(FedlabError, match="no other can spare rows that it may hold"):
        split_records(records, "feature_groups", 4, holdout=0, min_rows=35, column="ward")


def test_clusters_are_found():
    """Three clouds far apart become three organisations; at strictness 0 each cloud is spread over all."""
    rng_ = np.random.default_rng(0)
    cloud = np.repeat([0, 1, 2], 60)
    records = table([0, 1] * 90, x=rng_.normal(size=180) + 20 * cloud, z=rng_.normal(size=180) - 9 * cloud)
    shards = cut(records, "clusters", 3, columns=["x", "z"])
    assert shards.tolist() == cloud.tolist()
    spread = counts(table(cloud), cut(records, "clusters", 3, strictness=0, columns=["x", "z"]), 3)
    assert spread.min() > 8
    with pytest.raises(FedlabError, match="only 2 different rows, too few for 3 clusters"):
        cut(table([0, 1] * 20, x=[1.0, 2.0] * 20), "clusters", 3, columns=["x"])


def test_many_clusters_are_made_in_two_levels():
    """A hundred clusters of a thousand points: none empty, near points together; as many as there are points too."""
    points = np.random.default_rng(0).normal(size=(1000, 2))
    found = k_means(points, 100, np.random.default_rng(1))
    assert np.bincount(found, minlength=100).min() > 0 and len(np.bincount(found)) == 100
    within = sum(((points[found == one] - points[found == one].mean(axis=0)) ** 2).sum() for one in range(100))
    assert within < 0.05 * ((points - points.mean(axis=0)) ** 2).sum()
    equal = np.repeat(points[:80], 3, axis=0)
    assert sorted(np.bincount(k_means(equal, 80, np.random.default_rng(1)))) == [3] * 80


# natural, mixed, vertical


def test_sites_are_grouped_as_said_or_balanced():
    """Explicit groups are followed; else the largest sites are spread; unknown and forgotten sites are refused."""
    towns = np.repeat(["a", "b", "c", "d"], [40, 30, 20, 10])
    records = table([0, 1] * 50, sites=towns)
    shards = cut(records, "grouped_sites", 2)
    assert pd.Series(shards).groupby(towns).first().tolist() == [0, 1, 1, 0]
    groups = [["d"], ["a", "c", "b"]]
    split = split_records(records, "grouped_sites", groups=groups, holdout=0)
    assert pd.Series(split.assignment).groupby(towns).first().tolist() == [1, 1, 1, 0]
    for bad, says in (
        ([["a", "b"], ["c"]], "leaves out site 'd'"),
        ([["a", "b"], ["c", "d", "e"]], "'e' is not known"),
        ([["a", "b"], ["b", "c", "d"]], "site 'b' stands in groups more than once"),
        (["a", "b"], "must be a list of lists of sites"),
    ):
        with pytest.raises(FedlabError, match=says):
            split_records(records, "grouped_sites", groups=bad, holdout=0)
    with pytest.raises(FedlabError, match="names 4 sites, too few for 5 organisations"):
        cut(records, "grouped_sites", 5)


def test_mixed_has_the_sizes_of_one_and_the_odds_of_the_other():
    """Sizes are exactly linear; odds ratios of classes are those of the label scheme; promised classes hold."""
    label = {"scheme": "class_distribution", "distribution": [[0.4, 0.2, 0.4], [0.6, 0.8, 0.6]]}
    size = {"scheme": "quantity", "fractions": [0.7, 0.3]}
    of_class = counts(SORTED, cut(SORTED, "mixed", 2, size=size, label=label), 2)
    assert of_class.sum(axis=1).tolist() == [700, 300]
    odds = of_class[0] / of_class[1]
    assert odds[0] / odds[1] == pytest.approx((0.4 / 0.6) / (0.2 / 0.8), rel=0.06)
    assert odds[2] == pytest.approx(odds[0], rel=0.06)
    assert shards_determined_by("mixed", SORTED, {"size": size, "label": "iid"}) == 2
    records = table(np.tile(np.arange(5), 200))
    four_each = {"scheme": "pathological", "classes_per_organisation": 4}
    for seed in range(5):
        of_class = counts(records, cut(records, "mixed", 5, seed, size="linear", label=four_each), 5)
        assert of_class.sum(axis=1).tolist() == [67, 133, 200, 267, 333] and ((of_class > 0).sum(axis=1) == 4).all()
    one_each = {"scheme": "pathological", "classes_per_organisation": 1}
    with pytest.raises(FedlabError, match="exclude each other"):
        cut(records, "mixed", 5, size="linear", label=one_each)
    for bad in ({"size": "from_file"}, {"label": {"alpha": 1}}, {"label": "overlap"}, {"size": "liner"}):
        with pytest.raises(FedlabError):
            check_options("mixed", bad)
    with pytest.raises(FedlabError, match="alpha of a scheme inside another must be a number"):
        check_options("mixed", {"label": {"scheme": "dirichlet", "alpha": {"js": 0.1}}})


def test_tables_with_given_margins_exist_or_are_refused():
    """Random weights give whole numbers with exactly the sums; a pattern of zeros that cannot have them gives None."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        n, m = generator.integers(1, 8, 2)
        whole = generator.integers(0, 20, (n, m))
        fitted = fit_table(generator.random((n, m)) ** 4, whole.sum(axis=1), whole.sum(axis=0))
        assert fitted.min() >= 0
        assert (fitted.sum(axis=1) == whole.sum(axis=1)).all() and (fitted.sum(axis=0) == whole.sum(axis=0)).all()
    pattern = np.array([[True, False], [False, True]])
    assert fit_table(pattern * 1.0, np.array([3, 5]), np.array([4, 4]), pattern) is None
    assert fit_table(pattern * 1.0, np.array([3, 5]), np.array([3, 5]), pattern).tolist() == [[3, 0], [0, 5]]


def test_repair_within_kinds_goes_through_a_third_shard():
    """Only a chain of two moves can help: A gives to B a row of one class, B gives to C one of another."""
    shards = np.repeat([0, 1, 1, 2], [6, 1, 2, 1])
    kinds = np.repeat([0, 0, 1, 1], [6, 1, 2, 1])
    repaired = repair_kinds(shards, row_units(10), kinds, 3, 2, np.random.default_rng(0))
    assert np.bincount(repaired).tolist() == [6, 2, 2]
    tight = np.repeat([0, 1, 1, 2], [6, 1, 1, 1]), np.repeat([0, 0, 1, 1], [6, 1, 1, 1])
    with pytest.raises(FedlabError, match=r"organisation 3 of 3 has 1 rows, .* give min_rows of at most 1"):
        repair_kinds(tight[0], row_units(9), tight[1], 3, 2, np.random.default_rng(0))
    chain = np.repeat([0, 1, 1, 2], [6, 1, 3, 2]), np.repeat([0, 0, 1, 1], [6, 1, 3, 2])
    after = repair_kinds(chain[0], row_units(12), chain[1], 3, 4, np.random.default_rng(0))
    assert np.bincount(after).tolist() == [4, 4, 4] and set(after[:6]) == {0, 1} and set(after[7:]) == {1, 2}


def test_repair_within_kinds_keeps_groups_whole():
    """Groups move whole, and only to who holds their kind."""
    units = group_units(list("aabbccdde"))
    shards, kinds = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2]), np.array([0, 0, 0, 0, 1, 1, 1, 1, 0])
    repaired = repair_kinds(shards, units, kinds, 3, 2, np.random.default_rng(0))
    assert np.bincount(repaired).tolist() == [4, 2, 3] and len(set(repaired[:4])) == 2
    assert repaired[4:8].tolist() == [0, 0, 1, 1]


def test_vertical_parts_columns_and_shares_rows(tmp_path):
    """Each organisation holds all rows with its own features; the holdout all features; files come back the same."""
    frame = pd.DataFrame({"id": range(60), **{f"x{one}": np.arange(60.0) + one for one in range(5)}, "note": "n"})
    records = Records(frame.assign(ill=[0, 1] * 30), Schema("id", [f"x{one}" for one in range(5)], "ill"), "wide")
    split = split_records(records, "vertical", 3)
    features = [split.shard(number).schema.features for number in range(3)]
    assert sorted(name for one in features for name in one) == [f"x{one}" for one in range(5)]
    assert sorted(map(len, features)) == [1, 2, 2]
    partition = write_partition(split, tmp_path)
    for number in range(3):
        shard = read_partition(tmp_path).shard(number)
        assert shard.ids.tolist() == split.shard(0).ids.tolist() and shard.schema.features == features[number]
        assert list(shard.frame.columns) == ["id", *features[number], "ill"]
    assert partition.holdout().schema == records.schema and partition.holdout().n_rows == 12
    assert partition.meta["vertical"] == {"shared_columns": ["id", "ill"]} and partition.meta["skew"]["js"] == 0
    assert [entry["rows"] for entry in partition.meta["shards"]] == [48, 48, 48]
    explicit = split_records(records, "vertical", features=[["x0"], ["x1", "x0"]])
    assert explicit.n_shards == 2 and explicit.shard(1).schema.features == ("x1", "x0")
    with pytest.raises(FedlabError, match="5 features cannot be split over 6 organisations"):
        split_records(records, "vertical", 6)
    with pytest.raises(FedlabError, match="feature 'note' is not known"):
        split_records(records, "vertical", features=[["x0"], ["note"]])
    with pytest.raises(FedlabError, match="no assignment to export"):
        export_assignment(split, tmp_path / "who.csv")


# from_file


def test_a_published_split_is_repeated(tmp_path):
    """Names or numbers of organisations, identifiers as text, and the file's holdout are followed to the row."""
    path = tmp_path / "published.csv"
    path.write_text("id,organisation\n105,holdout\n101,north\n100,south\n102,north\n103,south\n104,holdout\n")
    records = table([0, 1] * 3)
    split = split_records(records, "from_file", path=str(path))
    assert split.assignment.tolist() == [1, 0, 0, 1, -1, -1] and split.holdout_share == pytest.approx(1 / 3)
    path.write_text("row,organisation\n0,2\n1,1\n2,2\n3,1\n4,2\n5,1\n")
    assert split_records(records, "from_file", holdout=0, path=str(path)).assignment.tolist() == [1, 0] * 3
    path.write_text("id,organisation\n" + "".join(f"{100 + one},{1 + one % 2}\n" for one in range(6)) + "100,2\n")
    split = split_records(records, "from_file", holdout=0, path=str(path))
    assert split.copies.tolist() == [[0, 1]] and split.rows(1).tolist() == [0, 1, 3, 5]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("id,organisation\n100,1\n", "leaves out 3 rows .* the first is row 1"),
        ("id,organisation\n100,1\n101,1\n102,1\n103,1\n999,1\n", "names 1 rows that .* does not have, e.g. 999"),
        ("id,organisation\n100,1\n101,3\n102,1\n103,1\n", "from 1 to 3 with gaps"),
        ("id,organisation\n100,0\n101,1\n102,1\n103,1\n", "from 0 to 1 with gaps"),
        ("id,organisation\n100,\n101,1\n102,1\n103,1\n", "lines without an organisation"),
        ("id,organisation\n100,1\n100,1\n101,1\n102,1\n103,1\n", "gives a row to one organisation twice"),
        ("id,organisation\n100,1\n100,holdout\n101,1\n102,1\n103,1\n", "both in the holdout and at an organisation"),
        ("id,organisation\n100,holdout\n101,holdout\n102,holdout\n103,holdout\n", "names no organisation"),
        ("id,who\n100,1\n", "needs 'organisation'"),
        ("name,organisation\n100,1\n", "needs 'id' or 'row'"),
        ("", "is no CSV"),
    ],
)
def test_assignments_that_do_not_fit_are_refused(tmp_path, lines, says):
    """Rows left out, unknown, twice or both held out and not, and files of another form are named."""
    path = tmp_path / "who.csv"
    path.write_text(lines)
    with pytest.raises(FedlabError, match=says):
        split_records(table([0, 1] * 2), "from_file", holdout=0, min_rows=1, path=str(path))
    with pytest.raises(FedlabError, match="cannot be read"):
        split_records(table([0, 1] * 2), "from_file", path=str(tmp_path / "nowhere.csv"))


def test_overlap_survives_a_round_trip_and_says_so(tmp_path):
    """Copies are in the files and in partition.json, exported and read back; other partitions have no such key."""
    records = table([0, 1] * 50)
    split = split_records(records, "overlap", 4, share=0.25)
    meta = write_partition(split, tmp_path / "p").meta
    assert meta["overlap"] == {"rows": 20, "share": 0.25, "copies": 20}
    assert sum(entry["rows"] for entry in meta["shards"]) == 100 and meta["holdout"]["rows"] == 20
    again = split_records(records, "from_file", path=str(export_assignment(split, tmp_path / "who.csv")))
    for number in range(4):
        assert read_partition(tmp_path / "p").shard(number).ids.tolist() == again.shard(number).ids.tolist()
    assert "overlap" not in write_partition(split_records(records, n_shards=2), tmp_path / "q").meta
    with pytest.raises(FedlabError, match="need 5 organisations, got n_shards=4; give copies of at most 3"):
        split_records(records, "overlap", 4, copies=4)
