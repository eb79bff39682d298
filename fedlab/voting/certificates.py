"""Certificates: how many hostile organisations, answering as they like, a verdict survives, record by record."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.attack import Challenge, challenges
from fedlab.voting.ballots import Ballots
from fedlab.voting.classes import positive_index
from fedlab.voting.contract import Function, Rule
from fedlab.voting.orders import order_radii
from fedlab.voting.parts import parts_of
from fedlab.voting.ranks import second_votes
from fedlab.voting.registry import find_rule
from fedlab.voting.support import count_votes
from fedlab.voting.validation import as_validation
from fedlab.voting.verdict import Verdict
from fedlab.voting.votes import vote

_BLOCK_CELLS = 20_000_000  # what each organisation adds, held at a time: 160 MB


@dataclass(frozen=True, eq=False)
class Certificate:
    """How many hostile organisations each verdict survives.

    Parameters
    ----------
    radii : int array (n_records,)
        The largest r such that no choice of r organisations, answering as they like, changes the verdict; -1 where
        the vote abstains and there is nothing to certify.
    exact : bool
        Whether one more can change it; else the true radius may be larger.
    verdict : Verdict
        What was certified.
    note : str
        How it is known.
    """

    radii: np.ndarray
    exact: bool
    verdict: Verdict
    note: str


def certificate(
    ballots: Ballots,
    rule: str | Function = "majority",
    tie: str | None = None,
    positive: Any = None,
    validation: Any = None,
    declared: str = "refuse",
    **options: Any,
) -> Certificate:
    """Certify each verdict: how many hostile organisations it survives.

    A hostile organisation answers whatever it likes, or not at all, knowing all other answers; its probabilities are
    probabilities. The others answer as they did.

    Parameters
    ----------
    ballots, rule, tie, positive, validation, **options
        As for `vote`.
    declared : {"refuse", "trust", "worst"}
        What to do where organisations declare their own weights (``fedlab.voting.parts.DECLARED``): refuse, take the
        weights as checked, or let the hostile ones declare the largest weight there is.

    Returns
    -------
    Certificate

    Raises
    ------
    FedlabError
        If no certificate is known for the rule, or its weights are declared and `declared` is ``refuse``.

    Notes
    -----
    For additive rules, by removing the largest gains first, pair by pair of classes, with the tie policy: for plurality
    with ties to the lowest class c survives r = min over k of floor((n_c - n_k - [k < c]) / 2), as in A. Levine and
    S. Feizi, Deep Partition Aggregation, ICLR 2021. Where each organisation trains on its own rows, r hostile
    organisations are r poisoned partitions there. See also J. Jia, X. Cao and N. Z. Gong, Intrinsic Certified
    Robustness of Bagging against Data Poisoning Attacks, AAAI 2021, and X. Cao, J. Jia and N. Z. Gong, Provably Secure
    Federated Learning against Malicious Clients, AAAI 2021 (a random choice of clients for each model); W. Wang,
    A. Levine and S. Feizi, Improved Certified Defenses against Data Poisoning with (Deterministic) Finite Aggregation,
    ICML 2022 (overlapping parts, which a federation does not have); K. Rezaei and others, Run-Off Election, ICML 2023
    (the rule ``run_off``). For median and trimmed mean by order statistics (``fedlab.voting.orders``).

    Examples
    --------
    >>> ballots = Ballots([[0, 1], [0, 1], [0, 1], [1, 1], [1, 1]], None, ["ill", "well"], list("abcde"))
    >>> certificate(ballots, "majority", tie="lowest").radii.tolist()
    [0, 2]
    """
    chosen = find_rule(rule)
    arguments = {"tie": tie, "positive": positive, "validation": validation}
    if chosen.certificate == "none":
        raise FedlabError(
            f"rule {chosen.name!r} has no known certificate: what one organisation says changes how others "
            "count; choose "
            "an additive rule such as majority, soft or log_pool, or run_off"
        )
    blocks = []
    step = max(_BLOCK_CELLS // (ballots.n_models * ballots.n_classes), 1)
    for start in range(0, max(ballots.n_records, 1), step):
        part = ballots.take_records(slice(start, start + step))
        verdict = vote(part, chosen.function, **arguments, **options)
        radii = _radii(part, chosen, verdict, tie, positive, validation, declared, options)
        blocks.append(np.where(verdict.abstained, -1, radii))
    verdict = vote(ballots, chosen.function, **arguments, **options)
    # Between equals in other sums of probabilities the means decide, and a hostile answer need not serve both.
    on_probabilities = chosen.name != "soft" and "probabilities" in chosen.needed(options)
    by_probability = (tie or chosen.tie) == "probability" and on_probabilities
    exact = chosen.certificate in ("additive", "threshold") and not by_probability
    return Certificate(np.concatenate(blocks), exact, verdict, _note(chosen))


def find_challenges(
    ballots: Ballots,
    chosen: Rule,
    verdict: Verdict,
    tie: str | None,
    positive: Any,
    validation: Any,
    declared: str,
    options: dict[str, Any],
) -> tuple[list[Challenge], np.ndarray]:
    """Return what each other class is to the verdicts of an additive rule, and which organisations weigh anything."""
    column = positive_index(ballots.classes, positive)
    everything = {**chosen.options, **options}
    parts = parts_of(ballots, chosen.name, everything, column, as_validation(validation, ballots), declared)
    rivals = np.ones(ballots.n_classes, dtype=bool)
    if chosen.name in ("any", "t_of_n", "unanimous"):
        rivals[column] = False
    policy = tie or chosen.tie
    if chosen.name == "soft" and policy == "probability":  # equal means are equal in mean probability too
        policy = "lowest"
    found = challenges(ballots, verdict, parts, policy, column, rivals)
    if rivals.all():
        return list(found), parts.weighs
    return [one.only(verdict.labels[one.records] != column) for one in found], parts.weighs


def _radii(
    ballots: Ballots,
    chosen: Rule,
    verdict: Verdict,
    tie: str | None,
    positive: Any,
    validation: Any,
    declared: str,
    options: dict[str, Any],
) -> np.ndarray:
    """Return the radius of each verdict; anything where it abstains."""
    if chosen.certificate == "zero":
        return np.zeros(ballots.n_records, dtype=np.int64)
    everything = {**chosen.options, **options}
    if chosen.name == "run_off":
        return run_off_radii(ballots, verdict, tie or chosen.tie)
    if chosen.certificate == "bound":  # median and trimmed mean
        return order_radii(ballots, verdict, everything.get("trim", 0.5), tie or chosen.tie)
    counts = count_votes(ballots)
    column = positive_index(ballots.classes, positive)
    radii = np.maximum(counts.sum(axis=1) - 1, 0)
    if chosen.name != "absolute_majority":
        found, weighs = find_challenges(ballots, chosen, verdict, tie, positive, validation, declared, options)
        # Hostile organisations that say nothing leave no verdict where all that answered are hostile.
        radii = np.maximum(ballots.answered[weighs].sum(axis=0) - 1, 0)
        for one in found:
            radii[one.records] = np.minimum(radii[one.records], one.radii())
    if chosen.certificate == "threshold":
        radii = np.minimum(radii, _threshold_radii(ballots, chosen.name, everything, counts, verdict, column))
    return np.maximum(radii, 0)


def _threshold_radii(
    ballots: Ballots, name: str, options: dict[str, Any], counts: np.ndarray, verdict: Verdict, positive: int
) -> np.ndarray:
    """Return how many may turn before the condition of a threshold rule fails, or holds."""
    votes = counts.sum(axis=1)
    mine = counts[np.arange(len(counts)), verdict.labels]
    if name == "quorum":
        return np.floor(votes - options["share"] * ballots.n_models + 1e-9).astype(np.int64)
    if name in ("absolute_majority", "supermajority"):
        base = votes if options["of"] == "cast" else np.full(len(votes), ballots.n_models)
        if ballots.n_classes == 1 and options["of"] == "cast":  # whoever is silent lessens both sides
            return votes - 1
        if name == "absolute_majority":
            return (2 * mine - base - 1) // 2
        return np.floor(mine - options["share"] * base + 1e-9).astype(np.int64)
    if ballots.n_classes == 1:
        return votes - 1
    yes = counts[:, positive]
    if name == "unanimous":
        return np.where(verdict.labels == positive, 0, votes - yes - 1)
    t = options.get("t", 1)
    return np.where(verdict.labels == positive, yes - t, t - yes - 1)


def run_off_radii(ballots: Ballots, verdict: Verdict, tie: str) -> np.ndarray:
    """Return how many hostile organisations a run-off verdict surely survives.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    verdict : Verdict
        Of the rule ``run_off``.
    tie : str
        The tie policy of its second round.

    Returns
    -------
    numpy.ndarray
        int (n_records,). The verdict falls only if two other classes overtake it in the first round, or one reaches the
        second round with it and wins there; each hostile organisation changes a gap by two at most, two gaps of one
        class by three in sum (Rezaei and others 2023, section 4).
    """
    counts = count_votes(ballots)
    n_records, n_classes = counts.shape
    radii = np.maximum(counts.sum(axis=1) - 1, 0)
    records, chosen = np.arange(n_records), verdict.labels
    classes = np.arange(n_classes)
    # First round: votes by which another class must gain on the verdict to be placed before it.
    mine = counts[records, chosen]
    needed = mine[:, None] - counts + (classes[None, :] > chosen[:, None])
    needed = np.where(classes[None, :] == chosen[:, None], 10**9, np.maximum(needed, 0))
    two = np.sort(needed, axis=1)[:, :2] if n_classes > 2 else None
    if two is not None:
        at_least = np.maximum((two[:, 1] + 1) // 2, (two.sum(axis=1) + 2) // 3)
        radii = np.minimum(radii, at_least - 1)
    for rival in range(n_classes):
        low, high = np.minimum(chosen, rival), np.maximum(chosen, rival)
        wins = sum(
            np.where(low == chosen, vote_low, ~vote_low & said) - 0
            for vote_low, said in zip(second_votes(ballots, low, high), ballots.answered, strict=True)
        )
        votes = ballots.answered.sum(axis=0)
        lead = 2 * wins - votes
        # Under other policies than the paper's, by which the lower class wins, an equal second round may be lost.
        holds = (chosen < rival) & (tie == "lowest")
        second = np.where(holds, lead // 2 + 1, (lead + 1) // 2)
        others = [k for k in classes if k != rival]
        ahead = counts[:, others] - counts[:, [rival]] + (np.array(others) < rival)
        ahead = np.where(np.array(others)[None, :] == chosen[:, None], 0, ahead).max(axis=1, initial=0)
        first = (np.maximum(ahead, 0) + 1) // 2
        at_least = np.maximum(np.maximum(first, second), 1)
        radii = np.where(chosen == rival, radii, np.minimum(radii, at_least - 1))
    return np.maximum(radii, 0)


def _note(rule: Rule) -> str:
    notes = {
        "zero": f"radius 0: under {rule.name!r} one organisation decides alone",
        "bound": "a sound bound: the verdict survives at least this many",
    }
    return notes.get(rule.certificate, "the largest gains removed first, with the tie policy")
