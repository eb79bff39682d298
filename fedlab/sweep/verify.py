"""Whether stored runs are what they were: hashes of their files, and a sample run again and compared."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from fedlab.errors import FedlabError
from fedlab.files import sha256_file
from fedlab.seeds import rng
from fedlab.sweep.collect import RESULTS, collect
from fedlab.sweep.compare import differences, file_differences
from fedlab.sweep.graph import Plan, Run
from fedlab.sweep.kernels import Kernels
from fedlab.sweep.manifest import PARAMS
from fedlab.sweep.runner import make_job, run_jobs
from fedlab.sweep.store import RUN_FILE, RunStore
from fedlab.sweep.stored import Stored


@dataclass
class Verdict:
    """What `verify` found.

    Attributes
    ----------
    altered : dict of str to list of str
        By run, the files that are not what the run wrote.
    again : dict of str to list of str
        By run that was run again, what differs; nothing where all is the same.
    skipped : dict of str to str
        By run that was not run again, the input that it would read and that is not whole.
    missing : list of str
        Wanted runs that are not stored.
    unreadable : list of str
        Stored runs whose `run.json` is gone or cannot be read, so that nothing of them can be compared.
    tables : list of str
        In what the tables of results are not those of the stored runs.
    scratch : Path or None
        Where the second results of those that differ lie.
    """

    altered: dict[str, list[str]] = field(default_factory=dict)
    again: dict[str, list[str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    scratch: Path | None = None

    @property
    def sound(self) -> bool:
        """Say whether nothing differs, nothing lacks, and all could be compared."""
        lacks = self.skipped or self.missing or self.unreadable
        return not (self.altered or lacks or self.tables or any(self.again.values()))


def altered_files(run: Stored) -> list[str]:
    """Return what of a stored run's files is not as it was published: gone, changed, or added."""
    listed = run.info.get("outputs", {})
    found = []
    for name, entry in listed.items():
        file = run.folder / name
        if not file.is_file():
            found.append(f"{name} is gone")
        elif file.stat().st_size != entry["bytes"] or sha256_file(file) != entry["sha256"]:
            found.append(f"{name} was changed after it was written: its SHA-256 is not that of {RUN_FILE}")
    there = {file.relative_to(run.folder).as_posix() for file in run.folder.rglob("*") if file.is_file()}
    return found + [f"{name} was added" for name in sorted(there - listed.keys() - {RUN_FILE})]


def unreadable_runs(folder: Path, stored: list[Stored]) -> list[str]:
    """Return the published runs of a folder that are not among those that could be read."""
    there = (path for path in (folder / "runs").glob("[!.]*/*") if path.is_dir())
    return sorted({f"{path.parent.name}/{path.name}" for path in there} - {run.name for run in stored})


def altered_tables(folder: Path, plans: list[Plan]) -> list[str]:
    """Return in what the tables of results differ from those that the stored runs give now.

    Where several params files are swept into the folder, the tables are those of the one that `params.yaml` holds.
    """
    held = folder / PARAMS
    text = held.read_text(encoding="utf-8") if held.is_file() else None
    plan = next((plan for plan in plans if plan.sweep.text == text), plans[0])
    with tempfile.TemporaryDirectory(prefix="fedlab-verify-") as place:
        fresh = Path(place) / folder.name
        fresh.mkdir()
        (fresh / "runs").symlink_to((folder / "runs").resolve(), target_is_directory=True)
        try:
            collect(plan, fresh)
        except FedlabError as error:
            # Names recorded with types that do not go together: the tables are written without them.
            if not (fresh / RESULTS).is_file():
                return [f"{RESULTS}: cannot be collected: {error}"]
        except (OSError, ValueError, KeyError) as error:
            return [f"{RESULTS}: cannot be collected: {error}"]
        found = []
        for name in (RESULTS, str(Path(RESULTS).with_suffix(".parquet"))):
            if not (folder / name).is_file():
                found.append(f"{name} is not there")
            else:
                found += [f"{name}: {told}" for told in file_differences(folder / name, fresh / name)]
        return found


def sample(runs: list[Run], size: int | None, seed: int) -> list[Run]:
    """Return so many runs drawn without repetition, in their own order; all of them for None."""
    if size is None or size >= len(runs):
        return runs
    chosen = rng(seed, "verify").choice(len(runs), size, replace=False)
    return [runs[i] for i in sorted(chosen)]


def verify(
    folder: Path,
    stored: list[Stored],
    runs: list[tuple[Run, Path, Path]],
    jobs: int | None = None,
    kernels: Kernels | None = None,
    watch: Callable[[str, list[str]], None] = lambda name, found: None,
) -> Verdict:
    """Compare the files of stored runs with their hashes, and some runs with themselves run again.

    Parameters
    ----------
    folder : Path
        The sweep's folder; nothing in it is changed.
    stored : list of Stored
        The runs whose files are hashed.
    runs : list of (Run, Path, Path)
        The runs that are executed again, in a scratch folder, each with the folder of its params file and the one that
        the sweep was started in.
    jobs : int, optional
        How many at once; by default one per core.
    kernels : Kernels, optional
        Where kernels come from; by default they are cold.
    watch : callable, optional
        Called with each run that was run again, and what differs.

    Returns
    -------
    Verdict
    """
    verdict = Verdict({run.name: found for run in stored if (found := altered_files(run))})
    store = RunStore(folder)
    for run, *_ in runs:
        broken = [f"{i.stage}/{i.key}" for i in run.inputs.values() if not store.holds(i.stage, i.key)]
        verdict.skipped |= {f"{run.stage}/{run.key}": broken[0]} if broken else {}
    runs = [given for given in runs if f"{given[0].stage}/{given[0].key}" not in verdict.skipped]
    scratch = Path(tempfile.mkdtemp(prefix="fedlab-verify-"))
    try:
        for name, place, error in _again(folder, runs, scratch, jobs, kernels):
            was = store.path(*name.split("/"))
            found = [f"fails now: {error}"] if error else differences(was, place)
            verdict.again[name] = found
            watch(name, found)
            if not found:
                shutil.rmtree(place, ignore_errors=True)
    finally:
        if any(verdict.again.values()):
            verdict.scratch = scratch
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    return verdict


def _again(
    folder: Path, runs: list[tuple[Run, Path, Path]], scratch: Path, jobs: int | None, kernels: Kernels | None
) -> Iterator[tuple[str, Path, str]]:
    """Execute runs, each in a store of its own that sees the stored inputs, and yield where each lies."""
    made = []
    for run, params_folder, here in runs:
        own = scratch / f"{run.stage}-{run.key}"
        for source in run.inputs.values():
            place = RunStore(own).path(source.stage, source.key)
            place.parent.mkdir(parents=True, exist_ok=True)
            # The run's own store sees the stored run that it reads: nothing is copied, and notebooks write elsewhere.
            held = RunStore(folder).path(source.stage, source.key)
            place.unlink(missing_ok=True)
            place.symlink_to(held.resolve(), target_is_directory=True)
        job = make_job(run, own, params_folder, here=here)
        made.append(replace(job, kernels=kernels.place()) if kernels else job)
    for outcome in run_jobs(made, jobs):
        own = scratch / f"{outcome.stage}-{outcome.key}"
        yield f"{outcome.stage}/{outcome.key}", RunStore(own).path(outcome.stage, outcome.key), outcome.error
