"""The template's loop: answers requests for kernels, and watches over those that it has forked."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import struct
from typing import Any

from fedlab.warm.imports import Imports

Asked = tuple[dict[str, Any], list[int], socket.socket]


class Server:
    """Answers requests for kernels, tells their managers how they end, and kills those whose manager is gone."""

    def __init__(self, listener: socket.socket, lifeline: int, imports: Imports, parent: int) -> None:
        self.imports = imports
        self.parent = parent
        # Process number of each kernel to its manager's connection, and what becomes readable when it ends.
        self.kernels: dict[int, tuple[socket.socket, int]] = {}
        self.told: set[int] = set()
        self.over = False
        self.selector = selectors.DefaultSelector()
        self.selector.register(lifeline, selectors.EVENT_READ, self._end)
        self.selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener))

    def serve(self) -> Asked | None:
        """Run until the lifeline is cut, then return None. In a fork, return what its kernel was asked to be."""
        while not self.over and os.getppid() == self.parent:
            for key, _ in self.selector.select(timeout=1):
                asked = key.data()
                if asked is not None:
                    return asked
        for pid in set(self.kernels) - self.told:
            _kill(pid)
        for pid in self.kernels:
            os.waitpid(pid, 0)
        return None

    def _end(self) -> None:
        self.over = True

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", peer)[1] != os.getuid():
            connection.close()
        else:
            self.selector.register(connection, selectors.EVENT_READ, lambda: self._answer(connection))

    def _answer(self, connection: socket.socket) -> Asked | None:
        """Fork a kernel, or say why not. In the fork, return what it was asked to be."""
        self.selector.unregister(connection)
        handles: list[int] = []
        try:
            _, handles, _, _ = socket.recv_fds(connection, 16, 3)
            request = self._read(handles)
            reason = self.imports.refuse(request) if request else "the request has not come whole"
            pid = -1 if reason or request is None else os.fork()
            if pid == 0 and request is not None:
                self._leave()
                return request, handles[1:], connection
            _send(connection, {"refused": reason} if reason else {"pid": pid})
            if reason:
                connection.close()
            else:
                self._watch(pid, connection)
        except OSError as error:
            _send(connection, {"refused": str(error)})
            connection.close()
        for handle in handles:
            os.close(handle)
        return None

    def _read(self, handles: list[int]) -> dict[str, Any] | None:
        """Return a request: the first of three open files holds it, the others are the kernel's output and errors."""
        if len(handles) != 3:
            return None
        with open(handles[0], encoding="utf-8", closefd=False) as file:
            return dict(json.load(file))

    def _leave(self) -> None:
        """Close, in a fork, what is the template's: an end that it kept would keep others from hearing of an end."""
        for key in list(self.selector.get_map().values()):
            os.close(key.fd)
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.detach()
        self.selector.close()

    def _watch(self, pid: int, connection: socket.socket) -> None:
        ended = os.pidfd_open(pid)
        self.kernels[pid] = connection, ended
        self.selector.register(ended, selectors.EVENT_READ, lambda: self._tell(pid))
        self.selector.register(connection, selectors.EVENT_READ, lambda: self._part(pid))

    def _tell(self, pid: int) -> None:
        """Tell a kernel's manager its exit status. Its number is not free for another process until that is heard."""
        if pid not in self.kernels:
            return
        connection, ended = self.kernels[pid]
        self.selector.unregister(ended)
        status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert status is not None
        self.told.add(pid)
        _send(connection, {"exit": status.si_status * (1 if status.si_code == os.CLD_EXITED else -1)})

    def _part(self, pid: int) -> None:
        """A manager has closed its connection, or is gone: then its kernel must be gone too."""
        connection, ended = self.kernels.pop(pid)
        self.selector.unregister(connection)
        connection.close()
        if pid not in self.told:
            self.selector.unregister(ended)
            _kill(pid)
        os.close(ended)
        os.waitpid(pid, 0)
        self.told.discard(pid)


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        connection.send(json.dumps(message).encode())


def _kill(pid: int) -> None:
    """Kill a kernel and what it started; the number is its own, since it has not been waited for."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)
