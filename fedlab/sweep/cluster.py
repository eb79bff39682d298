"""Runs on a Dask cluster: dispatched by joblib's dask backend, each executed in a child process of a worker."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fedlab.errors import FedlabError
from fedlab.sweep.execute import Job, Outcome, end_with, execute
from fedlab.sweep.kernels import Kernels

WAIT = 60.0
"""Seconds in which a scheduler must answer, and a first worker come."""


@contextlib.contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """Connect to a Dask scheduler whose workers have the libraries that run keys name.

    Parameters
    ----------
    scheduler : str
        Its address, ``tcp://host:8786``.

    Yields
    ------
    distributed.Client

    Raises
    ------
    FedlabError
        If dask is not installed, the scheduler does not answer, no worker comes, or one has other versions.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise FedlabError("--scheduler needs dask: pip install 'fedlab-notebooks[cluster]'") from error
    try:
        client = Client(scheduler, timeout=WAIT, set_as_default=True)
    except (OSError, ValueError) as error:
        raise FedlabError(
            f"the scheduler {scheduler} does not answer ({error}); start it (dask scheduler) and give its address, "
            "tcp://host:8786"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT)
        except TimeoutError as error:
            raise FedlabError(
                f"the scheduler {scheduler} has no worker after {WAIT:.0f} s; start some: dask worker {scheduler}"
            ) from error
        _check_versions(client)
        yield client


def threads(client: Any) -> int:
    """Return how many runs the cluster's workers take at once."""
    return max(sum(client.nthreads().values()), 1)


def on_cluster(client: Any, jobs: list[Job], n_jobs: int) -> Iterator[Outcome]:
    """Execute jobs on a cluster and yield each outcome as it comes.

    A worker that is lost is replaced by another: Dask gives its run to the next one. A run that loses one worker
    after the other ends the iteration; what is left then has no outcome.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    jobs : list of Job
        All of their folders are seen by the workers under the same paths.
    n_jobs : int
        How many at once.

    Yields
    ------
    Outcome
    """
    from distributed import KilledWorker
    from joblib import Parallel, delayed, parallel_config

    if not jobs:
        return
    # A run is asked for once: Dask would otherwise take equal calls for one.
    with parallel_config(backend="dask", client=client, pure=False):
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
        asked = parallel(delayed(execute_apart)(job) for job in jobs)
    try:
        yield from asked
    except KilledWorker:
        return


def execute_apart(job: Job) -> Outcome:
    """Execute a run in a child process: a worker is a daemon with threads, and a run needs a process of its own."""
    code = f"from fedlab.sweep.cluster import child; child({os.getpid()})"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(job), capture_output=True)
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        told = f"the run's process on the worker ended with status {done.returncode}: {last}"[:500]
        return Outcome(job.stage, job.key, 0.0, told, "none", job.parameters)
    outcome: Outcome = pickle.loads(done.stdout)
    return outcome


def child(worker: int) -> None:
    """Execute the run that comes on standard input, and write its outcome to standard output."""
    end_with(worker)
    job = pickle.loads(sys.stdin.buffer.read())
    with Kernels(warm=False) as kernels:
        outcome = execute(replace(job, kernels=kernels.place()))
    sys.stdout.buffer.write(pickle.dumps(outcome))


def _check_versions(client: Any) -> None:
    """Refuse workers with other libraries: their results would stand under keys that name these."""
    from fedlab.sweep.keys import versions

    own = versions()
    for worker, theirs in client.run(versions).items():
        other = [name for name in own if theirs.get(name) != own[name]]
        if other:
            told = ", ".join(f"{name} {theirs.get(name)} instead of {own[name]}" for name in other[:5])
            raise FedlabError(
                f"worker {worker} has {told}; its results would not be those that are asked for: install the same lock "
                "file on all machines"
            )
