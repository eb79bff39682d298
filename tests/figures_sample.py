"""Results tables as a sweep writes them, made up for the tests of the figures."""

import json

import numpy as np
import pandas as pd

from fedlab.evidence import ROW_COLUMNS
from fedlab.seeds import rng

SIX = ("majority", "soft", "any", "unanimous", "weighted(by=accuracy)", "median")
NINE = (*SIX, "weighted", "mymodule:my_rule", "borda")
EFFECT = {"any": -0.12, "unanimous": -0.09, "soft": 0.008, "median": 0.004}


def sample_table(
    shards=(2, 4, 8, 16),
    rules=SIX,
    seeds=(0, 1, 2),
    settings=({"scheme": "iid"},),
    ties=("default",),
    names=None,
):
    """Return a results table: parameters first, then the columns of `evaluate_vote`."""
    rows = []
    for number, setting in enumerate(settings):
        for n_shards in shards:
            for seed in seeds:
                shared = _shared(number, n_shards, seed, names)
                for rule in rules:
                    for tie in ties:
                        first = {
                            "sweep": "sample", "data": "nhefs", "holdout": 0.2, "scheme": "iid", "alpha":
                            np.nan, "n_shards": n_shards, "model": "random_forest", "format": "skops",
                        }  # fmt: skip
                        last = {"rule": rule, "tie": tie, "seed": seed}
                        row = dict.fromkeys(ROW_COLUMNS) | shared
                        row |= _measured(rule, tie, n_shards, seed, shared)
                        rows.append(first | setting | last | row)
    return pd.DataFrame(rows)


def hospitals_table():
    """Return a table like that of four hospitals: one shard count, nine rules, five seeds."""
    names = ["cleveland", "hungarian", "switzerland", "va"]
    return sample_table((4,), NINE, range(5), ({"data": "heart-disease", "scheme": "site"},), names=names)


def _shared(number, n_shards, seed, names):
    generator = rng(seed, "sample", number, n_shards)
    central = float(0.80 + rng(seed, "central").normal(0, 0.008))
    alone = central - 0.02 - 0.012 * np.log2(n_shards) - 0.02 * number
    counts = generator.multinomial(1300, generator.dirichlet(np.full(2 * n_shards, 4.0 / (1 + 3 * number))))
    agree = generator.uniform(0.7, 0.97, n_shards * (n_shards - 1) // 2).round(4)
    return {
        "centralised_accuracy": central,
        "centralised_roc_auc": central + 0.04,
        "centralised_accuracy_low": central - 0.03,
        "centralised_accuracy_high": central + 0.03,
        "organisation_accuracy_mean": alone,
        "organisation_accuracy_best": alone + 0.02,
        "organisation_accuracy_worst": alone - 0.05 - 0.01 * n_shards,
        "organisation_roc_auc_mean": alone + 0.03,
        "organisation_roc_auc_best": alone + 0.05,
        "organisation_roc_auc_worst": alone - 0.08,
        "n_holdout": 326,
        "n_rows": 1629,
        "data_bytes": 61_234 + n_shards,
        "model_bytes": 900_000 * n_shards**0.6,
        "agreement_mean": float(agree.mean()) if len(agree) else None,
        "organisation_rows": json.dumps(counts.reshape(n_shards, 2).sum(axis=1).tolist()),
        "organisation_class_counts": json.dumps(counts.reshape(n_shards, 2).tolist()),
        "classes": "[0,1]",
        "organisations": json.dumps(names or [f"part{i + 1}" for i in range(n_shards)]),
        "agreement": json.dumps(agree.tolist()),
    }


def _measured(rule, tie, n_shards, seed, shared):
    generator = rng(seed, rule, n_shards)
    central = shared["centralised_accuracy"]
    drop = 0.006 * np.log2(n_shards) - EFFECT.get(rule, 0.0) * np.log2(n_shards) / 2
    accuracy = float(central - drop + generator.normal(0, 0.006) - 0.05 * (tie == "lowest"))
    right = np.round(326 * accuracy)
    weights = np.linspace(0.2, 1, 20)
    margin_right = generator.multinomial(int(right), weights / weights.sum())
    margin_wrong = generator.multinomial(int(326 - right), weights[::-1] / weights.sum())
    difference = accuracy - central
    certified = [accuracy * (1 - r / (n_shards / 2)) for r in range(max(n_shards // 2, 1))]
    return {
        "certified_accuracy": None if rule == "borda" else json.dumps(certified),
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.04,
        "accuracy_high": accuracy + 0.04,
        "roc_auc": accuracy + 0.04,
        "roc_auc_low": accuracy + 0.01,
        "roc_auc_high": accuracy + 0.07,
        "difference_accuracy": difference,
        "difference_accuracy_low": difference - 0.02,
        "difference_accuracy_high": difference + 0.02,
        "coverage": 1.0,
        "tied": 0.03,
        "margin_right": json.dumps(margin_right.tolist()),
        "margin_wrong": json.dumps(margin_wrong.tolist()),
    }
