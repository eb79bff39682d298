"""What lies in a sweep's folder: its runs, what each was made from, and the params files that were swept into it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedlab.errors import FedlabError
from fedlab.files import read_json, sha256_text, write_json
from fedlab.sweep.graph import Plan, Run
from fedlab.sweep.graph import plan as make_plan
from fedlab.sweep.params import read_sweep
from fedlab.sweep.store import RUN_FILE

SWEPT = ".params"
NAME_THEM = "name the params files that count: --params FILE"
_SWEPT_ONCE = ".params.json"  # where all entries stood in one file


@dataclass(frozen=True)
class Swept:
    """A params file that was swept into a folder: with which notebooks, and from which working folder."""

    params: Path
    notebooks: Path
    here: Path


@dataclass(frozen=True)
class Stored:
    """A published run, as its `run.json` tells it."""

    stage: str
    key: str
    folder: Path
    info: dict[str, Any]

    @property
    def name(self) -> str:
        """Stage and key."""
        return f"{self.stage}/{self.key}"

    @property
    def parts(self) -> dict[str, Any]:
        """What the key was made of."""
        return dict(self.info.get("key_parts", {}))

    @property
    def bytes(self) -> int:
        """Size of its files."""
        return sum(entry["bytes"] for entry in self.info.get("outputs", {}).values())

    @property
    def made(self) -> float:
        """When it was published, in seconds since 1970."""
        return (self.folder / RUN_FILE).stat().st_mtime


def stored_runs(folder: Path) -> list[Stored]:
    """Return the published runs of a sweep's folder, by stage and key."""
    found = []
    for file in sorted((folder / "runs").glob(f"[!.]*/*/{RUN_FILE}")):
        try:
            found.append(Stored(file.parent.parent.name, file.parent.name, file.parent, dict(read_json(file))))
        except (OSError, ValueError):
            continue  # removed meanwhile, or damaged: then it is not held either
    return found


def sweeps(results: Path) -> list[Path]:
    """Return the folders of sweeps within a folder of results."""
    return sorted(path.parent for path in results.glob("[!.]*/runs"))


def sweep_folder(name: str, results: Path) -> Path:
    """Return the folder of a sweep, given as its name, its folder, or its params file.

    Raises
    ------
    FedlabError
        If nothing was ever swept there.
    """
    tried = [results / name, Path(name), results / Path(name).stem]
    for folder in tried:
        if (folder / "runs").is_dir():
            return folder
    known = ", ".join(path.name for path in sweeps(results)) or "none"
    raise FedlabError(f"{name!r} is no sweep in {results} (there: {known}); give a name, or the sweep's folder")


def find_run(name: str, results: Path) -> Stored | None:
    """Return the stored run that a key, a prefix of one, ``stage/key`` or the path of its folder names, else None.

    Raises
    ------
    FedlabError
        If several runs answer to the name.
    """
    path = Path(name)
    if (path / RUN_FILE).is_file():
        path = path.resolve()
        return Stored(path.parent.name, path.name, path, dict(read_json(path / RUN_FILE)))
    found = [run for folder in sweeps(results) for run in stored_runs(folder) if answers(run.stage, run.key, name)]
    if len({run.name for run in found}) > 1:
        raise FedlabError(f"{name!r} begins several keys: {', '.join(run.name for run in found[:5])}; give more of it")
    return found[0] if found else None


def answers(stage: str, key: str, name: str) -> bool:
    """Say whether a run is meant by ``key``, ``stage/key``, or the beginning of either's key."""
    of_stage, _, start = name.rpartition("/")
    return bool(start) and key.startswith(start) and of_stage in ("", stage)


def remember(folder: Path, params: Path, notebooks: Path, here: Path | None = None) -> None:
    """Note in a sweep's folder which params file is swept into it, with which notebooks, and from where.

    Each params file has an entry of its own, so that sweeps at the same time do not take each other's away.
    """
    places = {"params": params.resolve(), "notebooks": notebooks.resolve(), "folder": here or Path.cwd()}
    entry = {name: str(place) for name, place in places.items()}
    path = folder / SWEPT / f"{sha256_text(entry['params'])[:20]}.json"
    if _entries(path) != [entry]:
        write_json(path, entry)


def remembered(folder: Path) -> list[Swept]:
    """Return the params files that were swept into a folder."""
    known = {}
    for path in (folder / _SWEPT_ONCE, *sorted((folder / SWEPT).glob("[!.]*.json"))):
        for entry in _entries(path):
            known[entry["params"]] = Swept(Path(entry["params"]), Path(entry["notebooks"]), Path(entry["folder"]))
    return list(known.values())


def _entries(path: Path) -> list[dict[str, str]]:
    try:
        held = read_json(path)
    except (OSError, ValueError):
        return []
    return held if isinstance(held, list) else [held]


def read_plan(params: Path, notebooks: Path, here: Path | None = None) -> Plan:
    """Return the plan of a params file; own rules and models are looked for beside it and where it was swept."""
    here = here or Path.cwd()
    see_modules(params.resolve().parent, here)
    asked = read_sweep(params)
    try:
        return make_plan(asked, notebooks, here)
    except FedlabError as error:
        raise FedlabError(f"{params}: {error}") from None


def see_modules(*folders: Path) -> None:
    """Let modules of these folders be imported, after all others."""
    sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]


def current_plans(folder: Path, given: Iterable[Swept] = (), remedy: str = NAME_THEM) -> list[Plan]:
    """Return the plans that a folder's runs are wanted by: of the params files given, else of those remembered.

    Raises
    ------
    FedlabError
        If no params file is known, or one is gone: what is wanted can then not be told.
    """
    known = list(given) or remembered(folder)
    if not known:
        raise FedlabError(f"{folder} does not say which params file it is of; {remedy}")
    for swept in known:
        if not swept.params.is_file():
            raise FedlabError(f"{swept.params}, which was swept into {folder}, is gone; {remedy}")
    return [read_plan(swept.params, swept.notebooks, swept.here) for swept in known]


def every_run(plans: Iterable[Plan]) -> dict[tuple[str, str], Run]:
    """Return all runs of plans by stage and key."""
    runs = (run for plan in plans for of_stage in plan.runs.values() for run in of_stage)
    return {(run.stage, run.key): run for run in runs}


def shown(parameters: dict[str, Any]) -> str:
    """Return a run's parameters for people, without those that are not set."""
    return ", ".join(f"{name}={value}" for name, value in parameters.items() if value not in (None, {}))


def size_text(size: float) -> str:
    """Return a size in the unit that suits it.

    Examples
    --------
    >>> size_text(999), size_text(1536), size_text(5 * 2**30)
    ('999 B', '1.5 KiB', '5.0 GiB')
    """
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024 or unit == "GiB":
            break
    return f"{size:.1f} {unit}"


def time_text(seconds: float) -> str:
    """Return a span of time for people.

    Examples
    --------
    >>> time_text(0.4), time_text(75), time_text(3 * 3600 + 120), time_text(200000)
    ('0.4 s', '1 min 15 s', '3 h 2 min', '2 d 7 h')
    """
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for unit, size, lower, parts in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // parts} {lower}"
    return f"{whole} s"
