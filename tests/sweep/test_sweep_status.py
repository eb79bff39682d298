"""Progress for other terminals: who lives, what runs, what is left, on what grounds; and what a live sweep forbids."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests_sweep_stubs import HELPERS, STUBS, all_runs, publish, write_notebook

from fedlab.cli import main
from fedlab.errors import FedlabError
from fedlab.files import write_json
from fedlab.sweep import runner, status
from fedlab.sweep.estimate import Estimate, estimate
from fedlab.sweep.execute import Outcome
from fedlab.sweep.failures import note_failure
from fedlab.sweep.graph import plan
from fedlab.sweep.kernels import Kernels
from fedlab.sweep.params import parse_sweep, read_sweep
from fedlab.sweep.runner import Progress, make_job, run_plan
from fedlab.sweep.status import PLACE, Reporter, in_use, process_mark, read_progress, status_lines
from fedlab.sweep.store import RunStore
from fedlab.sweep.stored import remember, remembered


def test_the_estimate_is_the_mean_of_the_stage_spread_over_the_jobs():
    """6 trainings at (2 + 4) / 2 s, two at once: 9 s; 8 votes as before at 1 s: 4 s."""
    progress = Progress(jobs=2, waiting={"partition": 0, "train": 6, "vote": 8}, seconds={"train": [2.0, 4.0]})
    found = estimate(progress, {"vote": [1.0, 1.0], "train": [100.0]})
    assert found.seconds == pytest.approx(13)
    basis = "6 train as the 2 done, 3.0 s each, 8 vote as the 2 of before, 1.0 s each, 2 at once"
    assert found.text() == f"about 13 s ({basis})"
    assert found.text(3) == f"about 10 s ({basis})"
    assert found.text(15) == f"longer than estimated by 2.0 s so far ({basis})"
    assert found.short() == "about 13 s"


def test_what_cannot_be_known_is_said():
    """Nothing finished: unknown; one stage of two: at least. A last run is not halved over two jobs."""
    nothing = estimate(Progress(jobs=2, waiting={"train": 6, "vote": 8}), {})
    assert nothing.text() == "unknown: no run of train or vote has finished yet" and nothing.short() == "unknown"
    some = estimate(Progress(jobs=2, waiting={"train": 1, "vote": 8}, seconds={"train": [3.0]}), {})
    assert some.seconds == pytest.approx(3) and some.short() == "at least 3.0 s"
    assert "no run of vote has finished yet" in some.text()
    assert Estimate.from_dict(some.as_dict()) == some


def test_a_process_is_known_by_its_start_not_by_its_number_alone(tmp_path):
    """This process lives; the same number with another start does not, nor one that ended, nor a zombie."""
    mark = process_mark(os.getpid())
    assert mark and mark == process_mark(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    deadline = time.monotonic() + 30
    while process_mark(child.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process_mark(child.pid) == ""  # ended and not waited for
    child.wait()
    assert process_mark(child.pid) == ""
    entry = {"state": "running", "host": status.platform.node(), "pid": os.getpid(), "began": 1.0, "written": 1.0}
    write_json(tmp_path / PLACE / "a.json", entry | {"process": mark})
    assert [found.lives for found in read_progress(tmp_path)] == [True]
    write_json(tmp_path / PLACE / "a.json", entry | {"process": "other/123"})
    assert [found.lives for found in read_progress(tmp_path)] == [False]
    said = status_lines(tmp_path)[0]
    assert "not running: killed" in said and f"process {os.getpid()}" in said


def test_a_process_on_another_machine_lives_while_it_is_heard_of(tmp_path):
    """It cannot be asked: what it wrote last, and when, is all there is."""
    entry = {"state": "running", "host": "elsewhere", "pid": os.getpid(), "process": "x", "began": 1.0}
    for age, lives in ((5, True), (600, False)):
        write_json(tmp_path / PLACE / "a.json", entry | {"written": time.time() - age})
        assert [found.lives for found in read_progress(tmp_path)] == [lives]


def test_the_file_is_written_at_most_once_a_second_and_ends_with_the_last_counts(tmp_path, monkeypatch):
    """A thousand changes at once are two or three writes; the last state is there at the end."""
    written = []
    monkeypatch.setattr(status, "write_json", lambda path, value: (written.append(path), write_json(path, value)))
    with Reporter(tmp_path, tmp_path / "small.yaml") as reporter:
        start = time.monotonic()
        for done in range(1001):
            reporter.watch(Progress(total=1000, done=done))
        took = time.monotonic() - start
    assert len(written) <= 4 + took
    (entry,) = read_progress(tmp_path)
    assert entry.content["state"] == "ended" and entry.content["done"] == 1000 and entry.content["left"] == 0


def test_what_killed_processes_left_is_not_read_and_goes(tmp_path):
    """A file half written is no progress; an old one is removed by the next sweep, a fresh one is let be."""
    place = tmp_path / PLACE
    place.mkdir()
    for name, age in (("old", 600), ("fresh", 0)):
        (place / f".tmp-{name}.json").write_text('{"state": "running"')
        os.utime(place / f".tmp-{name}.json", (time.time() - age,) * 2)
    assert read_progress(tmp_path) == []
    write_json(place / "dead-1.json", {"state": "running", "host": status.platform.node(), "pid": 1, "process": "x"})
    (place / "dead-1.runs").write_text("{}")
    with Reporter(tmp_path, tmp_path / "small.yaml"):
        left = {path.name for path in place.iterdir()}
    assert ".tmp-fresh.json" in left and not {".tmp-old.json", "dead-1.json", "dead-1.runs"} & left


def test_a_disk_that_is_full_does_not_end_the_sweep(tmp_path, monkeypatch):
    """What cannot be written is not written; nothing is raised."""

    def full(path, value):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(status, "write_json", full)
    with Reporter(tmp_path, tmp_path / "small.yaml") as reporter:
        reporter.watch(Progress(total=1))


def test_who_removes_must_be_alone_and_sweeps_need_not(tmp_path):
    """Two hold the folder; a third cannot have it alone; freed, it can."""
    refused = pytest.raises(FedlabError, match="a sweep runs in")
    with in_use(tmp_path), in_use(tmp_path), refused, in_use(tmp_path, alone=True):
        pass
    with in_use(tmp_path, alone=True), refused, in_use(tmp_path, alone=True):
        pass


def fedlab(tmp_path: Path, *words: str, exit_code: int = 0, typed: str | None = None) -> str:
    """Call `fedlab` on the results of a test and return what it prints."""
    done = CliRunner().invoke(main, [*map(str, words), "--results", str(tmp_path / "results")], input=typed)
    assert done.exit_code == exit_code, done.output
    return done.output


@pytest.fixture
def small(stubs: Path, tmp_path: Path) -> Path:
    """Give a params file of 2 cells, which is 10 runs."""
    (tmp_path / "small.yaml").write_text("n_shards: 2\nrule: soft\nseed: [0, 1]\n")
    return tmp_path / "small.yaml"


@pytest.mark.slow
def test_another_terminal_sees_a_sweep_and_its_death_and_removes_nothing_under_it(small, stubs, tmp_path, change):
    """Counts, the run under way with what tells it apart, the grounds of the estimate; after kill -9: not running."""
    change("3_vote.ipynb", "time.sleep(600)")
    words = [sys.executable, "-m", "fedlab.cli", "sweep", str(small), "--notebooks", str(stubs), "--jobs", "1"]
    process = subprocess.Popen([*words, "--results", str(tmp_path / "results")], start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        said = ""
        all_there = "8 done, 0 cached, 0 failed, 2 left of 10"
        while not (all_there in said and "  vote/" in said) and time.monotonic() < deadline:
            time.sleep(0.3)
            said = fedlab(tmp_path, "status") if (tmp_path / "results" / "small" / "runs").is_dir() else ""
        assert re.search(rf"small: running for .*process {process.pid} on", said), said
        assert all_there in said
        assert "left     unknown: no run of vote has finished yet" in said
        assert re.search(r"running +[\d.]+ s +vote/\w+ +seed=0\n", said)
        stored = next((tmp_path / "results" / "small" / "runs" / "train").iterdir()).name
        refused = fedlab(tmp_path, "rm", stored, "--yes", exit_code=2)
        assert "a sweep runs in" in refused
        other = tmp_path / "other.yaml"
        other.write_text("name: small\nn_shards: 7\n")
        stale = ("rm", "--stale", "small", "--yes", "-p", other, "--notebooks", stubs)
        assert "a sweep runs in" in fedlab(tmp_path, *stale, exit_code=2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    said = fedlab(tmp_path, "status", "small")
    assert "not running: killed" in said and f"process {process.pid}" in said and "running  " not in said
    fedlab(tmp_path, "rm", stored, "--yes")
    assert not (tmp_path / "results" / "small" / "runs" / "train" / stored).exists()


@pytest.fixture
def stored(small: Path, stubs: Path, tmp_path: Path) -> Path:
    """Give the folder of a sweep of 2 cells that was run, and two runs of a cell that is not wanted any more."""
    folder = tmp_path / "results" / "small"
    wider = plan(parse_sweep({"n_shards": 2, "rule": "soft", "seed": [0, 1, 2]}), stubs)
    publish(all_runs(wider), folder)
    remember(folder, small, stubs)
    return folder


def test_ls_shows_what_varies_and_what_is_wanted_and_adds_up_the_disk(stored, tmp_path):
    """A line per run; sizes are those of the files; 4 of 15 runs are of the seed that left the params file."""
    said = fedlab(tmp_path, "ls", "small")
    rows = [line for line in said.splitlines() if re.match(r"(partition|train|vote)/", line)]
    assert len(rows) == 15 and all(re.search(r"seed=[012]", row) for row in rows)
    assert all(("  no " in row) == ("seed=2" in row) for row in rows)
    runs = [path for path in (stored / "runs").rglob("*") if path.is_file() and path.name != "run.json"]
    total = sum(path.stat().st_size for path in runs)
    assert re.search(
        rf"total +15 runs +{total / 1024:.1f} KiB" if total >= 1024 else rf"total +15 runs +{total} B", said
    )
    assert re.search(r"train +6 runs", said) and re.search(r"small +15 runs", fedlab(tmp_path, "ls"))


def test_rm_stale_removes_what_no_params_file_wants_and_asks_first(stored, small, tmp_path):
    """Not with --dry-run, not on no; on yes the five runs of seed 2; wanted ones stay whole."""
    store = RunStore(stored)

    def count() -> int:
        return len(list(stored.glob("runs/[!.]*/*/run.json")))

    assert "vote/" in fedlab(tmp_path, "rm", "--stale", "small", "--dry-run") and count() == 15
    fedlab(tmp_path, "rm", "--stale", "small", typed="n\n", exit_code=1)
    assert count() == 15
    assert "removed  5 runs" in fedlab(tmp_path, "rm", "--stale", "small", typed="y\n")
    assert count() == 10 and all(store.holds(run.parent.name, run.name) for run in stored.glob("runs/[!.]*/*"))
    assert "all 10 runs are wanted" in fedlab(tmp_path, "rm", "--stale", "small", "--yes")
    assert not list((stored / "runs" / ".unfinished").iterdir())


def test_rm_stale_needs_to_know_all_params_files(stored, small, tmp_path, stubs):
    """Two params files share the folder: what either wants stays; one that is gone stops the removal."""
    other = tmp_path / "other.yaml"
    other.write_text("name: small\nn_shards: 2\nrule: soft\nseed: 2\n")
    remember(stored, other, stubs)
    assert "all 15 runs are wanted" in fedlab(tmp_path, "rm", "--stale", "small", "--yes")
    other.unlink()
    assert "is gone" in fedlab(tmp_path, "rm", "--stale", "small", "--yes", exit_code=2)
    assert "removed  5 runs" in fedlab(
        tmp_path, "rm", "--stale", "small", "--yes", "-p", str(small), "--notebooks", str(stubs)
    )
    shutil.rmtree(stored / ".params")
    assert "--params FILE" in fedlab(tmp_path, "rm", "--stale", "small", "--yes", exit_code=2)
    assert " ? " in fedlab(tmp_path, "ls", "small")


def test_named_params_files_keep_the_notebooks_that_they_were_swept_with(stored, small, stubs, tmp_path):
    """With -p alone the remembered ones, not the package's; --notebooks alone counts for all remembered files."""
    words = ("rm", "--stale", "small", "--dry-run")
    said = fedlab(tmp_path, *words, "-p", str(small))
    assert len(re.findall("^vote/", said, re.MULTILINE)) == 1
    other = tmp_path / "other"
    shutil.copytree(stubs, other)
    write_notebook(other / "3_vote.ipynb", STUBS["3_vote.ipynb"][0], HELPERS, "more = 1")
    said = fedlab(tmp_path, *words, "--notebooks", str(other))
    assert len(re.findall("^vote/", said, re.MULTILINE)) == 3


def test_own_code_is_looked_for_where_the_sweep_was_started(stubs, tmp_path, monkeypatch):
    """A rule in the folder that the sweep was started in is wanted as it was, whatever the folder is now."""
    start, params, folder = tmp_path / "start", tmp_path / "asked" / "own.yaml", tmp_path / "results" / "own"
    for place in (start, params.parent):
        place.mkdir()
    (start / "started_rules.py").write_text("def rule(ballots):\n    return ballots.probabilities\n")
    params.write_text("n_shards: 2\nrule: started_rules:rule\n")
    monkeypatch.chdir(start)
    monkeypatch.syspath_prepend(start)
    publish(all_runs(plan(read_sweep(params), stubs)), folder)
    remember(folder, params, stubs)
    monkeypatch.chdir(tmp_path)
    assert "all 5 runs are wanted" in fedlab(tmp_path, "rm", "--stale", "own", "--dry-run")


def test_sweeps_at_the_same_time_are_both_remembered(stubs, tmp_path, monkeypatch):
    """One that writes while another does so loses nothing; entries of an older folder count too."""
    from fedlab.sweep import stored as module

    one, two, old = (tmp_path / f"{name}.yaml" for name in ("one", "two", "old"))
    write_json(tmp_path / ".params.json", [{"params": str(old), "notebooks": str(stubs), "folder": str(tmp_path)}])
    write = module.write_json

    def meanwhile(path, entry):
        monkeypatch.setattr(module, "write_json", write)
        remember(tmp_path, two, stubs)
        write(path, entry)

    monkeypatch.setattr(module, "write_json", meanwhile)
    remember(tmp_path, one, stubs)
    assert {swept.params for swept in remembered(tmp_path)} == {one, two, old}


def test_a_worker_finds_the_notebook_from_any_folder(stubs, tmp_path, monkeypatch):
    """Notebooks given relative to the working folder travel as an absolute path."""
    monkeypatch.chdir(tmp_path)
    (run, *_) = all_runs(plan(parse_sweep({"n_shards": 2}), Path(stubs.name)))
    assert make_job(run, tmp_path, tmp_path).notebook == stubs.resolve() / run.notebook.name


def test_retry_names_no_option_that_it_lacks(stored, small, tmp_path):
    """Where the params file is gone, the remedy is one that can be followed."""
    note_failure(RunStore(stored), Outcome("vote", "0" * 20, 1.0, "failed"))
    small.unlink()
    said = fedlab(tmp_path, "retry", "small", exit_code=2)
    assert "is gone; put it back" in said and "--params" not in said


def test_rm_of_keys_is_exact(stored, tmp_path):
    """A key goes, others stay; an unknown one, or neither keys nor --stale, is refused."""
    runs = sorted(path.name for path in (stored / "runs" / "vote").iterdir())
    assert "removed  1 run\n" in fedlab(tmp_path, "rm", f"vote/{runs[0]}", "--yes")
    assert sorted(path.name for path in (stored / "runs" / "vote").iterdir()) == runs[1:]
    assert "answers to" in fedlab(tmp_path, "rm", runs[0], "--yes", exit_code=2)
    assert "not both" in fedlab(tmp_path, "rm", "--yes", exit_code=2)


@pytest.mark.slow
def test_retry_runs_what_failed_and_what_waited_for_it_alone(small, stubs, tmp_path):
    """One training of two fails for want of a file; with it there, that run and its vote are run, nothing else."""
    flag = tmp_path / "flag"
    parameters, work = STUBS["2_train.ipynb"]
    broken = f'if read(shards, "partition.json")["seed"] == 1 and not os.path.exists({str(flag)!r}): 1 / 0'
    write_notebook(stubs / "2_train.ipynb", parameters, HELPERS, broken, work)
    first = fedlab(tmp_path, "sweep", str(small), "--notebooks", str(stubs), "--no-figures", exit_code=1)
    assert "2 failed, 1 skipped" in first
    said = fedlab(tmp_path, "status", "small")
    assert "2 failed" in said and "seed=1" in said and "ZeroDivisionError: division by zero" in said
    kept = re.findall(r"traceback: (\S+)", said)
    assert len(kept) == 2 and all(Path(path).is_file() for path in kept)
    # Another run is missing too: it is none of retry's business.
    vote = next((tmp_path / "results" / "small" / "runs" / "vote").iterdir()).name
    fedlab(tmp_path, "rm", f"vote/{vote}", "--yes")
    flag.touch()
    again = fedlab(tmp_path, "retry", "small", "--no-figures")
    assert "3 done, 2 cached, 0 failed, 0 left" in again and "1 of 2 cells" in again
    assert "no run has failed" in fedlab(tmp_path, "retry", "small")
    assert not (tmp_path / "results" / "small" / "failed").exists()
    assert [swept.params for swept in remembered(tmp_path / "results" / "small")] == [small]


def left_by(run, folder: Path) -> bool:
    """Say whether something of a run's failure is there."""
    return any((folder / "failed").glob(f"{run.stage}-{run.key}*"))


def test_a_whole_sweep_forgets_its_own_failures_not_those_of_another_params_file(stubs, tmp_path):
    """Two params files share a folder: the end of one keeps what failed of the other; alone it forgets all."""
    own, other = (plan(parse_sweep({"n_shards": n}), stubs) for n in (2, 3))
    publish(all_runs(own), tmp_path)
    one, two = own.votes[0], other.votes[0]
    for name in ("one", "two"):
        remember(tmp_path, tmp_path / f"{name}.yaml", stubs)
    for run in (one, two):
        note_failure(RunStore(tmp_path), Outcome(run.stage, run.key, 1.0, "failed"))
    assert run_plan(own, tmp_path).cached == 5
    assert not left_by(one, tmp_path) and left_by(two, tmp_path)
    shutil.rmtree(tmp_path / ".params")
    run_plan(own, tmp_path)
    assert not left_by(two, tmp_path)


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_stops_nothing(tmp_path, monkeypatch, reason):
    """A sweep goes on without the lock; who must be alone goes by the progress files."""
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(fcntl, "flock", refuse)
    entered = []
    for alone in (False, True):
        with in_use(tmp_path, alone):
            entered.append(alone)
    assert entered == [False, True]


def test_no_kernels_are_placed_here_for_runs_on_a_cluster(stubs, tmp_path, monkeypatch):
    """No warm template is started on this machine for what other machines execute."""
    placed = []

    class Placing(Kernels):
        def place(self):
            placed.append(1)
            return super().place()

    monkeypatch.setattr(runner, "run_jobs", lambda jobs, *_: iter(()))
    made = plan(parse_sweep({"n_shards": 2}), stubs)
    with Placing(warm=False) as kernels:
        run_plan(made, tmp_path, 1, kernels=kernels, cluster=object())
        assert not placed
        run_plan(made, tmp_path, 1, kernels=kernels)
        assert placed
