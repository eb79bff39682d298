"""Seconds to split a million rows: every scheme of fedlab, and the partitioners of flwr-datasets in the same run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from partition_streaming import machine
from peers import install

PEER = "flwr-datasets==0.6.1"
# Runs in the environment of the peer: reads the same table, splits it, and prints seconds, a run at a time.
CHILD = """
import json, sys, time
from datasets import load_dataset
from flwr_datasets import partitioner
path, cases, runs = json.loads(sys.argv[1])
table = load_dataset("parquet", data_files=path, split="train")
for name, options in cases:
    for _ in range(runs):
        one = getattr(partitioner, name)(**options)
        one.dataset = table
        start = time.perf_counter()
        rows = one.load_partition(0).num_rows
        print(json.dumps({"seconds": time.perf_counter() - start, "rows": rows}), flush=True)
"""
# fedlab's scheme and options, the peer's class and options, for n shards
PAIRS: list[tuple[str, str, dict[str, Any], str, dict[str, Any]]] = [
    ("iid", "Disease", {}, "IidPartitioner", {}),
    ("dirichlet", "Disease", {"alpha": 0.5}, "DirichletPartitioner", {"alpha": 0.5, "partition_by": "Disease"}),
    ("dirichlet", "Decade", {"alpha": 0.5}, "DirichletPartitioner", {"alpha": 0.5, "partition_by": "Decade"}),
    (
        "pathological",
        "Decade",
        {"classes_per_organisation": 2},
        "PathologicalPartitioner",
        {"num_classes_per_partition": 2, "partition_by": "Decade"},
    ),
]
# what schemes need that have options without a default, for n shards
NEEDED: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "site": lambda n_rows, n_shards: {"column": f"Site{n_shards}"},
    "grouped_sites": lambda n_rows, n_shards: {"column": "Ward"},
    "feature": lambda n_rows, n_shards: {"column": "Age"},
    "feature_groups": lambda n_rows, n_shards: {"column": "Ward"},
    "class_distribution": lambda n_rows, n_shards: {"distribution": [[1 / n_shards] * 9] * n_shards},
    "sizes": lambda n_rows, n_shards: {"sizes": [n_rows // n_shards] * n_shards},
    "exponential": lambda n_rows, n_shards: {"rate": 10 / n_shards},
}
FEATURES = 3  # of the table: as many organisations as `vertical` can make


def table(n_rows: int, shard_counts: list[int]) -> Any:
    """Return the cohort "synthetic" with a column of nine classes, the decade of age, and columns of sites."""
    from fedlab.records import load_records

    frame = load_records({"name": "synthetic", "n_rows": n_rows}).frame
    sites = {f"Site{number}": frame["PatientID"] % number for number in shard_counts}
    return frame.assign(Decade=frame["Age"] // 10, Ward=frame["PatientID"] % 2000, **sites)


def records_of(frame: Any, target: str) -> Any:
    """Return the table as records with this target."""
    from fedlab.records import Records, Schema

    return Records(frame, Schema("PatientID", ["Age", "Diabetic", "BloodPressureLevel"], target), "synthetic")


def fedlab_seconds(
    frame: Any, target: str, scheme: str, n_shards: int | None, runs: int, **options: Any
) -> list[float]:
    """Time splitting, without a holdout, and taking the first shard: what the peer does when asked for it."""
    from fedlab.partition import split_records

    records = records_of(frame, target)
    found = []
    for seed in range(runs):
        start = time.perf_counter()
        split_records(records, scheme, n_shards, holdout=0, seed=seed, **options).shard(0)
        found.append(time.perf_counter() - start)
    return found


def peer_seconds(python: Path, path: Path, cases: list[tuple[str, dict[str, Any]]], runs: int) -> list[list[float]]:
    """Time the partitioners of the peer in its own environment."""
    environment = {**os.environ, "HF_HOME": str(path.parent / "cache"), "HF_DATASETS_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    asked = json.dumps([str(path), cases, runs])
    done = subprocess.run([python, "-c", CHILD, asked], capture_output=True, text=True, env=environment)
    found = [json.loads(line)["seconds"] for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode:
        print(f"the peer failed:\n{done.stderr[-2000:]}", file=sys.stderr)
    return [found[start : start + runs] for start in range(0, runs * len(cases), runs)]


def shown(seconds: list[float]) -> str:
    """Return median and range."""
    if not seconds:
        return "failed"
    return f"{statistics.median(seconds):.3g} ({min(seconds):.3g}–{max(seconds):.3g})"


def compare(frame: Any, place: Path, n_shards: int, runs: int, peer_runs: int) -> None:
    """Print fedlab and the peer side by side."""
    from fedlab.partition import SCHEMES

    path = place / "table.parquet"
    frame.to_parquet(path, index=False)
    python = install(place / "venv", PEER)
    pairs = [pair for pair in PAIRS if pair[0] in SCHEMES]
    cases = [(pair[3], {"num_partitions": n_shards, **pair[4]}) for pair in pairs]
    theirs = peer_seconds(python, path, cases, peer_runs) if python else [[] for _ in cases]
    print(f"\nSeconds for {len(frame):,} rows over {n_shards} shards: median (least–greatest) of {runs} runs of fedlab")
    print(f"and {peer_runs} of {PEER if python else 'flwr-datasets, which could not be installed'}.")
    print("IidPartitioner does not shuffle: it names a stretch of rows.\n")
    print("| scheme | target | classes | fedlab s | flwr-datasets | its s | times as fast |")
    print("|---|---|---:|---:|---|---:|---:|")
    for (scheme, target, options, name, _), peer in zip(pairs, theirs, strict=True):
        own = fedlab_seconds(frame, target, scheme, n_shards, runs, **options)
        ratio = f"{statistics.median(peer) / statistics.median(own):.3g}" if peer else ""
        print(f"| {scheme} | {target} | {frame[target].nunique()} | {shown(own)} | {name} | {shown(peer)} | {ratio} |")


def assignment(frame: Any, n_shards: int, folder: Path) -> Path:
    """Write who holds which row, for the scheme `from_file`, and return the file."""
    from fedlab.partition import export_assignment, split_records

    return export_assignment(split_records(records_of(frame, "Decade"), "iid", n_shards, 0), folder / "who.csv")


def every_scheme(frame: Any, shard_counts: list[int], runs: int, only: list[str] | None) -> None:
    """Print the seconds of every scheme, or of those named."""
    from fedlab.errors import FedlabError
    from fedlab.partition import SCHEMES

    print("\n`from_file` reads its file, by identifier, in the first run; later runs find its text in memory.")
    print(f"`vertical` splits over {FEATURES} organisations, one for each feature.")
    print(f"\nEvery scheme of fedlab, target Decade, {len(frame):,} rows, median (least–greatest) of {runs} runs.\n")
    print(f"| scheme | {' | '.join(f'{n:,} shards: s' for n in shard_counts)} |")
    print(f"|---|{'---:|' * len(shard_counts)}")
    for scheme in only or SCHEMES:
        cells = []
        for n_shards in shard_counts:
            wanted = {"site": None, "vertical": FEATURES}.get(scheme, n_shards)
            options = NEEDED[scheme](len(frame), n_shards) if scheme in NEEDED else {}
            with tempfile.TemporaryDirectory() as place:
                if scheme == "from_file":
                    options = {"path": str(assignment(frame, n_shards, Path(place)))}
                try:
                    cells.append(shown(fedlab_seconds(frame, "Decade", scheme, wanted, runs, **options)))
                except FedlabError as error:
                    cells.append(f"refused: {str(error).split(';')[0]}")
        print(f"| {scheme} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Run both comparisons and print them as tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--shards", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer-runs", type=int, default=3)
    parser.add_argument("--schemes", nargs="+", help="time these alone, without the peer")
    parser.add_argument("--no-peer", action="store_true", help="time fedlab alone")
    asked = parser.parse_args()
    frame = table(int(asked.rows), asked.shards)
    print(machine())
    if not asked.no_peer and not asked.schemes:
        with tempfile.TemporaryDirectory() as place:
            compare(frame, Path(place), 10, asked.runs, asked.peer_runs)
    every_scheme(frame, asked.shards, asked.runs, asked.schemes)


if __name__ == "__main__":
    main()
