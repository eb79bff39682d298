"""A warm kernel is what the same command would have started cold: figures, environment, signals, randomness, ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import alive, wait_until
from warm_kernels import COLD, manager, outputs, printed

from fedlab.warm.client import NotWarm, Template, fork_kernel
from fedlab.warm.imports import MODULES
from fedlab.warm.provisioner import WarmProvisioner

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="warm kernels need Linux"),
    pytest.mark.xdist_group("warm"),
]
KERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "none.json"]


@pytest.fixture(scope="module")
def template():
    """Give the address of one template for all tests of this file."""
    with Template() as made:
        yield made.address


@pytest.fixture
def small():
    """Give a function that starts templates that import little, and ends them."""
    made = []

    def start(*modules: str, environment: dict[str, str] | None = None) -> Template:
        made.append(Template(environment, modules=list(modules) or ["json"]))
        return made[-1]

    yield start
    for one in made:
        one.close()


def refused(address: str, folder: Path, argv: list[str] | None = None, **env: str) -> str:
    """Return why a template forks no kernel."""
    with pytest.raises(NotWarm) as reason:
        fork_kernel(address, argv or KERNEL, dict(os.environ) | env, str(folder))
    return str(reason.value)


def test_figures_and_text_are_those_of_a_cold_kernel(template, tmp_path):
    """Inline figures appear, byte for byte, where pyplot is imported in the notebook; so do tables and text."""
    cells = (
        "import matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd",
        "plt.plot(np.arange(9) ** 2)\nplt.title('squares')\nplt.show()",
        "figure, axes = plt.subplots()\naxes.imshow(np.eye(5))\naxes.set_axis_off()",
        "pd.DataFrame({'a': [1, 2], 'b': ['x', None]})",
        # pandas decides when it is imported how many columns it shows
        "pd.DataFrame({f'a long column number {number}': [number] for number in range(30)})",
        "print(plt.get_backend())\nfrom sklearn.tree import DecisionTreeClassifier\nDecisionTreeClassifier()",
    )
    cold, warm = outputs(COLD, tmp_path, *cells), outputs(template, tmp_path, *cells)
    pictures = [output["data"]["image/png"] for output in warm if "image/png" in output.get("data", {})]
    assert len(pictures) == 2 and all(len(picture) > 1000 for picture in pictures)
    assert "inline" in json.dumps(warm[-2])
    assert warm == cold


WORLD = """
import json, os, resource, signal, sys, threading, time, warnings
json.dump({
    "cwd": os.getcwd(), "path": sys.path, "argv": sys.argv[:2], "orig": sys.orig_argv[:4], "environ": dict(os.environ),
    "flags": str(sys.flags), "executable": sys.executable, "prefix": sys.prefix, "main": __name__,
    "umask": oct(os.umask(0o077)), "leader": os.getsid(0) == os.getpid() == os.getpgid(0),
    "signals": {s.name: str(signal.getsignal(s)).partition(" at ")[0] for s in signal.Signals},
    "masked": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "stdin": os.read(0, 9).decode(),
    "limits": [resource.getrlimit(n) for n in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)],
    "threads": threading.active_count(), "hash": hash("a"), "encoding": sys.stdout.encoding, "zone": time.tzname,
    "parent": sys.argv[0].endswith("ipykernel_launcher.py"), "original": str(sys.__stdout__.encoding),
    "recursion": sys.getrecursionlimit(), "switch": sys.getswitchinterval(), "locale": __import__("locale").getlocale(),
}, sys.stdout)
"""


def test_the_world_is_that_of_a_cold_kernel(small, tmp_path):
    """Folder, paths, arguments, environment, signals, mask, limits, threads, standard streams, hash seed."""
    env = {"PYTHONHASHSEED": "7", "OWN_VARIABLE": "ä"}
    warm_from = small(*MODULES[:9], environment=dict(os.environ) | {"PYTHONHASHSEED": "7"})
    cold = json.loads(printed(COLD, tmp_path, WORLD, env))
    warm = json.loads(printed(warm_from.address, tmp_path, WORLD, env))
    for said in (cold, warm):
        assert said["environ"].pop("JPY_PARENT_PID") == str(os.getpid())
    assert warm == cold
    assert warm["cwd"] == str(tmp_path) and warm["environ"]["OWN_VARIABLE"] == "ä" and warm["stdin"] == ""


def test_nothing_of_one_kernel_is_seen_by_the_next(template, tmp_path):
    """A module's changed attribute, a variable, an own module: each kernel starts from the template as it was."""
    (tmp_path / "mine.py").write_text("value = 1\n")
    assert printed(template, tmp_path, "import numpy, mine; numpy.left_behind = there = 1; print(mine.value)") == "1\n"
    (tmp_path / "mine.py").write_text("value = 22\n")
    look = "import numpy, mine; print(hasattr(numpy, 'left_behind'), 'there' in dir(), mine.value)"
    assert printed(template, tmp_path, look) == "False False 22\n"


def test_global_generators_differ_between_kernels(template, tmp_path):
    """Python's and NumPy's unseeded generators give each kernel other numbers, as they do in cold ones."""
    draw = "import random, numpy; print(random.random(), numpy.random.rand(), numpy.random.default_rng().random())"
    first, second = (printed(template, tmp_path, draw).split() for _ in range(2))
    assert not set(first) & set(second)
    seeded = "import random, numpy; random.seed(1); numpy.random.seed(1); print(random.random(), numpy.random.rand())"
    assert printed(template, tmp_path, seeded).split() == ["0.13436424411240122", "0.417022004702574"]


@pytest.mark.slow
def test_the_template_has_no_threads_and_forks_compute_with_many(small, tmp_path):
    """OpenBLAS's and OpenMP's pools do not survive a fork: none is there when forking, each kernel makes its own."""
    many = {f"{name}_NUM_THREADS": "2" for name in ("OMP", "OPENBLAS")}
    made = small(*MODULES, environment=dict(os.environ) | many)
    compute = (
        "import numpy as np\nfrom sklearn.ensemble import HistGradientBoostingClassifier\n"
        "x = np.arange(250_000.0).reshape(500, 500) % 7\nprint((x @ x).sum())\ny = x[:, 5] > 3\n"
        "print(HistGradientBoostingClassifier(max_iter=5).fit(x[:, :4], y).predict_proba(x[:, :4]).sum(axis=0))"
    )
    said = {printed(made.address, tmp_path, compute, env=many) for _ in range(2)}
    assert said == {printed(COLD, tmp_path, compute, env=many)}
    assert len(list(Path(f"/proc/{made.process.pid}/task").iterdir())) == 1


def test_what_loses_figures_is_not_imported_by_the_template(template, tmp_path):
    """pyplot and the inline backend look for a shell when they are imported; nothing imports them on the way either."""
    look = (
        "import sys; print([n for n in ('matplotlib.pyplot', 'matplotlib_inline.backend_inline') if n in sys.modules])"
    )
    assert printed(template, tmp_path, look) == "[]\n"


def test_a_template_that_would_lose_something_forks_nothing(small, tmp_path):
    """A thread, a warning that is shown on import, figures: each is noticed, and the reason said."""
    (tmp_path / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
    )
    (tmp_path / "warning.py").write_text("import warnings\nwarnings.warn('old and slow')\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])}
    for module, reason in (
        ("threaded", "1 threads"),
        ("warning", "old and slow"),
        ("broken", "cannot be imported"),
        ("matplotlib.pyplot", "figures would be lost"),
        ("matplotlib_inline", "figures would be lost"),
    ):
        made = small(module, environment=dict(os.environ) | env)
        assert reason in refused(made.address, tmp_path, **env)


def test_a_changed_file_of_a_loaded_module_is_noticed(small, tmp_path):
    """A kernel with the module as it was would not be what a cold one is; even where size and time are set back."""
    own = tmp_path / "own"
    own.mkdir()
    module = own / "loaded_before.py"
    module.write_text("value = 1\n")
    os.utime(module, (1e9, 1e9))
    env = dict(os.environ) | {"PYTHONPATH": os.pathsep.join([str(own), os.environ.get("PYTHONPATH", "/")])}
    made = small(*MODULES[:5], "loaded_before", environment=env)
    kernel = fork_kernel(made.address, KERNEL, env, str(tmp_path))
    kernel.kill()
    assert kernel.wait(60) == -signal.SIGKILL
    module.write_text("value = 2\n")
    os.utime(module, (1e9, 1e9))
    assert f"{module} has changed" in refused(made.address, tmp_path, PYTHONPATH=env["PYTHONPATH"])


def test_a_kernel_that_would_read_other_files_is_not_forked(small, tmp_path):
    """An own matplotlibrc, an own module of a loaded one's name, another interpreter, other start-up variables."""
    made = small("json", "matplotlib").address
    for name, reason in (("matplotlibrc", "matplotlibrc of its own"), ("json.py", "module json of its own")):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_text("")
        assert reason in refused(made, folder)
    assert "cannot be read" in refused(made, tmp_path / "gone")
    assert "-m ipykernel_launcher" in refused(made, tmp_path, ["R", "--slave"])
    assert "OMP_NUM_THREADS" in refused(made, tmp_path, OMP_NUM_THREADS="77")
    assert "MPLBACKEND" in refused(made, tmp_path, MPLBACKEND="agg")
    relative = small("json", environment=dict(os.environ) | {"PYTHONPATH": "here"}).address
    assert refused(relative, tmp_path, PYTHONPATH="here") in (
        "PYTHONPATH has a relative entry",
        # where only a relative path would lead to this package
        "the template process has ended",
    )
    assert "does not answer" in refused(COLD, tmp_path)


def ended(template: str, folder: Path, act) -> int | None:
    """Start a kernel, do something with its manager, and return the kernel's exit status."""

    async def run() -> int | None:
        made = manager(template, folder)
        await made.start_kernel(cwd=str(folder))
        client = made.client()
        client.start_channels()
        await client.wait_for_ready(timeout=120)
        process = made.provisioner.process
        await act(made, client)
        for _ in range(6000):
            if process.poll() is not None:
                break
            await asyncio.sleep(0.01)
        client.stop_channels()
        await made.shutdown_kernel(now=True)
        return process.returncode

    code = asyncio.run(run())
    assert bool(WarmProvisioner.last) == (template == COLD), WarmProvisioner.last
    return code


def test_ends_are_those_of_a_cold_kernel(template, tmp_path):
    """Shut down, exit in a cell, killed, terminated: the same exit status."""

    def cell(code):
        async def act(made, client):
            client.execute(code)

        return act

    async def shut_down(made, client):
        await made.request_shutdown()

    for act, code in (
        (cell("import os; os._exit(3)"), 3),
        (cell("import os; os.kill(os.getpid(), 9)"), -9),
        (cell("import os; os.kill(os.getpid(), 15)"), -15),
        (shut_down, 0),
    ):
        assert ended(template, tmp_path, act) == ended(COLD, tmp_path, act) == code


def test_an_interrupt_stops_the_cell_and_not_the_kernel(template, tmp_path):
    """SIGINT through the manager is a KeyboardInterrupt in the cell; the next cell runs."""

    async def act(made, client):
        ready = tmp_path / "ready"
        asked = client.execute(f"open({str(ready)!r}, 'w').close()\nimport time\ntime.sleep(600)")
        while not ready.exists():
            await asyncio.sleep(0.01)
        await made.interrupt_kernel()
        seen.append(await reply(client, asked))
        seen.append(await reply(client, client.execute("x = 1", stop_on_error=False)))
        await made.request_shutdown()

    async def reply(client, asked):
        while True:
            said = await client.get_shell_msg(timeout=120)
            if said["parent_header"].get("msg_id") == asked:
                return said["content"]

    seen: list[dict] = []
    assert ended(template, tmp_path, act) == 0
    assert seen[0]["ename"] == "KeyboardInterrupt" and seen[1]["status"] == "ok"


def test_exit_handlers_run(template, tmp_path):
    """atexit functions run at a shutdown, as in a cold kernel."""
    code = "import atexit; atexit.register(open, {!r}, 'w')"
    for name, address in (("warm", template), ("cold", COLD)):
        outputs(address, tmp_path, code.format(str(tmp_path / name)))
        assert wait_until((tmp_path / name).exists)


def test_a_kernel_outlives_its_template_and_the_next_is_cold(small, tmp_path):
    """A template killed in the middle costs no run."""
    made = small(*MODULES[:5])

    async def act(manager_, client):
        os.kill(made.process.pid, signal.SIGKILL)
        made.process.wait()
        client.execute(f"open({str(tmp_path / 'after')!r}, 'w').close()")
        while not (tmp_path / "after").exists():
            await asyncio.sleep(0.01)
        await manager_.request_shutdown()

    assert ended(made.address, tmp_path, act) is not None
    assert "does not answer" in refused(made.address, tmp_path)


OWNER = """
import os, sys, time
from pathlib import Path
from fedlab.warm.client import Template, fork_kernel
folder = Path(sys.argv[1])
template = Template(folder=folder / "removed", modules=["ipykernel.kernelapp"])
kernel = fork_kernel(template.address, [sys.executable, "-m", "ipykernel_launcher", "-f", str(folder / "k.json")],
                     dict(os.environ), str(folder))
print(template.process.pid, kernel.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_template_and_kernels_die_with_their_owner(tmp_path, number):
    """Also after kill -9; nothing keeps the owner's output open, no folder stays."""
    (tmp_path / "removed").mkdir()
    words = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as owner:
        assert owner.stdout is not None
        template, kernel = map(int, owner.stdout.readline().split())
        assert alive(template) and alive(kernel)
        owner.send_signal(number)
        # returns only when nobody holds the other end of the pipe
        owner.communicate(timeout=60)
    assert wait_until(lambda: not alive(template) and not alive(kernel))
    assert not (tmp_path / "removed").exists()


def test_a_kernel_dies_with_its_manager_and_the_template_lives(template, tmp_path):
    """A manager that is gone without a word (a worker killed for want of memory) leaves no kernel behind."""
    code = OWNER.replace("template.address", repr(template)).replace("template.process.pid", "0")
    code = code.replace('template = Template(folder=folder / "removed", modules=["ipykernel.kernelapp"])', "")
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        kernel = int(owner.stdout.readline().split()[1])
        assert alive(kernel)
        owner.kill()
    assert wait_until(lambda: not alive(kernel))
    assert printed(template, tmp_path, "print(1)") == "1\n"


def test_a_template_closed_is_gone_with_its_kernels(small, tmp_path):
    """Closing waits for the end of both."""
    made = small(*MODULES[:5])
    kernel = fork_kernel(made.address, KERNEL, dict(os.environ), str(tmp_path))
    made.close()
    assert not alive(made.process.pid) and not alive(kernel.pid)
    assert kernel.wait(10) != 0


def test_other_systems_say_what_is_missing(monkeypatch):
    """Where kernels cannot be forked, a template is refused with the reason."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NotWarm, match="need Linux"):
        Template()
