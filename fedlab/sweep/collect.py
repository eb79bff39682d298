"""From the store to tidy tables: `results.csv` and `.parquet`, a row per cell, parameters first; seconds apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlab.errors import FedlabError
from fedlab.files import canonical_json, from_json_text
from fedlab.record import in_row, kind, one_kind, read_raw_record
from fedlab.sweep.graph import Plan, Run
from fedlab.sweep.manifest import write_manifest
from fedlab.sweep.params import Cell
from fedlab.sweep.store import RunStore
from fedlab.sweep.tidy import frame, in_one_order, typed_columns, write_csv, write_results

if TYPE_CHECKING:
    import pandas

RESULTS = "results.csv"
TIMINGS = "timings.csv"
FIGURES = "figures"
REPORT = "report.html"


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
    """Write `results.csv`, `results.parquet`, `timings.csv` and `sweep.json` from the runs that are there.

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

    Raises
    ------
    FedlabError
        If a name was recorded with types that do not go together, or is that of a parameter. The tables are written
        all the same, without that column, and figures and report of earlier results are withdrawn.
    """
    store = RunStore(folder)
    held = [
        (number, cell, vote)
        for number, (cell, vote) in enumerate(zip(plan.sweep.cells, plan.votes, strict=True))
        if store.holds(vote.stage, vote.key)
    ]
    data = distinct_labels([cell.data for cell in plan.sweep.cells], data_label)
    models = distinct_labels([cell.model for cell in plan.sweep.cells], model_label)
    recorded = {vote.key: read_raw_record(store.path(vote.stage, vote.key)) for _, _, vote in held}
    problems = _conflicts([(cell, vote) for _, cell, vote in held], recorded)
    rows, timings = [], []
    info = _Infos(store)
    for number, cell, vote in held:
        within = f"runs/{vote.stage}/{vote.key}/"
        measured = {name: in_row(value, within) for name, value in recorded[vote.key].items() if name not in problems}
        first = parameter_columns(plan.sweep.name, cell) | {"data": data[number], "model": models[number]}
        first["n_shards"] = measured.pop("n_shards", cell.n_shards)
        seconds = {name: measured.pop(name) for name in list(measured) if name.endswith("_seconds")}
        for name in sorted(first.keys() & measured.keys()):
            problems[name] = f"{vote.notebook.name} records {name}, the name of a parameter; rename it in the notebook"
            del measured[name]
        rows.append(first | in_order(measured))
        timings.append(first | info.stage_seconds(vote) | seconds)
    results = write_results(rows, folder / RESULTS)
    seconds_table = frame(typed_columns(in_one_order(timings)))
    write_csv(seconds_table, folder / TIMINGS)
    write_manifest(plan, folder)
    if problems:
        withdraw(folder)
        told = "\n  ".join(problems[name] for name in sorted(problems))
        raise FedlabError(f"{told}\n{folder / RESULTS} is written with all other columns ({len(rows)} cells)")
    return results, seconds_table


def withdraw(folder: Path) -> None:
    """Take away figures and report that are not of the results that stand in the folder now."""
    shutil.rmtree(folder / FIGURES, ignore_errors=True)
    (folder / REPORT).unlink(missing_ok=True)


def _conflicts(votes: list[tuple[Cell, Run]], recorded: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return, for each name recorded with types that do not go together, a sentence with two runs and their types."""
    first: dict[str, dict[str, tuple[Cell, Run]]] = {}
    for cell, vote in votes:
        for name, value in recorded[vote.key].items():
            first.setdefault(name, {}).setdefault(kind(value), (cell, vote))
    found = {}
    for name, by_kind in first.items():
        if one_kind(set(by_kind)) is None:
            one, other = next((one, other) for one in by_kind for other in by_kind if one_kind({one, other}) is None)
            told = [
                f"{of} ({recorded[run.key][name]!r}) in {run.stage}/{run.key} ({_shown(cell)})"
                for of, (cell, run) in ((one, by_kind[one]), (other, by_kind[other]))
            ]
            found[name] = f"{name} is recorded as {told[0]} and as {told[1]}; record one type in all runs, or two names"
    return found


def _shown(cell: Cell) -> str:
    return f"scheme={cell.scheme}, n_shards={cell.n_shards}, rule={cell.rule}, seed={cell.seed}"


class _Infos:
    """What `run.json` says of runs, each read once, however many cells share it."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.seconds: dict[Run, float] = {}

    def stage_seconds(self, vote: Run) -> dict[str, float]:
        """Return what each stage behind a cell took, kernel start included, however many cells share it."""
        trained, central = vote.inputs["trained"], vote.inputs["central"]
        runs = {
            "partition": trained.inputs["shards"],
            "train": trained,
            "centralised_train": central,
            "vote": vote,
        }
        return {f"{name}_run_seconds": self._of(run) for name, run in runs.items()}

    def _of(self, run: Run) -> float:
        if run not in self.seconds:
            self.seconds[run] = self.store.info(run.stage, run.key)["seconds"]
        return self.seconds[run]
