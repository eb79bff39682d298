"""Who uses warm kernels: sweeps, with the same bytes; papermill and others, by the kernel's name; and without them."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient
from processes import marked, wait_until

from fedlab.cli import main
from fedlab.files import read_json
from fedlab.sweep.kernels import COLD, Kernels, _short_folder, kernel_environment
from fedlab.warm import client
from fedlab.warm.command import run_with_template
from fedlab.warm.provisioner import NAME, WarmProvisioner

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="warm kernels need Linux")
SWEEP = "data: nhefs\nn_shards: 2\nrule: [majority, soft]\nn_resamples: 20\nname: small\n"


def sweep(folder: Path, results: str, *more: str) -> str:
    """Run the real pipeline's small sweep and return what it says."""
    (folder / "small.yaml").write_text(SWEEP)
    words = ["sweep", str(folder / "small.yaml"), "--notebooks", str(ROOT / "notebooks"), "--results"]
    done = CliRunner().invoke(main, [*words, str(folder / results), *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def kinds(results: Path) -> set[str]:
    """Return how the runs' kernels were started."""
    return {read_json(path)["kernel"] for path in results.glob("*/runs/*/*/run.json")}


def contents(results: Path) -> dict[str, bytes]:
    """Return every file that a sweep made, without what says when and how long, and the pages that are made of it."""
    left_out = {"run.json", "timings.csv", "notebook.ipynb", "report.html", "sweep.json", ".plan.json", ".made.json"}
    files = [path for path in results.rglob("*") if path.is_file() and path.name not in left_out]
    files = [path for path in files if path.parent.name not in (".progress", "notebooks")]
    return {str(path.relative_to(results)): path.read_bytes() for path in files}


def shown(results: Path) -> dict[str, list]:
    """Return the outputs of every executed notebook, pictures included."""
    found = {}
    for path in results.glob("*/runs/*/*/notebook.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        found[path.parent.name] = [cell.outputs for cell in cells if cell.cell_type == "code"]
    return found


@linux
@pytest.mark.slow
def test_a_sweep_has_the_same_bytes_warm_and_cold_for_one_job_and_two_and_eight(tmp_path):
    """Table, figures, shards, model files, verdicts, and all that the notebooks show."""
    for results, options in (
        ("warm1", ("--jobs", "1")),
        ("warm2", ("--jobs", "2")),
        ("cold1", ("--cold", "--jobs", "1")),
        ("cold2", ("--cold", "--jobs", "2")),
        ("warm8", ("--jobs", "8")),
        ("cold8", ("--cold", "--jobs", "8")),
    ):
        assert "kernels" not in sweep(tmp_path, results, *options)
        assert kinds(tmp_path / results) == {results[:4]}
    warm = contents(tmp_path / "warm1")
    assert {Path(name).suffix for name in warm} >= {".csv", ".png", ".svg", ".skops", ".gz", ".json"}
    for other in ("warm2", "cold1", "cold2", "warm8", "cold8"):
        assert contents(tmp_path / other) == warm
        assert shown(tmp_path / other) == shown(tmp_path / "warm1")


@pytest.mark.slow
def test_a_sweep_without_a_template_is_cold_and_says_so_once(tmp_path, monkeypatch):
    """Where kernels cannot be forked, everything else is as it was."""
    monkeypatch.setattr(client.sys, "platform", "darwin")
    said = sweep(tmp_path, "results", "--jobs", "1", "--no-figures")
    monkeypatch.undo()
    assert said.count("kernels") == 1 and "cold, with the same results: they need Linux" in said
    assert kinds(tmp_path / "results") == {"cold"}


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGKILL, "1"), (signal.SIGKILL, "2"), (signal.SIGTERM, "2"), (signal.SIGINT, "2")]
)
def test_a_sweep_that_is_ended_leaves_no_process_and_no_folder(tmp_path, number, jobs):
    """kill -9 and SIGTERM of the sweep's own process, Ctrl-C of its group: template, kernels and sockets are gone."""
    (tmp_path / "small.yaml").write_text(SWEEP + "seed: [0, 1, 2, 3, 4]\n")
    words = [sys.executable, "-m", "fedlab.cli", "sweep", str(tmp_path / "small.yaml"), "--results", str(tmp_path)]
    (tmp_path / "t").mkdir()
    mark = f"MARK_{os.urandom(8).hex()}"
    environment = dict(os.environ) | {mark: "1"}
    made = set(Path(_short_folder()).glob("fedlab-*"))
    process = subprocess.Popen(
        [*words, "--notebooks", str(ROOT / "notebooks"), "--jobs", jobs],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    assert wait_until(lambda: list(tmp_path.glob("small/runs/partition/*/run.json")), 120)
    own = [folder for folder in set(Path(_short_folder()).glob("fedlab-*")) - made if _is_of(folder, process.pid)]
    assert own
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert not list(tmp_path.glob("small/failed/*"))
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number), said
    assert wait_until(lambda: not marked(mark)), marked(mark)
    assert not any(folder.exists() for folder in own)


def _is_of(folder: Path, pid: int) -> bool:
    """Say whether a template that is a process's child was told to remove a folder."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().decode().split("\0")
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid and str(folder) in words:
            return True
    return False


def test_sockets_have_short_paths_where_the_folder_for_temporary_files_is_deep(tmp_path, monkeypatch):
    """A batch queue's TMPDIR may be longer than a socket's path may be: kernels then use /tmp."""
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with Kernels(warm=False) as kernels:
        place = kernels.place()
        for one in (place, COLD):
            with kernel_environment(one, ()) as config:
                assert len(os.environ["JUPYTER_RUNTIME_DIR"]) + len("/kernel--ipc-5") + 36 <= 107
                assert config["KernelManager"]["transport"] == "ipc"
    assert not Path(place.folder).exists()


def test_the_entry_point_is_the_provisioner():
    """What pyproject.toml tells jupyter_client leads to the class."""
    group = "jupyter_client.kernel_provisioners"
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][group]
    assert points == {NAME: f"{WarmProvisioner.__module__}:{WarmProvisioner.__name__}"}
    assert EntryPoint(NAME, points[NAME], group).load() is WarmProvisioner


FEDLAB = [sys.executable, "-m", "fedlab.cli", "warm"]


@pytest.fixture
def installed(tmp_path) -> dict[str, str]:
    """Give an environment in which the package is installed, and its kernel known to Jupyter."""
    # What installing the package does: an entry point on the path, and the kernel's description.
    about = tmp_path / "path" / "fedlab_test-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fedlab-test\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        f"[jupyter_client.kernel_provisioners]\n{NAME} = {WarmProvisioner.__module__}:WarmProvisioner\n"
    )
    path = os.pathsep.join([str(tmp_path / "path"), str(ROOT)])
    environment = dict(os.environ) | {"PYTHONPATH": path, "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    subprocess.run([*FEDLAB, "install", "--user"], env=environment, check=True)
    return environment


NOTEBOOK = "import matplotlib.pyplot as plt\nimport os\nplt.plot([1, 2])\nplt.show()\nprint(os.getppid())"


@linux
@pytest.mark.slow
def test_papermill_takes_the_kernel_by_name_and_processes_share_a_template(tmp_path, installed):
    """`fedlab warm run` gives two papermill processes kernels of one parent; both draw."""
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)]), tmp_path / "in.ipynb")
    script = (
        "import subprocess, sys\n"
        "for name in ('one', 'two'):\n"
        "    words = [sys.executable, '-m', 'papermill', 'in.ipynb', f'{name}.ipynb', '-k', 'fedlab-warm']\n"
        "    subprocess.run(words, check=True)\n"
    )
    run = [*FEDLAB, "run", sys.executable, "-c", script]
    subprocess.run(run, env=installed, cwd=tmp_path, check=True, capture_output=True)
    parents = []
    for name in ("one", "two"):
        outputs = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4).cells[-1].outputs
        assert any(output.get("data", {}).get("image/png") for output in outputs)
        parents.append(next(output["text"] for output in outputs if output["output_type"] == "stream"))
    assert parents[0] == parents[1]
    assert json.loads((tmp_path / "data" / "kernels" / NAME / "kernel.json").read_text())["language"] == "python"


@linux
@pytest.mark.slow
def test_nbval_takes_the_kernel_by_name(tmp_path, installed):
    """Outputs of a warm kernel, a figure among them, are those that were stored from a cold one; others are told."""
    cells = [
        "import matplotlib.pyplot as plt\nlines = plt.plot([1, 2])",
        "import pandas as pd\npd.DataFrame({'a': [1]})",
    ]
    cells.append("print('wrong')")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook).execute()
    notebook.cells[-1].outputs[0].text = "right"
    nbformat.write(notebook, tmp_path / "in.ipynb")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "in.ipynb"]
    kernel = ["--nbval-kernel-name", NAME]
    for how, failed in (("--nbval", 1), ("--nbval-lax", 0)):
        done = subprocess.run([*words, how, *kernel], env=installed, cwd=tmp_path, capture_output=True, text=True)
        expected = "1 failed, 2 passed" if failed else "3 passed"
        assert done.returncode == failed and expected in done.stdout, done.stdout + done.stderr


def test_a_command_run_warm_has_its_own_exit_status():
    """As a shell says it; a command that is not there is an error of the user's."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        assert run_with_template([sys.executable, "-c", "import sys; sys.exit(7)"]) == 7
        assert run_with_template([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) == 137
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    gone = CliRunner().invoke(main, ["warm", "run", "no-such-command-here"])
    assert gone.exit_code == 2 and "no-such-command-here" in gone.output
