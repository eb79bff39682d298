"""What a results table shows, in plain sentences whose every number is computed from it."""

from typing import Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError
from fedlab.evidence.intervals import interval_over_seeds
from fedlab.evidence.results import REPLICATES, rule_labels, setting_labels
from fedlab.evidence.summary import compare_with_centralised, summarise

MORE_IS_BETTER = ("accuracy", "balanced_accuracy", "roc_auc", "sensitivity", "specificity", "coverage")

_NAMES = {"roc_auc": "ROC AUC"}
_REFERENCE_RULE = "majority"
_SAME = 1e-12


def summary_sentences(results: pd.DataFrame, metric: str = "accuracy") -> list[str]:
    """Say in plain sentences what a results table shows.

    Parameters
    ----------
    results : DataFrame
        The results table.
    metric : str
        A metric of which more is better.

    Returns
    -------
    list of str
        First what was averaged; then for each setting and number of organisations: the best rule, what the
        majority and the best rule lose or gain against central training, how many of the rules do, the best
        rule against an organisation alone, and what the tie policy alone changes.

    Raises
    ------
    FedlabError
        If less of the metric is better, or as `summarise`.
    """
    if metric not in MORE_IS_BETTER:
        raise FedlabError(f"metric is {metric!r}; sentences speak of one of which more is better: {MORE_IS_BETTER}")
    sentences = [_basis(results, metric)]
    table = results.assign(setting=setting_labels(results), label=rule_labels(results))
    for (setting, n_shards), part in table.groupby(["setting", "n_shards"], sort=False):
        where = f"{setting}, {n_shards:g} organisations" if setting else f"{n_shards:g} organisations"
        sentences += [f"{where}: {text}" for text in _about_cell(part, metric)]
    return sentences


def _basis(results: pd.DataFrame, metric: str) -> str:
    cells = summarise(results, metric=metric)
    kinds = set(cells["interval"])
    told = {
        "seeds": f"95 % t intervals over {seeds_text(cells)} (how far splits and training move the result)",
        "bootstrap": "95 % bootstrap intervals over the holdout's rows",
        "none": "no interval where none is defined",
    }
    named = "; ".join(told[kind] for kind in told if kind in kinds)
    name = metric_name(metric)
    return f"{name[0].upper()}{name[1:]} on the holdout, {len(results)} results, {named}."


def seeds_text(cells: pd.DataFrame) -> str:
    """Say how many seeds a summary's cells rest on: ``3 seeds``, or ``2 to 3 seeds`` where they differ."""
    least, most = int(cells["n_seeds"].min()), int(cells["n_seeds"].max())
    if least < most:
        return f"{least} to {most} seeds"
    return "1 seed" if most == 1 else f"{most} seeds"


def _about_cell(part: pd.DataFrame, metric: str) -> list[str]:
    means = _records(summarise(part, ["label"], metric), "mean")
    if not means:
        return [f"{metric_name(metric)} is not defined."]
    best = max(means, key=lambda row: row["mean"])
    sentences = [_best(means, best, metric)]
    if _holds(part, f"centralised_{metric}"):
        sentences += _against_central(part, best["label"], metric)
    if _holds(part, f"organisation_{metric}_mean"):
        sentences.append(_against_alone(part, best["label"], metric))
    return sentences + _ties(part, metric)


def _records(table: pd.DataFrame, needed: str) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.dropna(subset=[needed]).to_dict("records")]


def _holds(part: pd.DataFrame, column: str) -> bool:
    return column in part and bool(part[column].notna().any())


def metric_name(metric: str) -> str:
    """Name a metric for people: `roc_auc` is `ROC AUC`."""
    return _NAMES.get(metric, metric.replace("_", " "))


def _range(row: dict[str, Any]) -> str:
    return "no interval" if np.isnan(row["low"]) else f"interval {row['low']:.3f} to {row['high']:.3f}"


def _best(means: list[dict[str, Any]], best: dict[str, Any], metric: str) -> str:
    value = f"{best['mean']:.3f} ({_range(best)})"
    if len(means) == 1:
        return f"'{best['label']}' has a mean {metric_name(metric)} of {value}."
    equal = [f"'{row['label']}'" for row in means if best["mean"] - row["mean"] <= _SAME]
    verb = "has" if len(equal) == 1 else "have"
    return (
        f"of {len(means)} rules, {' and '.join(equal)} {verb} the highest mean {metric_name(metric)}, {value}; "
        "picked after seeing the results, so it flatters a little."
    )


def _against_central(part: pd.DataFrame, best: str, metric: str) -> list[str]:
    rows = _records(compare_with_centralised(part, metric, ["label"]), "difference")
    by_label = {row["label"]: row for row in rows}
    replicates = [name for name in REPLICATES if name in part.columns]
    central = part.drop_duplicates(replicates) if replicates else part
    reference = float(central[f"centralised_{metric}"].mean())
    asked = [label for label in dict.fromkeys([_REFERENCE_RULE, best]) if label in by_label]
    sentences = [_difference(by_label[label], reference) for label in asked]
    judged = [row for row in rows if not np.isnan(row["low"])]
    if len(judged) > 2:
        lost, gained = sum(row["high"] < 0 for row in judged), sum(row["low"] > 0 for row in judged)
        sentences.append(
            f"of {len(judged)} rules, {lost} lose against central training, {gained} gain, and for "
            f"{len(judged) - lost - gained} no difference was found (each interval by itself, not corrected "
            "for looking at several)."
        )
    return sentences


def _difference(row: dict[str, Any], reference: float) -> str:
    difference, low, high = row["difference"], row["low"], row["high"]
    head = f"against central training ({reference:.3f}), '{row['label']}' "
    if np.isnan(low):
        return head + f"differs by {difference:+.3f}; without an interval this says little."
    if row["excludes_zero"]:
        verb = "loses" if difference < 0 else "gains"
        return head + f"{verb} {abs(difference):.3f} (paired difference {low:+.3f} to {high:+.3f}: excludes 0)."
    return head + (
        f"differs by {difference:+.3f}, paired interval {low:+.3f} to {high:+.3f}: no difference was found. "
        f"That is not equality: a loss of {max(-low, 0):.3f} would fit these results as well."
    )


def _against_alone(part: pd.DataFrame, label: str, metric: str) -> str:
    alone = f"organisation_{metric}_mean"
    rows = part[(part["label"] == label) & part[alone].notna() & part[metric].notna()]
    gain = interval_over_seeds(rows[metric] - rows[alone])
    told = "" if gain.low is None or gain.high is None else f", interval {gain.low:+.3f} to {gain.high:+.3f}"
    return (
        f"an organisation alone has a mean {metric_name(metric)} of {rows[alone].mean():.3f}; '{label}' differs "
        f"from that by {gain.estimate:+.3f}{told}."
    )


def _ties(part: pd.DataFrame, metric: str) -> list[str]:
    """Say for each rule that ran under several tie policies how far these alone move it."""
    if "tie" not in part:
        return []
    sentences = []
    for rule, rows in part.assign(tie=part["tie"].fillna("default")).groupby("rule", sort=False):
        others = [name for name in ("label", "tie") if name in rows]
        if rows[others].drop_duplicates().shape[0] != rows["tie"].nunique():
            continue  # other options of the rule vary as well: the ties are not alone
        means = {str(tie): float(held[metric].mean()) for tie, held in rows.groupby("tie", sort=False)}
        means = {tie: mean for tie, mean in means.items() if not np.isnan(mean)}
        if len(means) < 2:
            continue
        least, most = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        sentences.append(
            f"the tie policy alone moves '{rule}' by {means[most] - means[least]:.3f}: {means[least]:.3f} "
            f"with '{least}', {means[most]:.3f} with '{most}'."
        )
    return sentences
