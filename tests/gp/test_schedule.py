from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

import pytest

from eznas.config import EvolveConfig
from eznas.errors import InputError
from eznas.gp import schedule as schedule_module
from eznas.gp import seconds as seconds_module
from eznas.gp import time_plan as time_plan_module
from eznas.gp.confirmation import MEASURED
from eznas.gp.problem import EvolutionProblem
from eznas.gp.schedule import Schedule
from eznas.gp.seconds import CHEAP, DEAR, cost_limit
from eznas.gp.time_plan import Clock, TimePlan
from eznas.gp.trivial import TRIVIAL
from eznas.programs import cost, parse
from eznas.progress import Progress
from eznas.scoring import SERIAL

if TYPE_CHECKING:
    from eznas.gp.task import EvolutionTask
    from eznas.scoring import Condition, Proxy


class FakeTime:
    """Stands in for the module ``time``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    for module in (schedule_module, time_plan_module):
        monkeypatch.setattr(module, "time", fake)
    return fake


def test_a_new_schedule_bounds_nothing(clock: FakeTime) -> None:
    assert Schedule().deadline("a") is None


def test_parts_share_the_seconds_by_their_weights(clock: FakeTime) -> None:
    schedule = Schedule()
    schedule.begin(60.0, {"a": 1.0, "b": 2.0, "c": 3.0})
    assert schedule.deadline("a") == 1010.0
    clock.now = 1004.0  # the first part leaves six seconds
    assert schedule.deadline("b") == pytest.approx(1004 + 56 * 2 / 5)
    clock.now = 1040.0  # the second part took longer than its share
    assert schedule.deadline("c") == 1060.0


def test_a_part_keeps_its_end_and_one_that_was_not_named_has_all_the_time_that_is_left(clock: FakeTime) -> None:
    schedule = Schedule()
    schedule.begin(60.0, {"a": 1.0, "b": 1.0})
    assert schedule.deadline("a") == 1030.0
    clock.now = 1010.0
    assert schedule.deadline("a") == 1030.0
    assert schedule.deadline("other") == 1060.0
    assert schedule.deadline("b") == 1060.0
    schedule.clear()
    assert schedule.deadline("b") is None


def test_a_schedule_without_time_is_over_at_once(clock: FakeTime) -> None:
    schedule = Schedule()
    schedule.begin(-6.0, {"a": 1.0, "b": 2.0})
    assert schedule.deadline("a") == 998.0
    schedule.begin(6.0, {"a": 0.0})
    assert schedule.deadline("a") == 1006.0


def test_the_clock_counts_the_seconds_before_a_resume(clock: FakeTime) -> None:
    watch = Clock(budget=100.0, spent=30.0, begun=990.0)
    assert (watch.spent, watch.left) == (40.0, 60.0)


@dataclasses.dataclass(frozen=True)
class FakeCondition:
    key: str


@dataclasses.dataclass(frozen=True)
class FakeTask:
    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    promoted: tuple[str, ...]
    breeding: tuple[FakeCondition, ...]
    full: FakeCondition
    held_out: bool = False

    def cut(self, *, test: tuple[str, ...]) -> FakeTask:
        return dataclasses.replace(self, test=test)


def networks(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{index}" for index in range(count))


def task(name: str, space: str, *, promoted: int = 20, held_out: bool = False) -> FakeTask:
    """A task with 60 training, 20 validation and 100 test networks of a space."""
    train = networks(f"{space} train ", 0 if held_out else 60)
    validation = networks(f"{space} validation ", 0 if held_out else 20)
    test = networks(f"{space} test ", 100)
    breeding = tuple(FakeCondition(f"{space} {size}") for size in ("small", "flat"))
    full = FakeCondition(f"{space} full")
    return FakeTask(name, train, validation, test, train[:promoted], breeding, full, held_out=held_out)


def problem_of(*tasks: FakeTask) -> EvolutionProblem:
    selecting = tuple(each for each in tasks if not each.held_out)
    held_out = tuple(each for each in tasks if each.held_out)
    return EvolutionProblem(cast("tuple[EvolutionTask, ...]", selecting), cast("tuple[EvolutionTask, ...]", held_out))


def plan_of(problem: EvolutionProblem) -> TimePlan:
    seconds = {"small": 0.5, "flat": 0.25, "full": 1.0}
    conditions = [condition for each in problem.every_task for condition in (*each.breeding, each.full)]
    visit = {condition.key: seconds[condition.key.rpartition(" ")[2]] for condition in conditions}
    return TimePlan(visit, {each.full.key: 0.1 for each in problem.every_task}, {}, timing=4.0, writing=6.0)


def config(**options: object) -> EvolveConfig:
    return EvolveConfig.model_validate(options)


ONE = problem_of(task("one", "space"))


def test_the_seconds_of_a_task_are_those_of_its_networks() -> None:
    plan = plan_of(ONE)
    assert plan.start(ONE) == (60 + 20) * (0.5 + 0.25)
    assert plan.promotion(ONE) == (20 + 20) * 1.0
    parts = plan.end_parts(ONE, promoted=False)
    assert parts == {"timing": 4.0, ("test", "one"): 10.0, ("validation", "one"): 2.0}
    assert plan.end(ONE, promoted=False) == 4 + 10 + 2 + 6
    assert plan.end(ONE, promoted=True) == 4 + 10 + 6
    assert plan.start(ONE, 24) == 24 * (0.5 + 0.25)
    assert plan.promotion(ONE, 24) == 24 * 1.0


def test_a_weighted_sum_takes_time_where_programs_are_evaluated_at_full_size() -> None:
    """A quarter of a visit of each test network, and three seconds for the fits of a task."""
    without, plan = plan_of(ONE), dataclasses.replace(plan_of(ONE), sums=True)
    assert plan.end(ONE, promoted=False) == without.end(ONE, promoted=False)
    assert plan.end(ONE, promoted=True) == without.end(ONE, promoted=True) + 100 * 0.25 * 1.0 + 3
    assert (plan.sum_seconds(ONE, promoted=True), without.sum_seconds(ONE, promoted=True)) == (3, 0)
    flat = task("flat", "space", promoted=0)
    at_full_size = problem_of(dataclasses.replace(flat, breeding=(flat.full,)))
    assert plan.sum_seconds(at_full_size, promoted=False) == 3
    assert plan.sum_seconds(problem_of(flat), promoted=False) == 0  # reduced networks alone
    assert plan.sum_seconds(problem_of(task("one", "space"), flat), promoted=True) == 0


def test_tasks_with_the_same_networks_take_the_time_of_one() -> None:
    same = problem_of(task("one", "space"), task("two", "space"), task("three", "space", held_out=True))
    plan = plan_of(same)
    assert plan.start(same) == plan.start(ONE)
    assert plan.promotion(same) == plan.promotion(ONE)
    assert plan.end(same, promoted=False) == plan.end(ONE, promoted=False)
    other = problem_of(task("one", "space"), task("two", "other space"))
    assert plan_of(other).start(other) == 2 * plan.start(ONE)
    assert plan_of(other).end(other, promoted=True) == 4 + 2 * 10 + 6


def test_a_task_without_a_promotion_still_chooses_at_full_size() -> None:
    problem = problem_of(task("one", "space"), task("flat", "other space", promoted=0))
    plan = plan_of(problem)
    assert plan.promotion(problem) == plan.promotion(ONE)
    assert ("validation", "flat") in plan.end_parts(problem, promoted=True)
    assert ("validation", "one") not in plan.end_parts(problem, promoted=True)


@pytest.mark.parametrize(
    ("budget", "draws", "screens"), [(1000.0, 3, True), (209.9, 3, False), (210.1, 3, True), (1000.0, 1, False)]
)
def test_formulas_are_screened_where_half_of_the_time_suffices(budget: float, draws: int, screens: bool) -> None:
    """The first library takes 60 s, and 20 networks of each condition 15 s, three times."""
    assert plan_of(ONE).screens(ONE, config(time_budget=budget, draws=draws)) is screens


def test_few_training_networks_are_not_screened() -> None:
    few = problem_of(dataclasses.replace(task("one", "space"), train=networks("space train ", 39)))
    assert not plan_of(few).screens(few, config(time_budget=1000.0))


class Listening(Progress):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def fitted(problem: EvolutionProblem, budget: float) -> tuple[TimePlan, list[int], list[str]]:
    listener = Listening()
    plan, fitting = plan_of(problem).fitted(problem, config(time_budget=budget), Clock(budget, 0.0, 1000.0), listener)
    return plan, [len(each.test) for each in fitting.every_task], listener.messages


def test_all_test_networks_are_used_where_the_time_suffices(clock: FakeTime) -> None:
    """Testing and choosing take 12 s, timing and writing 10 s: 22 s, at most 0.4 of 55 s."""
    plan, counts, messages = fitted(ONE, 55.0)
    assert (plan.choice, counts, messages) == (1.0, [100], [])


def test_fewer_test_and_validation_networks_fit_a_shorter_budget(clock: FakeTime) -> None:
    """0.4 of 40 s are 16 s, of which 6 s are left for what takes 12 s."""
    plan, counts, [message] = fitted(ONE, 40.0)
    assert plan.choice == 0.5
    assert counts == [50]
    assert message.startswith("50 of 100 test networks are used: all would take more than 40% of time_budget, 40 s")
    assert plan.end_parts(ONE, promoted=False)["validation", "one"] == 1.0


def test_twenty_test_networks_of_each_task_are_left(clock: FakeTime) -> None:
    problem = problem_of(task("one", "space"), task("two", "other", held_out=True))
    assert fitted(problem, 1.0)[1] == [20, 20]


def test_a_budget_below_the_least_is_refused_with_the_least(clock: FakeTime) -> None:
    """The least: 10 s for timing and writing, 20 test networks in 2 s, no choice, 24 of 80 networks in 18 s."""
    clock.now = 1003.0
    plan_of(ONE).check(ONE, config(time_budget=33.1), Clock(33.1, 0.0, 1000.0), 1)
    with pytest.raises(
        InputError, match=r"time_budget must be at least about 35 s on this machine, got 25 s"
    ) as caught:
        plan_of(ONE).check(ONE, config(time_budget=25.0), Clock(25.0, 0.0, 1000.0), 1)
    assert caught.value.parameters == ("time_budget",)


ALL = len(MEASURED)


class Timed:
    """Stands in for the clock of networks.

    Args:
        monkeypatch: Puts it in place.
        program: Seconds of a program on a network.
        baselines: Seconds of all baselines on a network.

    Attributes:
        calls: The conditions that were timed, with the number of proxies.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, program: float, baselines: float) -> None:
        self.seconds = {1: program, ALL: baselines, len(TRIVIAL): program / 2, 1 + ALL: 1e9}
        self.calls: list[tuple[str, int]] = []
        monkeypatch.setattr(time_plan_module, "median_seconds", self)

    def __call__(self, proxies: list[Proxy], _: object, __: object, condition: Condition, most: float) -> float:
        assert most == pytest.approx(0.03 * 60)
        self.calls.append((condition.key, len(proxies)))  # the first one is not read
        return self.seconds[len(proxies)]

    def plan(self, problem: EvolutionProblem, *, refuse: bool = True, **options: object) -> TimePlan:
        """Return the plan of a run of a minute."""
        options = {"time_budget": 60.0, "report": False, **options}
        return TimePlan.of(problem, config(**options), SERIAL, Clock(60.0, 0.0, 1000.0), Progress(), refuse=refuse)

    def refusal(self, problem: EvolutionProblem) -> str:
        """Return the refusal of a run of a minute."""
        with pytest.raises(InputError) as caught:
            self.plan(problem)
        return str(caught.value)


THREE = problem_of(task("one", "a"), task("two", "b"), task("three", "c", held_out=True))


def test_a_budget_is_refused_as_soon_as_the_tasks_that_are_timed_need_more(
    monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    """A program of 1 s makes 8 s for each of 24 networks at two sizes. Testing takes 20 s and writing 1 s."""
    timed = Timed(monkeypatch, program=1.0, baselines=1.0)
    assert timed.refusal(THREE) == (
        "time_budget must be more than 405 s on this machine, got 60 s: this is for one alone, without the baselines "
        "and 2 of 3 tasks; give more time, fewer tasks, or smaller networks or images"
    )
    assert timed.calls == [("a small", 1 + ALL), ("a small", 1), ("a flat", 1), ("a full", 1)]


def test_slow_baselines_and_the_sum_of_tasks_are_refused_too(monkeypatch: pytest.MonkeyPatch, clock: FakeTime) -> None:
    timed = Timed(monkeypatch, program=0.001, baselines=10.0)
    assert "this is for one alone, without 2 of 3 tasks; give more" in timed.refusal(THREE)
    assert timed.calls[-2:] == [("a full", ALL), ("a full", 1)]
    timed = Timed(monkeypatch, program=0.06, baselines=0.06)
    assert "this is for one, two alone, without 1 of 3 tasks; " in timed.refusal(THREE)
    timed = Timed(monkeypatch, program=0.001, baselines=2.0)
    assert "24 networks of evolution and 20 test networks of each task take that long; give more" in timed.refusal(ONE)


def test_networks_are_timed_under_each_condition_once(monkeypatch: pytest.MonkeyPatch, clock: FakeTime) -> None:
    """Held-out tasks are tested at full size alone, by programs that are timed on other tasks."""
    problem = problem_of(task("one", "a"), task("two", "a"), task("three", "c", held_out=True))
    timed = Timed(monkeypatch, program=0.001, baselines=0.01)
    plan = timed.plan(problem, relative=True)
    conditions = [("a small", 1), ("a flat", 1), ("a full", 1)]
    sizes = [("a full", ALL), ("a full", 1), ("a full", len(TRIVIAL))]
    assert timed.calls == [("a small", 1 + ALL), *conditions, *sizes, ("c full", 1), ("c full", ALL)]
    assert plan.count == {"a full": 0.0005}
    assert plan.test == pytest.approx({"a full": 0.013, "c full": 0.013})
    alone = plan.timing
    assert Timed(monkeypatch, program=0.001, baselines=0.01).plan(problem_of(task("one", "a"))).timing == alone


def test_nothing_is_refused_on_a_resume(monkeypatch: pytest.MonkeyPatch, clock: FakeTime) -> None:
    timed = Timed(monkeypatch, program=1.0, baselines=10.0)
    assert timed.plan(THREE, refuse=False).test == {"a full": 13.0, "b full": 13.0, "c full": 13.0}


def test_a_sum_that_only_the_first_tasks_could_have_is_not_counted(clock: FakeTime) -> None:
    flat = task("flat", "space", promoted=0)
    one_size = dataclasses.replace(flat, breeding=(flat.full,))
    problem = problem_of(one_size, task("reduced", "other", promoted=0))
    plan = dataclasses.replace(plan_of(problem), sums=True)
    least = 10 + 2 + 24 * 1.0  # timing and writing, test networks, networks of evolution
    plan.check(problem, config(), Clock(least, 0.0, 1000.0), 1)
    with pytest.raises(InputError):
        plan.check(problem_of(one_size), config(), Clock(least, 0.0, 1000.0), 1)


def test_counting_parameters_and_operations_takes_time_where_the_fitness_is_relative(clock: FakeTime) -> None:
    """Of the first two tasks, which share their networks, 24 of 80 take 12 s; those of the third take 6 s."""
    problem = problem_of(task("one", "a"), task("two", "a"), task("three", "b"), task("four", "c", held_out=True))
    plan = dataclasses.replace(plan_of(problem), count={"a full": 0.5, "b full": 0.25, "c full": 9.0})
    assert plan.counting(problem, 24) == {"one": 12.0, "three": 6.0}
    assert plan.counting(problem) == {"one": 40.0, "three": 20.0}
    assert plan_of(problem).counting(problem) == {}
    least = 10 + 3 * 2 + 2 * 18  # timing and writing, test networks of three spaces, networks of evolution of two
    plan_of(problem).check(problem, config(), Clock(least, 0.0, 1000.0), 4)
    plan.check(problem, config(), Clock(least + 18.0, 0.0, 1000.0), 4)
    with pytest.raises(InputError, match=r"time_budget must be at least about 70 s"):
        plan.check(problem, config(), Clock(least + 17.9, 0.0, 1000.0), 4)


def test_the_limit_of_costs_comes_from_two_programs_that_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward and a backward pass take 3 s and the forward pass 1 s, on the other task twice that."""
    times = {("one", CHEAP): 1.0, ("one", DEAR): 3.0, ("two", CHEAP): 2.0, ("two", DEAR): 6.0}

    def seconds_of(proxies: list[Proxy], task: FakeTask, _: object) -> float:
        return times[task.name, proxies[0].program]

    monkeypatch.setattr(seconds_module, "seconds_of", seconds_of)
    problem = problem_of(task("one", "space"), task("two", "other"))
    cheap, dear = cost(parse(CHEAP)), cost(parse(DEAR))
    assert cost_limit(problem, 6.0, SERIAL) == pytest.approx(dear)
    assert cost_limit(problem, 2.0, SERIAL) == pytest.approx(cheap)
    assert cost_limit(problem, 4.0, SERIAL) == pytest.approx((cheap + dear) / 2)
    with pytest.raises(
        InputError, match=r"max_cost must be at least about 2 s, .* on a network of two, got 1.5"
    ) as caught:
        cost_limit(problem, 1.5, SERIAL)
    assert caught.value.parameters == ("max_cost",)
