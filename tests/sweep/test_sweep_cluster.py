"""A sweep on a Dask cluster: a real scheduler, two worker processes, one killed in the middle, the same bytes."""

import os
import signal
import threading
import time

import pytest
from tests_sweep_stubs import all_runs

from fedlab.errors import FedlabError
from fedlab.sweep.cluster import connected, execute_apart, threads
from fedlab.sweep.collect import collect
from fedlab.sweep.graph import plan
from fedlab.sweep.params import parse_sweep
from fedlab.sweep.runner import make_job, run_plan
from fedlab.sweep.store import RunStore

CONTENT = {"n_shards": [2, 3], "rule": ["any", "soft"], "seed": 0}
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster():
    """Give a scheduler with two worker processes, each of which takes one run at a time."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, protocol="tcp") as made:
        yield made


def published(folder):
    """Return the bytes of all files of published runs that do not say when and where they were made."""
    left_out = {"run.json", "notebook.ipynb"}
    files = [path for path in (folder / "runs").glob("[!.]*/*/**/*") if path.is_file() and path.name not in left_out]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_killed_worker_changes_no_byte(cluster, stubs, tmp_path):
    """One of two workers is killed while it works: its run goes to another, and all files are those made here."""
    made = plan(parse_sweep(CONTENT), stubs)
    here, there = tmp_path / "here" / "sweep", tmp_path / "there" / "sweep"
    total = len(all_runs(made))
    assert run_plan(made, here, 2).done == total == 10
    with connected(cluster.scheduler_address) as client:
        assert threads(client) == 2
        victim = next(iter(client.run(os.getpid).values()))
        killed = threading.Event()

        def watch(progress):
            if progress.done >= 2 and not killed.is_set():
                killed.set()
                os.kill(victim, signal.SIGKILL)

        progress = run_plan(made, there, watch=watch, cluster=client)
        assert killed.is_set() and (progress.done, progress.failed) == (total, 0)
    assert published(there) == published(here) and len(published(here)) >= total
    collect(made, here), collect(made, there)
    for name in ("results.csv", "results.parquet"):
        assert (there / name).read_bytes() == (here / name).read_bytes()
    assert run_plan(made, there).cached == total
    assert not list((there / "runs" / ".unfinished").glob("*"))


def test_a_run_is_a_child_that_ends_with_its_worker(stubs, tmp_path):
    """A failed run is an outcome with its notebook; a child that is killed is one that says so."""
    made = plan(parse_sweep(CONTENT), stubs)
    (run,) = made.runs["partition"][:1]
    folder = tmp_path / "sweep"
    outcome = execute_apart(make_job(run, folder, tmp_path))
    assert not outcome.error and RunStore(folder).holds(run.stage, run.key)
    broken = make_job(run, tmp_path / "gone", tmp_path)
    broken.notebook.write_text("{")
    assert "changed" in execute_apart(broken).error or "JSON" in execute_apart(broken).error


def test_what_cannot_be_reached_is_said(cluster, monkeypatch):
    """No scheduler at the address, no such address, workers with other libraries: an error that says what to do."""
    from fedlab.sweep import cluster as module

    monkeypatch.setattr(module, "WAIT", 1.0)
    with pytest.raises(FedlabError, match=r"does not answer.*dask scheduler"), connected("tcp://127.0.0.1:9"):
        pass
    monkeypatch.setattr(module, "WAIT", 30.0)
    began = time.monotonic()
    with connected(cluster.scheduler_address) as client:
        own = client.run(os.getpid)
        monkeypatch.setattr(client, "run", lambda function: {worker: function() | {"numpy": "1.0"} for worker in own})
        with pytest.raises(FedlabError, match=r"numpy 1.0 instead of .*same lock file"):
            module._check_versions(client)
    assert time.monotonic() - began < 60
