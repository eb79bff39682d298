"""The template process: imports libraries, never computes, and forks itself into one kernel per request.

`fedlab.warm.client` starts it. It holds nothing of any run, and ends when the process that started it ends.
"""

from __future__ import annotations

import gc
import shutil
import socket
import sys
import time

# Before any import of what a kernel may use; a clock tick earlier, since that is what files' times are counted in.
STARTED = time.time() - 0.02

from fedlab.warm.imports import MODULES, Imports  # noqa: E402
from fedlab.warm.kernel import become_kernel, run_kernel  # noqa: E402
from fedlab.warm.server import Server  # noqa: E402


def main() -> None:
    """Serve on a socket until a lifeline is cut, both given by number; at the end, remove the folder given."""
    listener, lifeline, parent, folder, *modules = sys.argv[1:]
    del sys.path[0]  # the working folder, which is not a kernel's
    imports = Imports(modules or MODULES, STARTED)
    # What is imported is never garbage: collections need not touch it, so that forks share its memory.
    gc.collect()
    gc.freeze()
    asked = Server(socket.socket(fileno=int(listener)), int(lifeline), imports, int(parent)).serve()
    if asked is not None:
        become_kernel(*asked)
        run_kernel()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
