"""Runs whose every stage is out of time: the least number of networks runs, and a resume goes on with the same ones."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from eznas.config import EvolveConfig
from eznas.gp import library, loop, time_plan
from eznas.gp.schedule import Schedule
from eznas.progress import Progress
from eznas.run import RunDirectory
from eznas.scoring.left_out import NOT_REACHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    RunIn = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("small_networks")
RESULTS = ("hall_of_fame.csv", "test_scores.csv", "genealogy.json")
LEAST = 12


class Listening(Progress):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


class Stop(Exception):  # noqa: N818 - no error: it stands for a kill
    pass


class Stopping(Progress):
    """Stops a run at a step of a stage, given by a part of its name, or at a generation."""

    def __init__(self, stage: str = "", step: int = 0, generation: int = 0) -> None:
        self._stage, self._left, self._generation, self._here = stage, step, generation, False

    def stage(self, name: str, steps: int) -> None:
        del steps
        self._here = bool(self._stage) and self._stage in name

    def advance(self) -> None:
        self._left -= self._here
        if self._here and self._left == 0:
            raise Stop

    def generation(self, record: Mapping[str, float | int | str]) -> None:
        if record["generation"] == self._generation:
            raise Stop


@pytest.fixture(scope="module")
def accuracies(tmp_path_factory: pytest.TempPathFactory, some_accuracies: str) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(some_accuracies, newline="")
    return path


def config(table: Path, **changes: Any) -> EvolveConfig:
    small = {
        "table": table,
        "networks": 10,
        "validation_networks": 10,
        "test_networks": 13,
        "full_networks": 8,
        "population": 14,
        "generations": 30,
        "full_generations": 3,
        "library": 10,
        "patience": 2,
        "batch_size": 4,
        "workers": 1,
        "time_budget": 600.0,
    }
    return EvolveConfig.model_validate({**small, **changes})


@pytest.fixture(scope="module")
def hurry(small_networks: None) -> Iterator[None]:
    """Every bounded stage begins after its end."""
    begin = Schedule.begin
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Schedule, "begin", lambda self, _, weights: begin(self, -1.0, weights))
        for module in (library, loop):
            patch.setattr(module, "LEAST_VISITED", LEAST)
        patch.setattr(loop, "_LEAST_PROMOTED", LEAST)
        yield


@pytest.fixture(scope="module")
def hurried(
    tmp_path_factory: pytest.TempPathFactory, hurry: None, accuracies: Path, run_in: RunIn
) -> tuple[RunDirectory, list[str]]:
    path, listener = tmp_path_factory.mktemp("hurry") / "whole", Listening()
    run_in(path, config(accuracies), listener)
    return RunDirectory(path), listener.messages


def test_networks_that_are_not_reached_are_left_out_and_named(hurried: tuple[RunDirectory, list[str]]) -> None:
    summary = hurried[0].read_json("summary.json")
    [task] = summary["tasks"]
    left_out = {**task["left_out"]["train"], **task["left_out"]["validation"]}
    assert set(left_out.values()) == {NOT_REACHED}
    assert task["networks"] == {"train": 10, "full_size": 8, "validation": 10, "test": 10}
    checkpoint = hurried[0].read_checkpoint()
    assert checkpoint is not None
    assert [len(names) for names in checkpoint["left_out"]] == [10 + 10 - LEAST]
    assert [len(names) for names in checkpoint["promotion_left_out"]] == [8 + 10 - LEAST]
    assert checkpoint["left_out"][0].keys() | checkpoint["promotion_left_out"][0].keys() == left_out.keys()
    assert sum("left out" in message for message in hurried[1]) >= 2


def test_a_fair_share_of_training_and_validation_networks_is_reached(hurried: tuple[RunDirectory, list[str]]) -> None:
    checkpoint = hurried[0].read_checkpoint()
    assert checkpoint is not None
    [task] = hurried[0].read_json("summary.json")["tasks"]
    reached = 10 - sum(name in checkpoint["left_out"][0] for name in task["left_out"]["train"])
    assert reached == LEAST / 2


def test_an_expansion_without_time_ends_the_growth_of_the_library(hurried: tuple[RunDirectory, list[str]]) -> None:
    summary = hurried[0].read_json("summary.json")
    assert summary["stopped_by"] == "converged"
    assert (
        sum("no more reductions are drawn: it took more than the time left" in message for message in hurried[1]) == 1
    )
    rows = hurried[0].read_csv("logbook.csv")
    bred = [row for row in rows if row["full_size"] == "0"]
    assert len(bred) < 30
    assert len({row["reductions"] for row in bred}) == 1


def test_programs_are_reported_untimed(hurried: tuple[RunDirectory, list[str]]) -> None:
    summary = hurried[0].read_json("summary.json")
    assert summary["best"]["seconds"] is None
    assert summary["best"]["tau_test"] is not None
    assert len(hurried[0].read_csv("test_scores.csv")) == 10


@pytest.mark.parametrize(
    "moments",
    [
        [Stopping(generation=3)],
        [Stopping("evaluating 1", step=7)],
        [Stopping("networks of full size", step=3)],
        [Stopping("testing", step=2)],
        [
            Stopping("testing", step=2),
            Stopping("networks of full size", step=3),
            Stopping("networks of full size", step=3),
        ],
    ],
    ids=["generation", "first evaluation", "promotion", "after the promotion", "three times"],
)
def test_a_resume_goes_on_with_the_networks_that_were_reached(
    hurried: tuple[RunDirectory, list[str]],
    accuracies: Path,
    tmp_path: Path,
    run_in: RunIn,
    monkeypatch: pytest.MonkeyPatch,
    moments: list[Stopping],
) -> None:
    """A resume has more time than the run had, and still evaluates on no other networks."""
    path, begun = tmp_path / "run", False
    for moment in moments:
        with pytest.raises(Stop):
            run_in(path, config(accuracies), moment, resume=begun)
        begun = RunDirectory(path).read_checkpoint() is not None
    if not begun:
        shutil.rmtree(path)
    elif len(moments) > 1 or moments[0]._stage == "testing":
        monkeypatch.setattr(library, "LEAST_VISITED", 1000)
        monkeypatch.setattr(loop, "_LEAST_PROMOTED", 1000)
    run_in(path, config(accuracies), resume=begun)
    for name in RESULTS:
        assert (path / name).read_bytes() == (hurried[0].path / name).read_bytes(), name
    left_out = [RunDirectory(path).read_json("summary.json")["tasks"][0]["left_out"]]
    assert left_out == [hurried[0].read_json("summary.json")["tasks"][0]["left_out"]]


def test_no_time_for_screening_draws_as_many_reductions_as_enter(
    accuracies: Path, tmp_path: Path, run_in: RunIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_plan, "SCREENED", 5)
    monkeypatch.setattr(time_plan, "START", 1e-9)
    changes = {"generations": 1, "full_networks": 0}
    run_in(tmp_path / "run", config(accuracies, **changes))
    checkpoint = RunDirectory(tmp_path / "run").read_checkpoint()
    assert checkpoint is not None
    assert checkpoint["screens"] is False
    assert len(checkpoint["tried"]) == 10


def test_measures_are_computed_on_the_networks_that_are_reached(
    hurry: None, accuracies: Path, tmp_path: Path, run_in: RunIn
) -> None:
    measures = {"terminals": "measures", "terminal_measures": ("params", "l2_norm", "naswot"), "generations": 3}
    whole = run_in(tmp_path / "whole", config(accuracies, **measures))
    checkpoint = RunDirectory(tmp_path / "whole").read_checkpoint()
    assert checkpoint is not None
    for part, networks in (("left_out", 20), ("promotion_left_out", 18)):
        assert [len(names) for names in checkpoint[part]] == [networks - LEAST]
        assert {*checkpoint[part][0].values()} == {NOT_REACHED}
    with pytest.raises(Stop):
        run_in(tmp_path / "parts", config(accuracies, **measures), Stopping("testing", step=2))
    assert run_in(tmp_path / "parts", config(accuracies, **measures), resume=True)["best"] == whole["best"]
