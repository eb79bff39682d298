"""papermill's traps: that each is still there, and that a sweep does not fall into it."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import papermill
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from tests_sweep_stubs import HELPERS, STUBS, write_notebook

from fedlab.errors import FedlabError
from fedlab.sweep.execute import Job, execute
from fedlab.sweep.graph import plan
from fedlab.sweep.params import parse_sweep
from fedlab.sweep.store import RunStore


def job(store, notebook, parameters, stage="vote", key="k"):
    """Return a job as the runner makes them."""
    return Job(store, stage, key, notebook, parameters, {}, {}, ())


@pytest.mark.slow
def test_numpy_scalars_arrive_as_numbers(tmp_path):
    """papermill writes np.int64(3) into the notebook as a text; through `execute` it is the number 3."""
    notebook = tmp_path / "types.ipynb"
    check = 'kinds = [type(x).__name__ for x in (a, b, c, d["e"])]\nwrite("record.json", {"kinds": kinds})'
    write_notebook(notebook, 'a = None\nb = None\nc = None\nd = None\nout_dir = ""', HELPERS, check)
    values = {"a": np.int64(3), "b": np.float64(0.5), "c": np.bool_(True), "d": {"e": np.int32(1)}}
    raw = parameterize_notebook(load_notebook_node(str(notebook)), values)
    injected = [cell.source for cell in raw.cells if "injected-parameters" in cell.metadata.tags]
    assert 'a = "3"' in injected[0]
    outcome = execute(job(tmp_path / "store", notebook, values))
    assert outcome.error == ""
    made = RunStore(tmp_path / "store").path("vote", "k") / "record.json"
    assert json.loads(made.read_text())["kinds"] == ["int", "float", "bool", "int"]


def test_a_misspelt_parameter_is_an_error(stubs, caplog):
    """papermill only warns of a parameter that the notebook lacks; a sweep refuses before any kernel starts."""
    notebook = stubs / "3_vote.ipynb"
    with caplog.at_level("WARNING", logger="papermill"):
        papermill.execute_notebook(notebook, None, parameters={"rull": "any"}, prepare_only=True, progress_bar=False)
    assert "Passed unknown parameter: rull" in caplog.text
    parameters, work = STUBS["3_vote.ipynb"]
    write_notebook(notebook, parameters.replace("rule = ", "rull = "), work)
    with pytest.raises(FedlabError, match="no parameter rule"):
        plan(parse_sweep({"n_shards": 2}), stubs)


@pytest.mark.slow
def test_an_output_notebook_after_a_kill_is_not_taken_for_a_finished_run(tmp_path):
    """Killed in its second cell, papermill's output is a valid notebook without an error; the store has no run."""
    notebook = tmp_path / "slow.ipynb"
    begin = 'open(os.path.join(out_dir, "begun"), "w").close()'
    write_notebook(notebook, 'out_dir = ""', HELPERS + begin, "time.sleep(60)", 'write("record.json", {})')

    output = tmp_path / "out.ipynb"
    words = f"{str(notebook)!r}, {str(output)!r}, {{'out_dir': {str(tmp_path)!r}}}"
    raw = f"import papermill; papermill.execute_notebook({words})"
    _kill_when(tmp_path / "begun", raw)
    left = json.loads(output.read_text())
    assert not any(o["output_type"] == "error" for c in left["cells"] for o in c.get("outputs", []))

    store = tmp_path / "store"
    ours = (
        "from pathlib import Path; from fedlab.sweep.execute import Job, execute\n"
        f"execute(Job(Path({str(store)!r}), 'vote', 'k', Path({str(notebook)!r}), {{}}, {{}}, {{}}, ()))"
    )
    _kill_when(store, ours, "runs/.unfinished/*/begun")
    assert not RunStore(store).holds("vote", "k") and not RunStore(store).path("vote", "k").exists()


def _kill_when(path, code, pattern=None):
    """Run code in a process group of its own and kill it with -9 once a file is there."""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (any(path.glob(pattern)) if pattern else path.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_output_appears_whole_or_not_at_all(tmp_path):
    """papermill writes its output in place, cell by cell; a run's folder appears by one rename, all in it."""
    notebook = tmp_path / "watched.ipynb"
    watched = tmp_path / "store" / "runs" / "vote"
    look = f'seen = os.path.exists({str(watched / "k")!r})\nwrite("record.json", {{"seen": seen}})'
    write_notebook(notebook, 'out_dir = ""', HELPERS, look)
    assert execute(job(tmp_path / "store", notebook, {})).error == ""
    assert json.loads((watched / "k" / "record.json").read_text())["seen"] is False
    outputs = json.loads((watched / "k" / "run.json").read_text())["outputs"]
    assert sorted(outputs) == ["notebook.ipynb", "record.json"]
    assert sorted(path.name for path in (watched / "k").iterdir()) == ["notebook.ipynb", "record.json", "run.json"]


@pytest.mark.slow
def test_a_run_notes_when_it_started_and_ended(tmp_path):
    """In UTC, to the second, around what it did; in `run.json` alone, of which no key is made."""
    notebook = tmp_path / "timed.ipynb"
    write_notebook(notebook, 'out_dir = ""', HELPERS, 'write("record.json", {})')
    before = datetime.now(UTC).replace(microsecond=0)
    assert execute(job(tmp_path / "store", notebook, {})).error == ""
    info = json.loads((tmp_path / "store" / "runs" / "vote" / "k" / "run.json").read_text())
    started, ended = (datetime.fromisoformat(info[name]) for name in ("started", "ended"))
    assert before <= started <= ended <= datetime.now(UTC)
    assert started.utcoffset() == ended.utcoffset() == timedelta(0) and info["started"].endswith("+00:00")
    assert len(info["ended"]) == len("2026-11-24T10:00:00+00:00")


@pytest.mark.slow
def test_braces_in_a_path_are_taken_as_they_are(tmp_path):
    """papermill would fill in `{name}` in paths."""
    folder = tmp_path / "{odd}"
    folder.mkdir()
    write_notebook(folder / "a.ipynb", 'out_dir = ""', HELPERS, 'write("record.json", {})')
    assert execute(job(folder / "store", folder / "a.ipynb", {})).error == ""
