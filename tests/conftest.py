"""What the tests of several packages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before anything imports torch: every test process keeps to one core
os.environ.pop("EZNAS_DATA", None)  # tables of whoever runs the tests
os.environ["XDG_CONFIG_HOME"] = str(Path(__file__).parent / "no_configuration")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tables beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real tables are not beside this checkout (../shared/data)")
    return folder
