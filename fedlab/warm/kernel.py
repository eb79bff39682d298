"""A fork of the template becomes the kernel that the same command would have started cold."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.util
import os
import socket
import sys
import threading
from typing import Any

from fedlab.warm.imports import INLINE, LAUNCHER


def become_kernel(request: dict[str, Any], handles: list[int], connection: socket.socket) -> None:
    """Turn this fork into the kernel that the same command would have started cold."""
    os.setsid()
    for handle, place in zip(handles, (1, 2), strict=True):
        os.dup2(handle, place)
        os.close(handle)
    for place, name in ((1, "stdout"), (2, "stderr")):
        old = getattr(sys, name)
        errors = old.errors if old else None
        fresh = open(place, "w", encoding=old.encoding if old else None, errors=errors, closefd=False)  # noqa: SIM115
        fresh.reconfigure(line_buffering=place == 2 or fresh.isatty())
        setattr(sys, name, fresh)
        setattr(sys, f"__{name}__", fresh)
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    if "ipykernel.debugger" in sys.modules:
        # As the debugger does when it is imported.
        os.environ.setdefault("PYDEVD_USE_FRAME_EVAL", "NO")
    words = request["argv"]
    launcher = importlib.util.find_spec(LAUNCHER)
    sys.argv[:] = [str(launcher and launcher.origin), *words[3:]]
    sys.orig_argv[:] = words
    importlib.invalidate_caches()
    if "numpy" in sys.modules:
        # Python's own generator is seeded anew in every fork; NumPy's global one would be the same in all kernels.
        sys.modules["numpy"].random.seed()
    if "matplotlib" in sys.modules:
        # As matplotlib does when it is imported in a kernel, which has set the variable by then.
        sys.modules["matplotlib"].rcParams["backend"] = INLINE
    threading.Thread(target=_die_with, args=(connection,), daemon=True).start()


def _die_with(connection: socket.socket) -> None:
    """End this kernel when its manager has. ipykernel's own watch only knows the process that a kernel came from."""
    with contextlib.suppress(OSError):
        while connection.recv(64):
            pass
    os._exit(1)


def run_kernel() -> None:
    """Run the kernel until it is shut down, and end this process with what Python does at an exit."""
    from ipykernel import kernelapp

    code: Any = 0
    try:
        kernelapp.IPKernelApp.launch_instance(parent_handle=1)
    except SystemExit as exit_:
        code = exit_.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    # Taking every imported module down, as Python would now, takes time and memory of a fork, and does nothing else.
    os._exit(code if isinstance(code, int) else int(code is not None))
