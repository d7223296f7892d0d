"""A tiny supernet that is trained once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eznas.api.supernet import train_supernet
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

    from eznas.api.supernet import SupernetRun

CELLS = list(SPACES["nasbench201"].architectures() or ())[:80]
TINY: dict[str, Any] = {
    "epochs": 4, "train_images": 65, "validation_images": 40, "batch_size": 32, "pixels": 8, "channels": 2,
    "architectures": 12, "learning_rate": 0.1, "augment": True, "progress": False,
}  # fmt: skip


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    lines = [f"{one},{90 + one.count('3x3~') - one.count('none') + place / 100}" for place, one in enumerate(CELLS)]
    path.write_text("\n".join(["architecture,accuracy", *lines, ""]), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(table: Path, tmp_path_factory: pytest.TempPathFactory) -> SupernetRun:
    return train_supernet(table=str(table), out=tmp_path_factory.mktemp("supernet") / "rsws", **TINY)
