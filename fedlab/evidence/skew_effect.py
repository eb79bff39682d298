"""What skew does to a vote: accuracy against the measured skew of each kind, and in words which kind breaks it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.evidence.intervals import interval_over_seeds
from fedlab.evidence.results import require, rule_labels, setting_labels
from fedlab.evidence.sentences import metric_name
from fedlab.evidence.summary import compare_with_centralised, summarise

EVEN = ("iid", "stratified")
"""Schemes whose shards are alike: where skew begins."""

BREAKS = 0.02
"""A vote is said to break where it loses more than this against central training, beyond chance."""

_SCHEMES = {
    "label": ("dirichlet", "dirichlet_organisations", "pathological", "sorted_shards", "class_distribution"),
    "feature": ("feature", "feature_groups", "clusters"),
    "quantity": ("quantity", "linear", "square", "exponential", "lognormal", "dirichlet_sizes", "sizes"),
}
MEASURES = {
    "label": ("skew_js", "Jensen-Shannon distance of the classes"),
    "feature": ("skew_ks", "Kolmogorov-Smirnov distance of the features"),
    "quantity": ("skew_gini", "Gini coefficient of the sizes"),
    "quality": ("skew_quality", "share of records with a fault"),
}
"""Column and name of the measure of each kind of skew; all run from 0 to 1."""


def kinds_of_skew(results: pd.DataFrame) -> pd.Series:
    """Return which kind of skew each row of results has: ``label``, ``feature``, ``quantity``, ``quality (…)``.

    ``even`` where shards are alike; empty where two kinds meet (faults on skewed shards) or the scheme is none of
    these, so that no figure shows the effect of one as that of the other.

    Examples
    --------
    >>> faults = '{"kind":"label_noise","probability":0.2}'
    >>> table = pd.DataFrame({"scheme": ["iid", "dirichlet", "iid"], "quality": [None, None, faults]})
    >>> kinds_of_skew(table).tolist()
    ['even', 'label', 'quality (label_noise)']
    """
    require(results, "scheme")
    by_scheme = {scheme: kind for kind, schemes in _SCHEMES.items() for scheme in schemes}
    of_scheme = results["scheme"].map(by_scheme | dict.fromkeys(EVEN, "even")).fillna("")
    if "quality" not in results:
        return of_scheme
    faults = results["quality"].map(lambda held: "" if pd.isna(held) else f"quality ({_faults(held)})")
    return of_scheme.where(faults == "", faults.where(of_scheme == "even", ""))


def _faults(held: str) -> str:
    said = json.loads(held)
    return " + ".join(one["kind"] for one in (said if isinstance(said, list) else [said]))


def measured_skew(results: pd.DataFrame) -> pd.Series:
    """Return each row's skew by the measure of its kind (`MEASURES`), 0 to 1; NaN where shards are alike."""
    found, kinds = pd.Series(np.nan, index=results.index), kinds_of_skew(results)
    for kind, (column, _) in MEASURES.items():
        rows = kinds.str.startswith(kind)
        if rows.any():
            require(results[rows], column)
            found[rows] = results.loc[rows, column]
    return found


def skew_effect(results: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Average a metric over the seeds of each skewed setting and rule, beside central training and even shards.

    Parameters
    ----------
    results : DataFrame
        The results table of a sweep over skews, with cells on even shards (``iid`` or ``stratified``).
    metric : str
        A column of numbers for which the centralised model's is there too.

    Returns
    -------
    DataFrame
        One row per data set, kind of skew, setting and rule, the even ones first: ``data``, ``kind``, ``setting``,
        ``rule``, ``skew`` (mean over seeds), ``mean``, ``low``, ``high``, ``n_seeds``, ``interval``; ``centralised``
        and ``alone`` (an organisation's model, mean over organisations); ``difference`` from the centralised model;
        ``skew_label``, ``skew_feature``, ``skew_quantity``, ``skew_quality``: the setting by every measure there is;
        and ``change``, ``change_low``, ``change_high``: how much further below the centralised model the vote is
        than on even shards, paired by seed, with a 95 % t interval over seeds (NaN for the even ones).

    Raises
    ------
    FedlabError
        If a column is missing, no row is skewed, or no row has even shards.
    """
    central, alone = f"centralised_{metric}", f"organisation_{metric}_mean"
    require(results, metric, central, alone, "data", "seed")
    kinds = kinds_of_skew(results)
    table = results.assign(kind=kinds, skew=measured_skew(results), rule=rule_labels(results))
    table = table.assign(setting=setting_labels(results, ignore=("data",)))[table["kind"] != ""]
    if not (table["kind"] == "even").any() or (table["kind"] == "even").all():
        raise FedlabError(
            "the effect of skew needs cells with even shards (scheme iid or stratified) and cells with one kind of "
            f"skew; the table has {', '.join(sorted(set(kinds) - {''})) or 'neither'}"
        )
    by = ["data", "kind", "setting", "rule"]
    found = summarise(table, by, metric)
    found["difference"] = compare_with_centralised(table, metric, by)["difference"]
    wanted = {name: f"skew_{kind}" for kind, (name, _) in MEASURES.items() if name in table}
    held = [*dict.fromkeys(("skew", central, alone, *wanted))]
    means = table.groupby(by, sort=False, dropna=False)[held].mean().reset_index().rename(columns=wanted)
    found = found.merge(means.rename(columns={central: "centralised", alone: "alone"}), on=by, validate="1:1")
    changes = _changes(table.assign(loss=table[metric] - table[central]), by)
    return found.merge(changes, on=by, how="left", validate="1:1")


def _changes(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the vote's difference from the centralised model less that on even shards, paired by seed."""
    pairs = ["data", "rule", "seed"]
    even = table[table["kind"] == "even"].groupby(pairs, dropna=False)["loss"].mean().rename("even")
    skewed = table[table["kind"] != "even"].join(even, on=pairs)
    skewed["change"] = skewed["loss"] - skewed["even"]
    rows: list[dict[str, Any]] = []
    for key, cell in skewed.groupby(by, sort=False, dropna=False):
        found = interval_over_seeds(cell["change"].dropna(), 0.95)
        ends = [np.nan if value is None else value for value in found]
        named = zip((*by, "change", "change_low", "change_high"), (*key, *ends), strict=True)
        rows.append(dict(named))
    return pd.DataFrame(rows)


def skew_sentences(results: pd.DataFrame, metric: str = "accuracy") -> list[str]:
    """Say in words, for each data set and kind of skew, which rules it breaks where it is strongest.

    Parameters
    ----------
    results, metric
        As in `skew_effect`.

    Returns
    -------
    list of str
        One text per data set and kind. *Breaks*: the vote falls more than `BREAKS` further below the centralised
        model than on even shards, and the interval over seeds excludes 0. Where both fall alike, it is the records
        that are broken and not the vote, and the text says so; and so it does where the vote withstands what the
        centralised model does not.
    """
    found = skew_effect(results, metric)
    sentences = []
    for (data, kind), rows in found[found["kind"] != "even"].groupby(["data", "kind"], sort=False):
        of_kind = _records(rows.sort_values("skew", kind="stable"))
        strongest = [row for row in of_kind if row["setting"] == of_kind[-1]["setting"]]
        even = {row["rule"]: row for row in _records(found[(found["data"] == data) & (found["kind"] == "even")])}
        head = f"{data}, {kind_name(kind)} ({measure_name(kind)} {strongest[0]['skew']:.2f})"
        parts = [_verdicts(strongest, even), _levels(strongest, even, metric), _withstands(of_kind)]
        sentences.append(f"{head}: {' '.join(part for part in parts if part)}")
    return sentences


def kind_name(kind: Any) -> str:
    """Name a kind of skew for people: `quality (label_noise)` is `quality skew (label_noise)`."""
    name, _, fault = str(kind).partition(" ")
    return f"{name} skew {fault}".strip()


def measure_name(kind: Any) -> str:
    """Return the name of the measure of a kind of skew, `quality (label_noise)` included."""
    return next(name for start, (_, name) in MEASURES.items() if str(kind).startswith(start))


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


_SAID = {
    "breaks": "it breaks {}",
    "costs": "it costs {} a little",
    "both": "it breaks the records for every model alike, and the vote no further than the centralised model beyond "
    "chance: {}",
    "none": "no loss beyond chance was found for {}",
}


def _verdicts(rows: list[dict[str, Any]], even: dict[str, dict[str, Any]]) -> str:
    """Say of each rule whether it breaks, costs a little, falls with the centralised model, or loses nothing."""
    told: dict[str, list[str]] = {kind: [] for kind in _SAID}
    for row in rows:
        told[_kind_of_loss(row, even.get(row["rule"], row))].append(
            f"{row['rule']} ({row['change']:+.3f}{_range(row)})"
        )
    return "; ".join(_SAID[kind].format(", ".join(rules)) for kind, rules in told.items() if rules) + "."


def _kind_of_loss(row: dict[str, Any], even: dict[str, Any]) -> str:
    """Return a key of what is said, for a rule in a skewed setting and on even shards."""
    if row["change_high"] < 0:
        return "breaks" if row["change"] < -BREAKS else "costs"
    fell = (row[name] - even[name] < -BREAKS for name in ("mean", "centralised"))
    return "both" if all(fell) else "none"


def _range(row: dict[str, Any]) -> str:
    return "" if np.isnan(row["change_low"]) else f" [{row['change_low']:+.3f}, {row['change_high']:+.3f}]"


def _levels(rows: list[dict[str, Any]], even: dict[str, dict[str, Any]], metric: str) -> str:
    """Say how good the best rule, the centralised model and an organisation alone are, and were on even shards."""
    best = max(rows, key=lambda row: row["mean"])
    before = even.get(best["rule"])
    was = {name: "" if before is None else f" ({before[name]:.3f})" for name in ("mean", "centralised", "alone")}
    return (
        f"The best rule, {best['rule']}, reaches {metric_name(metric)} {best['mean']:.3f}{was['mean']}; one model "
        f"on the same rows together {best['centralised']:.3f}{was['centralised']}, an organisation alone "
        f"{best['alone']:.3f}{was['alone']} on average; on even shards as in brackets."
    )


def _withstands(rows: list[dict[str, Any]]) -> str:
    """Say where the vote holds up beyond chance better than the centralised model, if anywhere."""
    held = [row for row in rows if row["change_low"] > 0 and row["change"] > BREAKS]
    if not held:
        return ""
    most = max(held, key=lambda row: row["change"])
    return (
        f"At {most['skew']:.2f} the vote withstands what the centralised model does not: {most['rule']} "
        f"{most['mean']:.3f}, centralised {most['centralised']:.3f} ({most['change']:+.3f}{_range(most)})."
    )
