"""Running a plan: stage by stage, runs side by side, what is there already left alone, failures kept and counted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fedlab.errors import FedlabError
from fedlab.sweep.execute import Job, Outcome, execute
from fedlab.sweep.graph import STAGES, Plan, Run
from fedlab.sweep.store import RunStore

Watcher = Callable[["Progress"], None]


@dataclass
class Progress:
    """How far a sweep is: the runs by what became of them.

    Attributes
    ----------
    total, done, cached, failed, skipped : int
        All runs; executed now; found in the store; failed; not tried since a run they need failed.
    outcomes : list of Outcome
        The failed runs.
    """

    total: int = 0
    done: int = 0
    cached: int = 0
    failed: int = 0
    skipped: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Runs that are neither done, cached, failed nor skipped."""
        return self.total - self.done - self.cached - self.failed - self.skipped


def run_plan(plan: Plan, folder: Path, jobs: int | None = None, watch: Watcher = lambda progress: None) -> Progress:
    """Execute what is missing of a plan.

    Parameters
    ----------
    plan : Plan
        The runs.
    folder : Path
        The sweep's folder, ``results/<sweep>``.
    jobs : int, optional
        How many runs at once; by default one per core.
    watch : callable, optional
        Called with the progress after every change.

    Returns
    -------
    Progress
        The final counts, and the failures.
    """
    store = RunStore(folder)
    store.sweep_out()
    stages = plan.runs
    progress = Progress(total=sum(len(runs) for runs in stages.values()))
    lost: set[str] = set()
    for stage in STAGES:
        wanted = []
        for run in stages[stage]:
            if store.holds(run.stage, run.key):
                progress.cached += 1
            elif any(source.key in lost for source in run.inputs.values()):
                progress.skipped += 1
                lost.add(run.key)
            else:
                wanted.append(run)
        watch(progress)
        for outcome in run_jobs([make_job(run, folder, plan.sweep.folder) for run in wanted], jobs):
            if outcome.error:
                progress.failed += 1
                progress.outcomes.append(outcome)
                lost.add(outcome.key)
            else:
                progress.done += 1
            watch(progress)
    return progress


def make_job(run: Run, folder: Path, params_folder: Path) -> Job:
    """Return what a worker must know to execute a run."""
    info = {
        "stage": run.stage,
        "key": run.key,
        "notebook": run.notebook.name,
        "key_parts": run.parts,
        "git_commit": git_commit(run.notebook.parent),
    }
    inputs = {name: f"{source.stage}/{source.key}" for name, source in run.inputs.items()}
    places = dict.fromkeys([str(params_folder.resolve()), str(Path.cwd())])
    return Job(folder.resolve(), run.stage, run.key, run.notebook, run.parameters, inputs, info, tuple(places))


def run_jobs(jobs: list[Job], n_jobs: int | None) -> Iterator[Outcome]:
    """Execute jobs side by side and yield each outcome as it comes.

    Raises
    ------
    FedlabError
        If a worker process itself dies, for instance for want of memory.
    """
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if not jobs:
        return
    n_jobs = min(n_jobs or available_cores(), len(jobs))
    try:
        parallel = Parallel(n_jobs=n_jobs, backend="loky", return_as="generator_unordered", batch_size=1)
        yield from parallel(delayed(execute)(job) for job in jobs)
    except TerminatedWorkerError as error:
        raise FedlabError(
            "a worker process was killed, most likely for want of memory; run again with a smaller --jobs: "
            f"finished runs are kept ({error})"
        ) from error


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def git_commit(folder: Path) -> str | None:
    """Return the commit that a folder is at, with ``+changes`` where files differ from it; None outside git."""
    if folder not in _COMMITS:
        _COMMITS[folder] = _git_commit(folder)
    return _COMMITS[folder]


_COMMITS: dict[Path, str | None] = {}


def _git_commit(folder: Path) -> str | None:
    def git(arguments: Iterable[str]) -> str:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        commit = git(["rev-parse", "HEAD"])
        return commit + ("+changes" if git(["status", "--porcelain", "--untracked-files=no"]) else "")
    except (OSError, subprocess.CalledProcessError):
        return None
