"""Writes environment.yml from the lock file and the reasons in docs/dependencies.md; `--check` only compares."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# The environment of requirements.lock for conda users: the same versions, each with its reason.
# Made by `python scripts/environment.py` (a test compares); reasons stand in docs/dependencies.md.
#   conda env create -f environment.yml && conda activate fedlab && pip install --no-deps --no-build-isolation -e .
name: fedlab
channels:
  - conda-forge
dependencies:
  - python=3.11  # the version that the lock file is made for first; 3.12 and 3.13 work with make and pip
  - pip  # installs what follows, at the versions of the lock file
  - pip:
"""
PIN = re.compile(r"^(?P<pin>(?P<name>[A-Za-z0-9._-]+)==[^\\]+?)\s*\\?$")


def reasons() -> dict[str, str]:
    """Return package -> why, from the tables in docs/dependencies.md."""
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (.+?) \| .+ \|$", (ROOT / "docs/dependencies.md").read_text("utf-8"), re.M)
    return {name: why for name, why in rows if name != "package"}


def locked() -> list[tuple[str, str, list[str]]]:
    """Return (name, pin with its marker, needed by) for each entry of the lock file."""
    found: list[tuple[str, str, list[str]]] = []
    for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines():
        match = PIN.match(line)
        if match:
            found.append((match["name"], match["pin"], []))
        elif line.strip().startswith("#"):
            needed = line.strip().lstrip("#").strip().removeprefix("via").strip()
            if needed:
                found[-1][2].append(re.sub(r" \(.*\)$", "", needed))
    return found


def environment() -> str:
    """Return the text of environment.yml."""
    why = reasons()
    lines = []
    for name, pin, needed_by in locked():
        reason = why.get(name, "needed by " + ", ".join(needed_by))
        quoted = f'"{pin}"' if ";" in pin else pin
        lines.append(f"      - {quoted}  # {reason}\n")
    return HEADER + "".join(lines)


def main() -> None:
    """Write the file, or with ``--check`` fail where it differs."""
    path = ROOT / "environment.yml"
    if "--check" in sys.argv:
        if not path.exists() or path.read_text("utf-8") != environment():
            sys.exit("environment.yml is not what the lock file says; run: python scripts/environment.py")
        return
    path.write_text(environment(), "utf-8")


if __name__ == "__main__":
    main()
