"""The rules by name: how they are registered, found, checked before a run, and called in tables."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fedlab.errors import FedlabError
from fedlab.registry import Registry
from fedlab.voting.contract import GIVEN, Function, Range, Rule

RULES: Registry[Rule] = Registry("rule")


def rule(
    name: str,
    needs: tuple[str, ...] = ("labels",),
    choices: Mapping[str, Mapping[Any, str]] | None = None,
    ranges: Mapping[str, Range] | None = None,
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
            ranges=ranges or {},
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
    fedlab.errors.FedlabError: rule 'majorty' is not known; did you mean 'majority'? known: absolute_majority, any, ...
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
    return find_rule(rule).label(options)


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
        if parameter.name in GIVEN:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise FedlabError(f"rule {name!r}: {parameter} cannot be given by name; make it a keyword option")
        if parameter.default is parameter.empty:
            raise FedlabError(f"rule {name!r}: option {parameter.name!r} has no default; give it one")
        options[parameter.name] = parameter.default
    return options, any_option
