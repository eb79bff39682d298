"""The whole federated job, from one CSV file to the verdict: fedlab against a plain script and against Flower."""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from forest import run, shown
from partition_streaming import machine, write_cohort
from peers import install

PEER = ["flwr[simulation]==1.41.0", "pandas", "pyarrow", "scikit-learn"]
# The job as a user writes it without the package: split, fit, save, load, ask, vote.
SCRIPT = """
import json, os, sys, time
from pathlib import Path
start = time.perf_counter()
import joblib, numpy as np, pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
path, out, n, jobs = json.loads(sys.argv[1])
data = pd.read_csv(path)
rest, holdout = train_test_split(data, test_size=0.2, random_state=0)
features = ["Age", "Diabetic", "BloodPressureLevel"]
for i, rows in enumerate(np.array_split(np.arange(len(rest)), n)):
    rest.iloc[rows].to_csv(f"{out}/data_part{i + 1}.csv", index=False)
holdout.to_csv(f"{out}/holdout.csv", index=False)
def train(i):
    shard = pd.read_csv(f"{out}/data_part{i + 1}.csv")
    X, X_test, y, y_test = train_test_split(shard[features], shard["Disease"], test_size=0.2, random_state=42)
    model = RandomForestClassifier(n_estimators=40, random_state=42, n_jobs=1).fit(X, y)
    model.score(X_test, y_test)
    joblib.dump(model, f"{out}/random_forest_model_part{i + 1}.joblib", compress=("zlib", 3))
joblib.Parallel(n_jobs=jobs)(joblib.delayed(train)(i) for i in range(n))
holdout = pd.read_csv(f"{out}/holdout.csv")
def ask(i):
    return joblib.load(f"{out}/random_forest_model_part{i + 1}.joblib").predict(holdout[features])
said = np.array(joblib.Parallel(n_jobs=jobs)(joblib.delayed(ask)(i) for i in range(n)))
verdict = said.mean(axis=0) > 0.5
print(json.dumps({
    "seconds": time.perf_counter() - start, "accuracy": float((verdict == holdout["Disease"]).mean()),
    "bytes": sum(file.stat().st_size for file in Path(out).glob("*.joblib"))}))
"""
# The same job by the package, from the CSV file to the verdict, in the format of the script or the default one.
PACKAGE = """
import json, os, sys, time
start = time.perf_counter()
path, out, n, jobs, format, model = json.loads(sys.argv[1])
jobs = int(jobs) if jobs else None
from fedlab.exchange import load_models
from fedlab.partition import read_partition, split_records, write_partition
from fedlab.records import Schema, read_table
from fedlab.training import train_all
from fedlab.voting import cast_ballots, vote
marks = {}
def mark(name):
    marks[name] = time.perf_counter() - start - sum(marks.values())
mark("imports")
schema = Schema("PatientID", ["Age", "Diabetic", "BloodPressureLevel"], "Disease")
records = read_table(path, schema)
mark("read")
partition = write_partition(split_records(records, "iid", n, holdout=0.2, seed=0), out + "/shards")
mark("split and write")
train_all(partition, out + "/models", model, format=format, n_jobs=jobs)
mark("train and save")
models = [one for one, _ in load_models(out + "/models", trust_pickle=True)]
mark("load")
holdout = partition.holdout()
verdict = vote(cast_ballots(models, holdout.X, n_jobs=jobs or 1), "majority")
mark("ask and vote")
from pathlib import Path
files = [file for file in Path(out + "/models").glob("*_part*") if file.suffix != ".json"]
print(json.dumps({
    "seconds": time.perf_counter() - start, "accuracy": float((verdict.values == holdout.y).mean()),
    "bytes": sum(file.stat().st_size for file in files), "marks": marks}))
"""
# The same job as a Flower simulation: every organisation a client that answers one message with its model.
FLOWER = """
import io, json, logging, os, sys, time
from pathlib import Path
start = time.perf_counter()
import joblib, numpy as np, pandas as pd
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.simulation import run_simulation
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
path, out, n, jobs = json.loads(sys.argv[1])
logging.getLogger("flwr").setLevel(logging.ERROR)
features = ["Age", "Diabetic", "BloodPressureLevel"]
data = pd.read_csv(path)
rest, holdout = train_test_split(data, test_size=0.2, random_state=0)
for i, rows in enumerate(np.array_split(np.arange(len(rest)), n)):
    rest.iloc[rows].to_csv(f"{out}/data_part{i + 1}.csv", index=False)
holdout.to_csv(f"{out}/holdout.csv", index=False)
client, server = ClientApp(), ServerApp()
@client.train()
def train(message, context):
    i = int(context.node_config["partition-id"])
    shard = pd.read_csv(f"{out}/data_part{i + 1}.csv")
    X, X_test, y, y_test = train_test_split(shard[features], shard["Disease"], test_size=0.2, random_state=42)
    model = RandomForestClassifier(n_estimators=40, random_state=42, n_jobs=1).fit(X, y)
    model.score(X_test, y_test)
    buffer = io.BytesIO()
    joblib.dump(model, buffer, compress=("zlib", 3))
    return Message(RecordDict({"model": ConfigRecord({"bytes": buffer.getvalue()})}), reply_to=message)
@server.main()
def main(grid, context):
    while len(nodes := list(grid.get_node_ids())) < n:
        time.sleep(0.05)
    asked = [Message(RecordDict({"ask": ConfigRecord({})}), dst_node_id=node, message_type="train") for node in nodes]
    replies = grid.send_and_receive(asked)
    sent = [reply.content["model"]["bytes"] for reply in replies]
    holdout = pd.read_csv(f"{out}/holdout.csv")
    def ask(data):
        return joblib.load(io.BytesIO(data)).predict(holdout[features])
    said = np.array(joblib.Parallel(n_jobs=jobs)(joblib.delayed(ask)(data) for data in sent))
    verdict = said.mean(axis=0) > 0.5
    Path(f"{out}/found.json").write_text(json.dumps(
        {"accuracy": float((verdict == holdout["Disease"]).mean()), "bytes": sum(map(len, sent)), "n": len(sent)}))
run_simulation(server, client, num_supernodes=n, backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}})
found = json.loads(Path(f"{out}/found.json").read_text())
assert found.pop("n") == n
print(json.dumps({"seconds": time.perf_counter() - start, **found}))
"""


Case = tuple[str, str, list[Any], Path | str]
Found = dict[str, dict[tuple[int, int], list[dict[str, Any]]]]


def cases(peer: Path | None) -> list[Case]:
    """Return who does the job: name, code, what it is told besides the file, folder and number of organisations."""
    every = os.cpu_count() or 1
    own = sys.executable
    found: list[Case] = [
        ("plain script", SCRIPT, [-1], own),
        ("fedlab, contingency_forest, compact", PACKAGE, [every, "compact", "contingency_forest"], own),
        ("fedlab, contingency_forest, joblib", PACKAGE, [every, "joblib", "contingency_forest"], own),
        ("fedlab, random_forest, skops", PACKAGE, [every, "skops", "random_forest"], own),
    ]
    return [*found, ("Flower", FLOWER, [-1], peer)] if peer else found


def measure(points: list[tuple[int, int]], who: list[Case], runs: int, place: Path, most: float) -> Found:
    """Do the job at each point (rows, organisations), in turn; leave out who took longer than allowed before."""
    found: Found = {name: {} for name, *_ in who}
    slow: set[str] = set()
    for n_rows, n_shards in points:
        path = place / "cohort.csv"
        write_cohort(path, n_rows)
        for turn in range(runs):
            for name, code, told, python in who:
                if name in slow:
                    continue
                with tempfile.TemporaryDirectory(dir=place) as out:
                    got = run(code, [str(path), out, n_shards, *told], python)
                found[name].setdefault((n_rows, n_shards), []).extend(got)
                if turn == runs - 1 and got and got[0]["seconds"] > most:
                    slow.add(name)
        show(found, (n_rows, n_shards))
    return found


def show(found: Found, point: tuple[int, int]) -> None:
    """Print the rows of one point."""
    script = found["plain script"].get(point, [])
    for name, of_points in found.items():
        rows = of_points.get(point)
        if not rows:
            print(f"| {point[0]:,} | {point[1]:,} | {name} | not run, or failed |", flush=True)
            continue
        ratios = [other["seconds"] / row["seconds"] for row, other in zip(rows, script, strict=False)]
        print(
            f"| {point[0]:,} | {point[1]:,} | {name} | {len(rows)} | {shown([row['seconds'] for row in rows])} "
            f"| {shown([row['cpu'] for row in rows])} | {shown(ratios) if ratios else ''} "
            f"| {statistics.median(row['accuracy'] for row in rows):.4f} "
            f"| {statistics.median(row['bytes'] for row in rows) / 1e6:.2f} |",
            flush=True,
        )
        if "marks" in rows[0]:
            middle = {step: statistics.median(row["marks"][step] for row in rows) for step in rows[0]["marks"]}
            print(f"| | | {'; '.join(f'{step} {seconds:.2f} s' for step, seconds in middle.items())} |", flush=True)


def draw(found: Found, axis: int, fixed: int, path: Path) -> None:
    """Draw seconds against rows (axis 0) or organisations (axis 1), both logarithmic, with the slope of each line."""
    from fedlab.figures.drawing import Drawing, panels, save
    from fedlab.figures.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, styled

    what, other = (("rows", "organisations"), ("organisations", "rows"))[axis]
    looks = zip((BLACK, BLUE, GREEN, PURPLE, ORANGE), "osD^v", strict=True)
    told = []
    with styled():
        made, (ax,) = panels(1, 6, 4.6)
        for (name, of_points), (colour, marker) in zip(found.items(), looks, strict=False):
            line = sorted(
                (point[axis], statistics.median(row["seconds"] for row in rows))
                for point, rows in of_points.items()
                if rows and point[1 - axis] == fixed
            )
            if len(line) < 2:
                continue
            (x_low, y_low), (x_high, y_high) = line[-2:]
            slope = math.log(y_high / y_low) / math.log(x_high / x_low)
            ax.plot(*zip(*line, strict=True), color=colour, marker=marker, label=f"{name} (last slope {slope:.2f})")
            told.append(f"{name}: {y_high:.3g} s at {x_high:,} {what}")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        ax.set_xlabel(f"number of {what} (log scale)")
        ax.set_ylabel("seconds of the whole job (log scale)")
        ax.set_title(f"{fixed:,} {other}")
        made.legend(loc="outside lower center", ncols=1)
    save(Drawing(made, "", "; ".join(told)), path.parent, path.stem)


def main() -> None:
    """Measure the job over rows and over organisations; print a table, and draw figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e4, 1e5, 1e6, 1e7])
    parser.add_argument("--organisations", type=int, nargs="+", default=[2, 10, 100, 1000])
    parser.add_argument("--at-rows", type=float, default=1e6, help="rows while organisations vary")
    parser.add_argument("--at-organisations", type=int, default=10, help="organisations while rows vary")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--most", type=float, default=300, help="who took more seconds sits out the greater points")
    parser.add_argument("--figures", type=Path, help="folder for two figures")
    parser.add_argument("--no-peer", action="store_true", help="leave Flower out")
    asked = parser.parse_args()
    import sklearn

    at_rows = int(asked.at_rows)
    by_rows = [(int(n_rows), asked.at_organisations) for n_rows in sorted(asked.rows)]
    by_count = [(at_rows, count) for count in sorted(asked.organisations)]
    print(f"{machine()}, scikit-learn {sklearn.__version__}; load {os.getloadavg()[0]:.1f} at the start\n")
    print("| rows | organisations | by | runs | s | CPU s | script s / s | accuracy | models MB |")
    print("|---:|---:|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        who = cases(None if asked.no_peer else install(place / "venv", *PEER))
        rows = measure(by_rows, who, asked.runs, place, asked.most)
        counts = measure([point for point in by_count if point not in by_rows], who, asked.runs, place, asked.most)
    for name, of_points in counts.items():
        of_points |= {point: rows[name][point] for point in by_count if point in rows[name]}
    if asked.figures:
        asked.figures.mkdir(parents=True, exist_ok=True)
        draw(rows, 0, asked.at_organisations, asked.figures / "job_by_rows")
        draw(counts, 1, at_rows, asked.figures / "job_by_organisations")


if __name__ == "__main__":
    main()
