"""The contingency forest against what users would fit instead: one forest, data that hardly repeat, break-even."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from partition_streaming import machine, write_cohort
from peers import install

PEERS = ["lightgbm", "xgboost", "pandas", "scikit-learn", "pyarrow"]
FEATURES = ["Age", "Diabetic", "BloodPressureLevel"]
TREES = 40
# Runs in a process of its own, so that memory is its own: fits one forest, asks it, says what it took.
# Memory is what the process grew by at its peak while it fitted and predicted.
CHILD = """
import io, json, os, resource, sys, time
import numpy as np, pandas as pd
kind, path, jobs, seed, trees = json.loads(sys.argv[1])
data = pd.read_parquet(path)
target = data.columns[-2]
train = data["train"].to_numpy()
X, y = data.drop(columns=[target, "train"]), data[target].to_numpy()
X_train, y_train, X_test, y_test = X[train], y[train], X[~train], y[~train]
def build(seed):
    if kind == "lightgbm":
        from lightgbm import LGBMClassifier
        return LGBMClassifier(
            boosting_type="rf", n_estimators=trees, bagging_freq=1, bagging_fraction=0.632,
            feature_fraction_bynode=0.58, num_leaves=20000, min_child_samples=1, max_bin=255,
            n_jobs=jobs, random_state=seed, verbose=-1)
    if kind == "xgboost":
        from xgboost import XGBRFClassifier
        return XGBRFClassifier(
            n_estimators=trees, subsample=0.632, colsample_bynode=0.58, max_depth=0, min_child_weight=1e-6,
            reg_lambda=0, tree_method="hist", max_bin=256, n_jobs=jobs, random_state=seed)
    if kind == "contingency":
        from fedlab.training import ContingencyForestClassifier
        return ContingencyForestClassifier(trees, n_jobs=jobs, random_state=seed)
    from sklearn.ensemble import RandomForestClassifier
    return RandomForestClassifier(trees, n_jobs=jobs, random_state=seed)
def clock():
    t = os.times()
    return time.perf_counter(), t.user + t.system
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
build(0).fit(X_train[:500], y_train[:500]).predict_proba(X_test[:50])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
import joblib
if __name__ == "__main__":
    before = peak()
    wall, cpu = clock()
    model = build(seed).fit(X_train, y_train)
    fitted = clock()
    risk = model.predict_proba(X_test)[:, 1]
    asked = clock()
    grown = peak() - before
    saved = model.to_random_forest() if hasattr(model, "to_random_forest") else model
    buffer = io.BytesIO(); joblib.dump(saved, buffer, compress=("zlib", 3))
    trees_ = getattr(model, "estimators_", [])
    print(json.dumps(dict(
        fit=fitted[0] - wall, fit_cpu=fitted[1] - cpu, predict=asked[0] - fitted[0], predict_cpu=asked[1] - fitted[1],
        memory=grown, accuracy=accuracy_score(y_test, model.classes_[(risk > 0.5).astype(int)]),
        auc=roc_auc_score(y_test, risk), log_loss=log_loss(y_test, np.clip(risk, 1e-3, 1 - 1e-3)),
        bytes=len(buffer.getvalue()), nodes=np.mean([t.tree_.node_count for t in trees_]) if len(trees_) else None,
        on=getattr(model, "grown_on_", None))), flush=True)
"""
# Counts the rows of a file in blocks.
STREAM = """
import json, resource, sys, time
from fedlab.records import ContingencyTable, Schema
schema = Schema("PatientID", ["Age", "Diabetic", "BloodPressureLevel"], "Disease")
start = time.perf_counter()
table = ContingencyTable.from_file(json.loads(sys.argv[1])[0], schema)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"seconds": time.perf_counter() - start, "peak": peak, "distinct": len(table), "total": table.total}))
"""


def run(code: str, asked: list[Any], python: Path | str = sys.executable) -> list[dict[str, Any]]:
    """Run code in a process of its own and return what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "")}
    if not environment["OMP_NUM_THREADS"]:
        del environment["OMP_NUM_THREADS"]
    if str(python) != sys.executable:
        environment.pop("PYTHONPATH", None)
    before = _children_seconds()
    done = subprocess.run([python, "-c", code, json.dumps(asked)], capture_output=True, text=True, env=environment)
    cpu = _children_seconds() - before
    if done.returncode:
        print(f"failed:\n{done.stderr[-1500:]}", file=sys.stderr)
    return [{"cpu": cpu, **json.loads(line)} for line in done.stdout.splitlines() if line.startswith("{")]


def _children_seconds() -> float:
    """Return the CPU seconds of all processes that have ended, and of theirs."""
    used = os.times()
    return used.children_user + used.children_system


def shown(values: list[float]) -> str:
    """Return median and range."""
    if not values:
        return "failed"
    return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def table(name: str, n_rows: int, place: Path) -> Path:
    """Write a table with a last column that says which rows to train on; return its file."""
    import numpy as np
    import pandas as pd

    draws = np.random.default_rng(0)
    if name == "synthetic":
        from fedlab.records import load_records

        records = load_records({"name": "synthetic", "n_rows": n_rows})
        frame = records.X.assign(target=records.y)
    elif name == "gaussian":
        X = draws.normal(size=(n_rows, 10))
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(10)])
        frame["target"] = (X[:, :3].sum(axis=1) + draws.normal(size=n_rows) > 0).astype(int)
    else:
        from fedlab.records import load_records

        records = load_records(name)
        frame = pd.DataFrame({column: _coded(records.X[column]) for column in records.X.columns})
        frame["target"] = (records.y == records.positive).astype(int)
        n_rows = len(frame)
    path = place / f"{name}.parquet"
    frame.assign(train=draws.permutation(n_rows) < 0.8 * n_rows).to_parquet(path)
    return path


def _coded(column: Any) -> Any:
    """Return numbers as they are and text as numbers."""
    import pandas as pd

    return column if pd.api.types.is_numeric_dtype(column) else pd.factorize(column)[0]


def central(place: Path, n_rows: int, runs: int, peers: Path | None) -> None:
    """Compare one forest on all rows."""
    path = table("synthetic", n_rows, place)
    cases: list[tuple[str, str, int, Path | str]] = [
        ("contingency", "contingency forest", 1, sys.executable),
        ("contingency", "contingency forest", -1, sys.executable),
        ("sklearn", "scikit-learn", 1, sys.executable),
        ("sklearn", "scikit-learn", -1, sys.executable),
    ]
    cases += [(kind, f"{kind} rf", -1, peers) for kind in ("lightgbm", "xgboost") if peers]
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for seed in range(runs):  # one after the other within each round, so that what else the machine does hits all
        for kind, _, jobs, python in cases:
            found.setdefault((kind, jobs), []).extend(run(CHILD, [kind, str(path), jobs, seed, TREES], python))
    ours = found[("contingency", -1)]
    print(
        f"\nOne forest of {TREES} trees on {round(0.8 * n_rows):,} rows of three coded features, {n_rows // 5:,} rows"
    )
    print(f"predicted; {runs} runs in turn, a process each: median (least–greatest).\n")
    print(
        "| forest | n_jobs | fit s | fit CPU s | predict s | fit: times ours | CPU: times ours | memory MiB |", end=" "
    )
    print("accuracy | AUC | log loss | nodes | file MB |")
    print(f"|---|---:|{'---:|' * 11}")
    for kind, name, jobs, _ in cases:
        rows = found[(kind, jobs)]
        if not rows:
            print(f"| {name} | {jobs} | failed |")
            continue
        ratios = [row["fit"] / other["fit"] for row, other in zip(rows, ours, strict=False)]
        cpu = [row["fit_cpu"] / other["fit_cpu"] for row, other in zip(rows, ours, strict=False)]
        scores = [statistics.median(row[key] for row in rows) for key in ("accuracy", "auc", "log_loss")]
        nodes = rows[0]["nodes"]
        print(
            f"| {name} | {jobs} | {shown([row['fit'] for row in rows])} | {shown([row['fit_cpu'] for row in rows])} "
            f"| {shown([row['predict'] for row in rows])} | {shown(ratios)} | {shown(cpu)} "
            f"| {statistics.median(row['memory'] for row in rows) / 2**20:.0f} "
            f"| {scores[0]:.4f} | {scores[1]:.4f} | {scores[2]:.4f} | {'' if nodes is None else f'{nodes:,.0f}'} "
            f"| {statistics.median(row['bytes'] for row in rows) / 1e6:.1f} |",
            flush=True,
        )


def no_repeats(place: Path, n_rows: int, runs: int) -> None:
    """Compare where rows hardly repeat: nothing can be saved."""
    print(f"\nWhere rows hardly repeat ({TREES} trees, one thread, {runs} pairs of runs in turn): the contingency")
    print("forest's CPU seconds as a multiple of scikit-learn's, median (least–greatest).\n")
    print("| data | rows | fit: times scikit-learn's | predict: times scikit-learn's | grown on |")
    print("|---|---:|---:|---:|---|")
    for name in ("gaussian", "diabetes-130"):
        if name == "diabetes-130" and not os.environ.get("FEDLAB_DATA"):
            print(f"| {name} | FEDLAB_DATA does not say where it is |")
            continue
        path = table(name, n_rows, place)
        pairs = [
            [run(CHILD, [kind, str(path), 1, seed, TREES])[0] for kind in ("contingency", "sklearn")]
            for seed in range(runs)
        ]
        fit = [one["fit_cpu"] / other["fit_cpu"] for one, other in pairs]
        predict = [one["predict_cpu"] / other["predict_cpu"] for one, other in pairs]
        import pyarrow.parquet

        rows = pyarrow.parquet.ParquetFile(path).metadata.num_rows
        print(f"| {name} | {rows:,} | {shown(fit)} | {shown(predict)} | {pairs[0][0]['on']} |", flush=True)


def break_even(n_rows: int) -> None:
    """Time both ways of growing a tree where more and more rows are distinct."""
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    from fedlab.training import ContingencyForestClassifier

    print(f"\nThe break-even, {n_rows:,} rows, 10 trees, four features: CPU s on distinct rows / CPU s on rows.\n")
    print("| distinct / rows | ratio |\n|---:|---:|")
    draws = np.random.default_rng(0)
    for share in (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0):
        n_distinct = int(share * n_rows)
        X = draws.normal(size=(n_distinct, 4)).astype(np.float32)
        y = (X[:, 0] + draws.normal(size=n_distinct) > 0).astype(int)
        rows = np.concatenate([np.arange(n_distinct), draws.integers(0, n_distinct, n_rows - n_distinct)])
        ratios = []
        for seed in range(3):
            seconds = []
            for forest in (
                ContingencyForestClassifier(10, random_state=seed, distinct="always"),
                RandomForestClassifier(10, random_state=seed),
            ):
                start = time.process_time()
                forest.fit(X[rows], y[rows])
                seconds.append(time.process_time() - start)
            ratios.append(seconds[0] / seconds[1])
        print(f"| {share} | {shown(ratios)} |", flush=True)


def streaming(place: Path, sizes: list[int]) -> None:
    """Measure counting files of growing size in blocks."""
    print("\nA table counted from a CSV file in blocks, one run in a process of its own.\n")
    print("| rows | MB | s | CPU s | distinct rows | peak memory MiB |\n|---:|---:|---:|---:|---:|---:|")
    for n_rows in sizes:
        path = place / "cohort.csv"
        write_cohort(path, n_rows)
        found = run(STREAM, [str(path)])[0]
        assert found["total"] == n_rows
        print(
            f"| {n_rows:,} | {path.stat().st_size / 1e6:.0f} | {found['seconds']:.1f} | {found['cpu']:.1f} "
            f"| {found['distinct']:,} | {found['peak'] / 2**20:.0f} |",
            flush=True,
        )
        path.unlink()


def main() -> None:
    """Run the parts that the arguments name and print them as tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["central", "repeats", "break-even", "stream"])
    parser.add_argument("--rows", type=float, default=1e6, help="of the central forest")
    parser.add_argument("--gaussian-rows", type=float, default=1e5)
    parser.add_argument("--stream-sizes", type=float, nargs="+", default=[1e6, 1e7], help="rows to count in blocks")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true", help="leave LightGBM and XGBoost out")
    asked = parser.parse_args()
    import sklearn

    print(f"{machine()}, scikit-learn {sklearn.__version__}; load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if "central" in asked.parts:
            peers = None if asked.no_peers else install(place / "venv", *PEERS)
            central(place, int(asked.rows), asked.runs, peers)
        if "repeats" in asked.parts:
            no_repeats(place, int(asked.gaussian_rows), asked.runs)
        if "stream" in asked.parts:
            streaming(place, [int(size) for size in asked.stream_sizes])
        if "break-even" in asked.parts:
            break_even(int(asked.gaussian_rows))


if __name__ == "__main__":
    main()
