"""What a rule declares: needs, options and their values, tie policy, certificate; and how words are checked by it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.voting.ballots import Ballots
from fedlab.voting.ties import check_tie

#: A rule's function: ballots and options in; a Support, a bare support array or a Verdict out.
Function = Callable[..., Any]

#: Arguments that `vote` gives to a rule whose function asks for them by these names; they are no options.
GIVEN = ("tie", "positive", "validation", "X")
#: How many hostile organisations a verdict survives, and how that is known.
CERTIFICATES = {
    "additive": "exact: each organisation adds its own part to the support",
    "threshold": "exact: the votes by which the condition holds",
    "bound": "a sound bound: the verdict survives at least that many",
    "zero": "0: one organisation decides alone",
    "none": "none known: what one organisation says changes how others count",
}


class Range(NamedTuple):
    """The numbers that an option takes, both ends included."""

    low: float
    high: float = float("inf")
    whole: bool = False  #: whether it must be a whole number

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:g}" + (" up" if self.high == float("inf") else f" to {self.high:g}")

    def allows(self, value: Any) -> bool:
        """Say whether the option takes a value."""
        kinds = (int, np.integer) if self.whole else (int, float, np.integer, np.floating)
        return isinstance(value, kinds) and not isinstance(value, bool) and bool(self.low <= value <= self.high)


_NEEDS = {
    "labels": "cast the ballots with cast_ballots",
    "probabilities": "not every model has predict_proba: choose a rule that needs labels only, or other models",
    "sizes": "give cast_ballots sizes=: the training rows of each organisation",
    "accuracies": "give cast_ballots accuracies=: the local accuracy of each organisation",
    "class_counts": "give cast_ballots class_counts=: each organisation's training rows of each class",
    "validation": "give vote validation=(ballots, truth): the same models' ballots on rows of known class",
    "X": "give vote X= (the records' features) and validation=(ballots, truth, X), or choose space='ballots'",
}


@dataclass(frozen=True)
class Rule:
    """A voting rule and what it declares.

    Parameters
    ----------
    name : str
        The name in params files, tables and legends.
    function : callable
        ``function(ballots, **options)``.
    needs : tuple of str
        What ballots must hold: ``labels``, ``probabilities``, ``sizes``, ``accuracies``, ``class_counts``;
        and what `vote` must be given beside them: ``validation``, ``X``.
    options : mapping
        Each option's default.
    any_option : bool
        Whether the function takes ``**options``: then none can be told to be misspelt.
    choices : mapping
        For an option of few values: each allowed value and what ballots must hold for it.
    ranges : mapping
        For an option that is a number: which it takes.
    tie : str
        The tie policy used where the caller names none.
    additive : bool
        Whether each organisation adds its own part to the support, whatever the others say: then it can be
        certified how many hostile organisations a verdict survives.
    certificate : str
        One of `CERTIFICATES`: how it is known how many hostile organisations a verdict survives.
    batch : bool
        Whether a record's verdict depends on the other records of the batch (rules that learn from the
        ballots themselves).
    may_abstain : bool
        Whether the rule abstains on its own account, apart from ties and from records that nobody answered.
    formula, source, use : str
        The verdict as a formula; where it is described; when to use it.
    """

    name: str
    function: Function
    needs: tuple[str, ...] = ("labels",)
    options: Mapping[str, Any] = field(default_factory=dict)
    any_option: bool = False
    choices: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    tie: str = "probability"
    additive: bool = False
    may_abstain: bool = False
    formula: str = ""
    source: str = ""
    certificate: str = "none"
    batch: bool = False
    use: str = ""

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    @property
    def asks_for(self) -> tuple[str, ...]:
        """Which of ``tie``, ``positive``, ``validation`` and ``X`` the function wants to be given."""
        return tuple(name for name in GIVEN if name in inspect.signature(self.function).parameters)

    def check(self, options: Mapping[str, Any], tie: str | None = None) -> None:
        """Refuse options that the rule does not have, values that they do not take, unknown tie policies."""
        for option, value in options.items():
            if option not in self.options and not self.any_option:
                if not self.options:
                    raise FedlabError(f"rule {self.name!r} takes no options; got {option!r}: remove it")
                raise unknown_name(f"rule {self.name!r}: option", option, self.options)
            allowed = self.choices.get(option)
            if allowed is not None and not (isinstance(value, str) and value in allowed):
                raise unknown_name(f"rule {self.name!r}, option {option!r}: value", value, allowed)
            limits = self.ranges.get(option)
            if limits is not None and not limits.allows(value):
                raise FedlabError(f"rule {self.name!r}, option {option!r}: got {value!r}; give {limits}")
        if tie is not None:
            check_tie(tie)

    def needed(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what the rule needs with these options."""
        chosen = {**self.options, **options}
        return (*self.needs, *(self.choices[option][chosen[option]] for option in self.choices))

    def check_ballots(
        self, ballots: Ballots, options: Mapping[str, Any], beside: Mapping[str, Any] | None = None
    ) -> None:
        """Refuse ballots that lack what the rule needs with these options; `beside`: what else `vote` was given."""
        beside = beside or {}
        for need in self.needed(options):
            of_vote = need in ("validation", "X")
            if (beside.get(need) if of_vote else getattr(ballots, need)) is None:
                where = "none was given" if of_vote else "these ballots hold none"
                raise FedlabError(f"rule {self.label(options)!r} needs {need}, and {where}; {_NEEDS[need]}")

    def label(self, options: Mapping[str, Any] | None = None) -> str:
        """Return the rule's short name with those of its options that are not at their default."""
        shown = [
            f"{name}={value}"
            for name, value in sorted((options or {}).items())
            if name not in self.options or value != self.options[name]
        ]
        return f"{self.name}({', '.join(shown)})" if shown else self.name
