"""One spelling for the numbers of a params file: 1 and 1.0 are one value where an option is declared as either."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any


def as_declared(function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Give whole numbers the type that a function declares an option with; what it declares as neither stays.

    Examples
    --------
    >>> def scheme(records, *, alpha: float = 0.5, copies: int = 1, sizes: list[float] = [], other=None): ...
    >>> as_declared(scheme, {"alpha": 1, "copies": 2.0, "sizes": [1, 0.5], "other": 1})
    {'alpha': 1.0, 'copies': 2, 'sizes': [1.0, 0.5], 'other': 1}
    """
    declared = inspect.signature(function).parameters
    return {
        name: _typed(value, _kind(declared[name].annotation)) if name in declared else value
        for name, value in options.items()
    }


def as_floats(value: Any) -> Any:
    """Make floats of all numbers in a value."""
    return _typed(value, float)


def _kind(annotation: Any) -> type | None:
    """Return int or float where an annotation names just one of them."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") + str(annotation)
    found = set(re.findall(r"\b(int|float)\b", text))
    return {"int": int, "float": float}[found.pop()] if len(found) == 1 else None


def _typed(value: Any, kind: type | None) -> Any:
    if isinstance(value, dict):
        return {key: _typed(item, kind) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item, kind) for item in value]
    if kind is None or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return kind(value) if value == kind(value) else value
