"""Running a sweep: caching, failures, kill and resume, two at once, the same bytes for any number of jobs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from fedlab.cli import main
from fedlab.files import read_json
from fedlab.sweep.store import RunStore

GRID = "n_shards: [2, 3]\nrule: [any, soft]\nseed: [0, 1]\n"  # 8 cells; 6 partitions, 6 trainings, 8 votes


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """Give a params file of 8 cells, which is 20 runs."""
    path = tmp_path / "small.yaml"
    path.write_text(GRID)
    return path


def command(params: Path, stubs: Path, results: Path, *more: str) -> list[str]:
    """Return the words of a `fedlab sweep` call."""
    return ["sweep", str(params), "--notebooks", str(stubs), "--results", str(results), *more]


def sweep(params: Path, stubs: Path, results: Path, *more: str):
    """Call `fedlab sweep` in this process."""
    return CliRunner().invoke(main, command(params, stubs, results, *more), catch_exceptions=False)


def start(params: Path, stubs: Path, results: Path, *more: str) -> subprocess.Popen:
    """Start `fedlab sweep` as a process group of its own."""
    words = [sys.executable, "-m", "fedlab.cli", *command(params, stubs, results, *more)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def published(results: Path) -> int:
    """Count the published runs of the sweep."""
    return len(list((results / "small" / "runs").glob("[!.]*/*/run.json")))


@pytest.mark.slow
def test_runs_are_executed_once_and_a_change_runs_only_what_it_touches(params, stubs, tmp_path, change):
    """The second call finds all runs; another vote notebook runs the votes alone."""
    results = tmp_path / "results"
    first = sweep(params, stubs, results)
    assert first.exit_code == 0, first.output
    assert "20 done, 0 cached, 0 failed, 0 left" in first.output
    assert "8 of 8 cells" in first.output and (results / "small" / "figures" / "one.svg").is_file()
    table = (results / "small" / "results.csv").read_bytes()
    assert table.splitlines()[0].startswith(b"sweep,data,holdout,scheme,n_shards")
    again = sweep(params, stubs, results)
    assert "0 done, 20 cached, 0 failed, 0 left" in again.output
    assert (results / "small" / "results.csv").read_bytes() == table
    dry = sweep(params, stubs, results, "--dry-run")
    assert "8 cells, 20 runs: 20 cached, 0 to run" in dry.output
    change("3_vote.ipynb", "changed = 1")
    dry = sweep(params, stubs, results, "--dry-run")
    assert "12 cached, 8 to run" in dry.output and dry.output.count("to run  vote") == 8
    assert published(results) == 21  # and the run of the figures


@pytest.mark.slow
def test_a_failed_run_stops_only_what_needs_it(params, stubs, tmp_path, change):
    """The others go on; the table of failures names the notebook with the traceback; mended, only the rest runs."""
    results = tmp_path / "results"
    change("2_train.ipynb", 'if read(shards, "partition.json")["n_shards"] == 3: raise ValueError("three is too many")')
    done = sweep(params, stubs, results)
    assert done.exit_code == 1
    assert "14 done, 0 cached, 2 failed, 4 skipped, 0 left" in done.output
    assert "ValueError: three is too many" in done.output and "4 of 8 cells" in done.output
    kept = sorted((results / "small" / "failed").glob("train-*.ipynb"))
    assert len(kept) == 2 and "three is too many" in kept[0].read_text()
    assert str(kept[0]) in done.output
    again = sweep(params, stubs, results)
    assert again.exit_code == 1 and "0 done, 14 cached, 2 failed, 4 skipped" in again.output
    change("2_train.ipynb", "mended = 1")
    mended = sweep(params, stubs, results)
    assert mended.exit_code == 0 and "14 done, 6 cached" in mended.output
    assert len((results / "small" / "results.csv").read_text().splitlines()) == 9


@pytest.mark.slow
def test_a_notebook_that_ends_without_its_outcome_has_failed(params, stubs, tmp_path, change):
    """sys.exit(0) in a cell looks like success to papermill; here the missing file tells."""
    change("1_partition.ipynb", "import sys\nsys.exit(0)")
    done = sweep(params, stubs, tmp_path / "results", "--no-figures")
    assert done.exit_code == 1 and "without writing partition.json" in done.output


@pytest.mark.slow
def test_a_kernel_that_dies_is_a_failed_run(params, stubs, tmp_path, change):
    """The sweep goes on and says what happened, though there is no notebook to look at."""
    change("3_vote.ipynb", 'if rule == "any": os._exit(3)')
    done = sweep(params, stubs, tmp_path / "results", "--no-figures")
    assert done.exit_code == 1 and "4 of 8 cells" in done.output and "ended with exit status 3" in done.output


@pytest.mark.slow
def test_a_killed_sweep_resumes_with_what_is_missing(params, stubs, tmp_path, change):
    """kill -9 at several moments: nothing half published, finished runs kept, the end as if undisturbed."""
    change("2_train.ipynb", "time.sleep(0.3)")
    undisturbed = tmp_path / "undisturbed"
    assert sweep(params, stubs, undisturbed).exit_code == 0
    results = tmp_path / "results"
    for at_least in (1, 5, 9, 14):
        process = start(params, stubs, results)
        deadline = time.monotonic() + 120
        while published(results) < at_least and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        held = published(results)
        assert at_least <= held < 21
        store = RunStore(results / "small")
        runs = [path.parent for path in (results / "small" / "runs").glob("[!.]*/*/run.json")]
        assert all(store.holds(run.parent.name, run.name) for run in runs)
        assert all((run / "run.json").exists() for run in (results / "small" / "runs").glob("[!.]*/*"))
    last = sweep(params, stubs, results)
    assert last.exit_code == 0 and f"{20 - held} done, {held} cached, 0 failed, 0 left" in last.output
    for name in ("results.csv", "figures/one.svg"):
        assert (results / "small" / name).read_bytes() == (undisturbed / "small" / name).read_bytes()
    assert not list((results / "small" / "runs" / ".unfinished").glob("*"))


@pytest.mark.slow
def test_two_sweeps_at_once_do_no_harm(params, stubs, tmp_path):
    """Both end well, and the table is the one of a sweep alone."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert sweep(params, stubs, alone).exit_code == 0
    both = [start(params, stubs, together, "--jobs", "1") for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert (together / "small" / "results.csv").read_bytes() == (alone / "small" / "results.csv").read_bytes()


@pytest.mark.slow
def test_a_damaged_run_is_run_again(params, stubs, tmp_path):
    """A published run whose file is gone or cut short is not taken for whole."""
    results = tmp_path / "results"
    assert sweep(params, stubs, results).exit_code == 0
    run = next((results / "small" / "runs" / "vote").iterdir())
    (run / "record.json").write_text("{")
    again = sweep(params, stubs, results)
    assert again.exit_code == 0 and "1 done, 19 cached" in again.output
    assert read_json(run / "record.json")["n_shards"] in (2, 3)


def test_misuse_is_one_message_with_exit_status_2(tmp_path):
    """A missing or wrong params file: what is wrong, no traceback."""
    runner = CliRunner()
    gone = runner.invoke(main, ["sweep", "quik"])
    assert gone.exit_code == 2 and "did you mean 'quick'" in gone.output
    bad = tmp_path / "bad.yaml"
    bad.write_text("n_shards: 0\n")
    wrong = runner.invoke(main, ["sweep", str(bad)])
    assert wrong.exit_code == 2 and "n_shards is 0" in wrong.output and "Traceback" not in wrong.output


def test_the_list_command_names_what_params_files_may_use():
    """Every registry is listed."""
    said = CliRunner().invoke(main, ["list"]).output
    for name in ("nhefs", "dirichlet", "random_forest", "skops", "majority"):
        assert name in said
    assert CliRunner().invoke(main, ["list", "formats"]).output == "formats: compact, joblib, pkl, skops\n"


@pytest.mark.slow
def test_a_killed_worker_costs_its_own_run_only(params, stubs, tmp_path, change):
    """A run that kills its worker process, as the system does for want of memory, fails; all others are done."""
    worker = 'int(os.environ["JPY_PARENT_PID"])'
    change("3_vote.ipynb", f'import signal\nif rule == "any" and seed == 1: os.kill({worker}, signal.SIGKILL)')
    process = start(params, stubs, tmp_path / "results", "--jobs", "2", "--no-figures")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 1, said
    assert "worker process was killed" in said and "6 of 8 cells" in said


@pytest.mark.slow
def test_a_file_that_changes_under_a_running_sweep_is_not_published(stubs, tmp_path, change):
    """The key names the file as it was; a kernel may have read it as it is now."""
    (tmp_path / "moving_rules.py").write_text("def rule(ballots):\n    return ballots.probabilities.mean(axis=0)\n")
    (tmp_path / "small.yaml").write_text('n_shards: 2\nrule: "moving_rules:rule"\n')
    change("3_vote.ipynb", f"open({str(tmp_path / 'moving_rules.py')!r}, 'a').write('# changed')")
    process = start(tmp_path / "small.yaml", stubs, tmp_path / "results", "--no-figures")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1 and "was changed while the run was executing" in said, said


@pytest.mark.slow
def test_a_notebook_that_is_edited_under_its_run_is_not_published(stubs, tmp_path, change):
    """The key names its cells as they were when the sweep began."""
    (tmp_path / "small.yaml").write_text("n_shards: 2\n")
    edited = str(stubs / "3_vote.ipynb")
    edit = f'text = open({edited!r}).read()\nopen({edited!r}, "w").write(text.replace("changed = 1", "changed = 2"))'
    change("3_vote.ipynb", f"changed = 1\n{edit}")
    process = start(tmp_path / "small.yaml", stubs, tmp_path / "results", "--no-figures")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1 and "the notebook was changed while the run was executing" in said, said
    assert not (tmp_path / "results" / "small" / "runs" / "vote").exists()
