"""How skewed a split is: labels, features and sizes of each organisation against the pool of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fedlab.errors import unknown_name
from fedlab.files import plain
from fedlab.partition.columns import is_numeric, numbers_of
from fedlab.partition.distances import (
    effective_number,
    gini,
    hellinger,
    js_distance,
    label_distances,
    numeric_distances,
    total_variation,
    weighted_mean,
)
from fedlab.partition.units import label_codes

if TYPE_CHECKING:
    from fedlab.partition.split import Split

__all__ = [
    "class_counts",
    "effective_number",
    "gini",
    "hellinger",
    "js_distance",
    "measure_skew",
    "skew_summary",
    "skew_table",
    "total_variation",
]

MOST_ROWS = 1_000_000  # that distances of features are taken from
MOST_VALUES = 1000  # of a category, before the rarest are taken together
_LABEL = ("js", "hellinger", "tv")
_FEATURE = ("ks", "wasserstein", "features_js")


def class_counts(split: Split) -> np.ndarray:
    """Count the rows of each class in the holdout and in each shard, as the organisations hold them.

    Returns
    -------
    int array (n_shards + 1, n_classes)
        Row 0 is the holdout, row i is shard i - 1; columns are the classes of the whole table, sorted.
    """
    labels = label_codes(split.records)
    n_classes = int(labels.max(initial=-1)) + 1
    cells = (split.assignment + 1) * n_classes + labels
    if len(split.copies):
        cells = np.append(cells, (split.copies[:, 1] + 1) * n_classes + labels[split.copies[:, 0]])
    counts = np.bincount(cells, minlength=(split.n_shards + 1) * n_classes).reshape(-1, n_classes)
    if split.features is not None:
        counts[1:] = counts[1:].sum(axis=0)
    if split.quality:
        classes = pd.Index(split.records.classes)
        for number in range(split.n_shards):
            held = classes.get_indexer(pd.Index(split.shard(number).y))
            counts[number + 1] = np.bincount(held, minlength=n_classes)
    return counts


def measure_skew(split: Split, measure: str = "basic") -> dict[str, Any]:
    """Measure how skewed a split is, as plain values for JSON.

    Every distance is between an organisation and the pool of all organisations, that one included; the
    holdout plays no part. A distance of the whole split is the mean over organisations, weighted by their
    rows; one of several features is the mean over them.

    Parameters
    ----------
    split : Split
        The split.
    measure : {"basic", "full"}
        Whether the joint measure, which trains classifiers, is taken as well.

    Returns
    -------
    dict
        - ``js``, ``hellinger``, ``tv``: Jensen-Shannon (base 2), Hellinger and total-variation distance between
          the class shares, each from 0 to 1;
        - ``ks``, ``wasserstein``: of the numeric features, Kolmogorov-Smirnov distance (from 0 to 1) and
          Wasserstein distance in standard deviations of the pool; missing values are left out;
        - ``features_js``: Jensen-Shannon distance of the other features; missing counts as a value, and beyond
          the 1000 most frequent values the others count as one;
        - ``gini``, ``effective_organisations``: see `gini` and `effective_number`;
        - ``auc``: mean of `organisation_auc`, only if measure is "full";
        - ``features``: for each feature its ``ks`` and ``wasserstein``, or its ``js``;
        - ``per_organisation``: for each a dict with ``organisation`` (from 1), ``rows``, ``class_counts`` (from
          the class as text to rows), ``missing`` (share of feature values), all distances and ``features``.

        None stands where there is nothing to compare. Of more than a million rows every k-th of each
        organisation is taken for the distances of features.

    Raises
    ------
    FedlabError
        If `measure` is neither.

    Examples
    --------
    >>> from fedlab.records import Records, Schema
    >>> from fedlab.partition import split_records
    >>> frame = pd.DataFrame({"id": range(8), "age": 50, "ill": [0, 1] * 4, "town": list("aabbaabb")})
    >>> records = Records(frame, Schema("id", ["age"], "ill", site="town"), "toy")
    >>> skew = measure_skew(split_records(records, "site", holdout=0))
    >>> skew["js"], skew["gini"], skew["effective_organisations"]
    (0.0, 0.0, 2.0)
    """
    if measure not in ("basic", "full"):
        raise unknown_name("measure", measure, ("basic", "full"))
    counts = class_counts(split)[1:]
    rows = counts.sum(axis=1)
    of_label = {name: label_distances(counts, name) for name in _LABEL}
    of_feature, missing = _feature_distances(split)
    of_all = of_label | _means(of_feature, split.n_shards)
    classes = [str(value) for value in plain(split.records.classes)]
    per_organisation = [
        {
            "organisation": number + 1,
            "rows": rows[number],
            **{name: distances[number] for name, distances in of_all.items()},
            "missing": missing[number],
            "features": {
                feature: {name: distances[number] for name, distances in named.items()}
                for feature, named in of_feature.items()
            },
            "class_counts": dict(zip(classes, counts[number], strict=True)),
        }
        for number in range(split.n_shards)
    ]
    skew = {
        **{name: weighted_mean(distances, rows) for name, distances in of_all.items()},
        "gini": gini(rows),
        "effective_organisations": effective_number(rows),
        "features": {
            feature: {name: weighted_mean(distances, rows) for name, distances in named.items()}
            for feature, named in of_feature.items()
        },
        "per_organisation": per_organisation,
    }
    if measure == "full":
        _add_auc(skew, split)
    return _without_nan(plain(skew))


def _add_auc(skew: dict[str, Any], split: Split) -> None:
    from fedlab.partition.separability import organisation_auc

    found = organisation_auc(split) if split.n_shards > 1 and split.features is None else {}
    skew["auc"] = float(np.mean(list(found.values()))) if found else float("nan")
    for number, entry in enumerate(skew["per_organisation"]):
        entry["auc"] = found.get(number)


def _feature_distances(split: Split) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """Return each feature's distances, arrays (n_shards,), and each organisation's share of missing values."""
    if split.features is not None:  # all hold the same rows
        return {}, np.zeros(split.n_shards)
    frame, shards = split.held()
    step = -(-len(shards) // MOST_ROWS)
    if step > 1:
        sizes = np.bincount(shards, minlength=split.n_shards)
        taken = (np.arange(len(shards)) - np.repeat(np.cumsum(sizes) - sizes, sizes)) % step == 0
        frame, shards = frame[taken], shards[taken]
    names = split.records.schema.features
    found, missing = {}, np.zeros(split.n_shards)
    rows = np.bincount(shards, minlength=split.n_shards)
    for name in names:
        column = frame[name]
        absent = column.isna().to_numpy()
        if absent.any():
            missing += np.bincount(shards[absent], minlength=split.n_shards) / rows / len(names)
        if is_numeric(column):
            values = column.to_numpy(dtype=float, na_value=np.nan)
            found[name] = dict(zip(_FEATURE, numeric_distances(values, shards, split.n_shards), strict=False))
        else:
            found[name] = {"js": label_distances(_category_counts(column, shards, split.n_shards), "js")}
    return found, missing


def _category_counts(column: pd.Series, shards: np.ndarray, n_shards: int) -> np.ndarray:
    codes, values = pd.factorize(column, use_na_sentinel=False)
    if len(values) > MOST_VALUES:
        rank = np.argsort(np.argsort(-np.bincount(codes), kind="stable"), kind="stable")
        codes = np.minimum(rank[codes], MOST_VALUES)
    n_values = int(codes.max(initial=0)) + 1
    return np.bincount(shards * n_values + codes, minlength=n_shards * n_values).reshape(n_shards, n_values)


def _means(of_feature: Mapping[str, Mapping[str, np.ndarray]], n_shards: int) -> dict[str, np.ndarray]:
    """Return each organisation's mean over features, for the three kinds of distance."""
    means = {}
    for name in _FEATURE:
        key = "js" if name == "features_js" else name
        found = np.array([named[key] for named in of_feature.values() if key in named])
        known = ~np.isnan(found)
        total = np.where(known, found, 0).sum(axis=0) if len(found) else np.zeros(n_shards)
        number = known.sum(axis=0) if len(found) else np.zeros(n_shards)
        means[name] = np.divide(total, number, out=np.full(n_shards, np.nan), where=number > 0)
    return means


def _without_nan(value: Any) -> Any:
    """Replace NaN, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def achieved_skew(split: Split, measure: str, skew: Mapping[str, Any]) -> float | None:
    """Return the skew of a split in the measure that one of its options was found by."""
    if measure in ("ks", "wasserstein"):
        columns = [split.options["column"]] if "column" in split.options else split.options.get("columns")
        if columns is None:
            return skew[measure]
        held = np.flatnonzero(split.assignment >= 0)
        shards = split.assignment[held]
        place = 0 if measure == "ks" else 1
        rows = np.bincount(shards, minlength=split.n_shards)
        found = [
            weighted_mean(numeric_distances(numbers_of(split.records, name)[held], shards, split.n_shards)[place], rows)
            for name in columns
        ]
        return float(np.mean(found))
    return skew["effective_organisations" if measure == "effective" else measure]


_SUMMARY = {
    "skew_js": "js",
    "skew_hellinger": "hellinger",
    "skew_tv": "tv",
    "skew_ks": "ks",
    "skew_wasserstein": "wasserstein",
    "skew_features_js": "features_js",
    "skew_gini": "gini",
    "skew_effective": "effective_organisations",
    "skew_auc": "auc",
}


def skew_summary(skew: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the measures of a whole split as columns for a table of results.

    Parameters
    ----------
    skew : mapping
        What `measure_skew` returned, or ``partition.meta["skew"]``.

    Returns
    -------
    dict
        ``skew_js``, ``skew_hellinger``, ``skew_tv``, ``skew_ks``, ``skew_wasserstein``, ``skew_features_js``,
        ``skew_gini``, ``skew_effective``, ``skew_auc``; None where a measure was not taken.

    Examples
    --------
    >>> skew_summary({"js": 0.25, "gini": 0.5})["skew_js"]
    0.25
    """
    return {column: skew.get(name) for column, name in _SUMMARY.items()}


def skew_table(skew: Mapping[str, Any]) -> pd.DataFrame:
    """Return the measures of each organisation as a tidy table, one value a row, ready for figures.

    Parameters
    ----------
    skew : mapping
        What `measure_skew` returned, or ``partition.meta["skew"]``.

    Returns
    -------
    DataFrame
        Columns ``organisation`` (from 1), ``feature`` (empty for what concerns the label, or all features
        together), ``measure`` and ``value``.
    """
    found = []
    for entry in skew["per_organisation"]:
        of_all = {name: entry.get(name) for name in (*_LABEL, *_FEATURE, "missing", "auc", "rows")}
        of_each = {"": of_all} | entry.get("features", {})
        found += [
            {"organisation": entry["organisation"], "feature": feature, "measure": name, "value": value}
            for feature, named in of_each.items()
            for name, value in named.items()
            if value is not None
        ]
    return pd.DataFrame(found, columns=["organisation", "feature", "measure", "value"])
