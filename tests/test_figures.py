"""Figures: each draws from a table, shows the table's numbers, and has the same bytes in every process."""

import hashlib
import json
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from figures_sample import NINE, hospitals_table, sample_table

from fedlab import figures
from fedlab.errors import FedlabError
from fedlab.evidence import compare_with_centralised, rank_rules, summarise
from fedlab.figures import FIGURES, draw_all, label_style, rule_style, save

ALL = (
    "accuracy_by_shards",
    "agreement",
    "auc_by_shards",
    "bytes",
    "certified_accuracy",
    "class_heatmap",
    "critical_difference",
    "difference_from_centralised",
    "margins",
    "robustness_tradeoff",
    "rule_by_shards",
    "size_bars",
    "who_holds_what",
)


ONE_CELL = ("agreement", "class_heatmap", "size_bars", "who_holds_what")


@pytest.fixture(scope="module")
def table():
    """A sweep of four shard counts, six rules and three seeds."""
    return sample_table()


@pytest.fixture(scope="module")
def hospitals():
    """Four hospitals, nine rules, five seeds."""
    return hospitals_table()


def _lines(ax):
    """Return the points of each rule's error bars by label."""
    return {held.get_label(): held.lines[0] for held in ax.containers}


def _reach(held):
    """Return the interval's ends that error bars show, as pairs."""
    return list(held.lines[2][0].get_segments())


def test_every_figure_is_drawn(table, hospitals):
    """Both kinds of sweep give all figures that they can, with a caption that names seeds, and a description.

    The four hospitals are one setting and one shard count: no mean ranks, nothing to trade off.
    """
    for results, seeds in ((table, "3 seeds"), (hospitals, "5 seeds")):
        drawings, left_out = draw_all(results)
        without = {"critical_difference", "robustness_tradeoff"} if results is hospitals else set()
        assert tuple(drawings) == tuple(name for name in ALL if name not in without)
        assert set(left_out) == without | {"accuracy_by_skew", "bandwidth", "bytes_by_accuracy", "skew_by_alpha"}
        for name, drawing in drawings.items():
            told = "1 seed (0)" if name in ONE_CELL else seeds
            assert told in drawing.caption
            assert "interval" in drawing.caption or name == "rule_by_shards"
            assert len(drawing.alt) > 40
            assert all(ax.get_title() is not None for ax in drawing.figure.axes)


@pytest.mark.parametrize(("name", "metric"), [("accuracy_by_shards", "accuracy"), ("auc_by_shards", "roc_auc")])
def test_lines_are_the_means_and_bars_the_intervals(table, name, metric):
    """Each rule's line runs through the seeds' means, its bars span the t intervals, at its shard counts."""
    (ax,) = FIGURES.get(name)(table).figure.axes
    expected = summarise(table, ["rule", "n_shards"], metric)
    assert len(ax.containers) == 6
    for held in ax.containers:
        rows = expected[expected["rule"] == held.get_label()]
        assert held.lines[0].get_ydata() == pytest.approx(rows["mean"].to_numpy())
        assert np.round(held.lines[0].get_xdata()).tolist() == [1, 2, 3, 4]
        ends = np.array([segment[:, 1] for segment in _reach(held)])
        assert ends == pytest.approx(rows[["low", "high"]].to_numpy())
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2", "4", "8", "16"]
    low, high = ax.get_ylim()
    assert low < expected["low"].min() and high > expected["high"].max()


def test_references_are_drawn_where_known(table):
    """Centralised, organisation alone and Bayes lines lie at the table's numbers, or are absent."""
    (ax,) = figures.accuracy_by_shards(table.assign(bayes_accuracy=0.83)).figure.axes
    drawn = {line.get_linestyle(): line.get_ydata() for line in ax.lines if line.get_marker() == "None"}
    seeds = table.drop_duplicates(["n_shards", "seed"]).groupby("n_shards")
    assert drawn["--"] == pytest.approx(seeds["centralised_accuracy"].mean().to_numpy())
    assert drawn[":"] == pytest.approx(seeds["organisation_accuracy_mean"].mean().to_numpy())
    assert drawn["-."] == pytest.approx(0.83)
    bare = table.drop(columns=[name for name in table if name.startswith(("centralised", "organisation_acc"))])
    drawing = figures.accuracy_by_shards(bare)
    assert not [line for line in drawing.figure.axes[0].lines if line.get_color() in ("#000000", "#666666")]
    assert "Dashed" not in drawing.caption


def test_one_shard_count_becomes_a_dot_plot(hospitals):
    """With one shard count each rule is a named dot with its interval, in order of the means."""
    (ax,) = figures.accuracy_by_shards(hospitals).figure.axes
    expected = summarise(hospitals, ["rule"]).set_index("rule").sort_values("mean")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == expected.index.tolist()
    for place, rule in enumerate(expected.index):
        dot = _lines(ax)[rule]
        assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (pytest.approx(expected.loc[rule, "mean"]), place)


def test_certified_accuracy_curves(table, hospitals):
    """Each panel holds the seeds' mean share of every rule for each number of hostile ones, down to 0."""
    axes = figures.certified_accuracy(table).figure.axes
    assert [ax.get_title() for ax in axes] == [f"{n} organisations" for n in (2, 4, 8, 16)]
    for ax, n_shards in zip(axes, (2, 4, 8, 16), strict=True):
        for line in ax.lines:
            rows = table[(table["n_shards"] == n_shards) & (table["rule"] == line.get_label())]
            mean = np.mean([json.loads(text) for text in rows["certified_accuracy"]], axis=0)
            assert line.get_ydata() == pytest.approx([*mean, 0])
            assert line.get_xdata().tolist() == list(range(n_shards // 2 + 1))
    (ax,) = figures.certified_accuracy(hospitals).figure.axes
    assert len(ax.lines) == 8 and "borda" not in [line.get_label() for line in ax.lines]


def test_robustness_tradeoff_lines(table):
    """Each rule's panel shows the mean accuracy and the mean share certified against 1, 2 and 4, by shard count."""
    axes = figures.robustness_tradeoff(table).figure.axes
    assert [ax.get_title() for ax in axes] == list(dict.fromkeys(table["rule"]))
    for ax in axes:
        rows = table[table["rule"] == ax.get_title()]
        by_count = rows.groupby("n_shards")
        expected = {"none hostile: accuracy": by_count["accuracy"].mean().tolist()}
        for r in (1, 2, 4):
            held = rows["certified_accuracy"].map(lambda text, r=r: dict(enumerate(json.loads(text))).get(r, 0))
            expected[f"{r} hostile"] = held.groupby(rows["n_shards"]).mean().tolist()
        drawn = {held.get_label(): held.lines[0].get_ydata().tolist() for held in ax.containers}
        assert drawn == {label: pytest.approx(values) for label, values in expected.items()}


def test_heat_map_numbers(table):
    """Each field holds its mean: as colour value and as text."""
    ax = figures.rule_by_shards(table).figure.axes[0]
    expected = summarise(table, ["rule", "n_shards"])["mean"].to_numpy().reshape(4, 6).T
    assert np.asarray(ax.images[0].get_array()) == pytest.approx(expected)
    assert [text.get_text() for text in ax.texts] == [f"{value:.3f}" for value in expected.ravel()]


def test_difference_dots(table):
    """Each panel shows the paired differences of one shard count with their intervals, around a zero line."""
    axes = figures.difference_from_centralised(table).figure.axes
    expected = compare_with_centralised(table, by=["n_shards", "rule"]).set_index(["n_shards", "rule"])
    assert [ax.get_title() for ax in axes] == [f"{n} organisations" for n in (2, 4, 8, 16)]
    for ax, n_shards in zip(axes, (2, 4, 8, 16), strict=True):
        assert ax.lines[0].get_xdata() == [0, 0]
        for held in ax.containers:
            row = expected.loc[(n_shards, held.get_label())]
            assert held.lines[0].get_xdata()[0] == pytest.approx(row["difference"])
            assert _reach(held)[0][:, 0] == pytest.approx(row[["low", "high"]].to_numpy(float))


def test_who_holds_what_bars():
    """Bars stack to the rows of each organisation, in the order of the parts, of the first seed."""
    results = sample_table(shards=(2, 40)).assign(
        organisation_class_counts="[[30,10],[5,55]]", organisations='["north","south"]'
    )
    ax = figures.who_holds_what(results).figure.axes[0]
    assert ax.get_title() == "2 organisations"
    assert [[bar.get_width() for bar in held] for held in ax.containers] == [[30, 5], [10, 55]]
    assert [bar.get_x() for bar in ax.containers[1]] == [30, 5]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["north", "south"]


def test_agreement_matrix_and_margins(hospitals):
    """The heat map is the symmetric matrix of the table, the histograms are the summed counts as shares."""
    image = figures.agreement_map(hospitals).figure.axes[0].images[0]
    matrix = np.asarray(image.get_array())
    assert (matrix == matrix.T).all() and (np.diag(matrix) == 1).all()
    assert matrix[np.triu_indices(4, 1)].tolist() == json.loads(hospitals["agreement"].iloc[0])
    ax = figures.margins(hospitals).figure.axes[0]
    rows = hospitals[hospitals["rule"] == ax.get_title()]
    right, wrong = (sum(np.array(json.loads(text)) for text in rows[name]) for name in ("margin_right", "margin_wrong"))
    heights = [[bar.get_height() for bar in held] for held in ax.containers]
    assert heights[0] == pytest.approx((100 * right / (right.sum() + wrong.sum())).tolist())
    assert heights[1] == pytest.approx((-100 * wrong / (right.sum() + wrong.sum())).tolist())


def test_bytes_bars(table):
    """Bars are the mean bytes of each shard count; the caption gives their ratio."""
    drawing = figures.bytes_sent(table)
    data, models = drawing.figure.axes[0].containers[:2]
    assert [bar.get_height() for bar in data] == pytest.approx([61_236, 61_238, 61_242, 61_250])
    assert [bar.get_height() for bar in models] == pytest.approx([900_000 * n**0.6 for n in (2, 4, 8, 16)])
    assert "22 to 78 times" in drawing.caption


def test_settings_are_panels_and_ties_are_lines():
    """Schemes with their alpha are panels; tie policies that vary are lines of the rule's colour."""
    settings = (
        {"scheme": "iid"},
        {"scheme": "dirichlet", "alpha": 0.1},
        {"scheme": "dirichlet", "alpha": 1.0},
    )
    results = sample_table((2, 4), ("majority", "any"), (0,), settings, ties=("lowest", "positive"))
    axes = figures.accuracy_by_shards(results).figure.axes
    assert [ax.get_title() for ax in axes] == ["iid", "dirichlet, alpha 0.1", "dirichlet, alpha 1"]
    drawn = _lines(axes[0])
    assert set(drawn) == {f"{rule} (tie: {tie})" for rule in ("majority", "any") for tie in ("lowest", "positive")}
    pair = [drawn[f"any (tie: {tie})"] for tie in ("lowest", "positive")]
    assert pair[0].get_color() == pair[1].get_color() and pair[0].get_linestyle() != pair[1].get_linestyle()
    assert "bootstrap interval" in figures.accuracy_by_shards(results).caption


def test_too_many_settings_are_said_to_be_left_out():
    """More settings than panels: the caption says how many are not drawn."""
    settings = [{"scheme": "dirichlet", "alpha": alpha / 10} for alpha in range(1, 10)]
    drawing = figures.accuracy_by_shards(sample_table((2, 4), ("soft",), (0, 1), settings))
    assert len(drawing.figure.axes) == 6
    assert "3 more settings of the table are not drawn" in drawing.caption


def test_rules_keep_their_look():
    """Colour and marker belong to the rule, in every figure; no two of the known rules share both."""
    looks = [rule_style(rule)[:2] for rule in NINE]
    assert len(set(looks)) == len(NINE)
    assert label_style("any (tie: lowest)")[:2] == rule_style("any")[:2]
    one = _lines(figures.accuracy_by_shards(sample_table((2, 4), ("soft", "any"))).figure.axes[0])["any"]
    other = _lines(figures.difference_from_centralised(hospitals_table()).figure.axes[0])["any"]
    assert one.get_color() == other.get_color() == rule_style("any").colour
    assert one.get_marker() == other.get_marker() == rule_style("any").marker


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("accuracy_by_shards", "accuracy"),
        ("auc_by_shards", "roc_auc"),
        ("difference_from_centralised", "centralised_accuracy"),
        ("rule_by_shards", "n_shards"),
        ("who_holds_what", "organisation_class_counts"),
        ("class_heatmap", "classes"),
        ("size_bars", "organisation_class_counts"),
        ("agreement", "agreement"),
        ("margins", "margin_wrong"),
        ("bytes", "model_bytes"),
    ],
)
def test_missing_and_empty_columns_are_named(table, name, column):
    """A figure whose column is missing or empty is an error naming it; draw_all says so."""
    with pytest.raises(FedlabError, match=f"'{column}'"):
        FIGURES.get(name)(table.drop(columns=column))
    if column not in ("n_shards", "accuracy"):
        drawings, left_out = draw_all(table[table["n_shards"] == 2].assign(**{column: None}))
        assert name in left_out and column in left_out[name]
        assert len(drawings) + len(left_out) == len(list(FIGURES))


def test_columns_that_hold_no_list_are_named(table):
    """Text that is no JSON list is an error that shows it."""
    with pytest.raises(FedlabError, match="'margin_right' holds 'twenty'"):
        figures.margins(table.assign(margin_right="twenty"))


def test_one_organisation_has_no_agreement(table):
    """A sweep with one organisation and rule has nothing of either to compare: left out, and the others drawn."""
    drawings, left_out = draw_all(sample_table(shards=(1,), rules=("soft",)))
    without = {"agreement", "class_heatmap", "critical_difference", "robustness_tradeoff", "size_bars"}
    assert set(left_out) == without | {"accuracy_by_skew", "bandwidth", "bytes_by_accuracy", "skew_by_alpha"}
    assert len(drawings) == len(ALL) - len(without)


def test_no_global_state(table):
    """Drawing and saving leave matplotlib's settings as they were and never import pyplot's figures."""
    before = dict(matplotlib.rcParams)
    drawing = figures.rule_by_shards(table)
    assert "<img alt=" in drawing._repr_html_()
    assert dict(matplotlib.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


SCRIPT = """
import sys
from pathlib import Path
from fedlab.evidence import read_results
from fedlab.figures import draw_all, save
drawings, _ = draw_all(read_results(sys.argv[1]))
for name, drawing in drawings.items():
    save(drawing, sys.argv[2], name)
"""


def test_bytes_are_the_same_in_every_process(tmp_path):
    """Two processes with other hash seeds and other user settings write the same SVG and PNG bytes."""
    sample_table(shards=(2, 4), rules=("majority", "any", "mymodule:my_rule"), seeds=(0, 1)).to_csv(
        tmp_path / "results.csv", index=False
    )
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nfont.size: 20\n")
    hashes = []
    for number, settings in enumerate(({}, {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")})):
        out = tmp_path / str(number)
        environment = os.environ | {"PYTHONHASHSEED": str(number + 1)} | settings
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "results.csv"), str(out)],
            check=True,
            env=environment,
        )
        hashes.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())})
    assert len(hashes[0]) == 2 * len(ALL)
    assert hashes[0] == hashes[1]


def test_saved_twice_is_the_same(table, tmp_path):
    """Saving the same drawing again changes no byte, and the description travels with the file."""
    drawing = figures.bytes_sent(table)
    first = [path.read_bytes() for path in save(drawing, tmp_path, "one")]
    assert [path.read_bytes() for path in save(drawing, tmp_path / "deeper", "two")] == first
    assert first[0].startswith(b"<?xml") and drawing.alt.encode()[:40] in first[0]
    assert first[1].startswith(b"\x89PNG")


def test_critical_difference_diagram(table):
    """Each rule's dot lies at its mean rank; bars join what lies closer than the critical difference; one ruler."""
    ranks = rank_rules(table)
    drawing = figures.critical_difference_diagram(table)
    (ax,) = drawing.figure.axes
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == [f"{rule}  {rank:.1f}" for rule, rank in ranks.mean.items()]
    dots = [line for line in ax.lines if line.get_marker() not in ("None", "_", "|", 0, 1)]
    assert [line.get_xdata()[0] for line in dots] == pytest.approx(ranks.mean.to_numpy())
    assert [line.get_ydata()[0] for line in dots] == list(range(6))
    (ruler,) = ax.containers
    ends = _reach(ruler)[0][:, 0]
    assert ends[1] - ends[0] == pytest.approx(ranks.critical_difference)
    bars = [line for line in ax.lines if line.get_linewidth() > 2]
    spans = [tuple(np.round(line.get_ydata()).astype(int)) for line in bars]
    order = list(ranks.mean.index)
    assert spans == [(order.index(group[0]), order.index(group[-1])) for group in ranks.groups()]
    assert len(spans) > 0 and min(line.get_xdata()[0] for line in bars) > 6
    assert f"{ranks.critical_difference:.2f}" in drawing.caption


def test_a_rule_that_a_setting_lacks_is_left_out_of_the_diagram_and_named(table):
    """With one cell of a rule gone, its mean rank would be over other settings than the others'."""
    lacking = table[~((table["rule"] == "any") & (table["n_shards"] == 4))]
    drawing = figures.critical_difference_diagram(lacking)
    assert "left out: any." in drawing.caption
    assert len(drawing.figure.axes[0].get_yticklabels()) == 5
