"""Certified accuracy of Run-Off Election beside plurality: ten classes, several numbers of organisations."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from partition_streaming import machine


def ballots_of(n_models: int, seed: int, n_trees: int) -> tuple[Any, np.ndarray]:
    """Return what forests trained on equal random shards of scikit-learn's digits say of 450 rows held out."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    from fedlab.seeds import rng
    from fedlab.voting import cast_ballots

    X, y = load_digits(return_X_y=True)
    order = rng(seed, "digits").permutation(len(X))
    kept, rest = order[:450], order[450:]
    models = [
        RandomForestClassifier(n_trees, random_state=number).fit(X[rows], y[rows])
        for number, rows in enumerate(np.array_split(rest, n_models))
    ]
    return cast_ballots(models, X[kept]), y[kept]


def main() -> None:
    """Print the table: means over seeds."""
    from fedlab.voting import certified_accuracy

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, nargs="+", default=[10, 25, 50])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trees", type=int, default=20)
    asked = parser.parse_args()
    print(machine())
    print(f"\nDigits (10 classes, 450 rows held out), forests of {asked.trees} trees, means over {asked.seeds} seeds.")
    print("In brackets run-off less plurality of the same seed: mean, least and greatest.\n")
    for n_models in asked.shards:
        shown = [r for r in (0, 1, 2, 3, 4, 6, 8, 12, 16, 20) if r <= n_models // 2]
        found: dict[str, list[np.ndarray]] = {"majority": [], "run_off": []}
        for seed in range(asked.seeds):
            ballots, truth = ballots_of(n_models, seed, asked.trees)
            for rule, rows in found.items():
                rows.append(certified_accuracy(ballots, truth, rule, r=shown, tie="lowest")["certified_accuracy"])
        plain, run_off = (np.array(rows) for rows in found.values())
        print(f"| {n_models} organisations: hostile | {' | '.join(map(str, shown))} |\n|---|{'---:|' * len(shown)}")
        print(f"| plurality | {' | '.join(f'{value:.3f}' for value in plain.mean(axis=0))} |")
        gain = run_off - plain
        parts = [
            f"{value:.3f} ({mean:+.3f}, {low:+.3f} to {high:+.3f})"
            for value, mean, low, high in zip(
                run_off.mean(axis=0), gain.mean(axis=0), gain.min(axis=0), gain.max(axis=0), strict=True
            )
        ]
        print(f"| run-off | {' | '.join(parts)} |\n", flush=True)


if __name__ == "__main__":
    main()
