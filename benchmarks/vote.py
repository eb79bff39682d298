"""Seconds to vote on a million records with 64 forests: VotingEnsemble against the plain loop over predict_proba."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from partition_streaming import machine


def synthetic_case(n_rows: int, n_models: int, n_trees: int) -> tuple[list[Any], Any]:
    """Return forests trained on equal random shards of the cohort "synthetic", and all its rows to vote on."""
    from fedlab.partition import split_records
    from fedlab.records import load_records

    records = load_records({"name": "synthetic", "n_rows": n_rows})
    split = split_records(records, "iid", n_shards=n_models, holdout=0.2, seed=0)
    shards = (split.shard(number) for number in range(n_models))
    return [forest(n_trees, number, shard.X, shard.y) for number, shard in enumerate(shards)], records.X


def gaussian_case(n_rows: int, n_models: int, n_trees: int) -> tuple[list[Any], Any]:
    """Return the same for four normal features, no two rows of which are equal."""
    import pandas as pd

    from fedlab.seeds import rng

    frame = pd.DataFrame(rng(0, "benchmark").normal(size=(n_rows, 4)), columns=list("abcd"))
    ill = (frame.sum(axis=1) + rng(1, "benchmark").normal(size=n_rows) > 0).astype(int)
    rows = [slice(number, None, n_models) for number in range(n_models)]
    return [forest(n_trees, number, frame[held], ill[held]) for number, held in enumerate(rows)], frame


def forest(n_trees: int, seed: int, X: Any, y: Any) -> Any:
    """Return a fitted forest."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_trees, random_state=seed).fit(X, y)


def plain_loop(models: list[Any], X: Any, n_jobs: int | None) -> tuple[float, np.ndarray, np.ndarray]:
    """Return seconds of the loop that a user writes, the mean probabilities and the shares of votes."""
    for model in models:
        model.n_jobs = n_jobs
    start = time.perf_counter()
    total = np.zeros((len(X), 2))
    votes = np.zeros((len(X), 2))
    for model in models:
        said = model.predict_proba(X)
        total += said
        votes += np.eye(2)[said.argmax(axis=1)]
    means, shares = total / len(models), votes / len(models)
    means.argmax(axis=1)
    seconds = time.perf_counter() - start
    for model in models:
        model.n_jobs = None
    return seconds, means, shares


def timed(function: Callable[[], Any], runs: int) -> tuple[list[float], Any]:
    """Return the seconds of each run, and what the last one gave."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        given = function()
        seconds.append(time.perf_counter() - start)
    return seconds, given


def check_same(said: np.ndarray, support: np.ndarray) -> int:
    """Stop unless the verdict is the class of the greatest support; return on how many records two are equal."""
    equal = np.abs(support[:, 0] - support[:, 1]) < 1e-12
    if not np.array_equal(said[~equal], support.argmax(axis=1)[~equal]):
        raise SystemExit("the two do not give the same verdicts")
    return int(equal.sum())


def compare(name: str, models: list[Any], X: Any, runs: int, n_parallel: int) -> None:
    """Print one case's rows: the plain loop, the same with all cores, and fedlab's three ways."""
    from fedlab.voting import VotingEnsemble, cast_ballots, vote

    case = f"{name} | {len(X):,} × {len(models)}"
    plain, means, shares = plain_loop(models, X, None)
    print(f"| {case} | plain loop, `n_jobs=None` | {plain:.1f} (1 run) | 1 |", flush=True)
    few = models[:n_parallel]
    parallel = plain_loop(few, X, -1)[0] * len(models) / len(few)
    told = "1 run" if len(few) == len(models) else f"{len(few)} forests, scaled to {len(models)}"
    print(f"| {case} | plain loop, `n_jobs=-1` | {parallel:.1f} ({told}) | {plain / parallel:.2g} |", flush=True)
    ways: list[tuple[str, Callable[[], Any], np.ndarray]] = [
        ('`VotingEnsemble(rule="soft").predict`', VotingEnsemble(models, "soft").predict, means),
        ('`VotingEnsemble(rule="majority").predict`', VotingEnsemble(models, "majority").predict, shares),
        ('`vote(cast_ballots(…), "soft")`', lambda X: vote(cast_ballots(models, X), "soft").values, means),
        ('`VotingEnsemble(rule="soft", n_jobs=2).predict`', VotingEnsemble(models, "soft", n_jobs=2).predict, means),
    ]
    for way, ask, support in ways:
        seconds, said = timed(lambda ask=ask: ask(X), runs)
        check_same(said, support)
        middle = statistics.median(seconds)
        spread = f"{middle:.2f} ({min(seconds):.2f}–{max(seconds):.2f}, {runs} runs)"
        print(f"| {case} | {way} | {spread} | {plain / middle:.3g} |", flush=True)


def main() -> None:
    """Run both cases and print them as one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--trees", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--parallel-models", type=int, default=8, help="forests of the plain loop with n_jobs=-1")
    parser.add_argument("--gaussian-rows", type=float, default=1e5)
    parser.add_argument("--gaussian-models", type=int, default=8)
    asked = parser.parse_args()
    import sklearn

    print(f"{machine()}, scikit-learn {sklearn.__version__}")
    print(f"\nForests of {asked.trees} trees, each trained on one shard. Same verdicts, checked on every record.\n")
    print("| features | records × forests | way | seconds | times as fast as the plain loop |\n|---|---|---|---:|---:|")
    models, X = synthetic_case(int(asked.rows), asked.models, asked.trees)
    compare(f"synthetic, {len(X.drop_duplicates()):,} distinct", models, X, asked.runs, asked.parallel_models)
    models, X = gaussian_case(int(asked.gaussian_rows), asked.gaussian_models, asked.trees)
    compare("Gaussian, none repeats", models, X, asked.runs, asked.gaussian_models)


if __name__ == "__main__":
    main()
