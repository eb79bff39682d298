"""The decision guide: its sentences follow the table, and change when the table does."""

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.evidence import compare_rules, decision_guide, rank_rules, rule_table
from fedlab.evidence.guide import tier_of

GAIN = {"majority": 0.0, "any": -0.2, "soft": 0.03, "borda": 0.0, "weighted(by=accuracy)": 0.01, "stacking": 0.02}


def results_of(gain, n_data=12, skewed=None, coverage=None):
    """Return a table in which each rule gains this much over majority on every data set, IID and by site."""
    rows = []
    for number in range(n_data):
        for scheme, gains in (("iid", gain), ("site", skewed or gain)):
            for rule, value in gains.items():
                row = {"data": f"d{number}", "scheme": scheme, "n_shards": 4, "rule": rule, "seed": 0}
                row |= {"accuracy": 0.7 + number / 100 + value, "centralised_accuracy": 0.8 + number / 100}
                rows.append(row | {"coverage": (coverage or {}).get(rule, 1.0)})
    return pd.DataFrame(rows)


def only(sentences, word):
    """Return the one sentence that begins with a word."""
    (found,) = [text for text in sentences if text.startswith(word)]
    return found


def test_the_table_holds_what_was_measured():
    """Needs from the registry, ranks and differences from the results, p = 2^-23 times the comparisons left."""
    table = results_of(GAIN)
    found = rule_table(table, rank_rules(table)).set_index("rule")
    assert found.index[0] == "soft" and found.index[-1] == "any"
    assert found["needs"].to_dict() == {
        "majority": "verdicts", "any": "verdicts", "soft": "probabilities", "borda": "probabilities",
        "weighted(by=accuracy)": "claims", "stacking": "validation",
    }  # fmt: skip
    assert found["difference"].round(6).to_dict() == GAIN
    assert found.loc["any", ["better", "worse"]].tolist() == [0, 24]
    assert found.loc["soft", "p_value"] == pytest.approx(5 * 2.0**-23)
    assert (found.loc["majority", "p_value"], found.loc["borda", "p_value"]) == (1.0, 1.0)
    assert found["mean_rank"].to_dict() == rank_rules(table).mean.to_dict()


def test_the_guide_says_what_the_table_shows():
    """Leaders by need, gains by scheme, equal rules and worse rules, each by name and with its number."""
    skewed = GAIN | {"stacking": 0.05}
    told = decision_guide(results_of(GAIN, skewed=skewed))
    assert told[0].startswith(
        "Compared: 6 rules by accuracy on the holdout in 24 settings of 12 data sets, each the mean"
    )
    assert told[1].startswith("The rules differ (Friedman chi-square")
    assert "'majority' loses 0.100 against central training" in told[2]
    assert "at most 0.250" in told[2] and "'majority' 0.040" in told[2]
    assert "'soft' has the best mean rank of the 2 rules" in only(told, "If you have probabilities")
    assert "'majority' +0.030 of accuracy, better in 24 and worse in 0 of 24" in only(told, "If you have probabilities")
    assert "beyond chance" in only(told, "If you have validation rows")
    assert "'weighted(by=accuracy)' has" in only(told, "If organisations also say")
    assert only(told, "If you have verdicts only").endswith(
        "'majority' has the best mean rank of the 2 rules of this kind, 4.5 of 6."
    )
    assert "'soft' gains most over 'majority', 0.030 on average" in only(told, "Where organisations are cut by 'iid'")
    assert "'stacking' gains most over 'majority', 0.050" in only(told, "Where organisations are cut by 'site'")
    assert "'majority' and 'borda'" in only(told, "The same accuracy")
    assert only(told, "Worse than").startswith(
        "Worse than 'majority' in accuracy beyond chance, and so no default: 'any' (-0.200)."
    )


def test_another_table_makes_other_sentences():
    """With the signs turned round, soft is called worse, and majority is not beaten anywhere."""
    told = decision_guide(results_of({rule: -abs(value) for rule, value in GAIN.items()}))
    assert "'soft' (-0.030)" in only(told, "Worse than")
    for scheme in ("iid", "site"):
        assert "no rule has a higher mean than 'majority'" in only(told, f"Where organisations are cut by '{scheme}'")


def test_rules_that_take_turns_are_not_called_different():
    """Each of six rules has each place in 4 of 24 settings: no difference found, and none is called better or worse."""
    table = results_of(dict.fromkeys(GAIN, 0.0))
    place = np.arange(len(table))
    table["accuracy"] += (place + place // 6) % 6 / 100
    told = decision_guide(table)
    assert told[1].startswith("No difference between the rules was found (Friedman chi-square 0.0, p 1.000)")
    assert not [text for text in told if "beyond chance" in text]
    assert len([text for text in told if "no difference was found, which does not show that none is" in text]) == 3


def test_chance_is_seldom_called_a_difference():
    """Of 30 tables of equal rules, about 5 % may show any rule as better or worse; 7 or more would be p < 0.001."""
    wrong = 0
    for seed in range(30):
        scores = np.random.default_rng(seed).normal(0.7, 0.01, (12, 5))
        ranks = rank_rules(
            pd.DataFrame(
                [
                    {"data": f"d{row}", "n_shards": 4, "rule": f"r{column}", "seed": 0, "accuracy": value}
                    for (row, column), value in np.ndenumerate(scores)
                ]
            )
        )
        wrong += bool(compare_rules(ranks, "wilcoxon_holm", "r0")["told_apart"].any())
    assert wrong < 7


def test_too_few_settings_are_called_so():
    """Four settings cannot tell six rules apart by signed ranks: the guide says it and claims nothing."""
    told = decision_guide(results_of(GAIN, n_data=2))
    assert "So few settings cannot tell any rule from another" in told[1]
    assert not [text for text in told if "beyond chance" in text]
    assert "So few" not in decision_guide(results_of(GAIN))[1]


def test_silence_is_told():
    """A rule silent on 20 % and right on 60 % of all is right on 75 % of what it answers."""
    table = results_of({"majority": 0.0, "soft": 0.0, "quorum": -0.155}, coverage={"quorum": 0.8})
    assert only(decision_guide(table), "'quorum'") == (
        "'quorum' is silent on 20 % of the records, which counts as wrong; of those that it answers, 75 % are right."
    )


def test_less_is_better_for_log_loss():
    """With log loss the rule of the least is the leader, and the higher one is worse."""
    table = results_of(GAIN).rename(columns={"accuracy": "log_loss", "centralised_accuracy": "centralised_log_loss"})
    told = decision_guide(table, "log_loss")
    assert "'any' gains most over 'majority', 0.200" in only(told, "Where organisations are cut by 'iid'")
    assert "'soft' (+0.030)" in only(told, "Worse than") and "'majority' gains 0.100 against central" in told[2]


def test_a_dropped_rule_is_named():
    """A rule that one setting lacks is left out, and the first sentence says so."""
    table = results_of(GAIN)
    table = table[~((table["rule"] == "stacking") & (table["data"] == "d0"))]
    assert decision_guide(table)[0].endswith("Not measured in every setting and left out: 'stacking'.")


def test_tiers_and_errors():
    """A label's options decide what it needs; a reference that is not in the table is refused."""
    labels = ("weighted(by=size, of=probabilities)", "log_odds(by=validation)", "knora_e", "prior_corrected", "mine")
    assert [tier_of(label) for label in labels] == ["probabilities", "validation", "validation", "probabilities", "own"]
    with pytest.raises(FedlabError, match="reference: rule 'plurality'"):
        decision_guide(results_of(GAIN), reference="plurality")
