from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eznas.search.config import SearchConfig
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

ALL = list(SPACES["nasbench201"].architectures() or ())[:60]


@pytest.fixture
def options(tmp_path: Path) -> SearchConfig:
    """A table of sixty architectures, with scores of fifty of them in a file."""
    lines = [f"{one},{90 + index / 10},{index % 7},{60 + index},{10 + index},{index}" for index, one in enumerate(ALL)]
    header = (
        "# dataset: cifar10\n# split: test\n# epochs: 200\narchitecture,accuracy,valid4,valid12,valid12_seconds,params"
    )
    (tmp_path / "table.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    scores = [f"{one},{index**2}" for index, one in enumerate(ALL[:50])]
    (tmp_path / "fifty.csv").write_text("\n".join(["architecture,score", *scores, ""]), encoding="utf-8")
    return SearchConfig(
        algorithm="local_search",
        signal=("valid12",),
        table=str(tmp_path / "table.csv"),
        scores=(str(tmp_path / "fifty.csv"),),
        queries=20,
        runs=3,
    )
