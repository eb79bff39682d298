"""Checks of single numbers that users pass, with messages in one form."""

from __future__ import annotations

import math
import numbers
from typing import Any

from fedlab.errors import FedlabError


def whole_number(name: str, value: Any, least: int) -> int:
    """Return a whole number as an int, or refuse it.

    Examples
    --------
    >>> whole_number("n_shards", 2.5, 1)
    Traceback (most recent call last):
    fedlab.errors.FedlabError: n_shards must be a whole number of 1 or more, got 2.5
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise FedlabError(f"{name} must be a whole number of {least} or more, got {value!r}")
    return int(value)


def real_number(name: str, value: Any, allowed: str, low: float, high: float, low_ok: bool) -> float:
    """Return a number from `low` (excluded unless `low_ok`) to `high` (excluded) as a float, or refuse it.

    Examples
    --------
    >>> real_number("alpha", 0, "a number greater than 0", 0, float("inf"), low_ok=False)
    Traceback (most recent call last):
    fedlab.errors.FedlabError: alpha must be a number greater than 0, got 0
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    number = float(value) if real else math.nan
    if not (math.isfinite(number) and (low < number < high or (low_ok and number == low))):
        raise FedlabError(f"{name} must be {allowed}, got {value!r}")
    return number
