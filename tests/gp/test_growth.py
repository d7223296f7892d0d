"""How a run ends: expansions of the library, their end, and the bound on the cost of programs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from eznas.config import EvolveConfig
from eznas.errors import EznasError
from eznas.gp import run as run_module
from eznas.gp.deap_random import deap_random
from eznas.gp.genealogy import Birth, Genealogy
from eznas.gp.individual import Individual, TauFitness
from eznas.gp.lexicase import lexicase
from eznas.gp.loop import Evolution
from eznas.programs import cost, parse
from eznas.run import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    RunIn = Callable[..., dict[str, Any]]

PATIENCE = 3


def config(table: Path, **changes: Any) -> EvolveConfig:
    small = {
        "table": table,
        "networks": 10,
        "validation_networks": 10,
        "test_networks": 10,
        "full_networks": 0,
        "population": 14,
        "generations": 80,
        "library": 12,
        "patience": PATIENCE,
        "batch_size": 4,
        "workers": 1,
        "time_budget": 600.0,
    }
    return EvolveConfig.model_validate({**small, **changes})


@pytest.mark.usefixtures("small_networks")
def test_a_run_ends_when_neither_generations_nor_expansions_help(
    table: Path, tmp_path: Path, run_in: RunIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    worths: list[float] = []
    expansions: list[int] = []
    expand, step = Evolution.expand, Evolution.step

    def counted(self: Evolution) -> None:
        expansions.append(self.generation)
        expand(self)

    def followed(self: Evolution) -> None:
        step(self)
        worths.append(max(self.hall.worth(member) for member in self.hall.members.values()))

    monkeypatch.setattr(Evolution, "expand", counted)
    monkeypatch.setattr(Evolution, "step", followed)
    summary = run_in(tmp_path / "run", config(table))
    assert summary["stopped_by"] == "converged"
    assert summary["generations"] == len(worths) < 80

    # The same policy, followed from the worths of the hall of fame alone.
    best, at_expansion, stagnant, in_vain = float("-inf"), float("-inf"), 0, 0
    expected = []
    for generation, worth in enumerate(worths):
        if stagnant >= PATIENCE and in_vain < 2:
            expected.append(generation)
            in_vain = 0 if best - at_expansion >= 0.003 else in_vain + 1
            at_expansion, stagnant = best, 0
        if worth - best >= 0.001:
            best, stagnant = worth, 0
        else:
            stagnant += 1
    assert expansions == expected
    assert len(expansions) >= 3  # the first one never counts as in vain
    assert (in_vain, stagnant) == (2, PATIENCE)


@pytest.mark.usefixtures("small_networks")
def test_programs_above_the_limit_of_cost_are_not_bred(
    table: Path, tmp_path: Path, run_in: RunIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, seed = 4.0, "add(sum(mean(weight_grad.data)), sum(effective_rank(conv_in_grad.loss)))"
    assert cost(parse(seed)) > limit
    monkeypatch.setattr(run_module, "cost_limit", lambda *_: limit)
    options = config(table, max_cost=0.1, generations=8, patience=1, library=20, seed_program=(seed,))
    run_in(tmp_path / "run", options.model_copy(update={"generations": 4}))
    monkeypatch.setattr(run_module, "cost_limit", lambda *_: pytest.fail("a resume keeps the limit"))
    run_in(tmp_path / "run", options, resume=True)
    checkpoint = RunDirectory(tmp_path / "run").read_checkpoint()
    assert checkpoint is not None
    assert checkpoint["cost_limit"] == limit
    born = [row[0] for row in checkpoint["genealogy"]]
    assert len(born) > 20
    assert all(cost(parse(text)) <= limit for text in born)


@pytest.mark.usefixtures("small_networks")
def test_a_limit_of_cost_that_no_program_keeps_is_said(
    table: Path, tmp_path: Path, run_in: RunIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "cost_limit", lambda *_: -1.0)
    with pytest.raises(EznasError, match="no program within max_size, max_height and max_cost has a rank correlation"):
        run_in(tmp_path / "run", config(table, max_cost=0.1))


def test_ancestors_are_complete_and_others_are_forgotten() -> None:
    family = {
        "a": Birth("random", (), 0, 0.1),
        "b": Birth("seed", (), 0, 0.2),
        "c": Birth("crossover", ("a", "b"), 1, 0.3),
        "d": Birth("hoist", ("c",), 2, 0.4),
        "e": Birth("shrink", ("a",), 2, 0.1),
    }
    genealogy = Genealogy()
    for text, birth in family.items():
        genealogy.record(text, birth)
    genealogy.record("c", Birth("random", (), 5, 0.3))  # made again, which does not count
    assert set(genealogy.ancestors(["d"])) == {"a", "b", "c", "d"}
    restored = Genealogy()
    restored.restore(genealogy.state())
    assert restored.births == family
    restored.prune(["d", "unknown"])
    assert restored.births == {text: birth for text, birth in family.items() if text != "e"}
    assert restored.as_json("c")["programs"]["c"] == {
        "operator": "crossover", "parents": ["a", "b"], "generation": 1, "tau_train": 0.3
    }  # fmt: skip


def test_lexicase_draws_from_the_given_generator_alone() -> None:
    rng = random.Random(1)
    population = [
        Individual(
            parse("sum(mean(weight))"), 0.0, 0.0, (rng.random(), rng.random(), rng.random()), b"", TauFitness((0.0,))
        )
        for _ in range(20)
    ]

    def places(seed: int) -> list[int]:
        with deap_random(random.Random(seed)):
            return [population.index(parent) for parent in lexicase(population, 50)]

    first = places(0)
    random.seed(5)
    assert places(0) == first
    assert places(1) != first
