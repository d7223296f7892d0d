"""Networks that run in milliseconds, and accuracies of them."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eznas.gp import confirmation, course, run_evolution, time_plan
from eznas.progress import Progress
from eznas.run import RunDirectory
from eznas.scoring import local_executor
from eznas.scoring.plugin import load_plugin, plugin_digests, use_plugins
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from eznas.config import EvolveConfig


EVERY_BASELINE = [
    (module, name, getattr(module, name))
    for module, names in ((confirmation, ("BASELINES", "MEASURED", "_COMBINED")), (time_plan, ("MEASURED",)))
    for name in names
]


@pytest.fixture(scope="module")
def small_networks() -> Iterator[None]:
    """Networks of a few layers, and two baselines."""
    before = plugin_digests()
    load_plugin(Path(__file__).with_name("tiny_spaces.py"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confirmation, "seconds_of", lambda *_: 0.5)  # equal runs write equal files
        patch.setattr(time_plan, "median_seconds", lambda *_: 0.02)
        for module, name, value in EVERY_BASELINE:
            patch.setattr(module, name, {} if isinstance(value, dict) else ("params", "naswot"))
        yield
    use_plugins(before)


@pytest.fixture
def every_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in EVERY_BASELINE:
        monkeypatch.setattr(module, name, value)


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


class Listening(Progress):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture
def listener() -> Listening:
    """Hears the messages of a run."""
    return Listening()


class _Stop(Exception):  # noqa: N818 - no error: it stands for a kill
    pass


class _Stopping(Progress):
    def __init__(self, generation: int) -> None:
        self._generation = generation

    def generation(self, record: Mapping[str, float | int | str]) -> None:
        if record["generation"] == self._generation:
            raise _Stop


@pytest.fixture
def run_until(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, EvolveConfig, int], None]:
    """Runs an evolution in a directory and stops it as a kill would, with the checkpoint of a generation."""

    def run(path: Path, options: EvolveConfig, generation: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(course, "CHECKPOINT_SECONDS", -1.0)
            with pytest.raises(_Stop):
                _run_in(path, options, _Stopping(generation + 1))

    return run


@pytest.fixture
def table(tmp_path: Path, some_accuracies: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(some_accuracies, newline="")
    return path
