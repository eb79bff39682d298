"""Seconds and peak memory of `stream_partition` on a made-up cohort of any size."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BLOCK = 1_000_000
CHILD = """
import json, resource, sys, time
from fedlab.partition.streaming import stream_partition
from fedlab.records import Schema
path, out, scheme, n_shards, format, options = json.loads(sys.argv[1])
schema = Schema("PatientID", ["Age", "Diabetic", "BloodPressureLevel"], "Disease")
phases = {}
start = time.perf_counter()
def watch(phase, share):
    phases[phase] = time.perf_counter() - start
partition = stream_partition(path, schema, out, scheme, n_shards, format=format, progress=watch, **options)
seconds = time.perf_counter() - start
rows = sum(entry["rows"] for entry in partition.meta["shards"]) + partition.meta["holdout"]["rows"]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"rows": rows, "seconds": seconds, "reading": phases["reading"], "peak": peak,
                  "out_bytes": partition.data_bytes + partition.meta["holdout"]["bytes"]}))
"""


def write_cohort(path: Path, n_rows: int, seed: int = 0) -> None:
    """Write the columns of the cohort "synthetic" in blocks, so that no block size limits the number of rows."""
    import pyarrow
    import pyarrow.csv

    from fedlab.records.synthetic import AGES, PRESSURES, joint
    from fedlab.seeds import rng

    mass, risk = joint()
    cumulative = np.cumsum(mass)
    with path.open("wb") as file:
        for number, start in enumerate(range(0, n_rows, BLOCK)):
            size = min(BLOCK, n_rows - start)
            draws = rng(seed, "benchmark", number)
            cells = np.minimum(np.searchsorted(cumulative, draws.random(size), side="right"), len(mass) - 1)
            age, diabetic, pressure = np.unravel_index(cells, (len(AGES), 2, len(PRESSURES)))
            table = pyarrow.table(
                {
                    "PatientID": np.arange(start + 1, start + size + 1),
                    "Age": AGES[age],
                    "Diabetic": diabetic,
                    "BloodPressureLevel": PRESSURES[pressure],
                    "Disease": (draws.random(size) < risk[cells]).astype(np.int64),
                }
            )
            options = pyarrow.csv.WriteOptions(include_header=number == 0, quoting_style="none")
            pyarrow.csv.write_csv(table, file, options)


def shuffle_ids(path: Path, out: Path, n_rows: int) -> None:
    """Give each row another identifier, in no order, so that uniqueness has to be checked the long way."""
    from fedlab.partition.permutation import Permutations

    order = Permutations(np.array([n_rows]), np.random.default_rng(0))
    with path.open("rb") as file, out.open("wb") as shuffled:
        shuffled.write(file.readline())
        first = 0
        while lines := file.readlines(2**24):
            ids = order(np.zeros(len(lines), dtype=np.int64), np.arange(first, first + len(lines))).tolist()
            shuffled.writelines(
                str(number).encode() + line[line.index(b",") :] for number, line in zip(ids, lines, strict=True)
            )
            first += len(lines)


def measure(path: Path, out: Path, scheme: str, n_shards: int, format: str, **options: float) -> dict[str, float]:
    """Split the file in a process of its own and return what that process says of itself."""
    asked = json.dumps([str(path), str(out), scheme, n_shards, format, options])
    done = subprocess.run([sys.executable, "-c", CHILD, asked], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Run the cases that the arguments name and print them as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6, 1e7])
    parser.add_argument("--schemes", nargs="+", default=["iid", "dirichlet", "quantity"])
    parser.add_argument("--formats", nargs="+", default=["csv"])
    parser.add_argument("--shards", type=int, nargs="+", default=[64])
    parser.add_argument("--shuffled-ids", action="store_true", help="identifiers in no order")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    asked = parser.parse_args()
    print(machine())
    print()
    columns = "rows | identifiers | scheme | shards | written as | input GB | s | first pass s | rows/s | peak MiB"
    print(f"| {columns} |")
    print("|---:|---|---|---:|---|---:|---:|---:|---:|---:|")
    for n_rows in map(int, asked.rows):
        with tempfile.TemporaryDirectory(dir=asked.folder) as place:
            path = Path(place) / "cohort.csv"
            write_cohort(path, n_rows)
            if asked.shuffled_ids:
                shuffle_ids(path, Path(place) / "shuffled.csv", n_rows)
                (Path(place) / "shuffled.csv").replace(path)
            for scheme in asked.schemes:
                for n_shards in asked.shards:
                    for format in asked.formats:
                        options = {"alpha": 0.5} if scheme == "dirichlet" else {}
                        with tempfile.TemporaryDirectory(dir=place) as out:
                            found = measure(path, Path(out), scheme, n_shards, format, **options)
                        assert found["rows"] == n_rows
                        order = "shuffled" if asked.shuffled_ids else "ascending"
                        print(
                            f"| {n_rows:,} | {order} | {scheme} | {n_shards:,} | {format} "
                            f"| {path.stat().st_size / 1e9:.2f} | {found['seconds']:.1f} | {found['reading']:.1f} "
                            f"| {n_rows / found['seconds']:,.0f} | {found['peak'] / 2**20:.0f} |",
                            flush=True,
                        )


def machine() -> str:
    """Say on what was measured, without names of the machine."""
    import pandas
    import pyarrow

    try:
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"
    except (ValueError, OSError, AttributeError):
        memory = ""
    return (
        f"{time.strftime('%Y-%m-%d')}: {platform.system()} {platform.machine()}, {os.cpu_count()} cores{memory}; "
        f"Python {platform.python_version()}, NumPy {np.__version__}, pandas {pandas.__version__}, "
        f"pyarrow {pyarrow.__version__}"
    )


if __name__ == "__main__":
    main()
