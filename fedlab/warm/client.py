"""Starting a template process, and asking one for kernels."""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from fedlab.warm.imports import INLINE, QUIET

# The imports of a template take some seconds on an idle machine; a kernel waits for them.
PATIENCE = 120.0


class NotWarm(Exception):
    """Why a kernel cannot be forked from a template: to be started cold."""


class Template:
    """A template process of this interpreter: lives as long as this object is not closed, and this process lives.

    Parameters
    ----------
    environment : dict of str to str, optional
        Its environment, by default this process's. Only kernels whose environment agrees with it in what counts when
        a process starts (see `fedlab.warm.imports.READ_AT_START`) can be forked from it.
    folder : Path, optional
        Removed when it ends, however its owner ended.
    modules : list of str, optional
        What it imports, by default what the pipeline's notebooks need.

    Attributes
    ----------
    address : str
        Where it listens: a name in Linux's abstract namespace, so that no file of it can be left behind.

    Raises
    ------
    NotWarm
        If this system cannot fork kernels.
    """

    def __init__(
        self,
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
        modules: list[str] | None = None,
    ) -> None:
        if not (sys.platform == "linux" and hasattr(os, "pidfd_open") and hasattr(os, "memfd_create")):
            raise NotWarm("they need Linux")
        self.address = f"fedlab-{secrets.token_hex(16)}"
        environment = dict(os.environ if environment is None else environment)
        if environment.get("MPLBACKEND") in ("", INLINE):
            del environment["MPLBACKEND"]
        ours, theirs = os.pipe()[::-1]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                listener.bind(f"\0{self.address}")
                listener.listen(128)
                handles = (listener.fileno(), theirs)
                words = [
                    sys.executable,
                    "-m",
                    "fedlab.warm.template",
                    *map(str, (*handles, os.getpid())),
                    str(folder or ""),
                ]
                self.process = subprocess.Popen(
                    [*words, *(modules or [])],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    # Not this process's: whoever reads them until their end would wait for the template's.
                    stderr=subprocess.DEVNULL,
                    pass_fds=handles,
                    env=QUIET | environment,
                    cwd="/",
                    start_new_session=True,
                )
        except OSError as error:
            os.close(ours)
            raise NotWarm(f"the template process cannot be started: {error}") from error
        finally:
            os.close(theirs)
        self._lifeline: int | None = ours

    def close(self) -> None:
        """End the template, and with it the kernels that still run."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> Template:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class WarmProcess:
    """A kernel forked from a template, to its manager what a `subprocess.Popen` is.

    Parameters
    ----------
    connection : socket.socket
        To the template, which tells the exit status; closing it ends the kernel.
    pid : int
        The kernel's process number, of its session and process group too.
    """

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while the kernel runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            said = _receive(self._connection)
            # Nothing said: the template is gone, and now the kernel too, so that nobody knows how it ended.
            self.returncode = said.get("exit", 1)
            self._connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the kernel's end and return its exit status."""
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the kernel has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(15)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(9)


def fork_kernel(
    address: str, argv: list[str], env: dict[str, str], cwd: str, output: int = 1, errors: int = 2
) -> WarmProcess:
    """Ask a template for a kernel.

    Parameters
    ----------
    address : str
        The template's.
    argv : list of str
        The command that would start the kernel cold.
    env : dict of str to str
        Its environment.
    cwd : str
        Its working folder.
    output, errors : int
        Open files that become its standard output and standard error.

    Returns
    -------
    WarmProcess

    Raises
    ------
    NotWarm
        If there is no such template, or a kernel from it would differ from a cold one.
    """
    request = {"argv": argv, "env": env, "cwd": cwd, "umask": _umask()}
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.settimeout(PATIENCE)
        connection.connect(f"\0{address}")
        with os.fdopen(os.memfd_create("fedlab-request"), "w+", encoding="utf-8") as file:
            json.dump(request, file)
            file.seek(0)
            socket.send_fds(connection, [b"kernel"], [file.fileno(), output, errors])
            said = _receive(connection)
        if "pid" not in said:
            raise NotWarm(said.get("refused", "the template process has ended"))
    except OSError as error:
        connection.close()
        raise NotWarm(f"the template process does not answer: {error.strerror or error}") from error
    except NotWarm:
        connection.close()
        raise
    connection.settimeout(None)
    return WarmProcess(connection, said["pid"])


def _receive(connection: socket.socket) -> dict[str, Any]:
    """Return the next message; an empty one where the other end is closed."""
    try:
        return dict(json.loads(connection.recv(65536) or "{}"))
    except ConnectionError:
        return {}


def _umask() -> int:
    """Return this process's file mode mask, without setting it for an instant in all threads."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022
