"""Fixtures of the sweep's tests: a folder of stub notebooks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests_sweep_stubs import HELPERS, STUBS, write_notebook


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """Give a folder with the four stub notebooks."""
    folder = tmp_path / "stubs"
    folder.mkdir()
    for name, (parameters, work) in STUBS.items():
        write_notebook(folder / name, parameters, HELPERS, work)
    return folder


@pytest.fixture
def change(stubs: Path) -> Callable[[str, str], None]:
    """Give a function that adds a code cell's source before a stub's work."""

    def add(name: str, source: str) -> None:
        parameters, work = STUBS[name]
        write_notebook(stubs / name, parameters, HELPERS, source, work)

    return add
