"""Notebooks with the pipeline's parameters that do next to nothing, so that the runner can be tested in seconds."""

import json
from collections.abc import Iterable
from pathlib import Path

from fedlab.sweep.execute import MADE_BY
from fedlab.sweep.graph import Plan, Run
from fedlab.sweep.runner import make_job
from fedlab.sweep.store import NOTEBOOK_FILE, RunStore


def _lines(*lines: str) -> str:
    return "\n".join(lines)


STUBS = {
    "1_partition.ipynb": (
        _lines('data = "nhefs"', "holdout = 0.2", 'scheme = "iid"', "n_shards = 4", "alpha = None")
        + _lines("", "scheme_options = {}", "quality = None", "min_rows = 2", "seed = 0", 'out_dir = ""'),
        'write("partition.json", {"n_shards": n_shards, "seed": seed})',
    ),
    "2_train.ipynb": (
        _lines('shards = ""', 'model = "random_forest"', "test_size = 0.2", "random_state = 42", 'format = "skops"')
        + _lines("", "compact = None", "pooled = False", 'out_dir = ""'),
        'write("trained.json", read(shards, "partition.json"))',
    ),
    "3_vote.ipynb": (
        _lines('trained = ""', 'central = ""', 'rule = "majority"', "rule_options = {}", "tie = None")
        + _lines("", "validation = 0.0", "n_resamples = 1", "seed = 0", 'out_dir = ""'),
        _lines(
            'made = read(trained, "trained.json")',
            'write("record.json", {"n_shards": made["n_shards"], "accuracy": len(rule) / 10 + made["seed"]})',
        ),
    ),
    "4_figures.ipynb": (
        _lines('results = ""', 'out_dir = ""'),
        _lines(
            'os.mkdir(f"{out_dir}/figures")',
            'write("figures/one.svg", open(results).read())',
            'write("captions.json", {})',
        ),
    ),
}
HELPERS = """\
import json, os, time
def write(name, value):
    with open(os.path.join(out_dir, name), "w") as file: json.dump(value, file)
def read(folder, name):
    with open(os.path.join(folder, name)) as file: return json.load(file)
"""


def write_notebook(path: Path, parameters: str, *code: str, prose: str = "") -> None:
    """Write a notebook with a parameters cell and code cells."""
    cells = [{"cell_type": "markdown", "id": "prose", "metadata": {}, "source": prose}]
    for number, source in enumerate([parameters, *code]):
        tags = {"tags": ["parameters"]} if number == 0 else {}
        cell = {"cell_type": "code", "id": f"code{number}", "metadata": tags, "source": source}
        cells.append(cell | {"execution_count": None, "outputs": []})
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    content = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content), encoding="utf-8")


def publish(runs: Iterable[Run], folder: Path, seconds: float = 1.5) -> None:
    """Put runs into a store as if they had been executed, without the seconds that kernels take."""
    store = RunStore(folder)
    for run in runs:
        with store.workplace(run.stage, run.key) as place:
            (place / MADE_BY[run.stage]).write_text(json.dumps({"n_shards": 2, "accuracy": 0.5}))
            (place / NOTEBOOK_FILE).write_text('{"cells": []}')
            store.publish(place, run.stage, run.key, make_job(run, folder, folder).info | {"seconds": seconds})


def all_runs(plan: Plan) -> list[Run]:
    """Return the runs of a plan, inputs first."""
    return [run for found in plan.runs.values() for run in found]
