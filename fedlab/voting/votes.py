"""The vote: ballots and a rule's name in, a verdict out."""

from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.abstention import withhold
from fedlab.voting.ballots import Ballots
from fedlab.voting.classes import positive_index
from fedlab.voting.contract import Function, Rule
from fedlab.voting.registry import find_rule
from fedlab.voting.support import Support
from fedlab.voting.ties import check_explicit_tie
from fedlab.voting.validation import as_validation
from fedlab.voting.verdict import Verdict, decide


def vote(
    ballots: Ballots,
    rule: str | Function = "majority",
    tie: str | None = None,
    positive: Any = None,
    validation: Any = None,
    X: Any = None,
    abstain_below: float | None = None,
    **options: Any,
) -> Verdict:
    """Merge what the models say into one verdict for each record.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    rule : str or callable
        A registered name (``fedlab.voting.RULES``), an import path ``mymodule:my_rule``, or a function.
    tie : {"abstain", "lowest", "positive", "probability"}, optional
        What to do where several classes lead; by default the rule's own policy: the tied class of the largest
        mean probability, among equals (or where there are no probabilities) the lowest class.
    positive : class value, optional
        The class that ``any``, ``unanimous`` and the tie policy ``positive`` are about; by default the
        greatest class of these ballots.
    validation : Validation or tuple, optional
        ``(ballots, truth)`` or ``(ballots, truth, X)``: the same models' ballots on rows of known class, for
        rules that learn from them.
    X : DataFrame or array (n_records, n_features), optional
        The records' features, for rules that look for similar validation rows.
    abstain_below : float, optional
        Abstain where the margin is less than this; for the built-in rules from 0 to 1.
    **options
        The rule's options.

    Returns
    -------
    Verdict
        It abstains on records that no model answered (or only models of weight 0), and where `abstain_below` or
        the rule itself says so.

    Raises
    ------
    FedlabError
        If rule, option, tie policy or positive class are not known, the ballots lack what the rule needs, or
        a rule of the user's own returns what is no verdict.

    Notes
    -----
    A rule of your own is a plain function, its options are keyword arguments with defaults::

        def my_rule(ballots, power=2.0):
            return (ballots.probabilities**power).sum(axis=0)

    It returns either an array (n_records, n_classes) of finite numbers, the support of each class: the
    greatest wins, the tie policy decides among equals, and scores and margins are this support as it is. Or
    it returns a whole `Verdict`. If it has arguments named ``tie`` and ``positive`` it is given the policy's
    name and the column of the positive class; arguments named ``validation`` (a `Validation`) and ``X`` are given
    what `vote` was given. Where a model abstains its label is -1 and its probabilities
    are 0.

    Examples
    --------
    >>> ballots = Ballots([[0, 1], [1, 1], [1, 0]], None, ["ill", "well"], ["north", "south", "west"])
    >>> verdict = vote(ballots, "majority")
    >>> verdict.values.tolist(), verdict.margins.round(2).tolist()
    (['well', 'well'], [0.33, 0.33])
    """
    chosen = find_rule(rule)
    chosen.check(options)
    check_explicit_tie(tie, ballots)
    column = positive_index(ballots.classes, positive)
    policy = tie or chosen.tie
    given = {"tie": policy, "positive": column, "validation": as_validation(validation, ballots), "X": X}
    chosen.check_ballots(ballots, options, given)
    result = chosen.function(ballots, **options, **{name: given[name] for name in chosen.asks_for})
    if isinstance(result, Verdict):
        verdict = _checked_verdict(result, ballots, chosen, tie)
    else:
        support = result if isinstance(result, Support) else _checked_support(result, ballots, chosen)
        verdict = decide(ballots, support, policy, column)
    return verdict if abstain_below is None else withhold(verdict, abstain_below)


def _checked_verdict(verdict: Verdict, ballots: Ballots, rule: Rule, tie: str | None) -> Verdict:
    """Refuse a verdict on other records or classes, and a tie policy that the rule never heard of."""
    if verdict.n_records != ballots.n_records or not np.array_equal(verdict.classes, ballots.classes):
        raise FedlabError(
            f"rule {rule.name!r} gave a verdict on {verdict.n_records} records over classes "
            f"{verdict.classes.tolist()}; the ballots are on {ballots.n_records} records over "
            f"{ballots.classes.tolist()}"
        )
    if tie is not None and "tie" not in rule.asks_for:
        raise FedlabError(
            f"rule {rule.name!r} makes its own verdict and takes no tie policy; leave out tie={tie!r}, or "
            "give the function an argument named tie"
        )
    return verdict


def _checked_support(result: Any, ballots: Ballots, rule: Rule) -> Support:
    """Refuse what is no support array."""
    wanted = (ballots.n_records, ballots.n_classes)
    values = np.asarray(result)
    if values.shape != wanted or values.dtype.kind not in "biuf":
        raise FedlabError(
            f"rule {rule.name!r} must return a Verdict or numbers of shape (n_records, n_classes) = "
            f"{wanted}; got {type(result).__name__} of shape {values.shape} and dtype {values.dtype}"
        )
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise FedlabError(
            f"rule {rule.name!r} gave support {values[tuple(bad[0])]} on record {bad[0][0]}; support must be finite"
        )
    return Support(values.astype(np.float64 if values.dtype.kind == "f" else np.int64))
