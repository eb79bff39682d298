"""What travelling costs: bytes of data, of models in each form, and of answers; where one costs as much as another."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fedlab.evidence.results import REPLICATES, in_order, require, setting_labels

DATA, COMPRESSED = "data, CSV", "data, compressed"
LABELS, PROBABILITIES = "ballots: labels", "ballots: probabilities"
_COLUMNS = {
    DATA: "data_bytes",
    COMPRESSED: "data_compressed_bytes",
    LABELS: "label_ballot_bytes",
    PROBABILITIES: "probability_ballot_bytes",
}
_MODELS = {
    ("pkl", None): "models, pickled",
    ("joblib", None): "models, joblib",
    ("skops", None): "models, skops",
    ("compact", None): "models, tables",
    ("compact", "exact"): "models, tables, equal leaves joined",
    ("compact", "pruned"): "models, tables, pruned",
}


def bandwidth(results: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds the bytes that travel in each way, all organisations together.

    Parameters
    ----------
    results : DataFrame
        The results table of a sweep over ``format`` and ``compact``; bytes columns as `evaluate_vote` writes them.

    Returns
    -------
    DataFrame
        Columns ``setting`` (all other parameters that vary), ``n_shards``, ``way``, ``kind`` (``data``, ``models``,
        ``ballots``), ``bytes``, ``per_data_byte`` (bytes by those of the CSV files), ``accuracy`` and ``roc_auc`` of
        the vote by the setting's first rule (of models; missing where only others voted), ``n_records`` (answered, of
        ballots), ``n_seeds``. Ballots count with the questions: the records' features go to every organisation.
        Ballots of probabilities are left out where the models give none.

    Raises
    ------
    FedlabError
        If a column is missing.

    Examples
    --------
    >>> row = {"n_shards": 2, "rule": "soft", "format": "pkl", "data_bytes": 100, "data_compressed_bytes": 40}
    >>> row |= {"model_bytes": 900, "question_bytes": 20, "label_ballot_bytes": 4, "probability_ballot_bytes": 30}
    >>> row |= {"n_holdout": 10, "accuracy": 0.8, "roc_auc": 0.9, "seed": 0}
    >>> bandwidth(pd.DataFrame([row]))[["way", "bytes", "per_data_byte"]].values.tolist()
    [['data, CSV', 100.0, 1.0], ['data, compressed', 40.0, 0.4], ['models, pickled', 900.0, 9.0], \
['ballots: labels', 24.0, 0.24], ['ballots: probabilities', 50.0, 0.5]]
    """
    needed = [column for way, column in _COLUMNS.items() if way != PROBABILITIES]
    require(results, "n_shards", "rule", "format", "model_bytes", "question_bytes", "n_holdout", *needed)
    told = results.assign(setting=setting_labels(results, ("format", "compact")), model=_named(results))
    told = _of_one_rule(told)
    once = told.drop_duplicates(["setting", "n_shards", *(name for name in REPLICATES if name in told)])
    parts = [_mean(once, once[_COLUMNS[way]], way, "data") for way in (DATA, COMPRESSED)]
    for way in in_order(told["model"]):
        own = told[told["model"] == way]
        parts.append(_mean(own, own["model_bytes"], way, "models"))
    parts += [
        _mean(once, once["question_bytes"] + once[_COLUMNS[way]], way, "ballots") for way in (LABELS, PROBABILITIES)
    ]
    found = pd.concat(parts, ignore_index=True).dropna(subset="bytes").reset_index(drop=True)
    base = found[found["way"] == DATA].set_index(["setting", "n_shards"])["bytes"]
    keys = pd.MultiIndex.from_frame(found[["setting", "n_shards"]])
    found.insert(5, "per_data_byte", found["bytes"].to_numpy() / base.loc[keys].to_numpy())
    return found


def bandwidth_sentences(results: pd.DataFrame) -> list[str]:
    """Say in plain sentences what costs more than what, with every number computed from the table.

    Parameters
    ----------
    results : DataFrame
        As for `bandwidth`.

    Returns
    -------
    list of str
        For each setting: each form of model against the data, compressed and not, and at which number of records
        ballots come to cost as much as models.
    """
    found = bandwidth(results)
    told = []
    for setting in in_order(found["setting"]):
        own = _of_setting(found[found["setting"] == setting])
        told += [f"{setting}: {text}" if setting else text for text in own]
    return told


def _of_one_rule(told: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each setting's first rule: of several rules the models are the same, and so are their bytes.

    Models that only other rules have voted on are kept for their bytes, without an accuracy, which is another rule's.
    """
    other = (told["rule"] != told.groupby("setting")["rule"].transform("first")).rename("other")
    told = told.assign(other=other).sort_values("other", kind="stable")
    told = told[told["rule"] == told.groupby(["setting", "model", "n_shards"])["rule"].transform("first")]
    measured = ["accuracy", "roc_auc"]
    return told.assign(**told[measured].where(~told["other"], float("nan")))


def _named(results: pd.DataFrame) -> pd.Series:
    """Name how each row's models were written."""
    ways = results["compact"] if "compact" in results else pd.Series(None, index=results.index, dtype=object)
    pairs = [(str(one), None if pd.isna(how) else str(how)) for one, how in zip(results["format"], ways, strict=True)]
    plain = [f"models, {one}" + (f", {how}" if how else "") for one, how in pairs]
    return pd.Series([_MODELS.get(pair, name) for pair, name in zip(pairs, plain, strict=True)], index=results.index)


def _mean(rows: pd.DataFrame, count: pd.Series, way: str, kind: str) -> pd.DataFrame:
    grouped = rows.assign(bytes=count.astype(float)).groupby(["setting", "n_shards"], sort=False)
    means = grouped[["bytes", "accuracy", "roc_auc", "n_holdout"]].mean().reset_index()
    means["n_seeds"] = grouped.size().to_numpy()
    means = means.rename(columns={"n_holdout": "n_records"})
    means.insert(2, "way", way)
    means.insert(3, "kind", kind)
    means.loc[:, ["accuracy", "roc_auc"] if kind != "models" else []] = float("nan")
    means.loc[:, ["n_records"] if kind != "ballots" else []] = float("nan")
    return means


def _of_setting(found: pd.DataFrame) -> list[str]:
    by_way = {str(way): rows.set_index("n_shards")["bytes"] for way, rows in found.groupby("way", sort=False)}
    models = in_order(found.loc[found["kind"] == "models", "way"])
    told = [_against_data(way, by_way) for way in models]
    told += [text for text in [_what_pruning_does(found)] if text]
    return told + [_against_ballots(way, found, by_way) for way in models[:1] + models[1:][-1:]]


def _against_data(way: str, by_way: dict[str, Any]) -> str:
    ratio, packed = by_way[way] / by_way[DATA], by_way[way] / by_way[COMPRESSED]
    return (
        f"{way}: {_range(ratio)} times the bytes of the data ({_range(packed)} times compressed): "
        f"{_where(ratio, 'the data')}, {_where(packed, 'the data compressed')}."
    )


def _what_pruning_does(found: pd.DataFrame) -> str:
    """Say what the pruned models' vote loses or gains in accuracy against that of the same models as they were."""
    accuracy = {str(way): rows.set_index("n_shards")["accuracy"] for way, rows in found.groupby("way", sort=False)}
    whole, pruned = (accuracy.get(_MODELS["compact", how]) for how in (None, "pruned"))
    if whole is None or pruned is None:
        return ""
    change = (pruned - whole).dropna()
    if change.empty:
        return ""
    told = ", ".join(f"{value:+.3f} with {count:g}" for count, value in change.items())
    return f"pruning changes the accuracy of the vote, against the same forests unpruned, by {told} organisations."


def _where(ratio: pd.Series, other: str) -> str:
    """Say at which numbers of organisations models are smaller."""
    less = ratio[ratio < 1].index.tolist()
    if not less:
        return f"never smaller than {other}"
    if len(less) == len(ratio):
        return f"always smaller than {other}"
    return f"smaller than {other} with {', '.join(f'{count:g}' for count in sorted(less))} organisations only"


def _against_ballots(way: str, found: pd.DataFrame, by_way: dict[str, Any]) -> str:
    asked = found[found["way"] == LABELS].set_index("n_shards")
    even = by_way[way] / (asked["bytes"] / asked["n_records"])
    return (
        f"{way}: ballots of labels, with the questions, cost as much as the models at {_count(even.min())} records "
        f"answered with {even.idxmin():g} organisations, {_count(even.max())} with {even.idxmax():g}."
    )


def _range(ratio: pd.Series) -> str:
    low, high = _times(float(ratio.min())), _times(float(ratio.max()))
    return low if low == high else f"{low} to {high}"


def _times(number: float) -> str:
    return f"{number:.0f}" if number >= 9.5 else f"{number:.2g}"


def _count(number: float) -> str:
    """Write a number of records with two digits that count."""
    return f"{float(f'{number:.2g}'):,.0f}"
