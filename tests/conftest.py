"""Fixtures of several packages."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

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


@pytest.fixture(scope="session")
def real(shared_data: Path) -> Callable[[str], Any]:
    """Load a real table by name."""
    return lambda name: json.loads(gzip.decompress((shared_data / f"{name}.json.gz").read_bytes()))
