"""Networks that run in milliseconds, and accuracies of them."""

from __future__ import annotations

import csv
import io
import random
from typing import TYPE_CHECKING

import pytest

from eznas.gp import confirmation
from eznas.spaces import SPACES, Fidelity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TINY = Fidelity("full", cells=1, channels=4, pixels=8)


@pytest.fixture(scope="module")
def small_networks() -> Iterator[None]:
    fidelities = {"full": TINY, "reduced_wide": Fidelity("reduced_wide", 1, 4, 8, 3)}
    space = type(SPACES["nasbench201"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(space, "fidelities", fidelities)
        patch.setattr(space, "reduced", ("reduced_wide",))
        patch.setattr(confirmation, "seconds_of", lambda *_: 0.5)  # equal runs write equal files
        yield


@pytest.fixture(scope="session")
def some_accuracies() -> str:
    """A table of forty architectures whose accuracy grows with their number of convolutions, with some chance."""
    space, rng, text = SPACES["nasbench201"], random.Random(0), io.StringIO()
    drawn = dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(45))
    writer = csv.writer(text)
    writer.writerow(["architecture", "accuracy"])
    writer.writerows([one, 50 + 5 * one.count("conv") + rng.random()] for one in drawn)
    return text.getvalue()


@pytest.fixture
def table(tmp_path: Path, some_accuracies: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(some_accuracies, newline="")
    return path
