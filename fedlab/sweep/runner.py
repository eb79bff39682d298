"""Running a plan: stage by stage, runs side by side, what is there already left alone, failures kept and counted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from fedlab.sweep.changes import planned_node, settings
from fedlab.sweep.execute import Job, Outcome, end_with, execute
from fedlab.sweep.failures import note_failure
from fedlab.sweep.graph import STAGES, Plan, Run
from fedlab.sweep.kernels import COLD, KernelPlace, Kernels
from fedlab.sweep.remembered import forget_products
from fedlab.sweep.store import RunStore
from fedlab.sweep.stored import remembered

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
    cold : int
        Runs whose kernel was cold though a warm one was wanted.
    why_cold : str
        Why the first of them was.
    jobs : int
        How many runs at once.
    waiting : dict of str to int
        Runs of each stage still to execute, as far as is known before its turn.
    seconds : dict of str to list of float
        What each run executed now took, by stage.
    """

    total: int = 0
    done: int = 0
    cached: int = 0
    failed: int = 0
    skipped: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    cold: int = 0
    why_cold: str = ""
    jobs: int = 1
    waiting: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Runs that are neither done, cached, failed nor skipped."""
        return self.total - self.done - self.cached - self.failed - self.skipped


def run_plan(
    plan: Plan,
    folder: Path,
    jobs: int | None = None,
    watch: Watcher = lambda progress: None,
    kernels: Kernels | None = None,
    deadline: float | None = None,
    cluster: Any = None,
) -> Progress:
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
    kernels : Kernels, optional
        Where kernels come from; by default they are cold.
    deadline : float, optional
        Seconds that a run may take; by default what the params file says, where it says anything.
    cluster : distributed.Client, optional
        Where runs are executed (see `fedlab.sweep.cluster`); by default on this machine.

    Returns
    -------
    Progress
        The final counts, and the failures.
    """
    store = RunStore(folder)
    store.sweep_out()
    stages = plan.runs
    progress = Progress(total=sum(len(runs) for runs in stages.values()), jobs=_at_once(jobs, cluster))
    for stage, runs in stages.items():
        progress.waiting[stage] = sum(not store.path(stage, run.key).exists() for run in runs)
    lost: set[str] = set()
    limit = plan.sweep.deadline if deadline is None else deadline
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
        progress.waiting[stage] = len(wanted)
        watch(progress)
        # Workers of a cluster cannot fork from a process of this machine.
        place = kernels.place() if kernels and wanted and cluster is None else COLD
        if wanted:
            forget_products(folder)
        todo = [make_job(run, folder, plan.sweep.folder, place, limit, plan.here) for run in wanted]
        for outcome in run_jobs(todo, jobs, cluster):
            why_cold = outcome.why_cold or (kernels.why_cold if kernels else "")
            progress.cold += bool(why_cold)
            progress.why_cold = progress.why_cold or why_cold
            progress.waiting[stage] -= 1
            if outcome.error:
                failed = next(run for run in wanted if run.key == outcome.key)
                outcome = replace(outcome, parameters=settings(planned_node(failed)))
                progress.failed += 1
                progress.outcomes.append(outcome)
                note_failure(store, outcome)
                lost.add(outcome.key)
            else:
                progress.done += 1
                progress.seconds.setdefault(stage, []).append(outcome.seconds)
            watch(progress)
    if not progress.failed:
        _forget_failures(plan, store)
    return progress


def _forget_failures(plan: Plan, store: RunStore) -> None:
    """Remove what earlier failures of a plan's runs left; where no other params file is swept there, of any run."""
    if len(remembered(store.folder)) < 2:
        store.forget_failures()
    for runs in plan.runs.values():
        for run in runs:
            store.forget_failure(run.stage, run.key)


def make_job(
    run: Run,
    folder: Path,
    params_folder: Path,
    kernels: KernelPlace = COLD,
    deadline: float | None = None,
    here: Path | None = None,
) -> Job:
    """Return what a worker must know to execute a run; it may work in another folder than this process."""
    info = {
        "stage": run.stage,
        "key": run.key,
        "notebook": run.notebook.name,
        "key_parts": run.parts,
        "git_commit": git_commit(run.notebook.parent),
        "modules": run.modules,
    }
    inputs = {name: f"{source.stage}/{source.key}" for name, source in run.inputs.items()}
    places = dict.fromkeys([str(params_folder.resolve()), str(here or Path.cwd())])
    where = tuple(places)
    store, notebook = folder.resolve(), run.notebook.resolve()
    return Job(store, run.stage, run.key, notebook, run.parameters, inputs, info, where, run.files, kernels, deadline)


def run_jobs(jobs: list[Job], n_jobs: int | None, cluster: Any = None) -> Iterator[Outcome]:
    """Execute jobs side by side and yield each outcome as it comes.

    A worker process that is killed (for want of memory, most likely) takes the pool with it: what was not finished is
    then tried once more, one at a time, and counts as failed if that kills its worker again.
    """
    most = _at_once(n_jobs, cluster)
    if cluster is None:
        pool, most = _in_pool, min(most, len(jobs) or 1)
    else:
        from fedlab.sweep.cluster import on_cluster

        pool = partial(on_cluster, cluster)
    left = {(job.stage, job.key): job for job in jobs}
    for outcome in pool(jobs, most):
        left.pop((outcome.stage, outcome.key))
        yield outcome
    for job in left.values():
        killed = "the worker process was killed, most likely for want of memory; use a smaller --jobs"
        # With two jobs allowed, joblib runs the one in a process of its own and not in this one.
        yield next(pool([job], 2), Outcome(job.stage, job.key, 0.0, killed, "none", job.parameters))


def _in_pool(jobs: list[Job], n_jobs: int) -> Iterator[Outcome]:
    """Yield the outcomes of jobs until all are done or a worker is killed."""
    if not jobs:
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        parallel = Parallel(
            n_jobs=n_jobs,
            backend="loky",
            return_as="generator_unordered",
            batch_size=1,
            # From their first moment: a sweep may be killed before its workers have got a run.
            initializer=end_with,
            initargs=(os.getpid(),),
        )
        yield from parallel(delayed(execute)(job) for job in jobs)
    except BrokenProcessPool:
        return


def _at_once(jobs: int | None, cluster: Any) -> int:
    if cluster is None or jobs:
        return jobs or available_cores()
    from fedlab.sweep.cluster import threads

    return threads(cluster)


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
