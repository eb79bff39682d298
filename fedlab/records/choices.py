"""Options of the built-in cohorts: a choice of features, and whole numbers in a range."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fedlab.errors import FedlabError, unknown_name


def choose_features(
    cohort: str,
    given: Sequence[str] | None,
    default: Sequence[str],
    known: Iterable[str],
    refused: Mapping[str, str],
) -> tuple[str, ...]:
    """Return the features a user chose: names replace the default ones, names with a ``+`` add to them.

    Parameters
    ----------
    cohort : str
        The cohort's name, for messages.
    given : sequence of str or None
        The user's choice.
    default : sequence of str
        The features without a choice.
    known : iterable of str
        What may be chosen.
    refused : mapping of str to str
        Column to the reason why it may not be a feature.

    Returns
    -------
    tuple of str

    Raises
    ------
    FedlabError
        If a name is unknown or refused, or some names begin with ``+`` and others do not.

    Examples
    --------
    >>> choose_features("nhefs", ["+sex"], ["age"], ["age", "sex"], {})
    ('age', 'sex')
    """
    if given is None:
        return tuple(default)
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise FedlabError(
            f"{cohort}: features is {given!r}; give a list of column names, such as [{', '.join(default)}]"
        )
    added = [name for name in given if name.startswith("+")]
    if added and len(added) < len(given):
        raise FedlabError(
            f"{cohort}: features {list(given)} mixes names with and without '+'; use '+' for all, or for none"
        )
    names = [name.removeprefix("+") for name in given]
    for name in names:
        if name in refused:
            raise FedlabError(f"{cohort}: {name!r} cannot be a feature: {refused[name]}; leave it out")
        if name not in known:
            raise unknown_name(f"feature of cohort {cohort!r}", name, known)
    return tuple(dict.fromkeys([*default, *names])) if added else tuple(names)


def whole_number(cohort: str, name: str, given: Any, least: int, greatest: int) -> int:
    """Return an option that must be a whole number in a range.

    Raises
    ------
    FedlabError
        If it is not.
    """
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= greatest:
        raise FedlabError(f"{cohort}: {name} is {given!r}; give a whole number from {least} to {greatest}")
    return given
