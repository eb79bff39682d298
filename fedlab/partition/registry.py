"""The registry of schemes, and what one says before any row is dealt: its options, its shard count."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.registry import Registry

if TYPE_CHECKING:
    from fedlab.records import Records

Scheme = Callable[..., Any]
SCHEMES: Registry[Scheme] = Registry("scheme")
REQUIRED = inspect.Parameter.empty
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Dial:
    """An option of a scheme that can be given as the skew wanted, e.g. ``alpha: {js: 0.3}``.

    Parameters
    ----------
    low, high : float
        The range that is searched.
    log : bool
        Whether the search goes over the logarithm of the option.
    measures : tuple of str
        The measures that it can be set by.
    expect : callable
        ``expect(records, n_shards, measure, **options)`` returns a function from a value of the option to the
        expected skew; it is monotone, as every value is tried on the same random numbers.
    """

    low: float
    high: float
    log: bool
    measures: tuple[str, ...]
    expect: Callable[..., Callable[[float], float]]


@dataclass(frozen=True)
class Traits:
    """What a scheme says of itself beyond its signature.

    Parameters
    ----------
    check : callable or None
        ``check(**options)`` raises FedlabError if a value of an option is impossible on any table.
    count : callable or None
        ``count(records, **options)`` returns the number of organisations that records and options fix, or
        None where they leave it open.
    repaired : bool
        Whether rows may be moved to bring a shard up to `min_rows`. Rows of a real hospital may not.
    kinds : callable or None
        ``kinds(records, **options)`` returns the kind of each row (its class, say), or None. Repair then
        moves a row only to a shard that holds its kind already, and never a shard's last one of a kind: an
        organisation of two classes stays one of just these two.
    follows : callable or None
        ``follows(**options)`` returns name and options of the scheme inside this one whose `count`,
        `repaired` and `kinds` hold for this one too.
    dials : mapping of str to Dial
        The options that may be given as the skew wanted.
    whole : bool
        Whether the scheme deals the whole table, marking a holdout of its own by -1.
    part : bool
        Whether the scheme may be a part of another (`mixed`, `overlap`).
    """

    check: Callable[..., None] | None = None
    count: Callable[..., int | None] | None = None
    repaired: bool = True
    kinds: Callable[..., np.ndarray | None] | None = None
    follows: Callable[..., tuple[str, dict[str, Any]]] | None = None
    dials: Mapping[str, Dial] = field(default_factory=dict)
    whole: bool = False
    part: bool = True


def scheme_traits(**traits: Any) -> Callable[[F], F]:
    """Return a decorator that gives a scheme its `Traits`; a scheme without it has the defaults.

    Parameters
    ----------
    **traits
        Fields of `Traits`.

    Examples
    --------
    >>> @scheme_traits(repaired=False)
    ... def mine(records, n_shards, rng): ...
    >>> traits_of(mine).repaired
    False
    """

    def decorate(scheme: F) -> F:
        scheme.traits = Traits(**traits)  # type: ignore[attr-defined]
        return scheme

    return decorate


def traits_of(scheme: Scheme) -> Traits:
    """Return the traits of a scheme, the default ones if it states none."""
    return getattr(scheme, "traits", Traits())


def traits_for(name: str, options: dict[str, Any]) -> Traits:
    """Return the traits of a scheme with complete options, those of the scheme inside it where it follows one."""
    own = traits_of(SCHEMES.get(name))
    if own.follows is None:
        return own
    inner_name, inner_options = own.follows(**options)
    inner = traits_for(inner_name, inner_options)

    def count(records: Records, **_: Any) -> int | None:
        return None if inner.count is None else inner.count(records, **inner_options)

    def kinds(records: Records, **_: Any) -> np.ndarray | None:
        return None if inner.kinds is None else inner.kinds(records, **inner_options)

    return replace(own, count=own.count or count, kinds=kinds, repaired=inner.repaired)


def inner_scheme(option: str, given: Any) -> tuple[str, dict[str, Any]]:
    """Read a scheme inside another, ``"linear"`` or ``{"scheme": "lognormal", "sigma": 1}``.

    Parameters
    ----------
    option : str
        The option that holds it, for messages.
    given : str or mapping
        What the user gave.

    Returns
    -------
    tuple of str and dict
        The name and all options of the scheme.

    Raises
    ------
    FedlabError
        If it is no scheme, has impossible options, or cannot be a part of another.

    Examples
    --------
    >>> inner_scheme("size", {"scheme": "quantity", "exponent": 2})
    ('quantity', {'exponent': 2, 'fractions': None})
    """
    options = dict(given) if isinstance(given, Mapping) else {"scheme": given}
    name = options.pop("scheme", None)
    if not isinstance(name, str):
        raise FedlabError(
            f"{option} must be the name of a scheme, or a mapping such as "
            f"{{scheme: lognormal, sigma: 1}}, got {given!r}"
        )
    complete = check_options(name, options)
    traits = traits_of(SCHEMES.get(name))
    if not traits.part:
        raise FedlabError(f"{option}: scheme {name!r} cannot be a part of another scheme; use it by itself")
    for dial in traits.dials:
        if isinstance(complete[dial], Mapping):
            raise FedlabError(
                f"{option}: {dial} of a scheme inside another must be a number, got {complete[dial]!r}; "
                "a skew wanted can be given only where the scheme stands by itself"
            )
    return name, complete


def scheme_options(name: str) -> dict[str, Any]:
    """Return the options of a scheme and their defaults: its keyword-only arguments.

    Parameters
    ----------
    name : str
        A registered name or an import path.

    Returns
    -------
    dict
        From the name of each option to its default, `REQUIRED` where it has none.

    Raises
    ------
    FedlabError
        If no scheme has this name.

    Examples
    --------
    >>> scheme_options("dirichlet")
    {'alpha': 0.5}
    """
    parameters = inspect.signature(SCHEMES.get(name)).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}


def _takes_any(name: str) -> bool:
    parameters = inspect.signature(SCHEMES.get(name)).parameters.values()
    return any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)


def _unknown_option(name: str, got: str, known: dict[str, Any]) -> FedlabError:
    others = [other for other in SCHEMES if got in scheme_options(other)]
    hint = f" ({got!r} is an option of: {', '.join(others)})" if others else ""
    if known:
        return FedlabError(f"{unknown_name(f'option of scheme {name!r}:', got, known)}{hint}")
    return FedlabError(f"scheme {name!r} takes no options, got {got!r}{hint}; leave it out")


def check_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Check the options of a scheme as far as that goes without records, and fill in the defaults.

    Parameters
    ----------
    name : str
        A registered name or an import path.
    options : dict
        The options as the user gave them.

    Returns
    -------
    dict
        All options of the scheme.

    Raises
    ------
    FedlabError
        If the scheme or an option is not known, one is missing, or a value is impossible.

    Examples
    --------
    >>> check_options("quantity", {})
    {'exponent': 1.0, 'fractions': None}
    >>> check_options("dirichlet", {"alpha": 0})
    Traceback (most recent call last):
    fedlab.errors.FedlabError: alpha must be a number greater than 0, got 0
    """
    known = scheme_options(name)
    for option in options:
        if option not in known and not _takes_any(name):
            raise _unknown_option(name, option, known)
    complete = {**known, **options}
    missing = [option for option, value in complete.items() if value is REQUIRED]
    if missing:
        raise FedlabError(f"scheme {name!r} needs a value for {', '.join(map(repr, missing))}; it has no default")
    traits = traits_of(SCHEMES.get(name))
    wanted = {option for option in traits.dials if isinstance(complete[option], Mapping)}
    for option in wanted:
        _check_wanted(option, complete[option], traits.dials[option])
    if traits.check is not None:
        # any number will do for a value that is still to be found
        traits.check(**complete | {option: traits.dials[option].high for option in wanted})
    return complete


def _check_wanted(option: str, wanted: Mapping[str, Any], dial: Dial) -> None:
    """Check the form of ``{measure: value}``; whether a table can have that skew is seen when it is split."""
    known = ", ".join(dial.measures)
    if len(wanted) != 1:
        raise FedlabError(f"{option} must name one measure of skew ({known}), got {dict(wanted)!r}")
    ((measure, value),) = wanted.items()
    if measure not in dial.measures:
        raise unknown_name(f"measure of skew for {option}:", measure, dial.measures)
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not math.isfinite(float(value)) or value < 0:
        hint = f"; over several, write [{{{measure}: …}}, {{{measure}: …}}]" if isinstance(value, list) else ""
        raise FedlabError(f"{option}: {measure} must be a number of 0 or more, got {value!r}{hint}")


def shards_determined_by(name: str, records: Records, options: dict[str, Any] | None = None) -> int | None:
    """Return how many organisations a scheme makes of a table, where that is not the user's choice.

    Parameters
    ----------
    name : str
        A registered name or an import path.
    records : Records
        The table.
    options : dict, optional
        The options as the user gave them.

    Returns
    -------
    int or None
        None where the user has to choose `n_shards`.

    Raises
    ------
    FedlabError
        As `check_options`, or if the table lacks what the scheme needs.
    """
    complete = check_options(name, options or {})
    count = traits_for(name, complete).count
    return None if count is None else count(records, **complete)
