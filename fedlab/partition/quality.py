"""Quality skew: label noise, missing values, other units or calibration, and noise, per organisation."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError, unknown_name
from fedlab.partition.columns import is_numeric
from fedlab.partition.registry import REQUIRED
from fedlab.seeds import rng

if TYPE_CHECKING:
    from fedlab.records import Records

Damage = Callable[[pd.DataFrame, "Records", float, dict[str, Any], np.random.Generator], np.ndarray]


def _label_noise(
    frame: pd.DataFrame, whole: Records, probability: float, how: dict[str, Any], generator: np.random.Generator
) -> np.ndarray:
    """Give a record another class, each other class of the whole table with the same chance."""
    hit = generator.random(len(frame)) < probability
    classes, target = whole.classes, whole.schema.target
    codes = pd.Index(classes).get_indexer(pd.Index(frame[target]))
    steps = generator.integers(1, len(classes), len(frame))
    column = frame[target].copy()
    column.iloc[np.flatnonzero(hit)] = classes[(codes + steps) % len(classes)][hit]
    frame[target] = column
    return hit


def _missingness(
    frame: pd.DataFrame, whole: Records, probability: float, how: dict[str, Any], generator: np.random.Generator
) -> np.ndarray:
    """Lose each value of the columns with this probability, completely at random."""
    any_hit = np.zeros(len(frame), dtype=bool)
    for name in how["columns"]:
        hit = generator.random(len(frame)) < probability
        if hit.any():
            frame[name] = _roomy(frame[name]).mask(hit)
        any_hit |= hit
    return any_hit


def _shift(
    frame: pd.DataFrame, whole: Records, probability: float, how: dict[str, Any], generator: np.random.Generator
) -> np.ndarray:
    """Replace x by ``factor * x + offset`` in all the columns of a record: another unit, a calibration off."""
    hit = generator.random(len(frame)) < probability
    if hit.any():
        for name in how["columns"]:
            values = frame[name].to_numpy(dtype=float, na_value=np.nan)
            frame[name] = np.where(hit, how["factor"] * values + how["offset"], values)
    return hit


def _noise(
    frame: pd.DataFrame, whole: Records, probability: float, how: dict[str, Any], generator: np.random.Generator
) -> np.ndarray:
    """Add normal noise of `scale` standard deviations of the whole table's column (NIID-Bench: feature noise)."""
    hit = generator.random(len(frame)) < probability
    for name in how["columns"]:
        drawn = generator.standard_normal(len(frame)) * how["scale"] * how["deviations"][name]
        if hit.any():
            values = frame[name].to_numpy(dtype=float, na_value=np.nan)
            frame[name] = np.where(hit, values + drawn, values)
    return hit


def _roomy(column: pd.Series) -> pd.Series:
    """Return a column in a type that has room for missing values."""
    plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "biu"
    return column.astype(float) if plain else column


# kind: the damage, its options and their defaults
_KINDS: dict[str, tuple[Damage, dict[str, Any]]] = {
    "label_noise": (_label_noise, {}),
    "missingness": (_missingness, {"columns": None}),
    "shift": (_shift, {"columns": REQUIRED, "factor": 1.0, "offset": 0.0}),
    "noise": (_noise, {"columns": None, "scale": 1.0}),
}


def check_quality(quality: Any, n_shards: int, records: Records) -> list[dict[str, Any]]:
    """Check what the user asked for and fill in the defaults.

    Parameters
    ----------
    quality : mapping, sequence of mappings or None
        Each has ``kind`` (``label_noise``, ``missingness``, ``shift`` or ``noise``), ``probability`` (one number,
        or one per organisation) and the options of the kind: ``columns`` (default: all features, for noise all
        numeric ones; needed for shift), ``factor`` and ``offset`` of a shift, ``scale`` of noise.
    n_shards : int
        How many organisations.
    records : Records
        The whole table.

    Returns
    -------
    list of dict
        The same, complete, with one probability per organisation.

    Raises
    ------
    FedlabError
        If something is unknown, missing or out of range.

    Examples
    --------
    >>> from fedlab.records import Schema, Records
    >>> records = Records(pd.DataFrame({"id": [1, 2], "age": [40, 50], "ill": [0, 1]}), Schema("id", ["age"], "ill"))
    >>> check_quality({"kind": "missingness", "probability": [0, 0.5]}, 2, records)
    [{'kind': 'missingness', 'probability': [0.0, 0.5], 'columns': ['age']}]
    """
    if quality is None:
        return []
    several = [quality] if isinstance(quality, Mapping) else quality
    listed = isinstance(several, Sequence) and not isinstance(several, str)
    if not listed or not all(isinstance(one, Mapping) for one in several):
        raise FedlabError(
            f"quality must be a mapping such as {{kind: label_noise, probability: 0.1}}, or a list of such, "
            f"got {quality!r}"
        )
    return [_complete(dict(one), n_shards, records) for one in several]


def _complete(given: dict[str, Any], n_shards: int, records: Records) -> dict[str, Any]:
    kind = given.pop("kind", None)
    if kind not in _KINDS:
        raise unknown_name("kind of quality", kind, _KINDS)
    if "probability" not in given:
        raise FedlabError(f"quality {kind!r} needs a probability: one number, or a list with one per organisation")
    probability = _probabilities(given.pop("probability"), n_shards)
    defaults = _KINDS[kind][1]
    for option in given:
        if option not in defaults:
            raise unknown_name(f"option of quality {kind!r}:", option, ["kind", "probability", *defaults])
    complete = {"kind": kind, "probability": probability, **defaults, **given}
    for option in ("factor", "offset", "scale"):
        if option in complete:
            complete[option] = _number(option, complete[option])
    if complete.get("scale", 0) < 0:
        raise FedlabError(f"quality: scale must be a number of 0 or more, got {complete['scale']!r}")
    if "columns" in defaults:
        complete["columns"] = _columns(kind, complete["columns"], records)
    if kind == "noise":
        complete["deviations"] = {name: float(records.frame[name].std(ddof=0)) for name in complete["columns"]}
    return complete


def _number(option: str, value: Any) -> float:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not math.isfinite(float(value)):
        raise FedlabError(f"quality: {option} must be a number, got {value!r}")
    return float(value)


def _probabilities(given: Any, n_shards: int) -> list[float]:
    listed = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str)
    values = list(given) if listed else [given] * n_shards
    if len(values) != n_shards:
        raise FedlabError(
            f"quality: probability has {len(values)} numbers for {n_shards} organisations; give one for each, or "
            "a single number for all"
        )
    for value in values:
        if not 0 <= _number("probability", value) <= 1:
            raise FedlabError(f"quality: probability must be a number from 0 to 1, got {value!r}")
    return [float(value) for value in values]


def _columns(kind: str, given: Any, records: Records) -> list[str]:
    features = records.schema.features
    numeric = [name for name in features if is_numeric(records.frame[name])]
    allowed = list(features) if kind == "missingness" else numeric
    if given is REQUIRED:
        raise FedlabError(
            f"quality {kind!r} needs columns, the features it changes; numeric features: {', '.join(numeric)}"
        )
    if given is None:
        return allowed
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise FedlabError(f"quality {kind!r}: columns must be a list of features, got {given!r}")
    for name in given:
        if name not in allowed:
            raise unknown_name("numeric feature" if name in features else "feature", name, allowed)
    return list(given)


def degrade(
    shard: Records, whole: Records, quality: Sequence[Mapping[str, Any]], seed: int, number: int
) -> tuple[Records, list[int]]:
    """Return an organisation's records as it holds them, and how many records each kind changed.

    Parameters
    ----------
    shard : Records
        Its rows as they are in the table.
    whole : Records
        The whole table, for its classes.
    quality : sequence of mapping
        What `check_quality` returned; kinds are applied in this order.
    seed : int
        The seed of the split.
    number : int
        The organisation, from 0: each has random numbers of its own.

    Returns
    -------
    tuple of Records and list of int
    """
    from fedlab.records import Records as NewRecords

    frame = shard.frame.copy()
    changed = []
    for place, one in enumerate(quality):
        columns = [name for name in one.get("columns", ()) if name in frame.columns]
        generator = rng(seed, "quality", one["kind"], place, number)
        hit = _KINDS[one["kind"]][0](frame, whole, one["probability"][number], {**one, "columns": columns}, generator)
        changed.append(int(hit.sum()))
    return NewRecords(frame, shard.schema, shard.name, shard.about), changed
