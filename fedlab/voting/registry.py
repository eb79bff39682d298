"""The rules by name: what each needs and takes, and how a params file's words are checked against it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fedlab.errors import FedlabError, unknown_name
from fedlab.registry import Registry
from fedlab.voting.ballots import Ballots
from fedlab.voting.ties import check_tie

#: A rule's function: ballots and options in; a Support, a bare support array or a Verdict out.
Function = Callable[..., Any]

#: Arguments that `vote` gives to a rule whose function asks for them by these names; they are no options.
_GIVEN = ("tie", "positive", "validation", "X")
#: How many hostile organisations a verdict survives, and how that is known.
CERTIFICATES = {
    "additive": "exact: each organisation adds its own part to the support",
    "threshold": "exact: the votes by which the condition holds",
    "bound": "a sound bound: the verdict survives at least that many",
    "zero": "0: one organisation decides alone",
    "none": "none known: what one organisation says changes how others count",
}
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
        return tuple(name for name in _GIVEN if name in inspect.signature(self.function).parameters)

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
                raise FedlabError(f"rule {rule_label(self, options)!r} needs {need}, and {where}; {_NEEDS[need]}")


RULES: Registry[Rule] = Registry("rule")


def rule(
    name: str,
    needs: tuple[str, ...] = ("labels",),
    choices: Mapping[str, Mapping[Any, str]] | None = None,
    tie: str = "probability",
    additive: bool = False,
    may_abstain: bool = False,
    formula: str = "",
    source: str = "",
    certificate: str | None = None,
    batch: bool = False,
    use: str = "",
) -> Callable[[Function], Function]:
    """Return a decorator that registers a function as a rule.

    Parameters are those of `Rule`; the options are read from the function's signature.
    """

    def decorate(function: Function) -> Function:
        options, any_option = _options(name, function)
        declared = Rule(
            name=name,
            function=function,
            needs=needs,
            options=options,
            any_option=any_option,
            choices=choices or {},
            tie=tie,
            additive=additive,
            may_abstain=may_abstain,
            formula=formula,
            source=source,
            certificate=certificate or ("additive" if additive else "none"),
            batch=batch,
            use=use,
        )
        RULES.register(name)(declared)
        return function

    return decorate


def find_rule(rule: str | Function | Rule) -> Rule:
    """Return the rule of a name, of an import path ``mymodule:my_rule``, or around a function.

    Raises
    ------
    FedlabError
        If there is none, or it is no function of ballots and options with defaults.
    """
    found = RULES.get(rule) if isinstance(rule, str) else rule
    if isinstance(found, Rule):
        return found
    for name in RULES:
        if RULES.get(name).function is found:
            return RULES.get(name)
    if not callable(found):
        raise FedlabError(
            f"rule {rule!r} is no function; a rule is a function my_rule(ballots, **options) that returns "
            "an array (n_records, n_classes) of support or a Verdict"
        )
    name = rule if isinstance(rule, str) else getattr(rule, "__name__", repr(rule))
    options, any_option = _options(name, found)
    return Rule(name, found, options=options, any_option=any_option, source="user code")


def rule_options(rule: str | Function) -> dict[str, Any]:
    """Return a rule's options with their defaults.

    Examples
    --------
    >>> rule_options("weighted")
    {'by': 'size', 'of': 'labels'}
    """
    return dict(find_rule(rule).options)


def check_rule(rule: str | Function, options: Mapping[str, Any] | None = None, tie: str | None = None) -> None:
    """Check a rule's name, options and tie policy without any ballots: what a params file is checked by.

    Parameters
    ----------
    rule : str or callable
        A registered name, an import path ``mymodule:my_rule`` (the module is imported), or a function.
    options : mapping, optional
        The rule's options.
    tie : str, optional
        The tie policy; None for the rule's own.

    Raises
    ------
    FedlabError
        Saying which word is wrong, with the nearest known one.

    Examples
    --------
    >>> check_rule("weighted", {"by": "accuracy"}, tie="lowest")
    >>> check_rule("majorty")
    Traceback (most recent call last):
        ...
    fedlab.errors.FedlabError: rule 'majorty' is not known; did you mean 'majority'? known: any, majority, ...
    """
    find_rule(rule).check(options or {}, tie)


def rule_label(rule: str | Function | Rule, options: Mapping[str, Any] | None = None) -> str:
    """Return the short name of a rule with its options for tables and legends.

    Options at their default are left out: one rule has one label, however it was written.

    Examples
    --------
    >>> rule_label("weighted", {"by": "accuracy", "of": "labels"}), rule_label("soft")
    ('weighted(by=accuracy)', 'soft')
    """
    found = find_rule(rule)
    shown = [
        f"{name}={value}"
        for name, value in sorted((options or {}).items())
        if name not in found.options or value != found.options[name]
    ]
    return f"{found.name}({', '.join(shown)})" if shown else found.name


def _options(name: str, function: Function) -> tuple[dict[str, Any], bool]:
    """Return the options that a signature declares, with their defaults, and whether it takes any other."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise FedlabError(f"rule {name!r} has no signature to read its options from; write it as a function") from error
    if not parameters or parameters[0].kind in (parameters[0].KEYWORD_ONLY, parameters[0].VAR_KEYWORD):
        raise FedlabError(f"rule {name!r} must take the ballots as its first argument: my_rule(ballots, **options)")
    options: dict[str, Any] = {}
    any_option = parameters[-1].kind is parameters[-1].VAR_KEYWORD
    for parameter in parameters[1 : len(parameters) - any_option]:
        if parameter.name in _GIVEN:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise FedlabError(f"rule {name!r}: {parameter} cannot be given by name; make it a keyword option")
        if parameter.default is parameter.empty:
            raise FedlabError(f"rule {name!r}: option {parameter.name!r} has no default; give it one")
        options[parameter.name] = parameter.default
    return options, any_option
