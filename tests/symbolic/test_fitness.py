from __future__ import annotations

import numpy as np
import pytest

from eznas.symbolic.fitness import Fitness
from eznas.symbolic.hall import Hall, Member

TAUS = np.array([[0.2, 0.8], [0.5, 0.4], [-0.9, -0.9], [np.nan, 0.9]])


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("least", [0.2, 0.4, -0.9, np.nan]),
        ("mean", [0.5, 0.45, -0.9, np.nan]),
        ("lexicase", [0.5, 0.45, -0.9, np.nan]),
        ("weighted", [0.35, 0.475, -0.9, np.nan]),
    ],
)
def test_fitness_over_tasks(kind: str, wanted: list[float]) -> None:
    np.testing.assert_allclose(Fitness(kind, (3.0, 1.0)).over_tasks(TAUS), wanted)


def test_tournaments_prefer_the_fitter() -> None:
    fitness, rng = np.arange(10.0), np.random.default_rng(0)
    drawn = Fitness("mean", ()).parents(TAUS, fitness, 4000, 3, rng)
    counts = np.bincount(drawn, minlength=10)
    assert counts[9] / 4000 == pytest.approx(1 - 0.9**3, abs=0.03)
    assert (np.diff(counts) > -40).all()


def test_lexicase_draws_specialists_and_keeps_them() -> None:
    """The mean is best for the generalist; the two specialists are each best on a task."""
    taus = np.array([[0.9, 0.0], [0.0, 0.9], [0.5, 0.5], [0.3, 0.3], [0.2, 0.2], [0.31, 0.31]])
    fitness, rng = taus.mean(axis=1), np.random.default_rng(0)
    lexicase = Fitness("lexicase", (1.0, 1.0))
    assert {0, 1} <= set(lexicase.parents(taus, fitness, 500, 4, rng).tolist())
    assert set(lexicase.best(taus, fitness, 2).tolist()) == {0, 1}
    assert Fitness("mean", (1.0, 1.0)).best(taus, fitness, 1).tolist() == [2]


def test_the_hall_keeps_the_best_of_each_size_by_the_smaller_tau() -> None:
    hall = Hall()
    hall.update([Member("a", 3, 0.9, 0.1), Member("b", 3, 0.5, 0.4), Member("c", 5, 0.7, 0.3), Member("d", 7, 0.6, 0.5),
                 Member("e", 9, 0.9, float("nan"))])  # fmt: skip
    assert hall.worth(3) == 0.4
    assert hall.worth(4) == hall.worth(9) == -np.inf
    assert [member.program for member in hall.candidates(5)] == ["d", "b"]  # c is larger than b, and no better
    assert Hall.restored(hall.state()).state() == hall.state()
