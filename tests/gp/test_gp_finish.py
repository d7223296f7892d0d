from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from eznas.gp import finish as module
from eznas.gp.hall_of_fame import HallOfFame
from eznas.gp.individual import Individual, TauFitness
from eznas.gp.listener import Silent
from eznas.programs import parse
from eznas.scores import Score
from eznas.scoring import Budget, ScoreMatrix

if TYPE_CHECKING:
    import pytest

    from eznas.gp.setting import Setting

RISING = [1.0, 2.0, 3.0, 4.0]


@dataclasses.dataclass(frozen=True)
class FakeSetting:
    validation: tuple[str, ...] = ("a", "b", "c", "d")
    test: tuple[str, ...] = ("e", "f", "g", "h")
    full: None = None

    def accuracies(self, _: tuple[str, ...]) -> Any:
        return np.array(RISING)


def hall() -> HallOfFame:
    made = HallOfFame()
    for text in ("sum(mean(weight))", "exp(sum(l1(weight)))"):
        made.update([Individual.make(parse(text), (0.5, 0.5), b"", TauFitness(), (0.5,))])
    return made


def finished(monkeypatch: pytest.MonkeyPatch, first: list[float], second: list[float]) -> module.Finished:
    def scored(proxies: Any, _: object, architectures: Any, *__: object, **___: object) -> ScoreMatrix:
        rows = [first if "mean" in proxy.program else second for proxy in proxies]
        scores = tuple(tuple(Score.of(value) for value in row) for row in rows)
        return ScoreMatrix(tuple(proxies), tuple(architectures), scores, (0.0,) * len(architectures))

    monkeypatch.setattr(module, "score_networks", scored)
    return module.finish(cast("Setting", FakeSetting()), hall(), 2, 0, Budget(1, 2**30, None), Silent())


def test_the_best_on_validation_comes_first_whatever_the_test_networks_say(monkeypatch: pytest.MonkeyPatch) -> None:
    fair = [1.0, 2.0, 4.0, 3.0]
    for tested in ([4.0, 3.0, 2.0, 1.0], [float("nan"), 1.0, 2.0, 3.0], RISING):
        found = finished(monkeypatch, [*RISING, *tested], [*fair, *RISING]).found
        assert [row.program for row in found] == ["sum(mean(weight))", "exp(sum(l1(weight)))"]
        assert [row.name for row in found] == ["rank0", "rank1"]


def test_a_missing_validation_score_costs_the_first_place(monkeypatch: pytest.MonkeyPatch) -> None:
    found = finished(monkeypatch, [float("nan"), 2.0, 3.0, 4.0, *RISING], [*RISING[::-1], *RISING]).found
    assert [row.program for row in found] == ["exp(sum(l1(weight)))", "sum(mean(weight))"]
    assert found[1].coverage == 7 / 8
    assert found[1].statuses == {"non_finite": 1, "ok": 7}
    assert found[0].validation.tau == -1.0
