from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import eznas
from eznas.errors import InputError
from eznas.run import NUMERICS, RunDirectory
from eznas.scoring.plugin import load_plugin, plugin_digests, use_plugins
from eznas.symbolic.population import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from eznas.api.evolve import EvolutionRun

SMALL: dict[str, Any] = {"population": 60, "offspring": 200, "workers": 1, "time_budget": "10m", "progress": False}
PLUGIN = '''
"""A primitive of the network floor."""

from eznas.primitives import Kind, primitive


@primitive(([Kind.NETWORK], Kind.NETWORK), formula="x / 3", domain="all numbers")
def third(x):
    """A third of x."""
    return x / 3
'''

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    path, before = tmp_path / "third.py", plugin_digests()
    path.write_text(PLUGIN)
    yield path
    use_plugins(before)


@pytest.fixture
def run(score_file: Path, tmp_path: Path) -> EvolutionRun:
    return eznas.evolve(scores=score_file, generations=5, out=tmp_path / "run", **SMALL)


@pytest.mark.parametrize("islands", [5, 7])
def test_an_interrupt_within_an_epoch_saves_the_state_before_the_epoch(
    score_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, islands: int
) -> None:
    add, done = Counts.add, iter(range(1, 100))

    def interrupted(self: Counts, other: Counts) -> None:
        add(self, other)
        if next(done) == islands:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Counts, "add", interrupted)
        part = eznas.evolve(scores=score_file, generations=15, out=tmp_path / "part", **SMALL)
    assert part.summary["stopped_by"] == "interrupt"
    checkpoint = RunDirectory(part.path).read_checkpoint()
    assert checkpoint is not None
    assert (checkpoint["generation"], [row["generation"] for row in checkpoint["log"]]) == (5, [5])
    part = part.resume(progress=False)
    whole = eznas.evolve(scores=score_file, generations=15, out=tmp_path / "whole", **SMALL)
    for name in ("hall_of_fame", "statuses", "programs_evaluated", "generations", "racing_error"):
        assert part.summary[name] == whole.summary[name], name


def test_a_run_is_resumed_with_its_own_plugins_alone(run: EvolutionRun, score_file: Path, plugin: Path) -> None:
    load_plugin(plugin)
    with pytest.raises(InputError, match=r"third\.py must not be loaded, since the run began without its primitives"):
        run.resume(progress=False)
    beside = eznas.evolve(scores=score_file, generations=5, out=plugin.parent / "beside", **SMALL)
    assert beside.resume(progress=False, generations=6).summary["generations"] == 6
    plugin.write_text(PLUGIN.replace("x / 3", "x / 4"))
    with pytest.raises(InputError, match=r"plugin .*third\.py must be the file that the run began with"):
        beside.resume(progress=False, generations=7)


def test_a_run_of_a_version_that_recorded_no_plugins_is_resumed(score_file: Path, plugin: Path) -> None:
    run = eznas.evolve(scores=score_file, plugin=plugin, generations=5, out=plugin.parent / "run", **SMALL)
    with RunDirectory.resume(run.path) as directory:
        data = directory.manifest()["data"]
        directory.record(data={name: facts for name, facts in data.items() if not name.startswith("plugin ")})
    assert run.resume(progress=False, generations=6).summary["generations"] == 6


def test_a_run_of_other_numerics_is_not_resumed(run: EvolutionRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eznas.run.NUMERICS", NUMERICS + 1)
    message = f"version of numerics must be the one that the run began with, {NUMERICS}, got {NUMERICS + 1}"
    with pytest.raises(InputError, match=message):
        run.resume(progress=False, generations=10)
