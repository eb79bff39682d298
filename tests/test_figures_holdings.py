"""Figures of who holds what and how skewed it is: their numbers are those of the table, the split, the partition."""

import json

import numpy as np
import pandas as pd
import pytest
from figures_sample import sample_table

from fedlab.errors import FedlabError
from fedlab.figures import (
    class_heatmap,
    draw_all,
    draw_partition,
    draw_skew,
    feature_ridgelines,
    size_bars,
    skew_by_alpha,
)
from fedlab.figures.ridgelines import density, telling_feature
from fedlab.partition import skew_over, split_records, stream_partition, write_partition
from fedlab.records import Records, Schema

SHARES = {"organisation_class_counts": "[[30,10],[10,190]]", "organisations": '["north","south"]'}


def holding(counts):
    """Return a results table of organisations with these counts."""
    table = sample_table(shards=(len(counts),), seeds=(0,), rules=("soft",))
    classes = json.dumps(list(range(len(counts[0]))))
    return table.assign(organisation_class_counts=json.dumps(counts), classes=classes)


def records(n=400, seed=0):
    """Return records of two classes with one numeric feature, one with gaps and one of text."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": range(n), "age": rng.normal(50, 10, n), "dose": rng.random(n)})
    frame.loc[: n // 4, "dose"] = np.nan
    frame["note"] = rng.choice(["a", "b"], n)
    frame["ill"] = rng.choice(["no", "yes"], n, p=[0.7, 0.3])
    return Records(frame, Schema("id", ["age", "dose", "note"], "ill"), "made up")


def test_heat_map_holds_each_organisations_shares_and_the_pools():
    """By hand: 30 and 10 of 40, 10 and 190 of 200, then 40 and 200 of 240 of all; written and coloured."""
    ax = class_heatmap(sample_table(shards=(2,)).assign(**SHARES)).figure.axes[0]
    expected = [[0.75, 0.25], [0.05, 0.95], [1 / 6, 5 / 6]]
    assert np.asarray(ax.images[0].get_array()) == pytest.approx(np.array(expected))
    assert [text.get_text() for text in ax.texts] == ["0.75", "0.25", "0.05", "0.95", "0.17", "0.83"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["north", "south", "all together"]


def test_size_bars_and_the_line_at_equal_sizes():
    """By hand: bars of 4000 and 6000 in the order given, a line at 5000; Gini 2000 / (2 · 2 · 5000) = 0.1."""
    drawing = size_bars(holding([[3000, 1000], [500, 5500]]))
    ax = drawing.figure.axes[0]
    assert [bar.get_height() for bar in ax.patches] == [4000, 6000]
    assert ax.lines[0].get_ydata() == [5000, 5000]
    assert "Gini 0.10, worth 1.9 equal organisations" in drawing.caption  # 1 / (0.4² + 0.6²) = 1.92


@pytest.mark.parametrize(
    ("counts", "heat", "sizes"),
    [
        ([[70, 30], [68, 31], [72, 29]], "same mix of classes, up to chance", "equally many rows, up to chance"),
        ([[70, 30], [20, 81], [50, 50]], "who_holds_what shows their mix already", "equally many rows"),
        ([[700, 300], [70, 30]], "same mix", None),
        ([[700, 300], [20, 80]], None, None),
        ([[70, 20, 10], [10, 20, 70]], None, "equally many rows"),
        ([[50, 0]], "same mix", "equally many rows"),
    ],
)
def test_pictures_that_say_nothing_are_left_out_with_the_reason(counts, heat, sizes):
    """Mixes and sizes within chance, or what the stacked bars show: not drawn; everything else is."""
    drawings, left_out = draw_all(holding(counts))
    assert "who_holds_what" in drawings
    for name, reason in (("class_heatmap", heat), ("size_bars", sizes)):
        assert (name in drawings) == (reason is None)
        assert reason is None or reason in left_out[name]


def skewed_table():
    """Return a results table of three alphas and an asked-for skew, its measures stated."""
    settings = [{"scheme": "dirichlet", "alpha": alpha} for alpha in ("0.1", "1", "10", '{"js":0.3}')]
    table = sample_table((2, 4), ("soft", "any"), (0, 1, 2), settings)
    table = pd.concat([table, table.iloc[:2].assign(scheme="dirichlet_sizes", alpha="5")], ignore_index=True)
    alpha = pd.to_numeric(table["alpha"], errors="coerce").fillna(99)
    js = 0.3 / (1 + alpha) + table["seed"] / 100 + table["n_shards"] / 50
    return table.assign(skew_js=js, skew_hellinger=js * 0.9, skew_tv=js / 2)


def test_skew_by_alpha_shows_means_and_intervals_of_the_numeric_alphas():
    """Lines run through the seeds' means, each split counted once whatever the rules; other alphas are left out."""
    table = skewed_table()
    drawing = skew_by_alpha(table)
    assert len(drawing.figure.axes) == 3 and "3 seeds" in drawing.caption
    for ax, measure in zip(drawing.figure.axes, ("skew_js", "skew_hellinger", "skew_tv"), strict=True):
        assert ax.get_xscale() == "log"
        for held, n_shards in zip(ax.containers, (2, 4), strict=True):
            rows = table[(table["n_shards"] == n_shards) & table["alpha"].isin(["0.1", "1", "10"])]
            expected = rows.groupby(rows["alpha"].astype(float))[measure].mean()
            assert held.lines[0].get_ydata() == pytest.approx(expected.to_numpy())
            # set apart by less than a tenth of the gap between two alphas
            assert np.log10(np.asarray(held.lines[0].get_xdata(), float)) == pytest.approx([-1, 0, 1], abs=0.1)
        points = [line for line in ax.lines if line.get_linestyle() == "None" and line.get_markersize() == 2.5]
        assert [len(line.get_xdata()) for line in points] == [9, 9]
    with pytest.raises(FedlabError, match=r"two numeric values of alpha at least.*the table has 1"):
        skew_by_alpha(table[table["alpha"].isin(["0.1", '{"js":0.3}'])])
    with pytest.raises(FedlabError, match="the table has 0"):
        skew_by_alpha(table[table["scheme"] == "dirichlet_sizes"])
    with pytest.raises(FedlabError, match="'alpha'"):
        skew_by_alpha(table.assign(alpha=np.nan))


@pytest.mark.parametrize("written", ["split", "partition", "streamed"])
def test_a_partition_is_drawn_before_any_training(tmp_path, written):
    """Four drawings of a split, of the same on disk, and of a streamed one, with the rows that they hold."""
    source = split_records(records(), "quantity", 3, seed=1)
    counts = [pd.Series(source.shard(i).y).value_counts()[["no", "yes"]].tolist() for i in range(3)]
    if written == "partition":
        source = write_partition(source, tmp_path / "out")
    elif written == "streamed":
        records().frame.to_csv(tmp_path / "in.csv", index=False)
        source = stream_partition(tmp_path / "in.csv", records().schema, tmp_path / "out", "quantity", 3, seed=1)
        counts = [[entry["class_counts"][name] for name in ("no", "yes")] for entry in source.meta["shards"]]
    drawings = draw_partition(source)
    assert list(drawings) == ["who_holds_what", "class_heatmap", "size_bars", "feature_ridgelines"]
    bars = drawings["size_bars"].figure.axes[0].patches
    assert [bar.get_height() for bar in bars] == [sum(own) for own in counts]
    image = np.asarray(drawings["class_heatmap"].figure.axes[0].images[0].get_array())
    assert image[:3] == pytest.approx(np.array(counts) / np.sum(counts, axis=1, keepdims=True))
    assert "quantity, exponent 1.0, 3 organisations, seed 1" in drawings["size_bars"].caption


def test_ridges_are_densities_of_what_each_organisation_holds():
    """Each ridge, freed of its base and scale, integrates to one area; ticks stand at the medians; gaps are told."""
    split = split_records(records(), "feature", 4, column="age", seed=2)
    drawing = feature_ridgelines(split, "age")
    (ax,) = drawing.figure.axes
    outlines = [line for line in ax.lines if line.get_color() == "#000000"]
    areas = [np.trapezoid(line.get_ydata() + place, line.get_xdata()) for place, line in enumerate(outlines)]
    assert len(areas) == 4 and areas == pytest.approx([areas[0]] * 4, rel=0.01)
    ticks = [line.get_xdata()[0] for line in ax.lines if line.get_color() == "#D55E00"]
    assert ticks == pytest.approx([np.median(split.shard(i).X["age"]) for i in range(4)])
    assert telling_feature(split) == "age"
    n_missing = sum(split.shard(i).X["dose"].isna().sum() for i in range(4))
    assert f"{n_missing} missing or infinite values are left out" in feature_ridgelines(split, "dose").caption
    sparse = records()
    sparse.frame["age"] = sparse.frame["age"].where(np.arange(len(sparse.frame)) % 8 == 0)
    assert telling_feature(split_records(sparse, "iid", 4, seed=2)) == "dose"
    many = feature_ridgelines(split_records(records(), "iid", 50), "age")
    assert "30 more organisations are not drawn" in many.caption


def test_density_is_the_sum_of_kernels():
    """Binned, it equals the mean of Gaussian kernels at the values, to a hundredth of the peak; nothing has none."""
    values = np.random.default_rng(0).normal(0, 1, 50)
    grid = np.linspace(-6, 6, 257)
    exact = np.exp(-0.5 * ((grid[:, None] - values) / 0.4) ** 2).mean(axis=1) / (0.4 * np.sqrt(2 * np.pi))
    assert density(values, grid, 0.4) == pytest.approx(exact, abs=0.01 * exact.max())
    assert np.trapezoid(density(values, grid, 0.4), grid) == pytest.approx(1, abs=1e-3)
    assert not density(values[:0], grid, 0.4).any()


def test_features_that_have_no_ridges_are_refused():
    """Unknown, of text, constant: the message says which."""
    split = split_records(records(), n_shards=2)
    for feature, message in (("agee", "did you mean 'age'"), ("note", "need a numeric one")):
        with pytest.raises(FedlabError, match=message):
            feature_ridgelines(split, feature)
    same = Records(records().frame.assign(age=1.0), records().schema, "same")
    with pytest.raises(FedlabError, match="no two different numbers"):
        feature_ridgelines(split_records(same, n_shards=2), "age")
    vertical = split_records(records(), "vertical", 3)
    assert "in 1 organisations" in feature_ridgelines(vertical, "age").alt


def test_skew_is_drawn_from_splits_alone():
    """`draw_skew` shows the means of `skew_over`, feature skew on a linear axis."""
    table = skew_over(records(), "feature", "strictness", [0, 0.5, 1], n_shards=[2, 4], seeds=2, column="age")
    drawing = draw_skew(table, "strictness", ["skew_ks"])
    (ax,) = drawing.figure.axes
    assert ax.get_xscale() == "linear" and ax.get_ylabel().startswith("Kolmogorov-Smirnov")
    expected = table[table["n_shards"] == 4].groupby("strictness")["skew_ks"].mean()
    assert ax.containers[1].lines[0].get_ydata() == pytest.approx(expected.to_numpy())
    with pytest.raises(FedlabError, match="'skew_kss'"):
        draw_skew(table, "strictness", ["skew_kss"])
