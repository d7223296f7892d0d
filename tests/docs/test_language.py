from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from eznas import primitives
from eznas.minibatch import Minibatch
from eznas.programs import evaluate
from eznas.programs.catalogue import example
from eznas.status import Status

if TYPE_CHECKING:
    from eznas.programs import Node

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def written() -> dict[Path, str]:
    page, drawing = (runpy.run_path(str(DOCS / name)) for name in ("language_page.py", "unit_picture.py"))
    return {page["PAGE"]: page["page"](), drawing["PICTURE"]: drawing["picture"]()}


def test_the_page_and_the_picture_are_those_of_the_records(written: dict[Path, str]) -> None:
    for path, text in written.items():
        assert path.read_text(encoding="utf-8") == text, "run python docs/generate.py and commit what it writes"


def test_the_page_has_every_primitive_and_statistic(written: dict[Path, str]) -> None:
    page, picture = written[DOCS / "language.md"], written[DOCS / "images" / "unit.svg"]
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    for record in primitives.all_primitives():
        assert rows.count(record.name) >= len(primitives.overloads(record.name))
    assert set(rows) >= {*primitives.STATISTICS, *primitives.QUANTITIES, *primitives.SCENARIOS}
    assert all(f">{name}<" in picture for name in (*primitives.QUANTITIES, *primitives.SCENARIOS))


def test_the_features_of_every_space_are_defined(written: dict[Path, str]) -> None:
    features = written[DOCS / "language.md"].partition("### Features of architectures")[2].partition("## Primitives")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in features.splitlines() if line.startswith("| ")]
    defined = re.findall(r"\*\*(\w+)\*\*", features)
    for spaces, _, groups, _, others in rows[1:]:
        for group in groups.split(", ") if groups else ():
            assert re.search(rf"^- .*{group}.*: ", features, flags=re.MULTILINE), group
        for space in spaces.split(", ") if others else ():
            assert space.startswith(tuple(defined)), space


def test_examples_can_be_evaluated() -> None:
    programs: list[Node] = []
    for record in primitives.all_primitives():
        for position in range(len(record.signatures)):
            program = example(record, position)
            assert f"{record.name}(" in program.text
            programs.append(program)
    generator = torch.Generator().manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Flatten()
    )
    images = torch.randn((4, 3, 6, 6), generator=generator)
    scores = evaluate(programs, network, Minibatch(images, torch.arange(4), 4, "random", seed=5))
    assert {score.status for score in scores} <= {Status.OK, Status.NON_FINITE}
    assert sum(score.ok for score in scores) > len(scores) / 2
