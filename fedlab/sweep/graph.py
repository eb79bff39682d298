"""From cells to the graph of notebook runs: partition, train and vote, each distinct run once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fedlab.errors import FedlabError
from fedlab.files import canonical_json, sha256_file, sha256_text
from fedlab.pipeline.shards import PARTITION
from fedlab.pipeline.trained import RECIPE
from fedlab.registry import is_import_path
from fedlab.sweep.keys import (
    SHORT,
    extra_versions,
    import_path_files,
    notebook_hashes,
    notebook_parameters,
    run_key,
    versions,
)
from fedlab.sweep.params import Cell, Sweep, import_paths

if TYPE_CHECKING:
    from fedlab.records import Records

T = TypeVar("T")
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
    files : dict of str to str
        SHA-256 of each file outside the store that the run reads: checked again before it is published.
    modules : tuple of str
        The package's modules that it finds by name: the rule's, the scheme's.
    """

    stage: str
    key: str
    notebook: Path
    parameters: dict[str, Any]
    inputs: dict[str, Run]
    parts: dict[str, Any] = field(repr=False)
    files: dict[str, str] = field(default_factory=dict, repr=False)
    modules: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash((self.stage, self.key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (self.stage, self.key) == (other.stage, other.key)


def make_run(
    stage: str,
    notebook: Path,
    parameters: dict[str, Any],
    inputs: dict[str, Run] | None = None,
    outside: dict[str, Any] | None = None,
    hashed: dict[str, Any] | None = None,
    modules: tuple[str, ...] = (),
    files: dict[str, str] | None = None,
    hashes: dict[str, Any] | None = None,
    extra: dict[str, str] | None = None,
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
    outside : dict, optional
        Hashes of what it reads from outside the store: data files, user modules.
    hashed : dict, optional
        The parameters as the key sees them, where that differs: without paths whose content ``outside`` has.
    modules : tuple of str, optional
        Modules of the package that it finds by name (see `source_hashes`).
    files : dict of str to str, optional
        See `Run`.
    hashes : dict of str to str, optional
        What `notebook_hashes` returned before; by default the notebook is read now.
    extra : dict of str to str, optional
        Versions of further libraries that it uses (see `extra_versions`).

    Returns
    -------
    Run
    """
    inputs = inputs or {}
    parts = {
        "stage": stage,
        "parameters": parameters if hashed is None else hashed,
        "inputs": {name: run.key for name, run in inputs.items()},
        "outside": outside or {},
        "versions": versions() | (extra or {}),
        **(hashes or notebook_hashes(notebook, modules)),
    }
    return Run(stage, run_key(parts), notebook, parameters, inputs, parts, files or {}, modules)


def figures_run(notebook: Path, results: Path) -> Run:
    """Return the run that draws a sweep's figures from its `results.csv` as it is now."""
    place = results.parent.resolve() / results.name
    outside = {"results": sha256_file(place)}
    return make_run("figures", notebook, {"results": str(place)}, outside=outside, hashed={})


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep.

    Attributes
    ----------
    sweep : Sweep
        What was asked.
    votes : tuple of Run
        The last run of each cell, in the order of ``sweep.cells``.
    here : Path
        Where the sweep was started: the user's own modules and data are looked for there too.
    """

    sweep: Sweep
    votes: tuple[Run, ...]
    here: Path = field(default_factory=Path.cwd)

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


def plan(sweep: Sweep, notebooks: Path, here: Path | None = None) -> Plan:
    """Turn a sweep's cells into runs.

    Parameters
    ----------
    sweep : Sweep
        The validated params file.
    notebooks : Path
        The folder that holds the pipeline's notebooks.
    here : Path, optional
        Where the user's own modules and data are looked for after the params file's folder; by default the working
        folder.

    Returns
    -------
    Plan
        One vote per cell; partitions, trained models and the centralised reference shared wherever they are the same.

    Raises
    ------
    FedlabError
        If a notebook lacks a parameter that the sweep sets, or the data cannot hold what a cell asks.
    """
    here = here or Path.cwd()
    builder = _Builder(sweep, notebooks, here)
    votes, problems = [], []
    for cell in sweep.cells:
        try:
            votes.append(builder.vote(cell))
        except FedlabError as error:
            problems.append(str(error))
    if problems:
        raise FedlabError("\n  ".join(dict.fromkeys(problems)))
    return Plan(sweep, tuple(votes), here)


class _Builder:
    """Builds runs; what cells share (data, notebooks, own modules) is read once, so all keys are of one moment."""

    def __init__(self, sweep: Sweep, notebooks: Path, here: Path) -> None:
        self.sweep = sweep
        self.here = here
        self.roots = [sweep.folder.resolve(), here]
        self.notebooks = notebooks
        self.known: dict[Any, Any] = {}

    def _once(self, key: Any, make: Callable[[], T]) -> T:
        """Return what ``make`` gives, made once for all cells; what cannot be made is not tried again either."""
        if key not in self.known:
            try:
                self.known[key] = make()
            except FedlabError as error:
                self.known[key] = error
        if isinstance(self.known[key], FedlabError):
            raise self.known[key]
        return self.known[key]

    def vote(self, cell: Cell) -> Run:
        """Return the vote run of a cell, and with it all that it needs."""
        from fedlab.voting import RULES

        return self._run(
            "vote",
            {
                "rule": cell.rule,
                "rule_options": cell.rule_options,
                "tie": cell.tie,
                **({"validation": cell.validation} if cell.validation else {}),
                "n_resamples": cell.n_resamples,
                "seed": cell.seed,
            },
            {"trained": self.train(cell, self.partition(cell)), "central": self.central(cell)},
            [cell.rule],
            modules=_module_of(RULES, cell.rule),
        )

    def central(self, cell: Cell) -> Run:
        """Return the run that trains the centralised reference, on all rows as the organisations hold them.

        It is shared by all cells of the same data and seed; where organisations hold records of another quality than
        the table's, it belongs to their partition.
        """
        if cell.quality:
            return self.train(cell, self.partition(cell), pooled=True)
        return self.train(cell, self.pooled(cell))

    def train(self, cell: Cell, shards: Run, **more: Any) -> Run:
        """Return the run that trains a model on each shard of a partition."""
        from fedlab.exchange import FORMATS

        parameters = {name: getattr(cell, name) for name in RECIPE} | more
        paths = [path for path in import_paths(cell) if path not in (cell.scheme, cell.rule)]
        same = ("train", shards.key, canonical_json(parameters))
        modules = _module_of(FORMATS, cell.format)
        return self._once(same, lambda: self._run("train", parameters, {"shards": shards}, paths, modules=modules))

    def partition(self, cell: Cell) -> Run:
        """Return the run that cuts a cell's records into shards."""
        same = ("partition", canonical_json(cell.model_dump(include={"scheme_options", *PARTITION})))
        return self._once(same, lambda: self._partition(cell))

    def _partition(self, cell: Cell) -> Run:
        from fedlab.partition import SCHEMES

        data, fingerprint, records = self._data(cell)
        cell = self._with_absolute_path(cell)
        self._check_possible(cell, records)
        parameters = {
            "data": data,
            "holdout": cell.holdout,
            "scheme": cell.scheme,
            "n_shards": cell.n_shards,
            "min_rows": cell.min_rows,
            **({"quality": cell.quality} if cell.quality else {}),
            "seed": cell.seed,
        }
        # A scheme's option must not take the place of the partition's own parameters.
        flat = self._parameters("partition") - {*parameters, "scheme_options", "out_dir"}
        parameters |= {name: value for name, value in cell.scheme_options.items() if name in flat}
        rest = {name: value for name, value in cell.scheme_options.items() if name not in flat}
        if rest:
            parameters["scheme_options"] = rest
        outside = {"data": fingerprint}
        split_file = cell.scheme_options.get("path") if cell.scheme == "from_file" else None
        if split_file is not None:
            outside["split"] = self._once(("data file", split_file), lambda: sha256_file(split_file))
        modules = _module_of(SCHEMES, cell.scheme)
        return self._run("partition", parameters, {}, [cell.scheme], outside, modules, split_file)

    def pooled(self, cell: Cell) -> Run:
        """Return the partition with one organisation that holds all rows."""
        update = {"scheme": "iid", "scheme_options": {}, "n_shards": 1, "min_rows": 2}
        return self.partition(cell.model_copy(update=update))

    def _run(
        self,
        stage: str,
        parameters: dict[str, Any],
        inputs: dict[str, Run],
        paths: list[str],
        outside: dict[str, str] | None = None,
        modules: tuple[str, ...] = (),
        split_file: str | None = None,
    ) -> Run:
        missing = sorted({*parameters, *inputs, "out_dir"} - self._parameters(stage))
        if missing:
            raise FedlabError(
                f"{self._notebook(stage)} has no parameter {', '.join(missing)}; "
                "add it to the cell tagged 'parameters' (it has: " + ", ".join(sorted(self._parameters(stage))) + ")"
            )
        files: dict[str, str] = {}
        code: dict[str, Any] = {}
        for path in paths:
            if is_import_path(path):
                own = self._own_files(path)
                files |= own
                code[path] = self._named(own)
        hashed = dict(parameters)
        if isinstance(hashed.get("data"), dict):
            hashed["data"] = {name: value for name, value in hashed["data"].items() if name != "path"}
            files |= self._file(parameters["data"].get("path"))
        if split_file is not None:
            hashed["scheme_options"] = {}
            files |= self._file(split_file)
        notebook = self._notebook(stage)
        read = self._once(("notebook", stage, modules), lambda: notebook_hashes(notebook, modules))
        installed = tuple(path for path, named in code.items() if isinstance(named, str))
        extra = self._once(("extra", modules, installed), lambda: extra_versions(modules, installed))
        more = (outside or {}) | code
        return make_run(stage, notebook, parameters, inputs, more, hashed, modules, files, read, extra)

    def _own_files(self, path: str) -> dict[str, str]:
        """Return the files behind an import path and the SHA-256 of each."""

        def hashed() -> dict[str, str]:
            found = import_path_files([path], self.roots)[path]
            return {str(file): sha256_file(file) for file in found}

        return self._once(("own files", path), hashed)

    def _named(self, own: dict[str, str]) -> Any:
        """Return the hashes of an own module's files as the key has them: by their names within the user's folders.

        Those of an installed library are one hash: its version is named beside it.
        """
        named: dict[str, str] = {}
        for file, sha256 in own.items():
            for root in self.roots:
                if Path(file).is_relative_to(root):
                    named.setdefault(Path(file).relative_to(root).as_posix(), sha256[:SHORT])
                    break
        return named if len(named) == len(own) else sha256_text(canonical_json(list(own.values())))

    def _file(self, path: str | None) -> dict[str, str]:
        """Return a file of the user's own and its SHA-256; nothing where there is none, as for a cohort."""
        return {} if path is None else {path: self._once(("data file", path), lambda: sha256_file(path))}

    def _with_absolute_path(self, cell: Cell) -> Cell:
        """Return a cell whose split comes from a file (`from_file`) with the absolute path of that file."""
        path = cell.scheme_options.get("path")
        if cell.scheme != "from_file" or not isinstance(path, str):
            return cell
        options = {"path": absolute_path(path, self.sweep.folder, self.here, "path of the split's file")}
        return cell.model_copy(update={"scheme_options": cell.scheme_options | options})

    def _notebook(self, stage: str) -> Path:
        return self.notebooks / NOTEBOOKS[stage]

    def _parameters(self, stage: str) -> set[str]:
        """Return the names that a stage's notebook takes as parameters: papermill only warns of others."""
        return self._once(("parameters", stage), lambda: notebook_parameters(self._notebook(stage)))

    def _data(self, cell: Cell) -> tuple[Any, str, Records]:
        """Return a cell's data with absolute paths, its fingerprint, and the records."""
        from fedlab.records import data_fingerprint, load_records

        def read() -> tuple[Any, str, Records]:
            data = absolute_data(cell.data, self.sweep.folder, self.here)
            return data, data_fingerprint(data), load_records(data)

        return self._once(("data", canonical_json(cell.data)), read)

    def _check_possible(self, cell: Cell, records: Records) -> None:
        """Cut the records as a cell asks, once for all seeds, so that what is impossible is known before any kernel."""
        asked: dict[str, Any] = {"data": cell.data, "holdout": cell.holdout, "n_shards": cell.n_shards}
        asked |= {"min_rows": cell.min_rows, "scheme": cell.scheme, "options": cell.scheme_options}
        asked |= {"quality": cell.quality}
        text = canonical_json(asked)
        self._once(("possible", text), lambda: _try_split(cell, records))


def _module_of(registry: Any, name: str) -> tuple[str, ...]:
    """Return the package's module that a registered name's function or class stands in; none for an import path."""
    if name not in registry:
        return ()
    entry = registry.get(name)
    return (getattr(entry, "function", entry).__module__,)


def _try_split(cell: Cell, records: Records) -> None:
    """Cut the records as a cell asks, and say what is wrong where that cannot be done."""
    from fedlab.partition import split_records

    _check_size(cell, records)
    try:
        split_records(
            records,
            cell.scheme,
            cell.n_shards,
            holdout=cell.holdout,
            min_rows=cell.min_rows,
            seed=cell.seed,
            quality=cell.quality,
            **cell.scheme_options,
        )
    except TypeError as error:
        raise FedlabError(
            f"scheme {cell.scheme!r} cannot be called as scheme(records, n_shards, rng, **options): {error}"
        ) from error


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


def absolute_data(data: Any, folder: Path, here: Path) -> Any:
    """Return a data specification whose path is absolute, looked for beside the params file, then here."""
    if not isinstance(data, dict) or "path" not in data:
        return data
    return data | {"path": absolute_path(data["path"], folder, here, "data file")}


def absolute_path(given: str, folder: Path, here: Path, what: str) -> str:
    """Return the absolute path of a file that a params file names, looked for beside the params file, then here."""
    path = Path(given)
    candidates = [path] if path.is_absolute() else [folder / path, here / path]
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate.resolve())
    raise FedlabError(
        f"{what} {path} is not found (looked for {', '.join(str(candidate) for candidate in candidates)}); "
        "give its path relative to the params file, or an absolute one"
    )
