"""How a run's kernel ends where the notebook does not end by itself: at a deadline, with its worker, by a signal."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from jupyter_client.connect import KernelConnectionInfo

from fedlab.warm.provisioner import WarmProvisioner, register

NAME = "fedlab-run"
# Seconds that a cell has to stop after the interrupt at a deadline, so that its traceback says where it was.
GRACE = 3.0
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


class RunProvisioner(WarmProvisioner):
    """Starts the kernel of a run, warm where there is a template, and remembers it.

    Attributes
    ----------
    last_started : RunProvisioner or None
        Of this process, which runs one notebook at a time.
    """

    last_started: ClassVar[RunProvisioner | None] = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch a kernel with a command."""
        info = await (super().launch_kernel if self.template else self.launch_cold)(cmd, **kwargs)
        RunProvisioner.last_started = self
        return info

    async def launch_cold(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch a kernel that the system kills when this process has ended, as a template does with its own."""
        more = {"preexec_fn": _DIE_WITH_PARENT} if _DIE_WITH_PARENT else {}
        return await super().launch_cold(cmd, **kwargs, **more)

    def end_with(self, number: int) -> None:
        """Send a signal to the kernel and all that it has started, if it still runs."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.pgid and hasattr(os, "killpg"):
                    os.killpg(self.pgid, number)
                else:
                    self.process.send_signal(number)


def _die_with_parent() -> Callable[[], None] | None:
    """Return what makes a child process end with the one that started it; None where the system has no such thing."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)

    return ask


# Made once, and before any thread: between fork and exec nothing may be imported.
_DIE_WITH_PARENT = _die_with_parent()


def register_run_provisioner() -> str:
    """Make jupyter_client find the provisioner in this process, and return its name."""
    register(NAME, RunProvisioner)
    return NAME


def end_last(number: int = signal.SIGKILL) -> None:
    """Send a signal to the kernel that this process has started last, if it still runs."""
    if RunProvisioner.last_started is not None:
        RunProvisioner.last_started.end_with(number)


class TimeLimit:
    """Whether a run's time was up; see `time_limit`."""

    passed = False


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[TimeLimit]:
    """Interrupt the kernel when its time is up, and kill it when that does not help, until the block has ended.

    Counted from the kernel's launch (a template that has yet to import is waited for), by a clock that no change of
    date can move.

    Parameters
    ----------
    seconds : float or None
        None sets no limit.

    Yields
    ------
    TimeLimit
    """
    limit, over = TimeLimit(), threading.Event()
    RunProvisioner.last_started = None

    def watch() -> None:
        while RunProvisioner.last_started is None and not over.wait(0.02):
            pass
        if not over.wait(seconds):
            limit.passed = True
            number = signal.SIGINT
            while not over.is_set():
                end_last(number)
                over.wait(GRACE)
                number = signal.SIGKILL

    watcher = threading.Thread(target=watch, daemon=True)
    if seconds is not None:
        watcher.start()
    try:
        yield limit
    finally:
        over.set()
        if seconds is not None:
            watcher.join()


def how_it_ended() -> str:
    """Say how the last kernel ended where it did so by itself: of a signal, or with an exit status."""
    kernel = RunProvisioner.last_started
    code = kernel.process.poll() if kernel is not None and kernel.process is not None else None
    if code is None:
        return ""
    if code >= 0:
        return f"the kernel ended with exit status {code} before the notebook did"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if -code == signal.SIGKILL:
        return f"the kernel was killed ({name}), most likely for want of memory; use a smaller --jobs"
    return f"the kernel was ended by {name}"


class Stopped(KeyboardInterrupt):
    """This process was asked to end, by a batch queue, say."""


@contextlib.contextmanager
def stop_on_terminate() -> Iterator[None]:
    """Make SIGTERM stop the block as Ctrl-C does, by `Stopped`; in the main thread only, which alone hears signals."""

    def stop(number: int, frame: object) -> None:
        raise Stopped

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
