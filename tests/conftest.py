"""Fixtures that several rooms' tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fedlab_data() -> Path:
    """Give the folder of real data, or skip where FEDLAB_DATA does not name one."""
    folder = os.environ.get("FEDLAB_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set FEDLAB_DATA to the folder with uci_heart/ and dataset_diabetes.zip")
    return Path(folder)
