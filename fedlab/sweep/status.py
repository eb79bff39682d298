"""How far a sweep is, for other terminals: a small file in its folder, kept up to date while its process lives."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from fedlab.errors import FedlabError
from fedlab.files import read_json, write_json
from fedlab.sweep.changes import planned_node, varying_settings
from fedlab.sweep.estimate import Estimate, estimate
from fedlab.sweep.graph import Plan
from fedlab.sweep.runner import Progress
from fedlab.sweep.store import RunStore
from fedlab.sweep.stored import stored_runs

PLACE = ".progress"
RUNS = ".runs"
LOCK = ".in_use"
_RATE = 1.0  # seconds between two writes of the file, at the least
_HEARTBEAT = 10.0  # seconds after which it is written though nothing changed
_PLACE = re.compile(r"(\w+)-([0-9a-f]{20})-\w+$")  # stage, key, and chance
_SILENT = 60.0  # seconds after which a process on another machine, which cannot be asked, is taken for dead


class Reporter:
    """Writes a sweep's progress file from a thread of its own, so that watching costs the sweep nothing.

    Parameters
    ----------
    folder : Path
        The sweep's folder.
    params : Path
        Its params file, for people.
    plan : Plan, optional
        Its runs: which parameters vary among them is written too, for the list of those that run.
    """

    def __init__(self, folder: Path, params: Path, plan: Plan | None = None) -> None:
        self._folder = folder.resolve()  # a run in this very process changes its folder
        self._plan = plan
        self._path = self._folder / PLACE / f"{platform.node() or 'here'}-{os.getpid()}.json"
        self._fixed = {"params": str(params), "host": platform.node(), "pid": os.getpid(), "began": time.time()}
        self._fixed["process"] = process_mark(os.getpid())
        self._progress: Progress | None = None
        self._estimate = Estimate()
        self._earlier: dict[str, list[float]] | None = None
        self._counts: dict[str, Any] = {}
        self._began: dict[str, float] = {}
        self._last = 0.0
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)
        self._lock = contextlib.ExitStack()

    def watch(self, progress: Progress) -> Estimate:
        """Take note of a change, and return the estimate of the time that is left."""
        self._estimate = estimate(progress, self._seconds_of_earlier_runs(progress))
        self._counts = _counts(progress) | {"changed": time.time()} | self._estimate.as_dict()
        self._changed.set()
        return self._estimate

    def _seconds_of_earlier_runs(self, progress: Progress) -> dict[str, list[float]]:
        """Return what runs stored before took, read only where nothing nearer tells."""
        if self._earlier is None:
            if all(stage in progress.seconds for stage, count in progress.waiting.items() if count):
                return {}
            self._earlier = {}
            for run in stored_runs(self._folder):
                self._earlier.setdefault(run.stage, []).append(float(run.info.get("seconds", 0.0)))
        return self._earlier

    def _report(self) -> None:
        self._write_runs()
        while not self._ended.wait(_RATE):
            began = self._seen()
            late = time.monotonic() - self._last > _HEARTBEAT
            if self._changed.is_set() or late or began.keys() != self._began.keys():
                self._changed.clear()
                self._began = began
                self._write("running")

    def _seen(self) -> dict[str, float]:
        """Return the places that runs work in, each with when it was first seen here."""
        places = (name for name in RunStore(self._folder).under_way() if _PLACE.match(name))
        return {name: self._began.get(name, time.time()) for name in places}

    def _write(self, state: str) -> None:
        self._last = time.monotonic()
        content = self._fixed | self._counts | {"state": state, "written": time.time(), "running": self._began}
        # A full disk shows elsewhere; a sweep does not end because it cannot tell how far it is.
        with contextlib.suppress(OSError):
            write_json(self._path, content)

    def _write_runs(self) -> None:
        """Write what tells the runs apart, once; nothing where all are stored already."""
        runs = [run for found in self._plan.runs.values() for run in found] if self._plan else []
        if all(RunStore(self._folder).path(run.stage, run.key).exists() for run in runs):
            return
        with contextlib.suppress(OSError):
            write_json(self._path.with_suffix(RUNS), varying_settings(map(planned_node, runs)))

    def __enter__(self) -> Reporter:
        self._lock.enter_context(in_use(self._folder))
        for entry in read_progress(self._folder):
            if not entry.lives:
                entry.path.unlink(missing_ok=True)
                entry.path.with_suffix(RUNS).unlink(missing_ok=True)
        for left in self._path.parent.glob(".*"):
            # Of a process that was killed while it wrote; no write takes so long.
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _SILENT:
                    left.unlink()
        self._write("running")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._began = {}
        self._write("ended" if kind is None else "stopped")
        self._lock.close()


def _counts(progress: Progress) -> dict[str, Any]:
    names = ("total", "done", "cached", "failed", "skipped", "left", "jobs")
    return {name: getattr(progress, name) for name in names}


@contextlib.contextmanager
def in_use(folder: Path, alone: bool = False) -> Iterator[None]:
    """Hold a sweep's folder: any number of sweeps may at once; who removes runs must be alone.

    The system frees the hold however a process ends. Where there are no such locks (Windows, some network
    file systems), the progress files tell.

    Raises
    ------
    FedlabError
        If another process uses the folder and this one must be alone.
    """
    refusal = FedlabError(f"a sweep runs in {folder}; wait for its end (fedlab status), or stop it first")
    if alone and any(entry.lives for entry in read_progress(folder)):
        raise refusal
    try:
        import fcntl
    except ImportError:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except BlockingIOError:
            raise refusal from None
        except OSError:
            pass  # a file system without locks: the progress files tell
        yield


def process_mark(pid: int) -> str:
    """Return what tells a living process from a later one with the same number: when it started; empty if it is gone.

    A process that has ended and was not yet waited for (a zombie) is gone.
    """
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            # The name, in brackets, may hold anything; after it come the state and, as 20th, the start in clock ticks.
            fields = stat.read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else f"{boot}/{fields[19]}"
    try:
        said = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    state, _, started = said.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


@dataclass(frozen=True)
class Entry:
    """One sweep's progress file."""

    path: Path
    content: dict[str, Any]

    @property
    def lives(self) -> bool:
        """Say whether the process that wrote it is still at it."""
        if self.content.get("state") != "running":
            return False
        if self.content["host"] != platform.node():
            return time.time() - float(self.content["written"]) < _SILENT
        return process_mark(int(self.content["pid"])) == self.content["process"] != ""


def read_progress(folder: Path) -> list[Entry]:
    """Return the progress files of a sweep's folder, the one that began last first."""
    found = []
    for path in (folder / PLACE).glob("[!.]*.json"):
        with contextlib.suppress(OSError, ValueError):
            found.append(Entry(path, dict(read_json(path))))
    return sorted(found, key=lambda entry: -float(entry.content.get("began", 0)))


@dataclass(frozen=True)
class Running:
    """A run that is being executed now."""

    stage: str
    key: str
    seconds: float
    parameters: dict[str, Any]


def running_now(folder: Path) -> list[Running]:
    """Return the runs that live processes are executing in a sweep's folder, the longest first."""
    known: dict[str, dict[str, Any]] = {}
    for path in (folder / PLACE).glob(f"[!.]*{RUNS}"):
        with contextlib.suppress(OSError, ValueError):
            known |= read_json(path)
    began: dict[str, float] = {}
    for entry in read_progress(folder):
        for name, since in entry.content.get("running", {}).items() if entry.lives else ():
            began[name] = min(since, began.get(name, since))
    found = []
    for name in RunStore(folder).under_way():
        place = _PLACE.match(name)
        if place and name in began:
            stage, key = place.groups()
            found.append(Running(stage, key, max(time.time() - began[name], 0.0), known.get(key, {})))
    return sorted(found, key=lambda run: (-run.seconds, run.stage, run.key))


def status_lines(folder: Path, now: Callable[[], float] = time.time) -> list[str]:
    """Return what `fedlab status` says of a sweep: whether it lives, counts, what runs, what failed, what is left."""
    from fedlab.sweep.failures import failure_lines, failures
    from fedlab.sweep.stored import shown, time_text

    lines = []
    entries = read_progress(folder)
    if not entries:
        lines.append(f"{folder}: no sweep has run here since fedlab keeps progress")
    alive = [entry for entry in entries if entry.lives]
    for entry in alive or entries[:1]:
        content = entry.content
        lines.append(f"{folder}: {_state(entry, now())}")
        if "total" in content:
            lines.append(f"  runs     {counts_text(content)} of {content['total']}")
        if entry.lives and content.get("left"):
            passed = now() - float(content["changed"])
            lines.append(f"  left     {Estimate.from_dict(content).text(passed)}")
        elif entry.lives and "left" in content:
            lines.append("  left     collecting the results and drawing the figures; how long that takes is unknown")
    for run in running_now(folder):
        parameters = f"  {shown(run.parameters)}" if run.parameters else ""
        lines.append(f"  running  {time_text(run.seconds):>8}  {run.stage}/{run.key}{parameters}")
    return lines + ["  " + line for line in failure_lines(failures(RunStore(folder)))]


def counts_text(counts: dict[str, Any]) -> str:
    """Return the counts of a sweep as one text."""
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    return "{done} done, {cached} cached, {failed} failed".format(**counts) + f"{skipped}, {counts['left']} left"


def _state(entry: Entry, now: float) -> str:
    from fedlab.sweep.stored import time_text

    content = entry.content
    who = f"process {content['pid']} on {content['host']}"
    if entry.lives:
        heard = "" if content["host"] == platform.node() else f", heard of {time_text(now - content['written'])} ago"
        return f"running for {time_text(now - content['began'])} ({who}{heard})"
    ago = f"{time_text(now - content['written'])} ago"
    took = f"after {time_text(content['written'] - content['began'])}"
    if content["state"] == "running":
        return f"not running: killed {ago} or later ({who} is gone); the same command goes on from here"
    if content["state"] == "stopped":
        return f"not running: stopped {ago}, {took}; the same command goes on from here"
    return f"not running: ended {ago}, {took}"
