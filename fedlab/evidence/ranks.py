"""Rules compared over several data sets: mean ranks, Friedman's test, and which rules are told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from fedlab.errors import FedlabError, unknown_name
from fedlab.evidence.metrics import METRICS
from fedlab.evidence.results import require, rule_labels, setting_labels
from fedlab.evidence.summary import require_present, summarise

LESS_IS_BETTER = ("log_loss", "brier")
METHODS = ("nemenyi", "wilcoxon_holm")
MISSING = ("refuse", "drop")

_DIGITS = 12  # Means of the same numbers in another order differ in their last bits: those are ties.


class Friedman(NamedTuple):
    """Friedman's test: do any two rules differ? ``p_value`` is small where they do."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class MeanRanks:
    """Rules ranked within blocks.

    Attributes
    ----------
    scores : DataFrame (n_blocks, n_rules)
        The metric, mean over seeds: a row per block, a column per rule, best mean rank first.
    ranks : DataFrame (n_blocks, n_rules)
        1 is the best rule of a block; equal scores share the mean of their ranks.
    metric : str
        What was ranked.
    level : float
        One less the chance that any two equal rules are told apart.
    n_seeds : tuple of int
        The least and the greatest number of seeds behind a score.
    left_out : tuple of str
        Rules that were not measured in every block, where those are dropped.
    """

    scores: pd.DataFrame
    ranks: pd.DataFrame
    metric: str
    level: float
    n_seeds: tuple[int, int]
    left_out: tuple[str, ...] = ()

    @property
    def mean(self) -> pd.Series:
        """Mean rank of each rule, the best (least) first."""
        return self.ranks.mean()

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return self.ranks.shape[0]

    @property
    def n_rules(self) -> int:
        """Number of rules."""
        return self.ranks.shape[1]

    @cached_property
    def friedman(self) -> Friedman:
        """Friedman's chi-square, corrected for ties (`scipy.stats.friedmanchisquare`)."""
        from scipy.stats import friedmanchisquare

        if (self.ranks.nunique(axis=1) == 1).all():
            return Friedman(0.0, 1.0)
        found = friedmanchisquare(*self.ranks.to_numpy().T)
        return Friedman(float(found.statistic), float(found.pvalue))

    @cached_property
    def critical_difference(self) -> float:
        """How far two mean ranks must lie apart for their rules to be told apart (Nemenyi)."""
        return critical_difference(self.n_rules, self.n_blocks, self.level)

    def groups(self) -> list[list[str]]:
        """Return the greatest groups of rules of which no two are told apart, as a diagram joins them by bars."""
        mean = self.mean
        found: list[tuple[int, int]] = []
        for first in range(len(mean)):
            within = mean.to_numpy() - mean.iloc[first] < self.critical_difference
            last = int(np.flatnonzero(within)[-1])
            if last > first and (not found or last > found[-1][1]):
                found.append((first, last))
        return [mean.index[first : last + 1].tolist() for first, last in found]


def critical_difference(n_rules: int, n_blocks: int, level: float = 0.95) -> float:
    """Return Nemenyi's critical difference of mean ranks, q sqrt(k (k + 1) / (6 N)).

    q is the quantile of the studentised range with k groups and infinite degrees of freedom, over sqrt 2
    (J. Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006).

    Parameters
    ----------
    n_rules, n_blocks : int
        k, at least 2, and N, at least 1.
    level : float
        One less the chance that any two equal rules are told apart.

    Returns
    -------
    float

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    from scipy.stats import studentized_range

    _check_level(level)
    if n_rules < 2 or n_blocks < 1:
        raise FedlabError(f"got {n_rules} rules and {n_blocks} blocks; a critical difference needs 2 rules and 1 block")
    q = studentized_range.ppf(level, n_rules, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_rules * (n_rules + 1) / (6 * n_blocks)))


def rank_rules(
    results: pd.DataFrame,
    metric: str = "accuracy",
    blocks: Sequence[str] | None = None,
    missing: str = "refuse",
    level: float = 0.95,
) -> MeanRanks:
    """Rank the rules within each block of a results table.

    A block is a setting (data, scheme and its options, number of organisations …). Its seeds are averaged before
    ranking: they share their patients, so as blocks of their own they would count one finding several times.
    Settings of one data set share patients too; `blocks` makes one block of them, which is stricter, and asks for
    many data sets.

    Parameters
    ----------
    results : DataFrame
        The results table.
    metric : str
        One of `fedlab.evidence.METRICS`; of log loss and Brier score less is better.
    blocks : sequence of str, optional
        Parameters that make a block, such as ``["data"]``: settings that agree in them are averaged, each with
        the same weight. By default every setting is a block.
    missing : str
        What is done with a rule that a block has no value of, or fewer seeds than of others: ``"refuse"`` or
        ``"drop"`` the rule everywhere, and name it in ``left_out``.
    level : float
        See `MeanRanks`.

    Returns
    -------
    MeanRanks

    Raises
    ------
    FedlabError
        If a rule is missing from a block, fewer than 3 rules or 2 blocks are left, or a word is unknown.

    Examples
    --------
    >>> table = pd.DataFrame({"data": ["a"] * 3 + ["b"] * 3, "n_shards": 4, "rule": ["soft", "any", "median"] * 2,
    ...     "seed": 0, "accuracy": [0.9, 0.7, 0.8, 0.8, 0.6, 0.8]})
    >>> rank_rules(table).mean.to_dict()
    {'soft': 1.25, 'median': 1.75, 'any': 3.0}
    """
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    if missing not in MISSING:
        raise unknown_name("missing: value", missing, MISSING)
    _check_level(level)
    require(results, "n_shards", "rule", metric)
    table = results.assign(block=block_labels(results), label=rule_labels(results))
    found = summarise(table, ["block", "label"], metric)
    seeds = found.groupby("block", sort=False)["n_seeds"].transform("max")
    whole = found[(found["n_seeds"] == seeds) & found["mean"].notna()]
    scores = whole.pivot(index="block", columns="label", values="mean")
    scores = scores.reindex(index=found["block"].unique(), columns=found["label"].unique())
    scores, left_out = _complete(scores, missing)
    if blocks is not None:
        scores = _together(scores, table, blocks)
    if scores.shape[1] < 3 or scores.shape[0] < 2:
        raise FedlabError(
            f"mean ranks need at least 3 rules and 2 blocks (data x setting); the table has {scores.shape[1]} rules"
            + (" in all blocks" if left_out else "")
            + f" and {scores.shape[0]} blocks; compare over seeds with `summarise` instead, or sweep over more"
        )
    sign = 1 if metric in LESS_IS_BETTER else -1
    ranks = (sign * scores.round(_DIGITS)).rank(axis=1, method="average")
    order = ranks.mean().sort_values(kind="stable").index
    n_seeds = (int(whole["n_seeds"].min()), int(whole["n_seeds"].max()))
    return MeanRanks(scores[order], ranks[order], metric, level, n_seeds, left_out)


def compare_rules(ranks: MeanRanks, method: str = "nemenyi", reference: str | None = None) -> pd.DataFrame:
    """Compare rules two by two, corrected for the number of comparisons.

    Parameters
    ----------
    ranks : MeanRanks
        From `rank_rules`.
    method : str
        ``"nemenyi"`` compares mean ranks, as the critical difference does: it can be drawn, but whether two rules
        are told apart then depends on which others are in the table. ``"wilcoxon_holm"`` looks at the two alone:
        the exact Wilcoxon signed-rank test, corrected by Holm, as A. Benavoli, G. Corani and F. Mangili advise
        (Should We Really Use Post-Hoc Tests Based on Mean-Ranks?, JMLR 17, 2016). With N blocks its least
        p-value is 2^(1-N), so among all pairs of 28 rules it can find nothing below 14 blocks: give a
        `reference`, and there are only as many comparisons as other rules.
    reference : str, optional
        Compare every other rule with this one only. By default all pairs.

    Returns
    -------
    DataFrame
        A row per pair: ``rule``, ``other``, ``rank_difference`` (rule less other), ``difference`` (of the
        metric, mean over blocks), ``better`` and ``worse`` (in how many blocks the rule is), ``p_value``
        (adjusted) and ``told_apart``.

    Raises
    ------
    FedlabError
        If method or reference are unknown.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    rules = [str(name) for name in ranks.ranks.columns]
    if reference is None:
        pairs = list(combinations(rules, 2))
    elif reference in rules:
        pairs = [(rule, reference) for rule in rules if rule != reference]
    else:
        raise unknown_name("reference: rule", reference, rules)
    rows = [_pair(ranks, rule, other) for rule, other in pairs]
    found = pd.DataFrame(rows)
    if method == "nemenyi":
        found["p_value"] = _nemenyi(found["rank_difference"].abs().to_numpy(), ranks.n_rules, ranks.n_blocks)
        found["told_apart"] = found["rank_difference"].abs() >= ranks.critical_difference
    else:
        differences = [ranks.scores[rule] - ranks.scores[other] for rule, other in pairs]
        found["p_value"] = holm([signed_rank_p(values) for values in differences])
        found["told_apart"] = found["p_value"] <= 1 - ranks.level
    return found


def signed_rank_p(differences: ArrayLike) -> float:
    """Return the exact two-sided p-value of the Wilcoxon signed-rank test, with ties and zeros.

    The share of all ways to give signs to the differences that are at least as lopsided. Equal sizes share their
    mean rank; a zero takes part in ranking and counts half for each side (Demšar 2006). Where there is neither,
    the same as `scipy.stats.wilcoxon`, which has no exact test for the others short of drawing all signs.

    Parameters
    ----------
    differences : array (n,)
        One number for each block.

    Returns
    -------
    float

    Examples
    --------
    >>> signed_rank_p([1, 2, 3, 4, 5])
    0.0625
    """
    values = np.round(np.asarray(differences, dtype=float), _DIGITS)
    # Twice the ranks are whole numbers, so that the sums can be counted without any approximation.
    doubled = np.rint(2 * _mean_ranks(np.abs(values))).astype(int)[values != 0]
    signed = abs(int((np.sign(values[values != 0]) * doubled).sum()))
    total = int(doubled.sum())
    chance = np.zeros(total + 1)  # of each sum of the ranks that are given a plus
    chance[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(chance)
        shifted[rank:] = chance[: total + 1 - rank]
        chance = (chance + shifted) / 2
    sums = 2 * np.arange(total + 1) - total  # plus less minus
    return float(min(1.0, chance[np.abs(sums) >= signed].sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down method (S. Holm 1979).

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=float)
    order = np.argsort(given, kind="stable")
    raised = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return [float(value) for value in adjusted]


def block_labels(results: pd.DataFrame) -> pd.Series:
    """Return each row's block as tables name it: its setting and, where that varies, the number of organisations."""
    labels = setting_labels(results)
    if results["n_shards"].nunique() == 1:
        return labels
    counts = results["n_shards"].map(lambda count: f"{count:g} organisations")
    return (labels + ", " + counts).str.removeprefix(", ")


def _complete(scores: pd.DataFrame, missing: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the scores of the rules that every block has, or refuse where one lacks any."""
    lacking = scores.columns[scores.isna().any()]
    if len(lacking) and missing == "refuse":
        rule = lacking[0]
        block = scores.index[scores[rule].isna()][0]
        raise FedlabError(
            f"rule {rule!r} has no value, or fewer seeds than others, in block {block!r} ({len(lacking)} of "
            f"{scores.shape[1]} rules are missing somewhere); run the missing cells, or give missing='drop' to leave "
            "such rules out everywhere"
        )
    return scores.drop(columns=lacking), tuple(str(name) for name in lacking)


def _together(scores: pd.DataFrame, table: pd.DataFrame, blocks: Sequence[str]) -> pd.DataFrame:
    """Average the settings that agree in some parameters."""
    require_present(table, blocks)
    keys = table.drop_duplicates("block").set_index("block")[list(blocks)].astype(str).agg(", ".join, axis=1)
    return scores.groupby(keys.reindex(scores.index), sort=False).mean()


def _pair(ranks: MeanRanks, rule: str, other: str) -> dict[str, object]:
    within = ranks.ranks[rule] - ranks.ranks[other]
    return {
        "rule": rule,
        "other": other,
        "rank_difference": float(within.mean()),
        "difference": float((ranks.scores[rule] - ranks.scores[other]).mean()),
        "better": int((within < 0).sum()),
        "worse": int((within > 0).sum()),
    }


def _nemenyi(differences: np.ndarray, n_rules: int, n_blocks: int) -> np.ndarray:
    from scipy.stats import studentized_range

    distinct, place = np.unique(np.round(differences, _DIGITS), return_inverse=True)
    q = distinct / np.sqrt(n_rules * (n_rules + 1) / (12 * n_blocks))
    chances = [float(studentized_range.sf(value, n_rules, np.inf)) if value > 0 else 1.0 for value in q]
    return np.clip(np.array(chances), 0.0, 1.0)[place]


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise FedlabError(f"level is {level!r}; give a number between 0 and 1, such as 0.95")
