from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eznas.config import EvolveConfig
from eznas.gp import loop
from eznas.gp.library import Library
from eznas.gp.loop import Evolution
from eznas.scoring import Panel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    RunIn = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("small_networks")


def config(table: Path, **changes: Any) -> EvolveConfig:
    small = {
        "table": table,
        "networks": 12,
        "validation_networks": 18,
        "test_networks": 10,
        "population": 20,
        "generations": 3,
        "library": 24,
        "full_networks": 12,
        "full_generations": 1,
        "weighted_terms": 6,
        "batch_size": 4,
        "workers": 1,
        "device": "cpu",
        "time_budget": 600.0,
    }
    return EvolveConfig.model_validate({**small, **changes})


def test_a_run_whose_promotion_failed_can_be_resumed(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, listener: Any, run_in: RunIn
) -> None:
    extend = Panel.extend

    def failing(self: Panel, *args: Any, **options: Any) -> list[bool]:
        if self.condition.fidelity.name == "full":
            self.leave_out(dict.fromkeys(self.architectures, "it failed: this network is broken"))
        return extend(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Panel, "extend", failing)
        summary = run_in(tmp_path / "run", config(table), listener)
    assert summary["networks"]["full_size"] == 0
    resumed = run_in(tmp_path / "run", config(table, generations=4), listener, resume=True)
    assert (resumed["networks"]["full_size"], resumed["generations"]) == (0, 4)
    message = "the run goes on without networks of full size: at least 5 networks must be usable, got 0"
    assert sum(text.startswith(message) for text in listener.messages) == 2


@pytest.mark.parametrize("moment", [(Evolution, "_born"), (Library, "keep"), (Evolution, "_select")])
def test_an_interrupt_in_a_promotion_reports_the_programs_before_it(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, run_in: RunIn, moment: tuple[type, str]
) -> None:
    monkeypatch.setattr(loop, "_PROMOTED", 5)
    promote, call = Evolution.promote, getattr(*moment)

    def interrupt(*args: Any) -> None:
        call(*args)
        raise KeyboardInterrupt

    def interrupted(self: Evolution, *args: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(*moment, interrupt)
            promote(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Evolution, "promote", interrupted)
        summary = run_in(tmp_path / "run", config(table))
    assert (summary["stopped_by"], summary["networks"]["full_size"]) == ("interrupt", 0)
    resumed = run_in(tmp_path / "run", config(table), resume=True)
    whole = run_in(tmp_path / "whole", config(table))
    assert resumed["networks"]["full_size"] == 12
    assert resumed["hall_of_fame"] == whole["hall_of_fame"]
