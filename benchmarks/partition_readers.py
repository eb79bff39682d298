"""Streaming a CSV file into shards: fedlab's reader (pyarrow) against polars, in turn, in one run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from partition_streaming import machine, write_cohort

PEER = "polars==2.1.0"
PEAK = r"""
def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) / 1024
"""
# Both read every row, decide a shard for it, and write it as CSV; each prints seconds, rows written and peak MiB.
OURS = f"""
import json, re, sys, time
from fedlab.partition import stream_partition
from fedlab.records import Schema
{PEAK}
path, out, n_shards = json.loads(sys.argv[1])
phases = {{}}
start = time.perf_counter()
def watch(phase, share):
    phases[phase] = time.perf_counter() - start
schema = Schema("PatientID", ["Age", "Diabetic", "BloodPressureLevel"], "Disease")
made = stream_partition(path, schema, out, n_shards=n_shards, holdout=0, progress=watch)
seconds = time.perf_counter() - start
rows = sum(entry["rows"] for entry in made.meta["shards"])
sizes = [entry["rows"] for entry in made.meta["shards"]]
print(json.dumps({{"s": seconds, "second": seconds - phases["reading"], "rows": rows, "spread": max(sizes) - min(sizes),
                  "peak": peak()}}))
"""
THEIRS = f"""
import json, re, sys, time
from pathlib import Path
import polars
{PEAK}
path, out, n_shards = json.loads(sys.argv[1])
start = time.perf_counter()
shard = polars.col("row").hash(0) % n_shards
rows = polars.scan_csv(path).with_row_index("row").with_columns(shard=shard).drop("row")
rows.sink_csv(polars.PartitionBy(out, key="shard", include_key=False), mkdir=True)
seconds = time.perf_counter() - start
top = peak()
sizes = []
for folder in Path(out).iterdir():
    sizes.append(sum(file.read_bytes().count(b"\\n") - 1 for file in folder.rglob("*.csv")))
spread = max(sizes) - min(sizes)
print(json.dumps({{"s": seconds, "second": seconds, "rows": sum(sizes), "spread": spread, "peak": top}}))
"""


def install(folder: Path) -> Path:
    """Make an environment with the peer in it and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], check=True)
    return python


def run(python: Path | str, code: str, asked: list[Any]) -> dict[str, float]:
    """Run one side in a process of its own and return what it printed."""
    done = subprocess.run([python, "-c", code, json.dumps(asked)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout)


def main() -> None:
    """Run both sides in turn and print them as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=1e7)
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        path = Path(place) / "cohort.csv"
        write_cohort(path, int(asked.rows))
        python = install(Path(place) / "venv")
        found: dict[str, list[dict[str, float]]] = {"fedlab": [], "polars": []}
        for _ in range(asked.runs):
            for side, interpreter, code in (("fedlab", sys.executable, OURS), ("polars", python, THEIRS)):
                with tempfile.TemporaryDirectory(dir=place) as out:
                    one = run(interpreter, code, [str(path), str(Path(out) / "shards"), asked.shards])
                assert one["rows"] == int(asked.rows), (side, one)
                found[side].append(one)
    print(f"{machine()}, {PEER}\n")
    print(f"{int(asked.rows):,} rows over {asked.shards} shards, CSV to CSV, {asked.runs} runs of each in turn.\n")
    print("| side | s: median (least–greatest) | the writing pass alone: s | peak MiB | largest less smallest shard |")
    print("|---|---:|---:|---:|---:|")
    for side, runs in found.items():
        s, second, peaks = ([one[key] for one in runs] for key in ("s", "second", "peak"))
        print(
            f"| {side} | {statistics.median(s):.1f} ({min(s):.1f}–{max(s):.1f}) | {statistics.median(second):.1f} "
            f"| {max(peaks):.0f} | {max(one['spread'] for one in runs):.0f} |"
        )
    ratios = [ours["s"] / theirs["s"] for ours, theirs in zip(found["fedlab"], found["polars"], strict=True)]
    print(f"\nfedlab takes {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) times as long.")


if __name__ == "__main__":
    main()
