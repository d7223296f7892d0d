from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from eznas.config import EvolveConfig
from eznas.gp import fitted_sum
from eznas.gp.fitness import FitnessCase, TaskFitness
from eznas.gp.fitted_sum import FittedSum, fit_sum
from eznas.minibatch import load_minibatch
from eznas.primitives import Kind
from eznas.programs import parse
from eznas.programs.sums import clamped
from eznas.progress import Progress
from eznas.scoring import Condition, Panel
from eznas.scoring.panel import Vectors
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


TRAINING, VALIDATION, UNITS = 50, 20, 6
REDUCTIONS = [parse(text, Kind.UNIT) for text in ("l1(weight)", "entropy(weight)", "mean(norm_out.data)")]


@pytest.fixture(scope="module")
def values() -> NDArray[np.float64]:
    """Values of three reductions on the units of all networks."""
    return 0.5 + np.random.default_rng(0).random((TRAINING + VALIDATION, len(REDUCTIONS), UNITS))


def case(values: NDArray[np.float64], accuracies: NDArray[np.float64], task: int = 0) -> FitnessCase:
    space, rng = SPACES["nasbench201"], random.Random(task)
    condition = Condition.of(space.name, space.fidelities["reduced_wide"], task, load_minibatch("digits", 2))
    panel = Panel(condition, list({space.sample(rng): None for _ in range(2 * len(values))})[: len(values)])
    panel.table.learn(REDUCTIONS, [Vectors(UNITS, of_network) for of_network in values])
    return FitnessCase(panel, accuracies, np.arange(len(values)) < TRAINING, task)


def planted(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return accuracies that are a weighted sum of two aggregated reductions."""
    sums = values.sum(axis=2)
    return np.asarray(60 + 3 * sums[:, 0] - 5 * np.log1p(sums[:, 1]))


def fitted(
    *cases: FitnessCase, left: float = math.inf, progress: Progress | None = None, **options: Any
) -> FittedSum | None:
    config = EvolveConfig.model_validate({"weighted_terms": 6, **options})
    tasks = [TaskFitness()] * len(cases)
    return fit_sum(config, cases, tasks, REDUCTIONS, (), progress or Progress(), lambda: left)


def test_a_planted_sum_is_found_and_ranks_networks_that_its_fit_left_out(values: NDArray[np.float64]) -> None:
    found = fitted(case(values, planted(values)), weighted_terms=20, weighted_ridge=1e-3)
    assert found is not None
    assert 2 <= found.program.text.count("scale(") <= 20
    assert found.tau_train > 0.9
    assert found.taus[0] > 0.85
    assert found.tasks == (found.tau_train,)
    assert len(found.held_out[0]) == VALIDATION


def test_a_term_keeps_within_its_range_on_other_networks(values: NDArray[np.float64]) -> None:
    found = fitted(case(values, planted(values)))
    assert found is not None
    far = np.stack([values[0] * 1e6, values[0] * 1e9, values.max() + 0 * values[0], *values])
    scores = case(far, np.zeros(len(far))).panel.table.scores([found.program])[0]
    assert scores[0] == scores[1]
    assert abs(scores[0]) < 3 * np.abs(scores[3:]).max()


def test_the_tau_on_validation_networks_is_not_that_of_the_networks_fitted_to(values: NDArray[np.float64]) -> None:
    accuracies = np.random.default_rng(1).permutation(planted(values))
    found = fitted(case(values, accuracies), weighted_terms=40, weighted_ridge=1e-4)
    assert found is not None
    assert found.tau_train > 0.4
    assert found.taus[0] < found.tau_train - 0.2


@pytest.mark.parametrize("fold", [0, 3])
def test_the_scores_of_a_fold_do_not_depend_on_its_accuracies(values: NDArray[np.float64], fold: int) -> None:
    accuracies = planted(values)
    places = np.arange(TRAINING, len(values))[fold :: fitted_sum._FOLDS]
    changed = accuracies.copy()
    changed[places] = accuracies[places][::-1] + 40
    one, other = (case(values, labels) for labels in (accuracies, changed))
    names = [one.panel.architectures[place] for place in places]
    scores, again = (fitted(each) for each in (one, other))
    assert scores is not None
    assert again is not None
    assert [scores.held_out[0][name] for name in names] == [again.held_out[0][name] for name in names]
    assert scores.held_out != again.held_out


def test_a_sum_over_two_tasks_ranks_both(values: NDArray[np.float64]) -> None:
    """One task wants the first reduction, the other one the second."""
    sums = values.sum(axis=2)
    one, other = case(values, sums[:, 0]), case(values, sums[:, 1], 1)
    alone = fitted(one)
    assert alone is not None
    scores = other.panel.table.scores([alone.program])
    assert abs(kendalltau(scores[0], other.accuracies).statistic) < 0.2
    found = fitted(one, other)
    assert found is not None
    assert min(found.tasks) > 0.4
    assert found.tau_train == min(found.tasks)
    assert [len(scores) for scores in found.held_out] == [VALIDATION, VALIDATION]


def test_networks_that_were_left_out_are_not_fitted_to(values: NDArray[np.float64]) -> None:
    broken = case(values, planted(values))
    dropped = broken.panel.architectures[TRAINING + 4]
    broken.panel.leave_out({dropped: "it failed"})
    found = fitted(broken)
    assert found is not None
    assert set(found.held_out[0]) == set(broken.panel.architectures[TRAINING:]) - {dropped}


@pytest.mark.parametrize("fold", [0, 2])
def test_a_network_that_one_task_left_out_shifts_no_fold_of_another(values: NDArray[np.float64], fold: int) -> None:
    """Two tasks on the same networks: the scores of a fold depend on the accuracies of its networks in neither task."""
    places = np.arange(TRAINING, len(values))[fold :: fitted_sum._FOLDS]

    def held_out(shift: float) -> list[float]:
        accuracies = planted(values)
        accuracies[places] = accuracies[places][::-1] + shift
        cases = [case(values, accuracies, task) for task in (0, 1)]
        first = cases[0].panel
        first.leave_out({first.architectures[TRAINING + 1]: "it failed"})
        found = fitted(*cases)
        assert found is not None
        names = [(task, cases[task].panel.architectures[place]) for task in (0, 1) for place in places]
        return [found.held_out[task][name] for task, name in names if name in found.held_out[task]]

    assert held_out(0.0) == held_out(40.0)


@pytest.mark.parametrize(
    ("left", "networks", "reason"),
    [
        (-1.0, 70, "its fits would take about"),
        (math.inf, 29, "a task has 29 usable networks of full size, a sum needs 30"),
    ],
)
def test_a_message_says_why_no_sum_is_fitted(
    values: NDArray[np.float64], listener: Any, left: float, networks: int, reason: str
) -> None:
    some = case(values, planted(values))
    some.panel.leave_out(dict.fromkeys(some.panel.architectures[networks:], "it failed"))
    assert fitted(some, left=left, progress=listener) is None
    [message] = listener.messages
    assert message.startswith(f"no weighted sum: {reason}")


def test_a_sum_has_at_least_two_terms() -> None:
    with pytest.raises(ValueError, match="weighted_terms must be 0 or at least 2, got 1"):
        EvolveConfig(weighted_terms=1)


@pytest.mark.parametrize(
    ("low", "high"), [(1000000.1, 1000000.9), (-3e-4, 2e-4), (0.0, 1.0), (-7e9, 4e11), (12.0, 13.0)]
)
def test_bounds_are_rounded_outwards(low: float, high: float) -> None:
    upper = clamped(parse("sum(l1(weight))"), low, high)
    least, greatest = float(upper.args[0].args[1].name), float(upper.args[1].name)
    assert low - 1e-3 * (high - low) <= least <= low
    assert high <= greatest <= high + 1e-3 * (high - low)


@pytest.mark.usefixtures("small_networks")
def test_a_run_reports_the_sum_and_a_resumed_run_fits_the_same(
    table: Path,
    tmp_path: Path,
    run_in: Callable[..., dict[str, Any]],
    run_until: Callable[[Path, EvolveConfig, int], None],
) -> None:
    options = EvolveConfig.model_validate({
        "networks": 18, "validation_networks": 12, "test_networks": 10, "full_networks": 18, "population": 20,
        "library": 8, "generations": 3, "full_generations": 1, "batch_size": 2, "device": "cpu", "workers": 1,
        "weighted_terms": 5, "table": str(table), "time_budget": 600, "report": False,
    })  # fmt: skip
    whole = run_in(tmp_path / "whole", options)
    [row] = [row for row in whole["hall_of_fame"] if row["program"].count("scale(") > 1]
    assert row["tau_validation"] < row["tau_train"]
    genealogy = (tmp_path / "whole" / "genealogy.json").read_text()
    assert ("weighted sum" in genealogy) == (row["name"] == "rank0")
    run_until(tmp_path / "stopped", options, 1)
    resumed = run_in(tmp_path / "stopped", options, resume=True)
    assert resumed["hall_of_fame"] == whole["hall_of_fame"]
