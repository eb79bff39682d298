"""Collective certificates: how many verdicts of a whole test set survive one set of hostile organisations."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb
from typing import Any

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.voting.abstention import right
from fedlab.voting.attack import Challenge
from fedlab.voting.ballots import Ballots
from fedlab.voting.certificates import Certificate, certificate, find_challenges
from fedlab.voting.contract import Function
from fedlab.voting.registry import find_rule

#: How a collective certificate may be found.
METHODS = {
    "auto": "enumerate where there are few enough sets, else bound",
    "enumerate": "try every set of hostile organisations: exact",
    "bound": "relax the integer programme to a linear one: sound",
    "pointwise": "each record for itself: sound, and the least",
}
_SETS = 20_000  # all sets of 15 organisations, and of 5 among 30
_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class CollectiveCertificate:
    """How many verdicts survive any r hostile organisations, the same for all records.

    Parameters
    ----------
    r : int
        How many are hostile.
    survivors : int
        At least so many verdicts stand, whichever organisations these are.
    n_records : int
        Of so many that were asked about.
    pointwise : int
        How many stand by each record's own radius: what would be left if each record had hostile organisations of its
        own.
    exact : bool
        Whether some set of r leaves no more than `survivors`.
    """

    r: int
    survivors: int
    n_records: int
    pointwise: int
    exact: bool


def collective_certificate(
    ballots: Ballots,
    r: int,
    rule: str | Function = "majority",
    tie: str | None = None,
    positive: Any = None,
    validation: Any = None,
    declared: str = "refuse",
    among: Any = None,
    method: str = "auto",
    **options: Any,
) -> CollectiveCertificate:
    """Certify a whole test set against one set of r hostile organisations that attacks all records at once.

    Parameters
    ----------
    ballots, rule, tie, positive, validation, declared, **options
        As for `certificate`.
    r : int
        How many organisations are hostile.
    among : bool array (n_records,), optional
        Which records to count, for instance those with the right verdict; by default all.
    method : {"auto", "enumerate", "bound", "pointwise"}
        How (``fedlab.voting.collective.METHODS``). For rules that are not additive only the pointwise one is known.

    Returns
    -------
    CollectiveCertificate
        `survivors` is never below `pointwise`.

    Raises
    ------
    FedlabError
        As `certificate`; if r is no number of organisations, or there are too many sets to try.

    Notes
    -----
    J. Schuchardt, A. Bojchevski, J. Gasteiger and S. Günnemann, Collective Robustness Certificates, ICLR 2021; for
    partitions R. Chen and others, On Collective Robustness of Bagging Against Data Poisoning, ICML 2022. The bound is
    the linear relaxation of: choose at most r organisations so that as many records as can be lose their lead to some
    class. Only records whose own radius is below r take part, so the bound is no worse than pointwise.

    Examples
    --------
    Each record hangs on one organisation, but on another one:

    >>> ballots = Ballots([[0, -1], [-1, 0], [-1, -1]], None, ["ill", "well"], list("abc"))
    >>> found = collective_certificate(ballots, 1, tie="lowest")
    >>> found.pointwise, found.survivors
    (0, 1)
    """
    own = certificate(ballots, rule, tie, positive, validation, declared, **options)
    return against_all(own, ballots, r, rule, tie, positive, validation, declared, among, method, **options)


def against_all(
    own: Certificate,
    ballots: Ballots,
    r: int,
    rule: str | Function,
    tie: str | None,
    positive: Any,
    validation: Any,
    declared: str,
    among: Any,
    method: str,
    **options: Any,
) -> CollectiveCertificate:
    """Return the collective certificate where that of each record, `own`, is known already: see there."""
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if isinstance(r, bool) or not isinstance(r, int | np.integer) or not 0 <= r <= ballots.n_models:
        raise FedlabError(f"r is {r!r}; give a number of hostile organisations from 0 to {ballots.n_models}")
    chosen = find_rule(rule)
    counted = ~own.verdict.abstained
    if among is not None:
        counted = counted & _mask(among, ballots.n_records)
    n_counted, safe = int(counted.sum()), int((counted & (own.radii >= r)).sum())
    weak = np.flatnonzero(counted & (own.radii < r))
    fixed = {"r": int(r), "n_records": n_counted, "pointwise": safe}
    if not len(weak) or r == 0:
        return CollectiveCertificate(survivors=n_counted, exact=own.exact, **{**fixed, "pointwise": n_counted})
    if method == "pointwise" or chosen.certificate != "additive" or r == ballots.n_models or ballots.n_classes == 1:
        everything = r == ballots.n_models and own.exact
        return CollectiveCertificate(survivors=safe, exact=everything, **fixed)
    part = ballots.take_records(weak)
    verdict = own.verdict
    weak_verdict = type(verdict)(
        verdict.labels[weak],
        verdict.scores[weak],
        verdict.margins[weak],
        verdict.tied[weak],
        verdict.abstained[weak],
        verdict.classes,
    )
    found, _ = find_challenges(part, chosen, weak_verdict, tie, positive, validation, declared, options)
    n_sets = comb(ballots.n_models, r)
    if method == "enumerate" and n_sets > 50 * _SETS:
        raise FedlabError(f"{n_sets} sets of {r} among {ballots.n_models} are too many to try; give method='bound'")
    if method == "enumerate" or (method == "auto" and n_sets <= _SETS):
        broken = _most_broken(found, len(weak), ballots.n_models, int(r))
        return CollectiveCertificate(survivors=n_counted - broken, exact=own.exact, **fixed)
    broken = min(_bound(found, len(weak), ballots.n_models, int(r)), len(weak))
    return CollectiveCertificate(survivors=n_counted - broken, exact=False, **fixed)


def certified_accuracy(
    ballots: Ballots,
    truth: Any,
    rule: str | Function = "majority",
    r: Any = None,
    collective: bool = False,
    method: str = "auto",
    **options: Any,
) -> Any:
    """Return how many verdicts are right and stay right, whatever r organisations do: a table over r.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    truth : array (n_records,)
        The true class of each record, as a value.
    rule : str or callable
        As for `vote`.
    r : sequence of int, optional
        For how many hostile organisations; by default 0, 1, 2, … up to half of them.
    collective : bool, default False
        Also certify the test set as a whole, which takes longer.
    method : str
        As for `collective_certificate`.
    **options
        Everything else that `certificate` takes, the rule's options too.

    Returns
    -------
    pandas.DataFrame
        Columns ``r``; ``certified_accuracy``: the share of records whose verdict is right and survives any r; and with
        `collective` ``collective_accuracy``: the share that is right at least under any one set of r, and
        ``collective_exact``.

    Examples
    --------
    >>> ballots = Ballots([[0, 1], [0, 1], [0, 1], [1, 1], [1, 1]], None, ["ill", "well"], list("abcde"))
    >>> certified_accuracy(ballots, ["ill", "well"], tie="lowest")
       r  certified_accuracy
    0  0                 1.0
    1  1                 0.5
    2  2                 0.5
    """
    import pandas as pd

    names = ("tie", "positive", "validation")
    arguments = {name: options.pop(name, None) for name in names} | {"declared": options.pop("declared", "refuse")}
    found = certificate(ballots, rule, **arguments, **options)
    correct = right(found.verdict, truth)
    n_records = max(ballots.n_records, 1)
    rows = []
    for number in range(ballots.n_models // 2 + 1) if r is None else r:
        row = {"r": int(number), "certified_accuracy": float((correct & (found.radii >= number)).sum() / n_records)}
        if collective:
            whole = against_all(found, ballots, int(number), rule, among=correct, method=method, **arguments, **options)
            row |= {"collective_accuracy": whole.survivors / n_records, "collective_exact": whole.exact}
        rows.append(row)
    return pd.DataFrame(rows)


def _mask(among: Any, n_records: int) -> np.ndarray:
    array = np.asarray(among)
    if array.shape != (n_records,) or array.dtype != bool:
        raise FedlabError(f"among must say true or false for each of {n_records} records; got shape {array.shape}")
    return array


def _most_broken(found: list[Challenge], n_records: int, n_models: int, r: int) -> int:
    """Return how many verdicts the worst set of r changes, trying all: fewer than r can do no more."""
    worst = 0
    for sets in _blocks_of_sets(n_models, r, max(_CELLS // max(n_records, 1), 1)):
        broken = np.zeros((n_records, sets.shape[1]), dtype=bool)
        for one in found:
            broken[one.records] |= one.broken_by(sets)
        worst = max(worst, int(broken.sum(axis=0).max()))
    return worst


def _blocks_of_sets(n_models: int, r: int, step: int) -> Iterator[np.ndarray]:
    """Yield all sets of r, some at a time: float (n_models, n_sets) of 0 and 1."""
    every = combinations(range(n_models), r)
    while block := list(islice(every, min(step, 5000))):
        sets = np.zeros((n_models, len(block)))
        sets[np.array(block).T, np.arange(len(block))] = 1.0
        yield sets


def _bound(found: list[Challenge], n_records: int, n_models: int, r: int) -> int:
    """Return an upper bound on how many verdicts any set of r changes: a linear programme.

    Unknown are x (who is hostile), z (how far each challenge succeeds) and y (whether each record falls), each from 0
    to 1: z is at most what the hostile contribute of what is needed, y at most the sum of its record's z, and the sum
    of x at most r. Records that are alike are one, counted as often as they occur.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack, kron, vstack

    needs = np.zeros((n_records, len(found), n_models))
    for number, one in enumerate(found):
        needs[one.records, number] = _contributions(one)
    kinds, times = np.unique(needs.reshape(n_records, -1).round(12), axis=0, return_counts=True)
    n_kinds, n_z = len(kinds), len(kinds) * len(found)
    success = hstack([-csr_array(kinds.reshape(n_z, n_models)), eye_array(n_z), csr_array((n_z, n_kinds))])
    fall = hstack(
        [csr_array((n_kinds, n_models)), -kron(eye_array(n_kinds), np.ones((1, len(found)))), eye_array(n_kinds)]
    )
    few = hstack([csr_array(np.ones((1, n_models))), csr_array((1, n_z + n_kinds))])
    result = linprog(
        -np.concatenate([np.zeros(n_models + n_z), times.astype(float)]),
        A_ub=vstack([success, fall, few]).tocsr(),
        b_ub=np.concatenate([np.zeros(n_z + n_kinds), [r]]),
        bounds=(0, 1),
        method="highs",
    )
    return int(np.floor(-result.fun + 1e-6)) if result.status == 0 else n_records


def _contributions(one: Challenge) -> np.ndarray:
    """Return which share of what is needed each organisation contributes, at most all: (n, n_models)."""
    # Between equals the verdict is taken to fall where that cannot be ruled out.
    holds = one.holds_ties if one.second is None else np.zeros(len(one.gaps), dtype=bool)
    needed = one.gaps + holds if one.losses.dtype.kind == "i" else np.maximum(one.gaps - one.slack, 0)
    nothing = needed <= 0  # then any organisation that can move the record at all is enough
    movable = one.losses > 0 if one.second is None else np.ones(one.losses.shape, dtype=bool)
    share = np.minimum(one.losses, needed[:, None]) / np.where(nothing, 1, needed)[:, None]
    return np.where(nothing[:, None], movable, share)
