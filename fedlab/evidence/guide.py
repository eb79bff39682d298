"""Which rule to choose, in plain sentences whose every number and name is computed from a results table."""

from typing import Any

import pandas as pd

from fedlab.evidence.ranks import LESS_IS_BETTER, MeanRanks, block_labels, compare_rules, rank_rules
from fedlab.evidence.results import rule_labels
from fedlab.evidence.sentences import metric_name

REFERENCE = "majority"
"""The rule that needs nothing but verdicts: what another must beat to be worth what it needs."""

_TIERS = {
    "verdicts": "If you have verdicts only",
    "claims": "If organisations also say their sizes, accuracies or class counts",
    "probabilities": "If you have probabilities",
    "validation": "If you have validation rows of known class",
    "own": "With code of your own",
}
_SAME = 1e-12
_SILENT = 0.99


def tier_of(rule: str) -> str:
    """Say what a rule, as results tables label it, needs at most: a key of the tiers, dearest last.

    Examples
    --------
    >>> [tier_of(name) for name in ("majority", "weighted", "weighted(by=validation)", "soft", "me:mine")]
    ['verdicts', 'claims', 'validation', 'probabilities', 'own']
    """
    from fedlab.voting.registry import RULES, find_rule

    name, _, inner = rule.partition("(")
    if name not in RULES:
        return "own"
    given = (part.split("=", 1) for part in inner.removesuffix(")").split(", ") if "=" in part)
    needed = find_rule(name).needed(dict(given))
    for tier, words in (
        ("validation", {"validation", "X"}),
        ("probabilities", {"probabilities"}),
        ("claims", {"sizes", "accuracies", "class_counts"}),
    ):
        if words & set(needed):
            return tier
    return "verdicts"


def rule_table(results: pd.DataFrame, ranks: MeanRanks, reference: str = REFERENCE) -> pd.DataFrame:
    """Return one row per rule, best mean rank first.

    Parameters
    ----------
    results : DataFrame
        The results table.
    ranks : MeanRanks
        From `rank_rules` of it.
    reference : str
        The rule that every other is compared with, by the exact signed-rank test with Holm's correction.

    Returns
    -------
    DataFrame
        ``rule``, ``needs``, ``mean_rank``, the metric (mean over blocks), ``difference`` from the reference,
        ``better`` and ``worse`` (in how many blocks), ``p_value`` (adjusted), ``told_apart`` and ``coverage``
        (share of records answered).
    """
    pairs = compare_rules(ranks, "wilcoxon_holm", reference).set_index("rule")
    tiers = _tiers(results)
    mean = ranks.mean
    table = pd.DataFrame(
        {
            "rule": mean.index,
            "needs": [tiers[rule] for rule in mean.index],
            "mean_rank": mean.to_numpy(),
            ranks.metric: ranks.scores.mean().to_numpy(),
        }
    )
    for name, own in (("difference", 0.0), ("better", 0), ("worse", 0), ("p_value", 1.0), ("told_apart", False)):
        table[name] = [own if rule == reference else pairs.loc[rule, name] for rule in mean.index]
    if "coverage" in results:
        coverage = results.groupby(rule_labels(results))["coverage"].mean()
        table["coverage"] = [float(coverage[rule]) for rule in mean.index]
    return table


def decision_guide(results: pd.DataFrame, metric: str = "accuracy", reference: str = REFERENCE) -> list[str]:
    """Say which rule to choose, as far as a results table supports it.

    Parameters
    ----------
    results : DataFrame
        The results table, with at least 3 rules on 2 blocks (see `rank_rules`).
    metric : str
        What decides.
    reference : str
        The rule that the others are compared with.

    Returns
    -------
    list of str
        What was compared; whether rules differ at all and how much the choice is worth; the best rule for what
        one has (verdicts, probabilities, validation rows); for each scheme; rules that come to the same as the
        reference; rules that are worse.

    Raises
    ------
    FedlabError
        As `rank_rules`, or if the reference is not among the rules.
    """
    ranks = rank_rules(results, metric, missing="drop")
    table = rule_table(results, ranks, reference)
    sign = -1.0 if metric in LESS_IS_BETTER else 1.0
    return [
        _basis(results, ranks),
        _whether(ranks),
        _worth(results, ranks, sign, reference),
        *_by_needs(table, ranks, reference),
        *_by_scheme(results, ranks, sign, reference),
        *_same(ranks, reference),
        *_worse(table, ranks, sign, reference),
        *_silent(table, ranks),
    ]


def _tiers(results: pd.DataFrame) -> dict[str, str]:
    labels = results.assign(label=rule_labels(results)).drop_duplicates("label")
    return {str(label): tier_of(str(rule)) for label, rule in zip(labels["label"], labels["rule"], strict=True)}


def seeds_of(ranks: MeanRanks) -> str:
    """Say how many seeds each score rests on.

    Examples
    --------
    >>> seeds_of(MeanRanks(pd.DataFrame(), pd.DataFrame(), "accuracy", 0.95, (1, 3)))
    '1 to 3 seeds'
    """
    least, most = ranks.n_seeds
    return f"{least} to {most} seeds" if least < most else f"{most} seed" + "s" * (most != 1)


def _basis(results: pd.DataFrame, ranks: MeanRanks) -> str:
    n_data = results["data"].nunique() if "data" in results else 1
    dropped = f" Not measured in every setting and left out: {_listed(list(ranks.left_out))}." if ranks.left_out else ""
    settings = f"{ranks.n_blocks} settings of {n_data} data set{'s' * (n_data != 1)}"
    return (
        f"Compared: {ranks.n_rules} rules by {metric_name(ranks.metric)} on the holdout in {settings}, each the mean "
        f"of {seeds_of(ranks)}. Settings of one data set share patients, so chance plays a greater part than the "
        f"tests reckon, which take settings as independent.{dropped}"
    )


def _whether(ranks: MeanRanks) -> str:
    found = ranks.friedman
    pairs = compare_rules(ranks)
    apart = int(pairs["told_apart"].sum())
    differ = found.p_value <= 1 - ranks.level
    head = "The rules differ" if differ else "No difference between the rules was found"
    least = 2.0 ** (1 - ranks.n_blocks) * (ranks.n_rules - 1)
    few = (
        " So few settings cannot tell any rule from another by the corrected signed-rank test, whatever they show."
        if least > 1 - ranks.level
        else ""
    )
    return (
        f"{head} (Friedman chi-square {found.statistic:.1f}, p {_p(found.p_value)}); the critical difference of mean "
        f"ranks is {ranks.critical_difference:.1f}, and {apart} of {len(pairs)} pairs lie further apart.{few}"
    )


def _worth(results: pd.DataFrame, ranks: MeanRanks, sign: float, reference: str) -> str:
    scores = sign * ranks.scores
    gain = scores.max(axis=1) - scores[reference]
    spread = scores.max(axis=1) - scores.min(axis=1)
    name = metric_name(ranks.metric)
    text = (
        f"What the choice is worth: between the best and the worst rule of a setting lie {spread.median():.3f} of "
        f"{name} in the middle setting (at most {spread.max():.3f}, {spread.idxmax()}); between the best "
        f"and '{reference}' {gain.median():.3f} (at most {gain.max():.3f}, {gain.idxmax()}). The best is picked after "
        "seeing the holdout, so this flatters."
    )
    central = f"centralised_{ranks.metric}"
    if central in results and results[central].notna().all():
        lost = sign * (results[central] - results[ranks.metric])[rule_labels(results) == reference].mean()
        text += (
            f" For scale: '{reference}' {'loses' if lost > 0 else 'gains'} {abs(lost):.3f} against central training."
        )
    return text


def _by_needs(table: pd.DataFrame, ranks: MeanRanks, reference: str) -> list[str]:
    """Say the best rule of each tier, and whether it is better than the reference beyond chance."""
    sentences = []
    for tier, words in _TIERS.items():
        rows = table[table["needs"] == tier]
        if rows.empty:
            continue
        leaders = rows[rows["mean_rank"] - rows["mean_rank"].iloc[0] <= _SAME]
        names = _listed(leaders["rule"].tolist())
        sentences.append(
            f"{words}: {names} {'has' if len(leaders) == 1 else 'have'} the best mean rank of the "
            f"{len(rows)} rule{'s' * (len(rows) != 1)} of this kind, {rows['mean_rank'].iloc[0]:.1f} of {ranks.n_rules}"
            + _against({str(k): v for k, v in rows.iloc[0].items()}, ranks, reference)
        )
    return sentences


def _against(row: dict[str, Any], ranks: MeanRanks, reference: str) -> str:
    if row["rule"] == reference:
        return "."
    head = (
        f"; against '{reference}' {row['difference']:+.3f} of {metric_name(ranks.metric)}, better in {row['better']} "
        f"and worse in {row['worse']} of {ranks.n_blocks} settings "
    )
    if not row["told_apart"]:
        return head + f"(corrected p {_p(row['p_value'])}: no difference was found, which does not show that none is)."
    return head + f"(corrected p {_p(row['p_value'])}: beyond chance)."


def _by_scheme(results: pd.DataFrame, ranks: MeanRanks, sign: float, reference: str) -> list[str]:
    """Say for each scheme which rules lead the reference by most, and in how many of its settings."""
    if "scheme" not in results or results["scheme"].nunique() < 2:
        return []
    schemes = results.assign(block=block_labels(results)).drop_duplicates("block").set_index("block")["scheme"]
    sentences = []
    for scheme, blocks in schemes.groupby(schemes, sort=False):
        scores = sign * ranks.scores.loc[blocks.index]
        gain = scores.sub(scores[reference], axis=0)
        mean = gain.mean().sort_values(ascending=False, kind="stable")
        best = [rule for rule in mean.index if mean.iloc[0] - mean[rule] <= _SAME]
        count = len(blocks)
        where = f"Where organisations are cut by '{scheme}' ({count} setting{'s' * (count != 1)})"
        spread = (scores.max(axis=1) - scores.min(axis=1)).mean()
        if reference in best:
            sentences.append(
                f"{where}: no rule has a higher mean than '{reference}'; best to worst rule {spread:.3f} on average."
            )
            continue
        wins = int((gain[best[0]] > _SAME).sum())
        sentences.append(
            f"{where}: {_listed(best)} gain{'s' * (len(best) == 1)} most over '{reference}', {mean.iloc[0]:.3f} on "
            f"average, and {'is' if len(best) == 1 else 'are'} better in {wins} of {count}; best to worst rule "
            f"{spread:.3f} on average. Picked after seeing the results."
        )
    return sentences


def _same(ranks: MeanRanks, reference: str) -> list[str]:
    """Name the rules that came to the same in every block, those that equal the reference first."""
    groups: dict[tuple[float, ...], list[str]] = {}
    for rule in [reference, *ranks.scores]:
        held = groups.setdefault(tuple(ranks.scores[rule].round(12)), [])
        held += [rule] if rule not in held else []
    equal = [_listed(rules) for rules in groups.values() if len(rules) > 1]
    if not equal:
        return []
    return [
        f"The same {metric_name(ranks.metric)} in every setting here: {'; '.join(equal)}. Among these, choose for "
        "what else they promise."
    ]


def _worse(table: pd.DataFrame, ranks: MeanRanks, sign: float, reference: str) -> list[str]:
    rows = table[table["told_apart"] & (sign * table["difference"] < 0)]
    if rows.empty:
        return []
    told = [f"'{rule}' ({difference:+.3f})" for rule, difference in zip(rows["rule"], rows["difference"], strict=True)]
    return [
        f"Worse than '{reference}' in {metric_name(ranks.metric)} beyond chance, and so no default: {', '.join(told)}. "
        "Each needs a reason of its own, such as costs that differ or few records that must be right."
    ]


def _silent(table: pd.DataFrame, ranks: MeanRanks) -> list[str]:
    """Tell abstaining rules' accuracy on what they answer: an abstention counts as wrong."""
    if ranks.metric != "accuracy" or "coverage" not in table:
        return []
    rows = table[table["coverage"] < _SILENT]
    return [
        f"'{rule}' is silent on {100 * (1 - coverage):.0f} % of the records, which counts as wrong; of those that it "
        f"answers, {100 * accuracy / coverage:.0f} % are right."
        for rule, coverage, accuracy in zip(rows["rule"], rows["coverage"], rows["accuracy"], strict=True)
        if coverage > 0
    ]


def _listed(names: list[Any]) -> str:
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"
