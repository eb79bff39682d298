"""The registry of schemes, and what one says before any row is dealt: its options, its shard count."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.registry import Registry

if TYPE_CHECKING:
    from fedlab.records import Records

Scheme = Callable[..., np.ndarray]
SCHEMES: Registry[Scheme] = Registry("scheme")
REQUIRED = inspect.Parameter.empty
F = TypeVar("F", bound=Callable[..., Any])


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
    """

    check: Callable[..., None] | None = None
    count: Callable[..., int | None] | None = None
    repaired: bool = True


def scheme_traits(
    check: Callable[..., None] | None = None,
    count: Callable[..., int | None] | None = None,
    repaired: bool = True,
) -> Callable[[F], F]:
    """Return a decorator that gives a scheme its `Traits`; a scheme without it has the defaults.

    Examples
    --------
    >>> @scheme_traits(repaired=False)
    ... def mine(records, n_shards, rng): ...
    >>> traits_of(mine).repaired
    False
    """

    def decorate(scheme: F) -> F:
        scheme.traits = Traits(check, count, repaired)  # type: ignore[attr-defined]
        return scheme

    return decorate


def traits_of(scheme: Scheme) -> Traits:
    """Return the traits of a scheme, the default ones if it states none."""
    return getattr(scheme, "traits", Traits())


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
    check = traits_of(SCHEMES.get(name)).check
    if check is not None:
        check(**complete)
    return complete


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
    count = traits_of(SCHEMES.get(name)).count
    return None if count is None else count(records, **complete)
