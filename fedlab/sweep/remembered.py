"""What a sweep need not do again while nothing has changed: plan its runs, collect its results, draw its figures."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from fedlab.errors import FedlabError
from fedlab.files import canonical_json, read_json, sha256_file, sha256_text, write_text
from fedlab.registry import is_import_path
from fedlab.sweep.graph import NOTEBOOKS, Plan, Run, plan
from fedlab.sweep.keys import EXTRAS, PACKAGE, installed_versions, versions
from fedlab.sweep.params import Cell, Sweep, import_paths, read_sweep

PLAN = ".plan.json"
MADE = ".made.json"
# What is made of a sweep's runs, beside the pictures in `figures/`.
PRODUCTS = ("results.csv", "results.parquet", "timings.csv", "sweep.json", "params.yaml", "report.html")
# What many runs have in common stands in the file once.
_SHARED = ("versions", "code", "source")


class Memory:
    """What was planned and made in a sweep's folder, and of what: taken again where nothing of it has changed.

    Everything that a plan is made of is hashed anew: the params file, the notebooks, all of the package's source,
    library versions and data files. A sweep that names code of the user's own is planned anew each time, since what
    that code imports can be told only by reading it.

    Parameters
    ----------
    params : Path
        The params file.
    results : Path
        The folder that the sweep's own folder is in.
    notebooks : Path
        The folder of the notebooks.
    here : Path, optional
        Where the sweep was started; by default the working folder.
    """

    def __init__(self, params: Path, results: Path, notebooks: Path, here: Path | None = None) -> None:
        self.params = params
        self.notebooks = notebooks
        self.here = here or Path.cwd()
        self._results = results
        self._taken = False  # whether the plan is the one that was kept
        self._folder, self._made_of = _made_of(params, results, notebooks, self.here)

    def plan(self) -> Plan:
        """Return the sweep's plan: the one that was kept, where it would come out the same.

        Raises
        ------
        FedlabError
            For every mistake in the params file, and where the data cannot hold what it asks.
        """
        kept = self._read(PLAN)
        self._taken = kept is not None and _is_as_it_was(kept)
        if kept is not None and self._taken:
            return _plan_from(kept, self.params.resolve().parent, self.notebooks, self.here)
        sweep = read_sweep(self.params)
        try:
            made = plan(sweep, self.notebooks, self.here)
        except FedlabError as error:
            raise FedlabError(f"{self.params}: {error}") from None
        self._folder = self._results / sweep.name
        return made

    def keep_plan(self, plan: Plan) -> None:
        """Keep a plan for the next call, unless it rests on what a later call could not check."""
        if self._made_of and not self._taken:
            files = _files_behind(plan)
            if files is not None:
                self._write(PLAN, _as_json(plan) | {"files": files, "leads_to": _leads_to(plan)})

    def holds_products(self, figures: bool) -> bool:
        """Say whether what is made of the runs stands there, as it was made of these very ones."""
        made = (self._read(MADE) or {}).get("products", {})
        wanted = {"results.csv", *(["report.html"] if figures else [])}
        return wanted <= made.keys() and made == self._products()

    def keep_products(self) -> None:
        """Keep that what stands there now was made of all runs of the plan."""
        if self._made_of:
            self._write(MADE, {"products": self._products()})

    def _products(self) -> dict[str, str]:
        """Return each product's hash; of the report, which `fedlab report` writes anew, only that it is there."""
        files = [self._folder / name for name in PRODUCTS]
        files += sorted((self._folder / "figures").glob("*"))
        return {
            file.relative_to(self._folder).as_posix(): "" if file.name == "report.html" else sha256_file(file)
            for file in files
            if file.is_file()
        }

    def _read(self, name: str) -> dict[str, Any] | None:
        """Return what was kept, if it was made of what there is now."""
        try:
            kept = read_json(self._folder / name)
            return dict(kept) if self._made_of and kept["made_of"] == self._made_of else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, name: str, content: dict[str, Any]) -> None:
        write_text(self._folder / name, json.dumps(content | {"made_of": self._made_of}))


def forget_products(folder: Path) -> None:
    """Say that runs may differ from here on from those that everything was made of."""
    (folder / MADE).unlink(missing_ok=True)


def _made_of(params: Path, results: Path, notebooks: Path, here: Path) -> tuple[Path, str]:
    """Return a sweep's folder, and a hash of all that its plan and report are made of but data files.

    The hash is empty where that cannot be told.
    """
    try:
        content = yaml.safe_load(params.read_text(encoding="utf-8"))
        top = content if isinstance(content, dict) else {}
        found = {
            "params": sha256_file(params),
            "folders": [str(params.resolve().parent), str(here), str(notebooks.resolve())],
            "notebooks": {
                name: sha256_file(notebooks / name)
                for name in {*NOTEBOOKS.values(), str(top.get("figures", "4_figures.ipynb"))}
            },
            "source": {
                file.relative_to(PACKAGE).as_posix(): sha256_file(file)
                for file in sorted(PACKAGE.rglob("*.*"))
                if file.suffix in (".py", ".css", ".js")
            },
            "versions": versions()
            | installed_versions(EXTRAS.values())
            | {"nbconvert": metadata.version("nbconvert"), "python": sys.version},
        }
        return results / str(top.get("name", params.stem)), sha256_text(canonical_json(found))
    except (OSError, ValueError, yaml.YAMLError):
        return results / params.stem, ""


def _is_as_it_was(kept: dict[str, Any]) -> bool:
    """Say whether the data files of a kept plan hold what they held, and names still lead to the same files."""
    if any(str(Path(name).resolve()) != file for name, file in kept["leads_to"].items()):
        return False
    return all(Path(file).is_file() and sha256_file(file) == known for file, known in kept["files"].items())


def _files_behind(plan: Plan) -> dict[str, str] | None:
    """Return the data files behind a plan and their hashes; None where it rests on more than files of known place."""
    from fedlab.records.nhefs import data_path

    files: dict[str, str] = {}
    for runs in plan.runs.values():
        for run in runs:
            files |= run.files
    for cell in plan.sweep.cells:
        data = {"name": cell.data} if isinstance(cell.data, str) else cell.data
        beside = all(file.is_file() for file in _named_files(plan, cell))
        if not beside or import_paths(cell) or is_import_path(str(data.get("name", ""))):
            return None
        if data.get("name") == "nhefs":
            files.setdefault(str(data_path()), "")
    return {file: known or sha256_file(file) for file, known in files.items()}


def _named_files(plan: Plan, cell: Cell) -> list[Path]:
    """Return the files that a cell names, beside the params file, links as they stand."""
    given = [cell.data.get("path") if isinstance(cell.data, dict) else None, cell.scheme_options.get("path")]
    return [plan.sweep.folder.absolute() / path for path in given if path is not None]


def _leads_to(plan: Plan) -> dict[str, str]:
    """Return the files that a plan names, and the one that each is when links are followed."""
    return {str(file): str(file.resolve()) for cell in plan.sweep.cells for file in _named_files(plan, cell)}


def _as_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON can hold it: each run after those that it needs."""
    shared: dict[str, int] = {}
    runs = [_run_as_json(run, shared) for of_stage in plan.runs.values() for run in of_stage]
    return {
        "sweep": plan.sweep.model_dump(exclude={"folder", "cells"}),
        "cells": [cell.model_dump() for cell in plan.sweep.cells],
        "votes": [run.key for run in plan.votes],
        "shared": [json.loads(text) for text in shared],
        "runs": runs,
    }


def _run_as_json(run: Run, shared: dict[str, int]) -> dict[str, Any]:
    common = json.dumps({name: run.parts[name] for name in _SHARED})
    return {
        "stage": run.stage,
        "key": run.key,
        "notebook": run.notebook.name,
        "parameters": run.parameters,
        "inputs": {name: source.key for name, source in run.inputs.items()},
        "parts": {name: value for name, value in run.parts.items() if name not in _SHARED},
        "shared": shared.setdefault(common, len(shared)),
        "files": run.files,
        "modules": run.modules,
    }


def _plan_from(kept: dict[str, Any], folder: Path, notebooks: Path, here: Path) -> Plan:
    """Return the plan that `_as_json` was given."""
    made: dict[str, Run] = {}
    for run in kept["runs"]:
        run["notebook"] = notebooks / run["notebook"]
        run["inputs"] = {name: made[key] for name, key in run["inputs"].items()}
        run["parts"] |= kept["shared"][run.pop("shared")]
        run["modules"] = tuple(run["modules"])
        made[run["key"]] = Run(**run)
    # As they were checked when the plan was made.
    cells = tuple(Cell.model_construct(**cell) for cell in kept["cells"])
    sweep = Sweep.model_construct(**kept["sweep"], cells=cells, folder=folder)
    return Plan(sweep, tuple(made[key] for key in kept["votes"]), here)
