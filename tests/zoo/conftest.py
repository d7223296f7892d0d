"""The zoo runs only where it is asked for, since it takes long."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the zoo unless ``-m`` names it."""
    if "zoo" in config.getoption("markexpr"):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="the zoo runs with -m zoo"))
