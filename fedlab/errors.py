"""The one exception that users of fedlab meet, and how its messages suggest a name."""

from collections.abc import Iterable
from difflib import get_close_matches


class FedlabError(ValueError):
    """Something a user can mend: the message says what was wrong, the value got, and what to do."""


def unknown_name(kind: str, got: object, known: Iterable[str]) -> FedlabError:
    """Build the error for a name that is not registered, with the nearest known one.

    Parameters
    ----------
    kind : str
        What the name should have named, e.g. ``"rule"``.
    got : object
        The name as the user gave it.
    known : iterable of str
        The names that would have been accepted.

    Returns
    -------
    FedlabError
        To be raised by the caller.

    Examples
    --------
    >>> print(unknown_name("rule", "majorty", ["any", "majority"]))
    rule 'majorty' is not known; did you mean 'majority'? known: any, majority
    """
    names = sorted(known)
    near = get_close_matches(str(got), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return FedlabError(f"{kind} {got!r} is not known{hint} known: {', '.join(names)}")
