"""Tiny supernets that are trained once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eznas.api.supernet import train_supernet

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def supernets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run directory of a supernet of each method."""
    folder = tmp_path_factory.mktemp("supernets")
    return {
        method: train_supernet(
            method=method, out=folder / method, table="none", epochs=2, train_images=64, validation_images=100,
            batch_size=32, pixels=8, channels=2, progress=False,
        ).path
        for method in ("rsws", "oneshot")
    }  # fmt: skip
