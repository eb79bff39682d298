"""What tests ask of processes: whether one lives, whether something comes true, which bear a mark."""

import time
from collections.abc import Callable
from pathlib import Path


def alive(pid: int) -> bool:
    """Say whether a process runs: one that has ended but was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until(met: Callable[[], object], seconds: float = 60) -> bool:
    """Wait until a condition is met; return whether it was."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def marked(mark: str) -> list[str]:
    """Return the living processes that have a variable in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes() and alive(int(entry.name)):
                found.append((entry / "cmdline").read_bytes().decode().replace("\0", " ")[:200])
        except OSError:
            continue
    return found
