from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pytest
from deap import tools

from eznas.config import EvolveConfig
from eznas.gp.deap_random import deap_random, from_json, to_json
from eznas.gp.fitness import FitnessCase, FitnessEvaluator, TaskFitness
from eznas.gp.hall_of_fame import HallOfFame
from eznas.gp.individual import Individual, TauFitness
from eznas.gp.lexicase import lexicase
from eznas.gp.population import Breeder
from eznas.programs import Node, parse
from eznas.status import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.scoring import Panel

PROGRAMS = {
    "sum(mean(weight))": [1.0, 2.0, 3.0, 4.0, 1.0, 2.0],
    "exp(max(mean(weight)))": [10.0, 20.0, 30.0, 40.0, 5.0, 6.0],  # ranks the training networks like the first
    "sum(abs(mean(weight)))": [1.0, 3.0, 2.0, 4.0, 2.0, 1.0],
    "min(mean(weight))": [2.0, 2.0, 2.0, 2.0, 2.0, 2.0],
    "last(mean(weight))": [np.nan, 2.0, 3.0, 4.0, 1.0, 2.0],
}


class FakePanel:
    def __init__(self, sign: float = 1.0) -> None:
        self.sign = sign
        self.table = self
        self.usable = np.ones(6, bool)

    def scores(self, programs: list[Node]) -> NDArray[np.float64]:
        return self.sign * np.array([PROGRAMS[program.text] for program in programs])


def evaluator(*signs: float) -> FitnessEvaluator:
    accuracies, training = np.array([10.0, 20.0, 30.0, 40.0, 50.0, 60.0]), np.arange(6) < 4
    return FitnessEvaluator(
        [FitnessCase(cast("Panel", FakePanel(sign)), accuracies, training) for sign in signs or (1.0,)]
    )


def breeder(objective: Literal["tau", "pareto"] = "tau") -> Breeder:
    of_tau = {"tournament": 2, "parsimony": 0.01} if objective == "tau" else {}
    config = EvolveConfig.model_validate({"objective": objective, "max_size": 20, "max_height": 8, **of_tau})
    return Breeder(evaluator(), config)


def test_verdicts_of_hand_computed_taus() -> None:
    good, alike, fair, constant, undefined = evaluator().evaluate([parse(text) for text in PROGRAMS])
    assert (good.tau_train, good.tau_validation) == (1.0, 1.0)
    assert fair.tau_train == pytest.approx(4 / 6)
    assert fair.tau_validation == -1.0
    assert constant.status is Status.CONSTANT
    assert undefined.status is Status.NON_FINITE
    assert good.key == alike.key != fair.key


def test_what_cannot_depend_on_the_network_is_constant_unseen() -> None:
    constant, good = evaluator().evaluate(
        [parse("mean(mean(image.data))"), parse("sum(mean(weight))")]
    )  # no such score
    assert constant.status is Status.CONSTANT
    assert np.isnan(constant.tau_train)
    assert good.tau_train == 1.0


def test_the_worst_condition_counts_and_a_flipped_sign_is_not_forgiven() -> None:
    (verdict,) = evaluator(1.0, -1.0).evaluate([parse("sum(mean(weight))")])
    assert verdict.tau_train == -1.0


def test_statuses_are_counted_and_parsimony_is_taken_off() -> None:
    one = breeder()
    made = one.individuals([parse(text) for text in PROGRAMS])
    assert one.statuses == {"ok": 3, "constant": 1, "non_finite": 1}
    assert made[0].fitness.values[0] == pytest.approx(1.0 - 0.03)


@pytest.mark.parametrize("objective", ["tau", "pareto"])
def test_of_programs_that_rank_alike_the_simplest_survives(objective: Literal["tau", "pareto"]) -> None:
    one = breeder(objective)
    for texts in (list(PROGRAMS), list(PROGRAMS)[::-1]):
        survivors = one.survivors(random.Random(0), one.individuals([parse(text) for text in texts]), 10)
        assert {individual.program.text for individual in survivors} == {"sum(mean(weight))", "sum(abs(mean(weight)))"}


def test_offspring_keep_the_limits_and_are_new() -> None:
    one = breeder()
    population = one.individuals([parse(text) for text in PROGRAMS])
    children = one.offspring(
        random.Random(0), population, 30, [parse("mean(weight)", population[0].program.args[0].kind)]
    )
    assert 10 <= len(children) == len(set(children)) <= 30
    assert all(child.size <= 20 and child.height <= 8 for child in children)
    assert not {individual.program for individual in population} & set(children)


def individual(text: str, train: float, validation: float) -> Individual:
    return Individual(parse(text), train, validation, (train,), text.encode(), TauFitness((train,)))


def test_the_hall_of_fame_keeps_what_holds_on_validation_per_complexity() -> None:
    hall = HallOfFame()
    overfitted, solid = individual("sum(mean(weight))", 0.9, 0.1), individual("max(mean(weight))", 0.6, 0.5)
    longer = individual("sum(abs(mean(weight)))", 0.7, 0.7)
    hall.update([overfitted])
    assert hall.candidates(1) == [overfitted]
    hall.update([solid, longer])
    hall.update([overfitted, individual("min(mean(weight))", 0.9, float("nan"))])
    assert [one.program.text for one in hall.candidates(1)] == ["sum(abs(mean(weight)))"]
    assert list(hall.members.values()) == [solid, longer]


def test_borrowed_chance_is_one_stream_and_leaves_the_global_one_alone() -> None:
    population = [individual(text, index / 10, 0.0) for index, text in enumerate(PROGRAMS)]

    def draw(rng: random.Random) -> list[Individual]:
        with deap_random(rng):
            return cast("list[Individual]", tools.selTournament(population, 3, 2))

    rng = random.Random(3)
    before = random.getstate()
    first = draw(rng)
    copy = from_json(to_json(rng))
    assert random.getstate() == before
    assert draw(rng) == draw(copy)
    assert first == draw(random.Random(3))


def test_a_candidate_that_reads_the_same_reductions_waits() -> None:
    hall = HallOfFame()
    best, varied = individual("sum(mean(weight))", 0.9, 0.9), individual("exp(sum(mean(weight)))", 0.88, 0.88)
    other = individual("exp(sqrt(sum(l1(weight))))", 0.87, 0.87)
    hall.update([varied, other, best])
    assert hall.candidates(2) == [best, other]
    assert hall.candidates(3) == [best, other, varied]


def test_a_candidate_of_another_kind_must_be_nearly_as_good() -> None:
    hall = HallOfFame()
    best, varied = individual("sum(mean(weight))", 0.9, 0.9), individual("exp(sum(mean(weight)))", 0.8, 0.8)
    poor = individual("exp(sqrt(sum(l1(weight))))", 0.3, 0.3)
    hall.update([varied, poor, best])
    assert hall.candidates(2) == [best, varied]


@pytest.mark.parametrize(
    ("fitness", "weights", "expected"),
    [
        ("least", (1.0, 1.0), -1.0),
        ("mean", (3.0, 1.0), 0.0),
        ("weighted", (3.0, 1.0), 0.5),
        ("lexicase", (3.0, 1.0), 0.0),
    ],
)
def test_tasks_count_as_the_fitness_says(fitness: str, weights: tuple[float, ...], expected: float) -> None:
    accuracies, training = np.array([10.0, 20.0, 30.0, 40.0, 50.0, 60.0]), np.arange(6) < 4
    cases = [
        FitnessCase(cast("Panel", FakePanel(sign)), accuracies, training, place)
        for place, sign in enumerate((1.0, -1.0))
    ]
    tasks = [TaskFitness(weight) for weight in weights]
    (good,) = FitnessEvaluator(cases, tasks, fitness).evaluate([parse("sum(mean(weight))")])
    assert good.tasks == (1.0, -1.0)
    assert good.tau_train == pytest.approx(expected)
    relative = [TaskFitness(weight, (0.25, 0.5)) for weight in weights]
    (above,) = FitnessEvaluator(cases, relative, fitness).evaluate([parse("sum(mean(weight))")])
    assert above.tau_train == pytest.approx(expected - 0.25)
    assert above.tau_validation == pytest.approx(expected - 0.5)
    assert above.tasks == good.tasks


def test_networks_that_are_left_out_do_not_count() -> None:
    panel = FakePanel()
    accuracies = np.array([10.0, 20.0, 30.0, 40.0, 50.0, 60.0])
    case = FitnessCase(cast("Panel", panel), accuracies, np.arange(6) < 4)
    undefined = parse("last(mean(weight))")
    assert FitnessEvaluator([case]).evaluate([undefined])[0].status is Status.NON_FINITE
    panel.usable = np.array([False, True, True, True, True, True])
    assert FitnessEvaluator([case]).evaluate([undefined])[0].tau_train == 1.0


def test_lexicase_selects_specialists_too() -> None:
    """A program that is best on one task becomes a parent although its mean is the least."""
    tasks = {"sum(mean(weight))": (0.9, 0.9), "max(mean(weight))": (0.95, 0.0), "min(mean(weight))": (0.2, 0.3)}
    population = [
        Individual(parse(text), 0.0, 0.0, taus, text.encode(), TauFitness((0.0,)))
        for text, taus in [*tasks.items(), *[("min(mean(weight))", (0.2, 0.3))] * 5]
    ]
    with deap_random(random.Random(0)):
        selected = [parent.program.text for parent in lexicase(population, 200)]
    assert set(selected) == {"sum(mean(weight))", "max(mean(weight))"}


def test_candidates_that_simplify_to_one_program_are_one() -> None:
    hall = HallOfFame()
    plain, longer = individual("sum(mean(weight))", 0.8, 0.8), individual("neg(neg(sum(mean(weight))))", 0.9, 0.9)
    other = individual("exp(sum(l1(weight)))", 0.7, 0.7)
    hall.update([plain, longer, other])
    assert hall.candidates(3) == [longer, other]
