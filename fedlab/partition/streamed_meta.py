"""What partition.json says of a partition that was streamed: as for any other, but for the skew of features."""

from __future__ import annotations

from typing import Any

import numpy as np

from fedlab.files import plain
from fedlab.partition.dealer import Dealer
from fedlab.partition.distances import effective_number, gini, label_distances, weighted_mean
from fedlab.records.scan import Scan
from fedlab.records.sources import suffix_of


def describe(
    scan: Scan, dealer: Dealer, format: str, names: list[str], written: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what partition.json says.

    Parameters
    ----------
    scan, dealer
        The table and who got its rows.
    format : str
        What the rows were written as.
    names : list of str
        The files, the holdout last if there is one.
    written : list of dict
        Bytes and SHA-256 of each.
    """
    target = scan.coders[scan.schema.target]
    classes = [str(value) for value in plain(target.values)]
    entries = [
        {"file": name, "rows": of_class.sum(), "class_counts": dict(zip(classes, of_class, strict=True)), **known}
        for name, of_class, known in zip(names, dealer.counts, written, strict=False)
    ]
    shards, holdout = entries[: dealer.n_shards], entries[dealer.n_shards :]
    name = scan.path.name[: -len(suffix_of(scan.path))]
    about = {"source": scan.path.name, "licence": "not stated", "url": None, "rows": scan.n_rows, "sha256": scan.sha256}
    return plain(
        {
            "scheme": dealer.scheme,
            "options": dealer.options,
            "n_shards": dealer.n_shards,
            "seed": dealer.seed,
            "min_rows": dealer.min_rows,
            "holdout_share": dealer.holdout_share,
            "name": name,
            "about": about,
            "schema": scan.schema.to_dict(),
            "n_rows": scan.n_rows,
            "classes": target.values,
            "classes_dtype": str(target.values.dtype),
            "kinds": scan.kinds,
            "dtypes": scan.dtypes,
            "format": format,
            "shards": [
                entry | {"organisation": organisation}
                for entry, organisation in zip(shards, _organisations(scan, dealer), strict=True)
            ],
            "holdout": holdout[0] if holdout else None,
            "skew": _skew(dealer.counts[:-1], classes),
            "repaired_rows": dealer.moved,
            "streamed": True,
        }
    )


def _organisations(scan: Scan, dealer: Dealer) -> list[str]:
    """Name the organisations after their sites where each is a site of the schema, else part1, part2, …"""
    site = scan.schema.site
    if dealer.scheme == "site" and site is not None and dealer.options["column"] in (None, site):
        return [str(value) for value in plain(scan.coders[site].values)]
    return [f"part{number + 1}" for number in range(dealer.n_shards)]


def _skew(counts: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Return the measures of `measure_skew` that follow from the rows of each class in each shard."""
    rows = counts.sum(axis=1)
    distances = {name: label_distances(counts, name) for name in ("js", "hellinger", "tv")}
    per_organisation = [
        {
            "organisation": number + 1,
            "rows": rows[number],
            **{name: of_each[number] for name, of_each in distances.items()},
            "class_counts": dict(zip(classes, counts[number], strict=True)),
        }
        for number in range(len(counts))
    ]
    return {
        **{name: weighted_mean(of_each, rows) for name, of_each in distances.items()},
        "gini": gini(rows),
        "effective_organisations": effective_number(rows),
        "per_organisation": per_organisation,
    }
