"""Finding the value of a scheme's option that gives the skew asked for, such as the alpha of ``{js: 0.3}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.registry import SCHEMES, Dial, traits_of

if TYPE_CHECKING:
    from fedlab.records import Records

_MOST_STEPS = 60
_NEAR = 1e-4  # in units of the measure


def replicates(n_cells: int) -> int:
    """Return over how many draws of a table of so many cells an expected skew is averaged: 16 to 2000."""
    return int(np.clip(200_000 // n_cells, 16, 2000))


def dirichlet_from(alpha: float | np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Turn uniform random numbers into shares of a Dirichlet distribution, smoothly in alpha.

    Normalised gamma variates by the inverse distribution function: the same uniforms under another alpha give
    nearby shares, so that an average over them is a smooth function of alpha (common random numbers).

    Parameters
    ----------
    alpha : float or float array (..., n_parts)
        Concentration, greater than 0.
    uniforms : float array (..., n_parts)
        From 0 to 1.

    Returns
    -------
    float array (..., n_parts)
        Each sums to 1 over the last axis.

    Examples
    --------
    >>> shares = dirichlet_from(0.01, np.random.default_rng(0).random((1000, 3)))
    >>> shares.mean(axis=0).round(1).tolist(), bool(shares.max(axis=1).mean() > 0.95)
    ([0.3, 0.3, 0.3], True)
    """
    from scipy.special import gammaincinv, gammaln

    alpha = np.clip(alpha, 1e-12, 1e9)
    uniforms = np.clip(uniforms, 1e-300, 1 - 1e-16)
    with np.errstate(divide="ignore", under="ignore"):
        # what is too small for a float is so by its power law, P(gamma < x) = x ** alpha / gamma(alpha + 1)
        tail = (np.log(uniforms) + gammaln(alpha + 1)) / alpha
        logs = np.where(tail < -30, tail, np.log(gammaincinv(alpha, uniforms)))
    shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def turn_dials(
    scheme: str, records: Records, n_shards: int, options: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Replace every skew asked for by the value of the option that gives it on these records.

    Parameters
    ----------
    scheme : str
        Name of the scheme.
    records : Records
        The rows outside the holdout.
    n_shards : int
        How many organisations.
    options : dict
        All options of the scheme.

    Returns
    -------
    options : dict
        The same with numbers in place of ``{measure: value}``.
    found : dict
        For each option found: ``measure``, ``target``, ``value`` (of the option) and ``expected`` (the skew it
        is expected to give, before repair).

    Raises
    ------
    FedlabError
        If no value gives that skew; the message says what can be reached.
    """
    found = {}
    for option, dial in traits_of(SCHEMES.get(scheme)).dials.items():
        wanted = options[option]
        if isinstance(wanted, Mapping):
            ((measure, target),) = wanted.items()
            expected = dial.expect(records, n_shards, measure, **options)
            value = _solve(expected, dial, float(target), f"{option} {{{measure}: {target}}}", records, n_shards)
            found[option] = {"measure": measure, "target": target, "value": value, "expected": expected(value)}
    return options | {option: one["value"] for option, one in found.items()}, found


def _solve(
    expected: Callable[[float], float], dial: Dial, target: float, asked: str, records: Records, n_shards: int
) -> float:
    """Bisect for the value whose expected skew is the target."""
    low, high = (np.log(dial.low), np.log(dial.high)) if dial.log else (dial.low, dial.high)
    back: Callable[[float], float] = (lambda x: float(np.exp(x))) if dial.log else float
    at_low, at_high = expected(back(low)), expected(back(high))
    least, most = sorted((at_low, at_high))
    if not least <= target <= most:
        raise FedlabError(
            f"{asked} cannot be reached on {records.name!r} with {n_shards} organisations and {records.n_rows} rows: "
            f"its expected skew goes from {least:.4f} to {most:.4f}; ask for a value between them"
        )
    rising = at_high > at_low
    for _ in range(_MOST_STEPS):
        middle = (low + high) / 2
        skew = expected(back(middle))
        if abs(skew - target) < _NEAR:
            return back(middle)
        low, high = (middle, high) if (skew < target) == rising else (low, middle)
    return back((low + high) / 2)
