"""A sweep's folder as runs leave it, published without executing anything: for what reads and collects runs."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests_sweep_stubs import write_notebook

from fedlab.files import write_json
from fedlab.record import record
from fedlab.sweep.collect import collect
from fedlab.sweep.execute import Outcome
from fedlab.sweep.failures import note_failure
from fedlab.sweep.graph import Plan, plan
from fedlab.sweep.params import Cell, read_sweep
from fedlab.sweep.store import NOTEBOOK_FILE, RunStore

PARAMS = "name: stored\ntitle: Is it stored?\nn_shards: [2, 3]\nrule: [any, soft]\nseed: [0, 1]\n"
SECRET = "patient 4711"


def measured(cell: Cell) -> dict[str, Any]:
    """Return what a vote would have recorded: numbers that tell the cells apart."""
    return {"n_shards": cell.n_shards, "accuracy": cell.n_shards / 10 + cell.seed / 7, "roc_auc": None}


def stored_plan(folder: Path, stubs: Path, text: str = PARAMS) -> Plan:
    """Return the plan of a params file written beside a folder."""
    path = folder.parent / f"{folder.name}.yaml"
    path.write_text(text)
    return plan(read_sweep(path), stubs)


def store(
    made: Plan,
    folder: Path,
    results: Callable[[Cell], dict[str, Any]] = measured,
    shuffle: int = 0,
    failed: Callable[[Cell], bool] = lambda cell: False,
) -> None:
    """Publish a plan's runs in the order that a seed gives, as a sweep with many workers would."""
    runs = [run for of_stage in made.runs.values() for run in of_stage]
    cells = dict(zip([vote.key for vote in made.votes], made.sweep.cells, strict=True))
    random.Random(shuffle).shuffle(runs)
    held = RunStore(folder)
    for number, run in enumerate(runs):
        cell = cells.get(run.key)
        if cell is not None and failed(cell):
            held.failed.mkdir(parents=True, exist_ok=True)
            left = executed("raise ValueError", error=("ValueError", "three <b>is</b> too many"))
            kept = held.failed / f"vote-{run.key}.ipynb"
            kept.write_text(json.dumps(left))
            told = "ValueError: three <b>is</b> too many"
            note_failure(held, Outcome("vote", run.key, 1.0, told, str(kept), run.parameters))
            continue
        with held.workplace(run.stage, run.key) as place:
            (place / NOTEBOOK_FILE).write_text(json.dumps(executed(f"print({run.stage!r})", said=run.stage)))
            if run.stage == "partition":
                data = {"name": "tiny", "n_rows": 40, "about": {"source": "made up", "licence": "CC0-1.0"}}
                write_json(place / "partition.json", data)
                (place / "data_part1.csv").write_text(f"id\n{SECRET}\n")
            elif cell is not None:
                record(place, **results(cell))
            info = {"seconds": number / 8, "kernel": "warm", "key_parts": run.parts, "git_commit": "c0ffee"}
            held.publish(place, run.stage, run.key, info)


def stored(folder: Path, stubs: Path, text: str = PARAMS, **more: Any) -> Path:
    """Make a sweep's folder with tables and manifest, and return it."""
    made = stored_plan(folder, stubs, text)
    store(made, folder, **more)
    collect(made, folder)
    return folder


def executed(source: str, said: str = "", error: tuple[str, str] | None = None) -> dict[str, Any]:
    """Return an executed notebook of one cell."""
    outputs: list[dict[str, Any]] = []
    if said:
        outputs.append({"output_type": "stream", "name": "stdout", "text": said})
    if error:
        outputs.append({"output_type": "error", "ename": error[0], "evalue": error[1], "traceback": list(error)})
    cell = {"cell_type": "code", "id": "0", "metadata": {}, "source": source, "outputs": outputs}
    return {"cells": [cell | {"execution_count": 1}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def figures_notebook(path: Path) -> None:
    """Write a figures notebook that draws nothing but leaves what one has to leave."""
    write_notebook(path, 'results = ""\nout_dir = ""', "")
