"""An environment of their own for the libraries that benchmarks compare with."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path


def install(folder: Path, *packages: str) -> Path | None:
    """Make an environment with packages in it; return its Python, or None where they cannot be installed."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], capture_output=True, text=True)
    if done.returncode:
        print(f"{', '.join(packages)} cannot be installed here:\n{done.stderr[-1000:]}", file=sys.stderr)
        return None
    return python
