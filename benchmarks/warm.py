"""Seconds of a sweep of 60 short runs from cold, against a loop of `papermill.execute_notebook` over the same runs."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from partition_streaming import machine

ROOT = Path(__file__).resolve().parent.parent
# 10 partitions, 10 trainings and 40 votes: a model of each shard count and seed, and five rules.
GRID = """
name: bench
data: nhefs
n_shards: [2, 3, 4, 5]
rule: [majority, any, soft, median, unanimous]
seed: [0, 1]
n_resamples: 50
"""
# Does nothing, so that all its seconds are overhead.
EMPTY = {
    "1_partition.ipynb": ("partition.json", "data holdout scheme n_shards min_rows seed"),
    "2_train.ipynb": ("trained.json", "shards model test_size random_state format"),
    "3_vote.ipynb": ("record.json", "trained central rule rule_options tie n_resamples seed"),
}
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
# The loop: each stage's runs in turn, in one process or dealt out to several, with papermill and nothing else.
LOOP = """
import json, os, sys
import papermill
for run in json.load(open(sys.argv[1])):
    os.makedirs(run["cwd"], exist_ok=True)
    papermill.execute_notebook(run["notebook"], run["cwd"] + "/out.ipynb", parameters=run["parameters"],
                               cwd=run["cwd"], kernel_name="python3", progress_bar=False)
"""
# One thread each, as in a sweep: more would only make the loop in several processes slower.
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


def environment() -> dict[str, str]:
    """Return the environment of all that is timed."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | ONE_THREAD | {"PYTHONPATH": path}


def sweep_seconds(params: Path, results: Path, *options: str) -> float:
    """Time `fedlab sweep` without figures, its own start included."""
    words = [sys.executable, "-m", "fedlab.cli", "sweep", str(params), "--results", str(results), "--no-figures"]
    start = time.perf_counter()
    done = subprocess.run([*words, *options], env=environment(), cwd=params.parent, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - start


def loop_seconds(params: Path, results: Path, processes: int) -> float:
    """Time the loop over the runs of a sweep: their notebooks, parameters and order."""
    from fedlab.sweep.graph import plan
    from fedlab.sweep.params import read_sweep

    stages = plan(read_sweep(params), ROOT / "notebooks").runs
    seconds = 0.0
    for stage, runs in stages.items():
        todo = []
        for run in runs:
            folders = {name: str(results / source.stage / source.key) for name, source in run.inputs.items()}
            place = str(results / stage / run.key)
            parameters = run.parameters | folders | {"out_dir": place}
            todo.append({"notebook": str(run.notebook), "cwd": place, "parameters": parameters})
        lists = []
        for number in range(processes):
            lists.append(results / f"{stage}{number}.json")
            lists[-1].parent.mkdir(parents=True, exist_ok=True)
            lists[-1].write_text(json.dumps(todo[number::processes]))
        start = time.perf_counter()
        words = [sys.executable, "-c", LOOP]
        started = [subprocess.Popen([*words, str(path)], env=environment(), stderr=subprocess.PIPE) for path in lists]
        for process in started:
            _, errors = process.communicate()
            if process.returncode:
                raise SystemExit(errors.decode()[-2000:])
        seconds += time.perf_counter() - start
    return seconds


def run_seconds(results: Path) -> list[float]:
    """Return the seconds of each run, all but the first of each worker's, which has papermill to import."""
    found = [json.loads(path.read_text())["seconds"] for path in results.glob("*/runs/*/*/run.json")]
    return sorted(found)[:-2]


def empty_notebooks(folder: Path) -> None:
    """Write a pipeline whose notebooks only write the one file by which a stage is known to have ended well."""
    folder.mkdir()
    for name, (file, parameters) in EMPTY.items():
        cells = [
            "\n".join(f"{parameter} = None" for parameter in [*parameters.split(), "out_dir"]),
            f"open(out_dir + '/{file}', 'w').write('{{}}')",
        ]
        written = [
            {"cell_type": "code", "id": str(number), "metadata": tags, "source": source}
            | {"execution_count": None, "outputs": []}
            for number, (source, tags) in enumerate(zip(cells, [{"tags": ["parameters"]}, {}], strict=True))
        ]
        content = {"cells": written, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
        (folder / name).write_text(json.dumps(content))


def cached_seconds(place: Path, runs: int) -> list[float]:
    """Time `fedlab sweep` on a sweep of about 1,000 runs that are all there: their files are made up beforehand.

    The first call has to plan the sweep, which a sweep that has made its runs itself has done: it is returned first.
    """
    from fedlab.sweep.execute import MADE_BY
    from fedlab.sweep.graph import plan
    from fedlab.sweep.params import read_sweep
    from fedlab.sweep.store import RunStore

    params = place / "cached.yaml"
    params.write_text(f"n_shards: [2, 3, 4]\nrule: [majority, any, soft, median, unanimous]\nseed: {list(range(44))}\n")
    store = RunStore(place / "results" / "cached")
    stages = plan(read_sweep(params), ROOT / "notebooks").runs
    for stage, of_stage in stages.items():
        for run in of_stage:
            with store.workplace(stage, run.key) as folder:
                value: dict[str, Any] = {"accuracy": 0.5, "n_shards": run.parameters.get("n_shards", 2)}
                (folder / MADE_BY[stage]).write_text(json.dumps(value))
                store.publish(folder, stage, run.key, {"stage": stage, "key": run.key, "seconds": 1.0})
    print(f"{sum(map(len, stages.values())):,} runs, {len(stages['vote'])} votes in the cached sweep", file=sys.stderr)
    return [sweep_seconds(params, place / "results") for _ in range(runs + 1)]


def shown(seconds: list[float]) -> str:
    """Return median and range."""
    if len(seconds) == 1:
        return f"{seconds[0]:.3g}"
    return f"{statistics.median(seconds):.3g} ({min(seconds):.3g}–{max(seconds):.3g})"


def main() -> None:
    """Time the sweep warm and cold, the loops, the overhead of a run, and a sweep that is all cached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of the warm sweeps")
    parser.add_argument("--loops", type=int, default=1, help="rounds in which the loops run")
    parser.add_argument("--cold", action="store_true", help="time a cold sweep too")
    asked = parser.parse_args()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir="/tmp" if Path("/tmp").is_dir() else None) as name:
        place = Path(name)
        params = place / "bench.yaml"
        params.write_text(GRID)
        empty_notebooks(place / "empty")
        for number in range(asked.rounds):
            cases: dict[str, Any] = {
                "fedlab sweep, 2 jobs, warm": lambda to: sweep_seconds(params, to, "--jobs", "2"),
                "fedlab sweep, 1 job, warm": lambda to: sweep_seconds(params, to, "--jobs", "1"),
            }
            if number < asked.loops:
                cold = {"fedlab sweep, 2 jobs, --cold": lambda to: sweep_seconds(params, to, "--jobs", "2", "--cold")}
                cases |= cold if asked.cold else {}
                cases |= {
                    "papermill loop, 2 processes": lambda to: loop_seconds(params, to, 2),
                    "papermill loop": lambda to: loop_seconds(params, to, 1),
                }
            for title, timed in cases.items():
                times.setdefault(title, []).append(timed(place / f"{title}{number}".replace(" ", "_")))
                print(f"{title}: {times[title][-1]:.1f} s, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
        report(times)
        overhead: dict[str, list[float]] = {}
        for kind in ("warm", "cold"):
            to = place / f"empty_{kind}"
            sweep_seconds(params, to, "--jobs", "1", f"--{kind}", "--notebooks", str(place / "empty"))
            overhead[kind] = run_seconds(to)
        print("\nSeconds of a run whose notebook does nothing, 1 job, 58 runs, median (least–greatest)\n")
        print("| kernels | seconds |\n|---|---:|")
        for kind, seconds in overhead.items():
            print(f"| {kind} | {shown(seconds)} |", flush=True)
        planned, *cached = cached_seconds(place, 3)
        print(f"\nA sweep whose runs are all cached, the command's own start included: {shown(cached)} s")
        print(f"The first call, which plans and collects it: {planned:.3g} s")


def report(times: dict[str, list[float]]) -> None:
    """Print the machine, and the table of sweeps and loops."""
    load = f"load average {os.getloadavg()[0]:.1f} at its end" if hasattr(os, "getloadavg") else ""
    packages = ", ".join(f"{package} {version(package)}" for package in ("papermill", "nbclient", "ipykernel"))
    print(f"{machine()}, {packages}; {load}\n")
    print("Seconds for 60 runs (10 partitions, 10 trainings, 40 votes on nhefs) from cold, median (least–greatest)\n")
    loops = ("papermill loop", "papermill loop, 2 processes")
    print("| | rounds | seconds | as fast as the loop | as the loop in 2 processes |\n|---|---:|---:|---:|---:|")
    for title, seconds in times.items():
        ratios = [f"{statistics.median(times[loop]) / statistics.median(seconds):.2f} times" for loop in loops]
        print(f"| {title} | {len(seconds)} | {shown(seconds)} | {' | '.join(ratios)} |", flush=True)


if __name__ == "__main__":
    main()
