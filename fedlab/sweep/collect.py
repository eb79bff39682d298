"""From the store to tidy tables: `results.csv`, a row per cell, parameters first; seconds apart in `timings.csv`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlab.errors import FedlabError
from fedlab.files import atomic_path, canonical_json, from_json_text
from fedlab.record import read_record
from fedlab.sweep.graph import Plan, Run
from fedlab.sweep.params import Cell
from fedlab.sweep.store import RunStore

if TYPE_CHECKING:
    import pandas

RESULTS = "results.csv"
TIMINGS = "timings.csv"


def parameter_columns(name: str, cell: Cell) -> dict[str, Any]:
    """Return a cell's parameters as the first columns of its row of results."""
    from fedlab.voting import rule_label

    return {
        "sweep": name,
        "data": data_label(cell.data),
        "holdout": cell.holdout,
        **({"validation": cell.validation} if cell.validation else {}),
        "scheme": cell.scheme,
        **{option: _flat(value) for option, value in sorted(cell.scheme_options.items())},
        "n_shards": cell.n_shards,
        "min_rows": cell.min_rows,
        **({"quality": _flat(cell.quality)} if cell.quality else {}),
        "model": model_label(cell.model),
        "test_size": cell.test_size,
        "random_state": cell.random_state,
        "format": cell.format,
        **({"compact": cell.compact} if cell.compact else {}),
        "n_resamples": cell.n_resamples,
        "rule": rule_label(cell.rule, cell.rule_options),
        "tie": cell.tie or "default",
        "seed": cell.seed,
    }


def distinct_labels(values: list[Any], label: Callable[[Any], str]) -> list[str]:
    """Label values so that different ones differ: where two would share a label, what differs is added.

    Examples
    --------
    >>> files = [{"path": "a/my.csv", "id": "i", "target": "x"}, {"path": "a/my.csv", "id": "i", "target": "y"}]
    >>> distinct_labels(files, data_label)
    ['my.csv(target=x)', 'my.csv(target=y)']
    """
    sharing: dict[str, dict[str, Any]] = {}
    for value in values:
        sharing.setdefault(label(value), {})[canonical_json(value)] = value
    found = []
    for value in values:
        others = list(sharing[label(value)].values())
        text = label(value)
        if len(others) > 1:
            whole = [other if isinstance(other, dict) else {"name": other} for other in others]
            own = value if isinstance(value, dict) else {"name": value}
            keys = sorted({key for other in whole for key in other if any(o.get(key) != other[key] for o in whole)})
            text += "(" + ", ".join(f"{key}={_flat(own.get(key))}" for key in keys) + ")"
        found.append(text)
    return found


def in_order(measured: dict[str, Any]) -> dict[str, Any]:
    """Put what was measured in the order of the results table; what a notebook recorded beyond it comes last."""
    from fedlab.evidence import ROW_COLUMNS

    return {name: measured[name] for name in (*ROW_COLUMNS, *measured) if name in measured}


def data_label(data: str | dict[str, Any]) -> str:
    """Name a data set in one word: its cohort with options, or its file, without the folder.

    Examples
    --------
    >>> data_label({"name": "synthetic", "n_rows": 1000})
    'synthetic(n_rows=1000)'
    >>> data_label({"path": "/home/me/my.csv", "id": "ID", "target": "Disease"})
    'my.csv'
    """
    data = from_json_text(data)
    if isinstance(data, str):
        return data
    if "path" in data:
        return str(data.get("name") or Path(data["path"]).name)
    options = ", ".join(f"{name}={_flat(value)}" for name, value in sorted(data.items()) if name != "name")
    return f"{data['name']}({options})" if options else str(data["name"])


def model_label(model: str | dict[str, Any]) -> str:
    """Return the short name of a model with its parameters for tables and legends.

    Examples
    --------
    >>> model_label({"class": "sklearn.ensemble.HistGradientBoostingClassifier", "max_iter": 100})
    'HistGradientBoostingClassifier(max_iter=100)'
    >>> model_label("random_forest")
    'random_forest'
    """
    model = from_json_text(model)
    if isinstance(model, str):
        return model.replace(":", ".").rpartition(".")[2]
    if "pipeline" in model:
        head = " + ".join(model_label(step) for step in model["pipeline"])
    else:
        head = model_label(model.get("class", model.get("name", "")))
    options = ", ".join(
        f"{key}={_flat(value)}" for key, value in sorted(model.items()) if key not in ("class", "name", "pipeline")
    )
    return f"{head}({options})" if options else head


def _flat(value: Any) -> Any:
    return canonical_json(value) if isinstance(value, list | dict) else value


def collect(plan: Plan, folder: Path) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Write `results.csv` and `timings.csv` from the runs that are there.

    Parameters
    ----------
    plan : Plan
        The sweep's runs.
    folder : Path
        The sweep's folder.

    Returns
    -------
    results, timings : DataFrame
        A row per cell whose vote is in the store. The results depend on nothing but the parameters: the same bytes
        for any number of jobs. Seconds differ from run to run, and so stand in a table of their own.
    """
    import pandas as pd

    store = RunStore(folder)
    rows, timings = [], []
    data = distinct_labels([cell.data for cell in plan.sweep.cells], data_label)
    models = distinct_labels([cell.model for cell in plan.sweep.cells], model_label)
    for number, (cell, vote) in enumerate(zip(plan.sweep.cells, plan.votes, strict=True)):
        if not store.holds(vote.stage, vote.key):
            continue
        measured = read_record(store.path(vote.stage, vote.key))
        first = parameter_columns(plan.sweep.name, cell) | {"data": data[number], "model": models[number]}
        first["n_shards"] = measured.pop("n_shards", cell.n_shards)
        seconds = {name: measured.pop(name) for name in list(measured) if name.endswith("_seconds")}
        taken = sorted(first.keys() & measured.keys())
        if taken:
            raise FedlabError(f"{vote.notebook.name} records {', '.join(taken)}, the name of a parameter; rename it")
        rows.append(first | in_order(measured))
        timings.append(first | _stage_seconds(store, vote) | seconds)
    results = pd.DataFrame(in_one_order(rows))
    seconds_table = pd.DataFrame(in_one_order(timings))
    for table, name in ((results, RESULTS), (seconds_table, TIMINGS)):
        with atomic_path(folder / name) as path:
            table.to_csv(path, index=False, lineterminator="\n")
    return results, seconds_table


def in_one_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give all rows the same columns: parameters that only some cells have (`alpha`) stay among the parameters."""
    columns: list[str] = []
    for row in rows:
        before = -1
        for name in row:
            if name in columns:
                before = columns.index(name)
            else:
                columns.insert(before + 1, name)
                before += 1
    return [{name: row.get(name) for name in columns} for row in rows]


def _stage_seconds(store: RunStore, vote: Run) -> dict[str, float]:
    """Return what each stage behind a cell took, kernel start included, however many cells share it."""
    trained, central = vote.inputs["trained"], vote.inputs["central"]
    runs = {
        "partition": trained.inputs["shards"],
        "train": trained,
        "centralised_train": central,
        "vote": vote,
    }
    return {f"{name}_run_seconds": store.info(run.stage, run.key)["seconds"] for name, run in runs.items()}
