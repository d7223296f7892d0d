from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from eznas.gp import confirmation as module
from eznas.gp.individual import Individual, TauFitness
from eznas.programs import parse
from eznas.progress import Progress
from eznas.scoring import SERIAL, ScoreMatrix
from eznas.status import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from eznas.gp.problem import EvolutionProblem
    from eznas.programs import Node
    from eznas.scoring import Panel

RISING = [1.0, 2.0, 3.0, 4.0]


@dataclasses.dataclass(frozen=True)
class FakeSetting:
    validation: tuple[str, ...] = ("a", "b", "c", "d")
    test: tuple[str, ...] = ("e", "f", "g", "h")
    full: None = None

    def accuracies(self, _: tuple[str, ...]) -> Any:
        return np.array(RISING)


def candidates() -> list[Individual]:
    texts = ("sum(mean(weight))", "exp(sum(l1(weight)))")
    return [Individual(parse(text), 0.5, 0.5, b"", TauFitness((0.5,))) for text in texts]


class FakePanel:
    def __init__(self, rows: list[list[float]]) -> None:
        self.rows = rows
        self.table = self

    def scores(self, programs: Sequence[Node]) -> Any:
        assert len(programs) == len(self.rows)
        return np.array(self.rows)


def finished(
    monkeypatch: pytest.MonkeyPatch, first: list[float], second: list[float], panel: FakePanel | None = None
) -> tuple[module.Finished, list[tuple[str, ...]]]:
    """Let the two candidates have these scores on the validation networks, then on the test networks."""
    visited = []

    def scored(proxies: Any, _: object, architectures: Any, *__: object, **___: object) -> ScoreMatrix:
        visited.append(architectures)
        part = slice(4) if architectures == FakeSetting.validation else slice(4, None)
        rows = [(first if "mean" in proxy.program else second)[part] for proxy in proxies]
        scores = tuple(tuple(Score.of(value) for value in row) for row in rows)
        return ScoreMatrix(tuple(proxies), tuple(architectures), scores, (0.0,) * len(architectures))

    monkeypatch.setattr(module, "score_networks", scored)
    problem, known = cast("EvolutionProblem", FakeSetting()), cast("Panel | None", panel)
    return module.finish(problem, candidates(), known, 0, SERIAL, Progress()), visited


def test_the_best_on_validation_comes_first_whatever_the_test_networks_say(monkeypatch: pytest.MonkeyPatch) -> None:
    fair = [1.0, 2.0, 4.0, 3.0]
    for tested in ([4.0, 3.0, 2.0, 1.0], [float("nan"), 1.0, 2.0, 3.0], RISING):
        found = finished(monkeypatch, [*RISING, *tested], [*fair, *RISING])[0].evolved
        assert [row.program for row in found] == ["sum(mean(weight))", "exp(sum(l1(weight)))"]
        assert [row.name for row in found] == ["rank0", "rank1"]


def test_a_missing_validation_score_costs_the_first_place(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [float("nan"), 2.0, 3.0, 4.0]
    found = finished(monkeypatch, [*missing, *missing], [*RISING[::-1], *RISING])[0].evolved
    assert [row.program for row in found] == ["exp(sum(l1(weight)))", "sum(mean(weight))"]
    assert found[1].coverage == 3 / 4
    assert found[1].statuses == {"non_finite": 1, "ok": 3}
    assert found[0].validation is not None
    assert found[0].validation.tau == -1.0


def test_what_a_promotion_knows_of_the_validation_networks_is_not_found_out_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = FakePanel([[9.0, 9.0, *RISING[::-1]], [0.0, 0.0, *RISING]])  # training networks first
    done, visited = finished(monkeypatch, [*RISING, *RISING], [*RISING, *RISING], known)
    assert [row.program for row in done.evolved] == ["exp(sum(l1(weight)))", "sum(mean(weight))"]
    assert [row.validation.tau for row in done.evolved if row.validation] == [1.0, -1.0]
    assert visited == [FakeSetting.test]


def test_baselines_are_tested_and_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    done, _ = finished(monkeypatch, [*RISING, *RISING], [*RISING, *RISING])
    assert [row.name for row in done.baselines] == list(module.BASELINES)
    assert all(row.validation is None for row in done.baselines)
    assert list(done.test_scores) == ["rank0", "rank1", *module.BASELINES]
