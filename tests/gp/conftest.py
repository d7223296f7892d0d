"""Networks that run in milliseconds, and accuracies of them."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eznas.gp import confirmation, run_evolution
from eznas.progress import Progress
from eznas.run import RunDirectory
from eznas.scoring import local_executor
from eznas.scoring.plugin import load_plugin, plugin_digests, use_plugins
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eznas.config import EvolveConfig


@pytest.fixture(scope="module")
def small_networks() -> Iterator[None]:
    before = plugin_digests()
    load_plugin(Path(__file__).with_name("tiny_spaces.py"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confirmation, "seconds_of", lambda *_: 0.5)  # equal runs write equal files
        yield
    use_plugins(before)


@pytest.fixture(scope="session")
def some_accuracies() -> str:
    """A table of forty architectures whose accuracy grows with their number of convolutions, with some chance."""
    space, rng, text = SPACES["nasbench201"], random.Random(0), io.StringIO()
    drawn = dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(45))
    writer = csv.writer(text)
    writer.writerow(["architecture", "accuracy"])
    writer.writerows([one, 50 + 5 * one.count("conv") + rng.random()] for one in drawn)
    return text.getvalue()


def _run_in(path: Path, options: EvolveConfig, progress: Progress | None = None, *, resume: bool = False) -> Any:
    if resume:
        opened = RunDirectory.resume(path)
    else:
        opened = RunDirectory.create(path, options.as_toml(), seed=options.seed, command="test")
    executor = local_executor(options.workers, options.memory)
    with opened as directory:
        return run_evolution(options, directory, executor, progress or Progress(), resume=resume)


@pytest.fixture(scope="session")
def run_in() -> Callable[..., dict[str, Any]]:
    """Runs an evolution in a directory, or resumes it there, and returns the summary."""
    return _run_in


@pytest.fixture
def table(tmp_path: Path, some_accuracies: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(some_accuracies, newline="")
    return path
