"""Skew of features and labels against SciPy, and the search for an option by the skew it gives."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partition_tables import table
from scipy import stats
from scipy.spatial.distance import jensenshannon

from fedlab.errors import FedlabError
from fedlab.partition import (
    Split,
    check_options,
    measure_skew,
    read_partition,
    skew_summary,
    skew_table,
    split_records,
    write_partition,
)
from fedlab.partition.dials import dirichlet_from
from fedlab.partition.distances import hellinger, label_distances, numeric_distances
from fedlab.records import Records, Schema


def rich(n=400, seed=0):
    """Give records with two numbers, a category, missing values in each, and three classes."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": range(n), "x": rng.normal(size=n), "z": rng.integers(0, 5, n).astype(float)})
    frame["sex"] = rng.choice(["f", "m"], n)
    frame.loc[rng.random(n) < 0.1, ["x", "sex"]] = None
    frame["ill"] = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    return Records(frame, Schema("id", ["x", "z", "sex"], "ill"), "rich")


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 60), st.sampled_from([0, 1, 3]))
def test_numeric_distances_equal_scipy(seed, n_shards, n, digits):
    """KS and Wasserstein distances equal SciPy's for any ties, shard sizes and missing values."""
    rng = np.random.default_rng(seed)
    values, shards = (rng.normal(size=n) * 3).round(digits), rng.integers(0, n_shards, n)
    values[rng.random(n) < 0.1] = np.nan
    ks, moved = numeric_distances(values, shards, n_shards)
    pool = values[np.isfinite(values)]
    for number in range(n_shards):
        own = values[(shards == number) & np.isfinite(values)]
        if len(own) == 0:
            assert np.isnan(ks[number]) and np.isnan(moved[number])
        else:
            assert ks[number] == pytest.approx(stats.ks_2samp(own, pool).statistic, abs=1e-12)
            deviation = pool.std() or 1.0
            assert moved[number] == pytest.approx(stats.wasserstein_distance(own, pool) / deviation, abs=1e-9)


def test_label_distances_equal_scipy_and_the_formula():
    """Of random counts all three distances are those of the formulas; an empty shard has none."""
    counts = np.random.default_rng(0).integers(0, 9, (6, 4))
    counts[2] = 0
    pool = counts.sum(axis=0) / counts.sum()
    for name in ("js", "hellinger", "tv"):
        assert np.isnan(label_distances(counts, name)[2])
    for number in (0, 1, 3, 4, 5):
        p = counts[number] / counts[number].sum()
        assert label_distances(counts, "js")[number] == pytest.approx(jensenshannon(p, pool, base=2))
        assert label_distances(counts, "tv")[number] == pytest.approx(np.abs(p - pool).sum() / 2)
        affinity = np.sqrt(p * pool).sum()
        assert label_distances(counts, "hellinger")[number] == pytest.approx(np.sqrt(1 - affinity))
    assert hellinger(pool, pool) == 0


def test_measures_of_features_in_a_split():
    """Each feature's value is the row-weighted mean of SciPy's; a missing category counts as a value of its own."""
    records = rich()
    split = split_records(records, "dirichlet", 3, alpha=0.3)
    skew = measure_skew(split)
    shards, pool = [split.shard(number).frame for number in range(3)], records.frame[split.assignment >= 0]
    rows = [len(shard) for shard in shards]
    for name in ("x", "z"):
        expected = [stats.ks_2samp(shard[name].dropna(), pool[name].dropna()).statistic for shard in shards]
        assert skew["features"][name]["ks"] == pytest.approx(np.average(expected, weights=rows))
        assert [entry["features"][name]["ks"] for entry in skew["per_organisation"]] == pytest.approx(expected)
    share = [shard["sex"].fillna("?").value_counts(normalize=True).reindex(["f", "m", "?"]) for shard in shards]
    whole = pool["sex"].fillna("?").value_counts(normalize=True).reindex(["f", "m", "?"])
    expected = [jensenshannon(one.fillna(0), whole, base=2) for one in share]
    assert skew["features"]["sex"]["js"] == skew["features_js"] == pytest.approx(np.average(expected, weights=rows))
    assert skew["ks"] == pytest.approx((skew["features"]["x"]["ks"] + skew["features"]["z"]["ks"]) / 2)
    missing = [shard[["x", "z", "sex"]].isna().to_numpy().mean() for shard in shards]
    assert [entry["missing"] for entry in skew["per_organisation"]] == pytest.approx(missing)
    assert json.loads(json.dumps(skew, allow_nan=False)) == skew


def test_an_organisation_without_values_has_no_distance():
    """Where one organisation lacks a feature altogether its distance is None and the mean is over the others."""
    frame = table([0, 1] * 4).frame.assign(age=[1.0, 2, 3, 4, np.nan, np.nan, np.nan, np.nan])
    split = Split(Records(frame, Schema("id", ["age"], "ill")), np.repeat([0, 1], 4), "x", {}, 2, 0.0, 1, 0)
    skew = measure_skew(split)
    assert skew["per_organisation"][1]["ks"] is None and skew["per_organisation"][1]["missing"] == 1
    assert skew["ks"] == skew["per_organisation"][0]["ks"] == 0


def test_copies_count_for_everyone_who_holds_them():
    """Counts, sizes and distances of an overlap split are those of the shards as written."""
    split = split_records(rich(), "overlap", 3, share=0.5, base={"scheme": "dirichlet", "alpha": 0.1})
    entries = measure_skew(split)["per_organisation"]
    for number, entry in enumerate(entries):
        assert entry["rows"] == split.shard(number).n_rows
        held = pd.Series(split.shard(number).y).value_counts()
        assert entry["class_counts"] == {str(label): int(held.get(label, 0)) for label in range(3)}


def test_a_classifier_tells_organisations_apart_only_where_they_differ():
    """The joint measure is near 0.5 for iid shards and sees a correlation that no measure of one column sees."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    site = np.repeat([0, 1], 300)
    z = np.where(site == 0, x, -x) + rng.normal(size=600) * 0.1
    frame = pd.DataFrame({"id": range(600), "x": x, "z": z, "ill": rng.integers(0, 2, 600), "town": site})
    records = Records(frame, Schema("id", ["x", "z"], "ill", site="town"), "turned")
    apart = measure_skew(split_records(records, "site", holdout=0), "full")
    assert apart["auc"] > 0.95 and apart["ks"] < 0.12
    assert apart == measure_skew(split_records(records, "site", holdout=0), "full")
    assert measure_skew(split_records(records, "iid", 2, holdout=0), "full")["auc"] == pytest.approx(0.5, abs=0.1)
    assert "auc" not in measure_skew(split_records(records, "iid", 2))
    with pytest.raises(FedlabError, match="measure 'ful' is not known; did you mean 'full'"):
        measure_skew(split_records(records, "iid", 2), "ful")


def test_tidy_forms_hold_the_same_numbers(tmp_path):
    """The flat summary and the long table repeat what partition.json says."""
    partition = write_partition(split_records(rich(), "dirichlet", 3), tmp_path)
    skew = read_partition(tmp_path).meta["skew"]
    assert skew == partition.meta["skew"]
    summary = skew_summary(skew)
    assert summary["skew_js"] == skew["js"] and summary["skew_effective"] == skew["effective_organisations"]
    assert summary["skew_wasserstein"] == skew["wasserstein"] and summary["skew_auc"] is None
    long = skew_table(skew)
    one = long.query("organisation == 2 and feature == 'x' and measure == 'ks'")["value"].item()
    assert one == skew["per_organisation"][1]["features"]["x"]["ks"]
    assert long.query("organisation == 3 and feature == '' and measure == 'tv'")["value"].item() == pytest.approx(
        skew["per_organisation"][2]["tv"]
    )


@pytest.mark.parametrize("alpha", [0.02, 0.5, 3.0, 200.0])
def test_smooth_dirichlet_draws_have_the_right_moments(alpha):
    """Shares made from uniforms have mean 1/n and the Dirichlet variance, also where gammas underflow."""
    shares = dirichlet_from(alpha, np.random.default_rng(0).random((20_000, 4)))
    assert shares.mean(axis=0) == pytest.approx(np.full(4, 0.25), abs=0.015)
    assert shares.var() == pytest.approx(3 / 16 / (4 * alpha + 1), rel=0.05)


def means(records, n_shards, name, n_seeds, scheme, **options):
    """Return the mean of a measure over seeds and its standard error."""
    found = [
        measure_skew(split_records(records, scheme, n_shards, 0, 1, seed, **options))[name] for seed in range(n_seeds)
    ]
    return np.mean(found), np.std(found) / np.sqrt(n_seeds)


@pytest.mark.parametrize(
    ("scheme", "option", "measure", "target", "others"),
    [
        ("dirichlet", "alpha", "js", 0.3, {}),
        ("dirichlet", "alpha", "tv", 0.1, {}),
        ("dirichlet_organisations", "alpha", "hellinger", 0.2, {"size": "linear"}),
        ("feature", "strictness", "ks", 0.25, {"column": "x"}),
        ("feature", "strictness", "wasserstein", 0.5, {"column": "x"}),
        ("clusters", "strictness", "ks", 0.2, {"columns": ["x"]}),
        ("lognormal", "sigma", "gini", 0.3, {}),
        ("dirichlet_sizes", "alpha", "gini", 0.5, {}),
        ("quantity", "exponent", "gini", 0.4, {}),
    ],
)
def test_the_skew_asked_for_is_the_mean_of_what_comes_out(scheme, option, measure, target, others):
    """Over seeds the measured skew has the mean that was asked for, within its standard error."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": range(3000), "x": rng.normal(size=3000), "ill": rng.choice(3, 3000, p=[0.5, 0.3, 0.2])})
    records = Records(frame, Schema("id", ["x"], "ill"), "plain")
    split = split_records(records, scheme, 5, 0, 1, **{option: {measure: target}}, **others)
    found = split.found[option]
    assert found["expected"] == pytest.approx(target, abs=1e-3) and split.options[option] == {measure: target}
    mean, error = means(records, 5, measure, 25, scheme, **{option: found["value"]}, **others)
    assert abs(mean - target) < 4 * error + 0.004
    again = split_records(records, scheme, 5, 0, 1, **{option: {measure: target}}, **others)
    assert again.found == split.found and np.array_equal(again.assignment, split.assignment)
    by_number = split_records(records, scheme, 5, 0, 1, **{option: found["value"]}, **others)
    assert np.array_equal(by_number.assignment, split.assignment)


def test_partition_json_says_what_was_asked_and_what_came_out(tmp_path):
    """The option as given, its value, the expected and the achieved skew are recorded."""
    records = rich(2000)
    meta = write_partition(split_records(records, "dirichlet", 4, alpha={"js": 0.3}), tmp_path).meta
    found = meta["found"]["alpha"]
    assert meta["options"] == {"alpha": {"js": 0.3}} and found["target"] == 0.3 and found["measure"] == "js"
    assert found["achieved"] == meta["skew"]["js"] and found["value"] > 0
    split = split_records(records, "feature", 4, column="z", strictness={"ks": 0.2})
    found = write_partition(split, tmp_path).meta["found"]["strictness"]
    assert found["achieved"] == pytest.approx(measure_skew(split)["features"]["z"]["ks"])


def test_targets_out_of_reach_say_the_range():
    """A skew that no value gives is refused with the range that can be reached, before any row is dealt."""
    records = rich(1000)
    with pytest.raises(
        FedlabError, match=r"alpha \{js: 0.99\} cannot be reached .* goes from 0.0\d+ to 0\.\d+; ask for"
    ):
        split_records(records, "dirichlet", 4, alpha={"js": 0.99})
    with pytest.raises(FedlabError, match=r"strictness \{ks: 0.001\} cannot be reached .* from 0.0\d+ to 0\.\d+"):
        split_records(records, "feature", 4, column="z", strictness={"ks": 0.001})
    for wanted, says in (
        ({"ks": 0.1}, "measure of skew for alpha: 'ks' is not known.* known: hellinger, js, tv"),
        ({"js": 0.1, "tv": 0.1}, "must name one measure"),
        ({"js": [0.1, 0.2]}, r"js must be a number .*; over several, write \[\{js: …\}"),
        ({"js": -1}, "js must be a number of 0 or more"),
        ({}, "must name one measure"),
    ):
        with pytest.raises(FedlabError, match=says):
            check_options("dirichlet", {"alpha": wanted})


def test_a_sweep_runs_over_skew():
    """A list of targets is an axis of the grid; a list of lists is one value where the option takes lists."""
    from fedlab.sweep.params import parse_sweep

    sweep = parse_sweep({"scheme": "dirichlet", "n_shards": 4, "alpha": [{"js": 0.1}, {"js": 0.3}, 0.5]})
    assert [cell.scheme_options["alpha"] for cell in sweep.cells] == [{"js": 0.1}, {"js": 0.3}, 0.5]
    table_of_shares = [[0.5, 0.2], [0.5, 0.8]]
    one = parse_sweep({"scheme": "class_distribution", "distribution": table_of_shares})
    assert [cell.scheme_options["distribution"] for cell in one.cells] == [table_of_shares]
    two = parse_sweep({"scheme": "sizes", "sizes": [[10, 20], [15, 15]]})
    assert [cell.scheme_options["sizes"] for cell in two.cells] == [[10, 20], [15, 15]]
    mixed = parse_sweep(
        {"scheme": {"name": "mixed", "size": "linear", "label": {"scheme": "dirichlet"}}, "n_shards": 3}
    )
    assert mixed.cells[0].scheme_options == {"size": "linear", "label": {"scheme": "dirichlet"}}
