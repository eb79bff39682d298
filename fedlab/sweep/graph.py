"""From cells to the graph of notebook runs: partition, train and vote, each distinct run once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlab.errors import FedlabError
from fedlab.files import canonical_json, sha256_text
from fedlab.registry import is_import_path
from fedlab.sweep.keys import code_cells, import_path_hashes, run_key, source_hash, versions
from fedlab.sweep.params import Cell, Sweep, import_paths

if TYPE_CHECKING:
    from fedlab.records import Records

STAGES = ("partition", "train", "vote")
NOTEBOOKS = {
    "partition": "1_partition.ipynb",
    "train": "2_train.ipynb",
    "vote": "3_vote.ipynb",
}


@dataclass(frozen=True)
class Run:
    """One notebook with parameters.

    Attributes
    ----------
    stage : str
        Which notebook: partition, train, vote or figures.
    key : str
        Names the run: equal keys, equal results.
    notebook : Path
        The notebook to execute.
    parameters : dict
        Its parameters, without the folders of its inputs.
    inputs : dict of str to Run
        Parameter name of each input folder, and the run that makes it.
    parts : dict
        What the key was made of.
    """

    stage: str
    key: str
    notebook: Path
    parameters: dict[str, Any]
    inputs: dict[str, Run]
    parts: dict[str, Any] = field(repr=False)

    def __hash__(self) -> int:
        return hash((self.stage, self.key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (self.stage, self.key) == (other.stage, other.key)


def make_run(
    stage: str,
    notebook: Path,
    parameters: dict[str, Any],
    inputs: dict[str, Run] | None = None,
    outside: dict[str, str] | None = None,
    hashed: dict[str, Any] | None = None,
) -> Run:
    """Build a run and its key.

    Parameters
    ----------
    stage : str
        The stage.
    notebook : Path
        The notebook to execute.
    parameters : dict
        Its parameters.
    inputs : dict of str to Run, optional
        The runs whose folders it reads.
    outside : dict of str to str, optional
        Hashes of what it reads from outside the store: data files, user modules.
    hashed : dict, optional
        The parameters as the key sees them, where that differs: without paths whose content ``outside`` has.

    Returns
    -------
    Run
    """
    inputs = inputs or {}
    parts = {
        "stage": stage,
        "code": sha256_text(canonical_json(code_cells(notebook))),
        "parameters": parameters if hashed is None else hashed,
        "inputs": {name: run.key for name, run in inputs.items()},
        "outside": outside or {},
        "source": source_hash(notebook),
        "versions": versions(),
    }
    return Run(stage, run_key(parts), notebook, parameters, inputs, parts)


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep.

    Attributes
    ----------
    sweep : Sweep
        What was asked.
    votes : tuple of Run
        The last run of each cell, in the order of ``sweep.cells``.
    """

    sweep: Sweep
    votes: tuple[Run, ...]

    @property
    def runs(self) -> dict[str, list[Run]]:
        """Every distinct run, by stage, in the order in which cells need them."""
        found: dict[str, dict[str, Run]] = {stage: {} for stage in STAGES}

        def visit(run: Run) -> None:
            if run.key not in found[run.stage]:
                for source in run.inputs.values():
                    visit(source)
                found[run.stage][run.key] = run

        for vote in self.votes:
            visit(vote)
        return {stage: list(runs.values()) for stage, runs in found.items()}


def plan(sweep: Sweep, notebooks: Path) -> Plan:
    """Turn a sweep's cells into runs.

    Parameters
    ----------
    sweep : Sweep
        The validated params file.
    notebooks : Path
        The folder that holds the pipeline's notebooks.

    Returns
    -------
    Plan
        One vote per cell; partitions, trained models and the centralised reference shared wherever they are the same.

    Raises
    ------
    FedlabError
        If a notebook lacks a parameter that the sweep sets, or the data cannot hold what a cell asks.
    """
    builder = _Builder(sweep, notebooks)
    return Plan(sweep, tuple(builder.vote(cell) for cell in sweep.cells))


class _Builder:
    """Builds runs, remembering what cells share: data fingerprints and each notebook's parameters."""

    def __init__(self, sweep: Sweep, notebooks: Path) -> None:
        self.sweep = sweep
        self.notebooks = notebooks
        self.accepted: dict[str, set[str]] = {}
        self.data: dict[str, tuple[Any, str, Records]] = {}
        self.hashes: dict[str, dict[str, str]] = {}

    def vote(self, cell: Cell) -> Run:
        """Return the vote run of a cell, and with it all that it needs."""
        return self._run(
            "vote",
            {
                "rule": cell.rule,
                "rule_options": cell.rule_options,
                "tie": cell.tie,
                "n_resamples": cell.n_resamples,
                "seed": cell.seed,
            },
            {"trained": self.train(cell, self.partition(cell)), "central": self.train(cell, self.pooled(cell))},
            [cell.rule],
        )

    def train(self, cell: Cell, shards: Run) -> Run:
        """Return the run that trains a model on each shard of a partition."""
        return self._run(
            "train",
            {
                "model": cell.model,
                "test_size": cell.test_size,
                "random_state": cell.random_state,
                "format": cell.format,
            },
            {"shards": shards},
            [path for path in import_paths(cell) if path not in (cell.scheme, cell.rule)],
        )

    def partition(self, cell: Cell) -> Run:
        """Return the run that cuts a cell's records into shards."""
        data, fingerprint, records = self._data(cell)
        _check_size(cell, records)
        parameters = {
            "data": data,
            "holdout": cell.holdout,
            "scheme": cell.scheme,
            "n_shards": cell.n_shards,
            "min_rows": cell.min_rows,
            "seed": cell.seed,
        }
        flat = self._parameters("partition")
        parameters |= {name: value for name, value in cell.scheme_options.items() if name in flat}
        rest = {name: value for name, value in cell.scheme_options.items() if name not in flat}
        if rest:
            parameters["scheme_options"] = rest
        return self._run("partition", parameters, {}, [cell.scheme], {"data": fingerprint})

    def pooled(self, cell: Cell) -> Run:
        """Return the partition with one organisation that holds all rows: the centralised reference."""
        update = {"scheme": "iid", "scheme_options": {}, "n_shards": 1, "min_rows": 2}
        return self.partition(cell.model_copy(update=update))

    def _run(
        self,
        stage: str,
        parameters: dict[str, Any],
        inputs: dict[str, Run],
        paths: list[str],
        outside: dict[str, str] | None = None,
    ) -> Run:
        missing = sorted({*parameters, *inputs, "out_dir"} - self._parameters(stage))
        if missing:
            raise FedlabError(
                f"{self._notebook(stage)} has no parameter {', '.join(missing)}; "
                "add it to the cell tagged 'parameters' (it has: " + ", ".join(sorted(self._parameters(stage))) + ")"
            )
        code: dict[str, str] = {}
        for path in paths:
            if is_import_path(path):
                if path not in self.hashes:
                    self.hashes[path] = import_path_hashes([path])
                code |= self.hashes[path]
        hashed = dict(parameters)
        if isinstance(hashed.get("data"), dict):
            hashed["data"] = {name: value for name, value in hashed["data"].items() if name != "path"}
        return make_run(stage, self._notebook(stage), parameters, inputs, (outside or {}) | code, hashed)

    def _notebook(self, stage: str) -> Path:
        return self.notebooks / NOTEBOOKS[stage]

    def _parameters(self, stage: str) -> set[str]:
        """Return the names that a stage's notebook takes as parameters: papermill only warns of others."""
        if stage not in self.accepted:
            self.accepted[stage] = notebook_parameters(self._notebook(stage))
        return self.accepted[stage]

    def _data(self, cell: Cell) -> tuple[Any, str, Records]:
        """Return a cell's data with absolute paths, its fingerprint, and the records."""
        from fedlab.records import data_fingerprint, load_records

        text = canonical_json(cell.data)
        if text not in self.data:
            data = absolute_data(cell.data, self.sweep.folder)
            self.data[text] = (data, data_fingerprint(data), load_records(data))
        return self.data[text]


def _check_size(cell: Cell, records: Records) -> None:
    """Check before any kernel starts that the records can be cut as a cell asks."""
    from fedlab.partition import shards_determined_by

    fixed = shards_determined_by(cell.scheme, records, cell.scheme_options)
    if cell.n_shards is None and fixed is None:
        raise FedlabError(f"n_shards is missing: scheme {cell.scheme!r} does not say how many organisations there are")
    if None not in (cell.n_shards, fixed) and cell.n_shards != fixed:
        raise FedlabError(
            f"n_shards is {cell.n_shards}, but scheme {cell.scheme!r} makes {fixed} of {records.name}; leave it out"
        )
    left = records.n_rows - round(records.n_rows * cell.holdout)
    if (cell.n_shards or fixed or 1) * cell.min_rows > left:
        raise FedlabError(
            f"n_shards is {cell.n_shards or fixed} with min_rows {cell.min_rows}, but {records.name} has "
            f"{records.n_rows} rows, {left} of them outside the holdout; "
            f"at most {left // cell.min_rows} shards are possible"
        )


def absolute_data(data: Any, folder: Path) -> Any:
    """Return a data specification whose path is absolute, looked for beside the params file, then here."""
    if not isinstance(data, dict) or "path" not in data:
        return data
    path = Path(data["path"])
    candidates = [path] if path.is_absolute() else [folder / path, Path.cwd() / path]
    for candidate in candidates:
        if candidate.is_file():
            return data | {"path": str(candidate.resolve())}
    raise FedlabError(
        f"data file {path} is not found (looked for {', '.join(str(candidate) for candidate in candidates)}); "
        "give its path relative to the params file, or an absolute one"
    )


def notebook_parameters(notebook: Path) -> set[str]:
    """Return the names assigned in a notebook's cell tagged ``parameters``.

    Raises
    ------
    FedlabError
        If there is no such cell.
    """
    import ast
    import json

    code_cells(notebook)
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and "parameters" in cell.get("metadata", {}).get("tags", []):
            source = "".join(cell["source"])
            targets: list[ast.expr] = []
            for node in ast.parse(source).body:
                targets += node.targets if isinstance(node, ast.Assign) else []
                targets += [node.target] if isinstance(node, ast.AnnAssign) else []
            return {target.id for target in targets if isinstance(target, ast.Name)}
    raise FedlabError(f"{notebook} has no cell tagged 'parameters'; tag the one that sets its defaults")
