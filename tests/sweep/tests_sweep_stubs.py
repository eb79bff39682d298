"""Notebooks with the pipeline's parameters that do next to nothing, so that the runner can be tested in seconds."""

import json
from pathlib import Path

STUBS = {
    "1_partition.ipynb": (
        'data = "nhefs"\nholdout = 0.2\nscheme = "iid"\nn_shards = 4\nalpha = None\nmin_rows = 2\nseed = 0\nout_dir = ""',
        'write("partition.json", {"n_shards": n_shards, "seed": seed})',
    ),
    "2_train.ipynb": (
        'shards = ""\nmodel = "random_forest"\ntest_size = 0.2\nrandom_state = 42\nformat = "skops"\nout_dir = ""',
        'write("trained.json", read(shards, "partition.json"))',
    ),
    "3_vote.ipynb": (
        'trained = ""\ncentral = ""\nrule = "majority"\nrule_options = {}\ntie = None\nn_resamples = 1\nseed = 0\nout_dir = ""',
        'made = read(trained, "trained.json")\n'
        'write("record.json", {"n_shards": made["n_shards"], "accuracy": len(rule) / 10 + made["seed"]})',
    ),
    "4_figures.ipynb": (
        'results = ""\nout_dir = ""',
        'import os\nos.mkdir(f"{out_dir}/figures")\nwrite("figures/one.svg", open(results).read())\nwrite("captions.json", {})',
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
