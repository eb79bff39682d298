"""When things go wrong with a sweep: each is made to happen, and nothing is half published, lost or left behind."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from processes import alive, marked, wait_until
from tests_sweep_stubs import HELPERS, STUBS, write_notebook

from fedlab.cli import main
from fedlab.files import atomic_path, lock, locked_folder, remove_unlocked, unlock
from fedlab.sweep import ends
from fedlab.sweep.execute import Job, Outcome, execute
from fedlab.sweep.kernels import COLD, KernelPlace, Kernels, _short_folder
from fedlab.sweep.params import parse_sweep
from fedlab.sweep.store import RunStore

LINUX = sys.platform == "linux"
linux = pytest.mark.skipif(not LINUX, reason="needs /proc")


@pytest.fixture(scope="module", params=["warm", "cold"])
def place(request) -> Iterator[KernelPlace]:
    """Give kernels of either kind."""
    if request.param == "warm" and not LINUX:
        pytest.skip("warm kernels need Linux")
    with Kernels(request.param == "warm") as kernels:
        yield kernels.place()


@pytest.fixture(autouse=True)
def little_grace(monkeypatch) -> None:
    """Do not wait long for a hung kernel to hear an interrupt."""
    monkeypatch.setattr(ends, "GRACE", 1.0)


def run(tmp_path: Path, place: KernelPlace, *cells: str, deadline: float | None = None, tags=()) -> Outcome:
    """Execute one run whose notebook has these cells."""
    notebook = tmp_path / "notebook.ipynb"
    write_notebook(notebook, 'out_dir = ""', HELPERS, *cells, 'write("record.json", {})')
    content = json.loads(notebook.read_text())
    for number in tags:
        content["cells"][number]["metadata"]["tags"] = ["figure"]
    notebook.write_text(json.dumps(content))
    outcome = execute(Job(tmp_path / "store", "vote", "k", notebook, {}, {}, {}, kernels=place, deadline=deadline))
    published = RunStore(tmp_path / "store").holds("vote", "k")
    assert published == (not outcome.error)
    assert not list((tmp_path / "store" / "runs" / ".unfinished").iterdir())
    assert not outcome.why_cold
    return outcome


# A kernel that hears no interrupt: in C code that holds the interpreter's lock for good.
STUCK = """
import ctypes, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
open({!r}, "w").write(str(os.getpid()))
ctypes.PyDLL(None).pause()
"""
HANGS = {
    "sleeps": ("open({!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)", "KeyboardInterrupt"),
    "in C code": (STUCK, None),
    "answers no more": (
        "import threading, signal\nopen({!r}, 'w').write(str(os.getpid()))\nos.kill(os.getpid(), signal.SIGSTOP)",
        None,
    ),
}


@pytest.mark.parametrize("kind", HANGS)
def test_a_run_past_its_deadline_is_ended(tmp_path, place, kind):
    """Asleep, stuck in C code, stopped: failed, with the cell's name; its kernel is gone; nothing is published."""
    source, shown = HANGS[kind]
    number = tmp_path / "kernel"
    outcome = run(tmp_path, place, source.format(str(number)), deadline=4)
    assert "not done after 4 seconds, its deadline" in outcome.error and "ended in cell 5 (" in outcome.error
    if LINUX:
        assert not alive(int(number.read_text()))
    if shown:
        assert shown in Path(outcome.notebook).read_text()
    assert Path(outcome.notebook).is_file()


def test_a_run_within_its_deadline_is_as_without(tmp_path, place):
    """The limit is not felt by those that keep it."""
    assert run(tmp_path, place, "x = 1", deadline=100).error == ""


def test_a_kernel_killed_for_memory_is_named_as_such(tmp_path, place):
    """What the system does to a process that wants too much: SIGKILL."""
    outcome = run(tmp_path, place, "import signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert (
        "SIGKILL" in outcome.error and "want of memory" in outcome.error and "cell 5 (import signal)" in outcome.error
    )
    ended = run(tmp_path, place, "import signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert "SIGSEGV" in ended.error and "memory" not in ended.error


PICTURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


def test_a_figure_cell_without_a_figure_has_failed(tmp_path, place):
    """pyplot imported with another backend than the notebook's shows nothing and says nothing."""
    early = "import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot\nimport warnings\n"
    early += "warnings.simplefilter('ignore')"
    assert run(tmp_path, place, early, PICTURE).error == ""
    (tmp_path / "2").mkdir()
    outcome = run(tmp_path / "2", place, early, PICTURE, tags=[4])
    assert "cell 6 (import matplotlib.pyplot as plt) is tagged 'figure' and shows none" in outcome.error
    (tmp_path / "3").mkdir()
    assert run(tmp_path / "3", place, "x = 1", PICTURE, tags=[4]).error == ""


def small_files_only() -> None:
    """Let this process write no file of more than 20 kB: the same error as a disk that is full, at any write."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.skipif(os.name != "posix", reason="needs resource limits")
def test_a_full_disk_publishes_nothing(tmp_path):
    """Neither where the notebook's own file, nor where the executed notebook, nor where its copy cannot be written."""
    for cell in ("open(out_dir + '/big', 'wb').write(bytes(30_000))", "print('x' * 30_000)"):
        code = (
            f"import sys; sys.path[:0] = {[str(place) for place in Path(__file__).parents[:2]]!r}\n"
            "from pathlib import Path\nimport test_sweep_robust as t\n"
            "import papermill, nbclient, fedlab.sweep.prompt, fedlab.sweep.ends\n"
            f"t.small_files_only()\nprint(t.run(Path(sys.argv[1]), t.COLD, {cell!r}))"
        )
        words = [sys.executable, "-B", "-c", code, str(tmp_path)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        assert "File too large" in done.stdout, done.stdout + done.stderr


def words_of(params: Path, stubs: Path, results: Path, *more: str) -> list[str]:
    """Return the words of a `fedlab sweep` call."""
    words = ["sweep", str(params), "--notebooks", str(stubs), "--results", str(results)]
    return [sys.executable, "-m", "fedlab.cli", *words, "--jobs", "2", *more]


def start(words: list[str], **env: str) -> subprocess.Popen:
    """Start a command in a session of its own."""
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | env,
    )


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """Give a params file of 8 cells, which is 20 runs."""
    path = tmp_path / "small.yaml"
    path.write_text("data: {name: synthetic, n_rows: 60}\nn_shards: [2, 3]\nrule: [any, soft]\nseed: [0, 1]\n")
    return path


def made(results: Path) -> dict[str, bytes]:
    """Return every file that a sweep made, without what says when, where and how long (pages of notebooks too)."""
    left_out = {"run.json", "timings.csv", "notebook.ipynb", "report.html", "sweep.json", ".plan.json", ".made.json"}
    files = [path for path in results.rglob("*") if path.is_file() and path.name not in left_out]
    files = [path for path in files if path.parent.name not in (".progress", "notebooks")]
    return {str(path.relative_to(results)): path.read_bytes() for path in files}


def whole(results: Path) -> int:
    """Count the published runs, each of which is whole."""
    store = RunStore(results / "small")
    folders = list((results / "small" / "runs").glob("[!.]*/*"))
    assert all(store.holds(folder.parent.name, folder.name) for folder in folders)
    return len(folders)


def scratch(results: Path) -> list[Path]:
    """Return what a sweep may leave behind, in its own folder and in the one for sockets."""
    own = [*results.glob("small/.tmp-*"), *results.glob("small/failed/*"), *results.glob("small/runs/.unfinished/*")]
    return own + [folder for folder in Path(_short_folder()).glob("fedlab-s????????") if free(folder)]


def free(folder: Path) -> bool:
    """Say whether no living process holds a folder."""
    handle = lock(folder)
    unlock(handle)
    return handle is not None


def kill_again_and_again(stubs: Path, tmp_path: Path, grid: str, kills: int, seed: int, *more: str) -> None:
    """Kill a sweep's runner with -9 at random moments, resume, and compare the end with an undisturbed sweep."""
    params = tmp_path / "small.yaml"
    params.write_text("data: {name: synthetic, n_rows: 60}\nn_shards: 2\n" + grid)
    chance = random.Random(seed)
    undisturbed, results = tmp_path / "undisturbed", tmp_path / "killed"
    begun = time.monotonic()
    done = start(words_of(params, stubs, undisturbed, *more))
    said, _ = done.communicate(timeout=300)
    assert done.returncode == 0, said
    longest = time.monotonic() - begun
    mark = f"MARK_{os.urandom(8).hex()}"
    for _ in range(kills):
        process = start(words_of(params, stubs, results, *more), **{mark: "1"})
        try:
            process.communicate(timeout=chance.uniform(0, longest))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        else:
            assert process.returncode == 0
            # All done: take some runs away, so that there is something to do.
            published = sorted((results / "small" / "runs").glob("[!.]*/*"))
            for folder in chance.sample(published, len(published) // 2):
                shutil.rmtree(folder)
        assert wait_until(lambda: not marked(mark)), marked(mark)
        whole(results)
    last = start(words_of(params, stubs, results, *more))
    said, _ = last.communicate(timeout=300)
    assert last.returncode == 0, said
    assert made(results) == made(undisturbed) and whole(results) == whole(undisturbed)
    assert not scratch(results)


@linux
@pytest.mark.parametrize("kind", ["--warm", pytest.param("--cold", marks=pytest.mark.slow)])
def test_a_sweep_killed_at_a_few_moments_ends_as_an_undisturbed_one(stubs, tmp_path, kind):
    """The same bytes; no process, temporary file, scratch folder or socket is left."""
    kill_again_and_again(stubs, tmp_path, "rule: any\n", 4, 1, kind)


@linux
@pytest.mark.slow
def test_a_sweep_killed_at_fifty_moments_ends_as_an_undisturbed_one(stubs, tmp_path):
    """The same bytes; no process, temporary file, scratch folder or socket is left."""
    kill_again_and_again(stubs, tmp_path, "rule: [any, soft]\n", 50, 2)


@linux
@pytest.mark.parametrize(
    ("number", "jobs", "status"),
    [
        (signal.SIGTERM, "2", 143),
        pytest.param(signal.SIGTERM, "1", 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "1", 130, marks=pytest.mark.slow),
    ],
)
def test_a_batch_queue_that_ends_a_sweep_loses_nothing_that_is_done(
    params, stubs, tmp_path, change, number, jobs, status
):
    """SIGTERM, Ctrl-C: exit status, how to go on, finished runs kept, kernels and template gone though one hangs."""
    change("3_vote.ipynb", STUCK.format(str(tmp_path / "kernel")))
    mark = f"MARK_{os.urandom(8).hex()}"
    process = start(words_of(params, stubs, tmp_path / "results", "--jobs", jobs), **{mark: "1"})
    assert wait_until((tmp_path / "kernel").exists, 120)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == status and "the same command goes on from here" in said, said
    assert wait_until(lambda: not marked(mark)), marked(mark)
    assert whole(tmp_path / "results") == 12
    assert not [path for path in scratch(tmp_path / "results") if path.parent != Path(_short_folder())]


@linux
def test_a_hung_cold_kernel_dies_with_a_killed_runner(params, stubs, tmp_path, change):
    """One job, so that the runner is the kernel's manager; stuck in C, the kernel cannot notice by itself."""
    change("1_partition.ipynb", STUCK.format(str(tmp_path / "kernel")))
    words = words_of(params, stubs, tmp_path / "results", "--cold")
    process = start([*words[:-3], "--jobs", "1", "--cold"])
    assert wait_until((tmp_path / "kernel").exists, 120)
    process.kill()
    process.communicate()
    assert wait_until(lambda: not alive(int((tmp_path / "kernel").read_text())), 10)


@pytest.mark.slow
def test_a_deadline_and_a_vanished_notebook_cost_their_own_runs_only(params, stubs, tmp_path, change):
    """A deadline in the params file fails one run; a notebook deleted under the sweep fails those that need it."""
    params.write_text(params.read_text() + "deadline: 5\n")
    slow = "if n_shards == 3 and seed == 1: time.sleep(600)"
    change(
        "1_partition.ipynb",
        f"if n_shards == 2: os.path.exists({str(stubs / '3_vote.ipynb')!r}) and "
        f"os.remove({str(stubs / '3_vote.ipynb')!r})\n{slow}",
    )
    process = start(words_of(params, stubs, tmp_path / "results", "--no-figures"))
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 1 and "not done after 5 seconds" in said, said
    assert "7 failed, 3 skipped" in said and "No such file" in said, said
    parameters, work = STUBS["3_vote.ipynb"]
    (stubs / "3_vote.ipynb").write_text('{"cells": [')
    broken = CliRunner().invoke(main, words_of(params, stubs, tmp_path / "results")[3:])
    assert broken.exit_code == 2 and "is not a notebook" in broken.output and "Traceback" not in broken.output
    write_notebook(stubs / "3_vote.ipynb", parameters, HELPERS, work)
    change("1_partition.ipynb", "")
    mended = start(words_of(params, stubs, tmp_path / "results", "--no-figures"))
    said, _ = mended.communicate(timeout=200)
    assert mended.returncode == 0, said


def test_a_deadline_is_a_positive_number_and_no_part_of_a_key():
    """What is no number of seconds is refused; cells are the same with and without."""
    for wrong in (0, -1, "soon", True, float("nan")):
        with pytest.raises(Exception, match=r"deadline is .*give the seconds"):
            parse_sweep({"n_shards": 2, "deadline": wrong})
    assert parse_sweep({"n_shards": 2, "deadline": 60}).cells == parse_sweep({"n_shards": 2}).cells


JUMPING = """
import random, time
_now, _chance = time.time, random.Random(3)
time.time = lambda: _now() + _chance.choice([-1e6, 0, 1e5])
"""


@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing(params, stubs, tmp_path):
    """Back by days and on again, in every process of a sweep: the same bytes, and cached the next time."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(JUMPING)
    path = os.pathsep.join([str(tmp_path / "path"), *filter(None, [os.environ.get("PYTHONPATH")])])
    for results, env in (("steady", {}), ("jumping", {"PYTHONPATH": path})):
        process = start(words_of(params, stubs, tmp_path / results), **env)
        said, _ = process.communicate(timeout=200)
        assert process.returncode == 0, said
    assert made(tmp_path / "jumping") == made(tmp_path / "steady")
    again = start(words_of(params, stubs, tmp_path / "jumping"), PYTHONPATH=path)
    assert "0 done, 20 cached" in again.communicate(timeout=100)[0]


def test_only_what_nobody_holds_is_swept_out(tmp_path):
    """A file being written and a folder in use stay; the same of a process that was killed go."""
    with locked_folder(tmp_path, "mine-") as mine, atomic_path(tmp_path / "a.csv"):
        for left in ("left-folder", "left-2/inside"):
            (tmp_path / left).mkdir(parents=True)
        (tmp_path / ".tmp-left.csv").write_text("half")
        remove_unlocked(tmp_path.glob("*"))
        assert sorted(path.name[:5] for path in tmp_path.iterdir()) == [".tmp-", "mine-"]
        assert mine.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert COLD.folder == ""
