"""What skew does to a vote: kinds told apart, changes paired by seed, and sentences that the numbers support."""

import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.evidence import skew_effect, skew_sentences
from fedlab.evidence.skew_effect import kinds_of_skew, measured_skew
from fedlab.figures import FIGURES

NOISE = '{"kind":"label_noise","probability":0.5}'
CENTRAL = {0: 0.84, 1: 0.80, 2: 0.82}


def row(scheme, rule, seed, accuracy, quality=None, central=None, **skew):
    """A row of results with what the effect of skew needs."""
    measured = {"skew_js": 0.02, "skew_ks": 0.03, "skew_gini": 0.0, "skew_quality": 0.0} | skew
    first = {
        "sweep": "s",
        "data": "toy",
        "scheme": scheme,
        "n_shards": 4,
        "quality": quality,
        "rule": rule,
        "seed": seed,
    }
    reference = CENTRAL[seed] if central is None else central
    return (
        first | {"accuracy": accuracy, "centralised_accuracy": reference, "organisation_accuracy_mean": 0.7} | measured
    )


@pytest.fixture
def table():
    """Even shards, strong label skew that breaks one of two rules, and faults that break central training instead."""
    rows = []
    for seed, central in CENTRAL.items():
        rows += [row("iid", rule, seed, central - 0.01) for rule in ("majority", "soft")]
        rows.append(row("dirichlet", "majority", seed, central - 0.11 - 0.001 * seed, skew_js=0.4))
        rows.append(row("dirichlet", "soft", seed, central - 0.01 + 0.004 * (seed - 1), skew_js=0.4))
        rows += [row("iid", rule, seed, central - 0.05, NOISE, 0.6, skew_quality=0.5) for rule in ("majority", "soft")]
    return pd.DataFrame(rows)


def test_the_change_is_paired_by_seed_and_against_central_training(table):
    """By hand: -0.110, -0.111, -0.112 less -0.01 each is -0.101 on average, t interval 0.001 * 4.303 / sqrt(3)."""
    found = skew_effect(table).set_index(["kind", "rule"])
    change = found.loc[("label", "majority")]
    assert change["change"] == pytest.approx(-0.101)
    assert change["change_high"] - change["change"] == pytest.approx(0.001 * 4.302653 / 3**0.5, rel=1e-5)
    assert found.loc[("label", "majority"), "skew"] == pytest.approx(0.4)
    assert found.loc[("quality (label_noise)", "soft"), "skew"] == pytest.approx(0.5)
    # 0.82 - 0.05 - 0.6 on average, less -0.01
    assert found.loc[("quality (label_noise)", "soft"), "change"] == pytest.approx(0.18)
    assert found.loc[("even", "soft")][["change", "change_low", "skew"]].isna().all()
    assert found.loc[("even", "soft"), "skew_label"] == pytest.approx(0.02)


def test_sentences_tell_what_breaks_from_what_does_not(table):
    """Majority breaks under label skew, soft does not; under faults neither falls further than central training."""
    label, quality = skew_sentences(table)
    assert (
        "it breaks majority (-0.101 [-0.103, -0.099])" in label
        and "Jensen-Shannon distance of the classes 0.40" in label
    )
    assert "no loss beyond chance was found for soft" in label
    assert "it breaks the records for every model alike" in quality and "share of records with a fault 0.50" in quality
    assert "one model on the same rows together 0.600 (0.820)" in quality
    assert (
        "At 0.50 the vote withstands what the centralised model does not: majority 0.770, centralised 0.600" in quality
    )
    assert "withstands" not in label and "every model alike" not in label


def test_a_small_sure_loss_is_no_break(table):
    """Beyond chance but within the bound: it costs a little."""
    soft = (table["scheme"] == "dirichlet") & (table["rule"] == "soft")
    table.loc[soft, "accuracy"] = table.loc[soft, "centralised_accuracy"] - 0.02
    assert "it costs soft (-0.010 [-0.010, -0.010]) a little" in skew_sentences(table)[0]


def test_two_kinds_at_once_are_left_out_and_unknown_schemes_too():
    """Faults on skewed shards show the effect of neither; a scheme of one's own has no kind."""
    table = pd.DataFrame(
        {"scheme": ["dirichlet", "mine:own", "clusters", "lognormal", "stratified"], "quality": [NOISE] + [None] * 4}
    )
    assert kinds_of_skew(table).tolist() == ["", "", "feature", "quantity", "even"]


def test_every_kind_is_measured_by_its_own_measure(table):
    """Label skew by Jensen-Shannon, faults by their share; even shards by none."""
    assert measured_skew(table).dropna().unique().tolist() == [0.4, 0.5]


def test_without_even_shards_there_is_nothing_to_compare_with(table):
    """The error names what the table has."""
    with pytest.raises(FedlabError, match=r"needs cells with even shards.*has label"):
        skew_effect(table[table["scheme"] == "dirichlet"])
    with pytest.raises(FedlabError, match="has even"):
        skew_effect(table[(table["scheme"] == "iid") & table["quality"].isna()])


def test_the_figure_has_a_panel_for_each_kind_with_equal_axes(table):
    """Two kinds, two panels, 0 to 1 across, the same height; every rule's line starts at even shards."""
    drawing = FIGURES.get("accuracy_by_skew")(table)
    axes = drawing.figure.axes
    assert [ax.get_title() for ax in axes] == ["label skew", "quality skew (label_noise)"]
    assert {ax.get_xlim() for ax in axes} == {(-0.04, 1.04)} and len({ax.get_ylim() for ax in axes}) == 1
    for ax in axes:
        assert len(ax.containers) == 2 and all(len(line.lines[0].get_xdata()) == 2 for line in ax.containers)
    assert "majority under label skew 0.40" in drawing.alt
