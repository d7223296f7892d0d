from __future__ import annotations

import errno
import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from eznas.config import EvolveConfig
from eznas.errors import InputError
from eznas.progress import Progress
from eznas.run import RunDirectory
from eznas.scoring import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    RunIn = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_networks")]
RESULTS = ("hall_of_fame.csv", "test_scores.csv")


def config(table: Path, **changes: Any) -> EvolveConfig:
    small = {
        "table": table,
        "networks": 10,
        "validation_networks": 10,
        "test_networks": 10,
        "full_networks": 0,
        "population": 12,
        "generations": 4,
        "library": 8,
        "patience": 1,
        "batch_size": 4,
        "workers": 1,
        "time_budget": 600.0,
    }
    return EvolveConfig.model_validate({**small, **changes})


class Watching(Progress):
    """Does something after a generation, and hears what is said."""

    def __init__(self, at: int = 0, action: Callable[[], None] = lambda: None) -> None:
        self.messages: list[str] = []
        self._at, self._action = at, action

    def generation(self, record: Mapping[str, float | int | str]) -> None:
        if record["generation"] == self._at:
            self._action()

    def message(self, text: str) -> None:
        self.messages.append(text)


def results(path: Path) -> list[bytes]:
    return [(path / name).read_bytes() for name in RESULTS]


@pytest.fixture(scope="module")
def accuracies(tmp_path_factory: pytest.TempPathFactory, some_accuracies: str) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(some_accuracies, newline="")
    return path


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, small_networks: None, accuracies: Path, run_in: RunIn
) -> list[bytes]:
    path = tmp_path_factory.mktemp("runs") / "whole"
    run_in(path, config(accuracies))
    return results(path)


class Stop(Exception):  # noqa: N818 - no error: it stands for a kill
    pass


def stop() -> None:
    raise Stop


@pytest.fixture(scope="module")
def fourth_generation(
    tmp_path_factory: pytest.TempPathFactory, small_networks: None, accuracies: Path, run_in: RunIn
) -> Path:
    path = tmp_path_factory.mktemp("runs") / "stopped"
    with pytest.raises(Stop):
        run_in(path, config(accuracies), Watching(4, stop))
    return path


@pytest.fixture
def stopped(tmp_path: Path, fourth_generation: Path) -> Path:
    """A run that was stopped in its fourth generation, after two checkpoints."""
    return Path(shutil.copytree(fourth_generation, tmp_path / "run"))


def test_a_full_disk_stops_with_a_sentence_at_any_write_and_the_run_can_be_resumed(
    tmp_path: Path, table: Path, whole: list[bytes], monkeypatch: pytest.MonkeyPatch, run_in: RunIn
) -> None:
    sync = os.fsync
    for room in (4, 7, 12):  # writes that the disk has room for: checkpoints, journal, tables, hall of fame
        left = iter(range(room))

        def full(number: int, left: Any = left) -> None:
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(number)

        path = tmp_path / f"full{room}"
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="must be writable: No space left on device"):
            run_in(path, config(table))
        monkeypatch.setattr(os, "fsync", sync)
        run_in(path, config(table), resume=True)
        assert results(path) == whole, f"room for {room}"


def test_a_journal_that_was_torn_or_damaged_does_not_stop_a_resume(
    stopped: Path, table: Path, whole: list[bytes], run_in: RunIn
) -> None:
    journal = stopped / "journal.jsonl"
    journal.write_bytes(b"\x00\xff{]\n" + journal.read_bytes()[:-7])
    run_in(stopped, config(table), resume=True)
    assert results(stopped) == whole


@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_a_damaged_checkpoint_is_replaced_by_the_one_before(
    stopped: Path, table: Path, whole: list[bytes], damage: str, run_in: RunIn
) -> None:
    path = stopped / "checkpoint.json"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content.replace(b"1", b"2"))
    run_in(stopped, config(table), resume=True)
    assert results(stopped) == whole


def test_two_damaged_checkpoints_stop_with_a_sentence_that_helps(
    stopped: Path, table: Path, whole: list[bytes], run_in: RunIn
) -> None:
    paths = [stopped / "checkpoint.json", stopped / "checkpoint.json.bak"]
    for path in paths:
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="must be undamaged; delete both to begin again"):
        run_in(stopped, config(table), resume=True)
    for path in paths:
        path.unlink()
    run_in(stopped, config(table), resume=True)
    assert results(stopped) == whole


@pytest.mark.parametrize("damage", ["garbage", "truncated", "missing"])
def test_a_damaged_store_costs_visits_and_nothing_else(
    stopped: Path, table: Path, whole: list[bytes], damage: str, run_in: RunIn
) -> None:
    path = stopped / "vectors.sqlite"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:16] + (b"\x17" * len(content) if damage == "garbage" else content[16:-5000]))
    heard = Watching()
    run_in(stopped, config(table), heard, resume=True)
    assert results(stopped) == whole
    assert all("an empty one takes its place" in message for message in heard.messages[1:])


def test_a_full_disk_under_the_store_does_not_stop_the_run(
    tmp_path: Path, table: Path, whole: list[bytes], monkeypatch: pytest.MonkeyPatch, run_in: RunIn
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("eznas.scoring.vector_store.VectorStore._make_room", full)
    heard = Watching()
    run_in(tmp_path / "run", config(table), heard)
    assert results(tmp_path / "run") == whole
    assert len(heard.messages) == 2
    assert "No space left on device); the run goes on without it" in heard.messages[1]


def test_networks_that_are_broken_at_full_size_cost_their_scores_alone(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, run_in: RunIn
) -> None:
    broken = break_networks(monkeypatch, "full", {12: "raises", 14: "nan", 16: "infinity", 18: "memory"})
    run_in(tmp_path / "run", config(table))
    rows = {row["architecture"]: row for row in RunDirectory(tmp_path / "run").read_csv("test_scores.csv")}
    assert {name for name, row in rows.items() if not row["naswot"]} == set(broken) & set(rows)
    assert sorted(broken.values()) == ["infinity", "memory", "nan", "raises"]
    for name, fault in broken.items():
        if fault in ("raises", "memory"):  # some programs, such as those that count, have a value where there is NaN
            assert not rows[name]["best"]


def test_networks_that_are_broken_in_training_and_validation_are_left_out_and_the_run_ends(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, run_in: RunIn
) -> None:
    broken = break_networks(monkeypatch, "reduced_wide", {3: "raises", 6: "nan", 12: "memory", 15: "infinity"})
    listener = Watching()
    run_in(tmp_path / "run", config(table), listener)
    assert sorted(broken.values()) == ["infinity", "memory", "nan", "raises"]
    messages = [text for text in listener.messages if "left out" in text]
    for name, fault in broken.items():
        if fault in ("raises", "memory"):
            assert any(f"{name}, because it failed: " in text for text in messages)
    rows = RunDirectory(tmp_path / "run").read_csv("hall_of_fame.csv")
    assert rows
    assert all(math.isfinite(float(row["tau_train"])) for row in rows)
    assert all(row["best"] for row in RunDirectory(tmp_path / "run").read_csv("test_scores.csv"))


def break_networks(monkeypatch: pytest.MonkeyPatch, fidelity: str, faults: dict[int, str]) -> dict[str, str]:
    """Break the networks of a fidelity that are the n-th to be built, and return their faults as they come up."""
    build = Condition.network
    seen: dict[str, None] = {}
    broken: dict[str, str] = {}

    def network(self: Condition, architecture: str) -> nn.Module:
        made = build(self, architecture)
        if self.fidelity.name != fidelity:
            return made
        seen[architecture] = None
        fault = faults.get(list(seen).index(architecture))
        if fault is None:
            return made
        broken[architecture] = fault
        if fault in ("raises", "memory"):

            def fail(*_: object) -> None:
                raise RuntimeError("this layer is broken") if fault == "raises" else MemoryError("no more memory")

            made.register_forward_pre_hook(fail)
        else:
            with torch.no_grad():
                next(made.parameters()).fill_(float("nan" if fault == "nan" else "inf"))
        return made

    monkeypatch.setattr(Condition, "network", network)
    return broken
