"""Measured skew against an option of a scheme, such as alpha or strictness: splits alone, nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from fedlab.errors import FedlabError
from fedlab.partition.registry import scheme_options
from fedlab.partition.skew import achieved_skew, measure_skew, skew_summary
from fedlab.partition.split import split_records

if TYPE_CHECKING:
    from fedlab.records import Records


def skew_over(
    records: Records,
    scheme: str,
    option: str,
    values: Sequence[float],
    n_shards: int | Sequence[int] = 4,
    seeds: int | Sequence[int] = 5,
    holdout: float = 0.0,
    min_rows: int = 2,
    **options: Any,
) -> pd.DataFrame:
    """Split a table by every value of an option and measure the skew that comes out.

    Parameters
    ----------
    records : Records
        The table.
    scheme : str
        Its name or import path.
    option : str
        Which of its options varies.
    values : sequence of float
        What it is set to.
    n_shards : int or sequence of int
        How many organisations.
    seeds : int or sequence of int
        The seeds; a number means 0, 1, … below it.
    holdout, min_rows, **options
        As for `split_records`, for all splits.

    Returns
    -------
    DataFrame
        A row for each value, number of organisations and seed: ``scheme``, the option, ``n_shards``, ``seed``,
        ``repaired_rows``, and the columns of `skew_summary`. Where the scheme sorts by columns of its own
        (`feature`), ``skew_ks`` and ``skew_wasserstein`` are those of these columns.

    Raises
    ------
    FedlabError
        If the scheme has no such option, there is no value, or as `split_records`.

    Examples
    --------
    >>> from fedlab.records import load_records
    >>> table = skew_over(load_records("nhefs"), "dirichlet", "alpha", [0.1, 100], n_shards=4, seeds=3)
    >>> table.groupby("alpha")["skew_js"].mean().round(2).to_dict()
    {0.1: 0.35, 100.0: 0.01}
    """
    known = scheme_options(scheme)
    if option not in known:
        allowed = ", ".join(known) or "none"
        raise FedlabError(f"scheme {scheme!r} has no option {option!r} to vary; its options: {allowed}")
    if len(values) == 0:
        raise FedlabError(f"values of {option} is empty; give at least one, such as [0.1, 1, 10]")
    counts = list(n_shards) if isinstance(n_shards, Sequence) else [n_shards]
    numbered = list(seeds) if isinstance(seeds, Sequence) else list(range(seeds))
    found = []
    for value in values:
        for count in counts:
            for seed in numbered:
                asked = {**options, option: value}
                split = split_records(records, scheme, count, holdout, min_rows, seed, **asked)
                skew = measure_skew(split)
                own = {f"skew_{name}": achieved_skew(split, name, skew) for name in ("ks", "wasserstein")}
                cell = {"scheme": scheme, option: value, "n_shards": count, "seed": seed, "repaired_rows": split.moved}
                found.append(cell | skew_summary(skew) | own)
    return pd.DataFrame(found)
