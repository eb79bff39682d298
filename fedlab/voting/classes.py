"""Class values: one plain dtype for each list, the union over models, where each value stands in it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fedlab.errors import FedlabError

_KINDS = {"b": "true/false", "i": "numbers", "u": "numbers", "f": "numbers", "U": "text"}


def plain_values(values: Any, what: str) -> np.ndarray:
    """Return values as a one-dimensional array of text, numbers or true/false, never of objects.

    Parameters
    ----------
    values : array-like
        Class values or identifiers. An object array is converted by what it holds.
    what : str
        What the values are, for the error message.

    Returns
    -------
    numpy.ndarray
        The same values; text as fixed-width unicode.

    Raises
    ------
    FedlabError
        If the values are of several kinds, missing, not finite, or not in one row.

    Examples
    --------
    >>> plain_values(np.array(["no", "yes"], dtype=object), "the classes")
    array(['no', 'yes'], dtype='<U3')
    """
    array = np.asarray(values)
    if array.dtype.kind not in _KINDS:
        array = _from_objects(array, what)
    elif isinstance(values, list | tuple) and array.size:  # NumPy turns [1, "a"] into two strings
        array = _from_objects(np.array(values, dtype=object), what)
    if array.ndim != 1:
        raise FedlabError(f"{what} must be one row of values; got shape {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise FedlabError(f"{what} hold a missing or infinite value; give every record a finite value")
    return array


def _from_objects(array: np.ndarray, what: str) -> np.ndarray:
    """Convert an object array whose values are all text, all true/false or all numbers."""
    flat = array.ravel().tolist()
    types = set(map(type, flat))
    if all(issubclass(one, str) for one in types):
        return array.astype(np.str_)
    if all(issubclass(one, bool | np.bool_) for one in types):
        return array.astype(bool)
    if all(issubclass(one, int | np.integer) and one is not bool for one in types):
        return array.astype(np.int64)
    if all(issubclass(one, int | float | np.integer | np.floating) and one is not bool for one in types):
        return array.astype(float)
    names = ", ".join(sorted(one.__name__ for one in types))
    raise FedlabError(
        f"{what} must be all text, all numbers or all true/false; got {names}; convert them to one type first"
    )


def kind_of(array: np.ndarray) -> str:
    """Say in words what a plain array holds: text, numbers or true/false."""
    return _KINDS[array.dtype.kind]


def union_of_classes(own: Sequence[np.ndarray], organisations: Sequence[str]) -> np.ndarray:
    """Return the sorted union of the classes that each model knows.

    Raises
    ------
    FedlabError
        If one model's classes are text and another's are numbers (or true/false), or if numbers would change
        value in their common dtype.
    """
    for name, classes in zip(organisations, own, strict=True):
        if kind_of(classes) != kind_of(own[0]):
            raise FedlabError(
                f"organisation {name!r} has classes {_shown(classes)}, which are {kind_of(classes)}; "
                f"organisation {organisations[0]!r} has {_shown(own[0])}, which are {kind_of(own[0])}; "
                "train all on a target of one type"
            )
    union = np.unique(np.concatenate(own))
    for name, classes in zip(organisations, own, strict=True):
        if not np.array_equal(classes.astype(union.dtype).astype(classes.dtype), classes):
            raise FedlabError(
                f"organisation {name!r} has classes {_shown(classes)}, which change value as {union.dtype}, "
                "the common type of all organisations' classes; train all on a target of one type"
            )
    return union


def positions(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return where each value stands in the sorted classes, -1 where it is none of them.

    Examples
    --------
    >>> positions(np.array([2, 1, 7]), np.array([1, 2, 3]))
    array([ 1,  0, -1])
    """
    if kind_of(values) != kind_of(classes):
        return np.full(len(values), -1)
    found = np.searchsorted(classes, values).clip(max=len(classes) - 1)
    return np.where(classes[found] == values, found, -1)


def positive_index(classes: np.ndarray, positive: object = None) -> int:
    """Return the column of the positive class: the one named, by default the greatest.

    Raises
    ------
    FedlabError
        If the class named is none of the ballots' classes.
    """
    if positive is None:
        return len(classes) - 1
    index = int(positions(plain_values([positive], "the positive class"), classes)[0])
    if index < 0:
        raise FedlabError(
            f"positive class {positive!r} is none of the classes of these ballots: {_shown(classes)} "
            f"({kind_of(classes)}); name one of them"
        )
    return index


def _shown(classes: np.ndarray) -> list[Any]:
    return classes[:10].tolist()
