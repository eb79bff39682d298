"""What of a vote's accuracy is certain: the share of right verdicts that no r hostile organisations can change."""

from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fedlab.files import canonical_json

if TYPE_CHECKING:
    from fedlab.voting import Ballots, Certificate

CERTIFIED_COLUMNS = (
    "certified_accuracy_1",
    "certified_radius_mean",
    "collective_certified_accuracy_1",
    "certified_accuracy",
    "collective_certified_accuracy",
)
"""The columns that `certified_columns` fills."""

MOST_COLLECTIVE = 4
"""The most hostile organisations that the collective certificate of a results row is asked about."""

_OPERATIONS = 2_000_000_000  # sets x records x organisations tried: a second or two for each r


def certified_columns(
    ballots: "Ballots",
    truth: ArrayLike,
    rule: Any = "majority",
    tie: str | None = None,
    positive: Any = None,
    validation: Any = None,
    declared: str = "worst",
    **options: Any,
) -> dict[str, Any]:
    """Certify a vote on rows of known class, as columns of the results table.

    Parameters
    ----------
    ballots : Ballots
        What the organisations' models say.
    truth : array (n_records,) of class values
        The truth.
    rule, tie, positive, validation, **options
        As for `fedlab.voting.vote`.
    declared : str
        As for `fedlab.voting.certificate`; by default a hostile organisation declares the largest weight it can.

    Returns
    -------
    dict
        ``certified_accuracy``: JSON list, for r = 0, 1, 2, … up to the last above 0 the share of records whose verdict
        is right and that no r hostile organisations can change; ``certified_accuracy_1``: the same for r = 1;
        ``certified_radius_mean``: the mean over all records of the number survived, a wrong verdict counting 0 (the
        sum of the list from r = 1); ``collective_certified_accuracy``: JSON list, the share that is right at least
        under any one set of r, the same for all records. Empty where no certificate is known for the rule.

    Notes
    -----
    The collective list is found by trying every set, and ends at `MOST_COLLECTIVE` or where trying would take
    more than a few seconds; it is left out for rules of which only the certificate of each record for itself is known.

    Examples
    --------
    >>> from fedlab.voting import Ballots
    >>> ballots = Ballots([[0, 1], [0, 1], [0, 1], [1, 1], [1, 1]], None, ["ill", "well"], list("abcde"))
    >>> found = certified_columns(ballots, ["ill", "well"], tie="lowest")
    >>> found["certified_accuracy"], found["certified_radius_mean"]
    ('[1.0,0.5,0.5]', 1.0)
    """
    from fedlab.voting import certificate
    from fedlab.voting.abstention import right
    from fedlab.voting.registry import find_rule

    if find_rule(rule).certificate == "none":
        return {}
    arguments = {"tie": tie, "positive": positive, "validation": validation, "declared": declared}
    found = certificate(ballots, rule, **arguments, **options)
    correct = right(found.verdict, truth)
    radii = np.where(correct, found.radii, -1)
    counts = np.bincount(radii[radii >= 0], minlength=2)
    shares = counts[::-1].cumsum()[::-1] / max(ballots.n_records, 1)
    columns = {
        "certified_accuracy_1": float(shares[1]),
        "certified_radius_mean": float(shares[1:].sum()),
        "certified_accuracy": canonical_json(shares[: max(np.flatnonzero(shares).max(initial=0) + 1, 1)].tolist()),
    }
    if find_rule(rule).certificate != "additive":
        return columns
    together = _collective(found, ballots, rule, correct, arguments | options)
    if len(together) > 1:
        columns["collective_certified_accuracy_1"] = together[1]
    return columns | {"collective_certified_accuracy": canonical_json(together)}


def _collective(
    own: "Certificate", ballots: "Ballots", rule: Any, correct: np.ndarray, arguments: dict[str, Any]
) -> list[float]:
    """Return the share that stays right under any one set of r, for r from 0 as far as it is soon tried."""
    from fedlab.voting.collective import against_all

    n_records = max(ballots.n_records, 1)
    shares = [float(correct.mean()) if len(correct) else 0.0]
    for r in range(1, min(MOST_COLLECTIVE, ballots.n_models) + 1):
        weak = int((correct & (own.radii < r)).sum())
        if comb(ballots.n_models, r) * weak * ballots.n_models > _OPERATIONS or not shares[-1]:
            break
        found = against_all(own, ballots, r, rule, among=correct, method="enumerate", **arguments)
        shares.append(found.survivors / n_records)
    return shares
