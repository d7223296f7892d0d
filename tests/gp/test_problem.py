from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eznas.config import EvolveConfig
from eznas.errors import InputError
from eznas.gp.problem import EvolutionProblem
from eznas.seeds import python_rng
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("benchmark", "space", "trained"), [("nasbench301", "darts", "nasbench301"), ("nasbench201", "nasbench201", "full")]
)
def test_what_is_reported_is_of_the_size_that_was_trained(
    tmp_path: Path, benchmark: str, space: str, trained: str
) -> None:
    table, rng = tmp_path / "table.csv", python_rng(0, "test")
    drawn = dict.fromkeys(SPACES[space].canonical(SPACES[space].sample(rng)) for _ in range(40))
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["architecture", "accuracy"], *([one, 60 + place] for place, one in enumerate(drawn))]
        )
    few = {"networks": 12, "validation_networks": 10, "test_networks": 10, "full_networks": 8, "batch_size": 4}
    config = EvolveConfig.model_validate({"benchmark": benchmark, "table": table, **few})
    [task] = EvolutionProblem.of(config).tasks
    assert task.full.fidelity == SPACES[space].fidelities[trained]
    assert tuple(one.fidelity.name for one in task.breeding) == SPACES[space].reduced
    [whole] = EvolutionProblem.of(config.model_copy(update={"fidelity": "full"})).tasks
    assert [one.fidelity.name for one in whole.breeding] == [trained]


def write_table(path: Path, architectures: list[str], offset: int) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "accuracy"])
        writer.writerows([text, 50 + (place * 7 + offset) % 45] for place, text in enumerate(architectures))
    return path


@pytest.fixture
def two_tables(tmp_path: Path) -> tuple[Path, Path]:
    """Two tables over one space in different orders, each with architectures that the other one lacks."""
    space, rng = SPACES["nasbench201"], python_rng(0, "test")
    drawn = list(dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(130)))
    return (
        write_table(tmp_path / "first.csv", drawn[:80], 0),
        write_table(tmp_path / "second.csv", drawn[:10:-1][:90], 3),
    )


def problem_of(two_tables: tuple[Path, Path], **changes: object) -> EvolutionProblem:
    first, second = (
        f"nasbench201/{name}={path}" for name, path in zip(("cifar10", "cifar100"), two_tables, strict=True)
    )
    few = {"networks": 12, "validation_networks": 10, "test_networks": 10, "full_networks": 8, "batch_size": 4}
    return EvolutionProblem.of(EvolveConfig.model_validate({"task": (first, second), **few, **changes}))


def test_tasks_on_one_space_have_the_same_networks(two_tables: tuple[Path, Path]) -> None:
    first, second = problem_of(two_tables).tasks
    assert (first.train, first.validation, first.test) == (second.train, second.validation, second.test)
    assert [task.name for task in (first, second)] == ["nasbench201/cifar10", "nasbench201/cifar100"]
    assert not np.array_equal(first.accuracies(first.train), second.accuracies(second.train))
    assert [condition.key for condition in first.breeding] == [condition.key for condition in second.breeding]


def test_no_network_that_trains_one_task_tests_another(two_tables: tuple[Path, Path]) -> None:
    first = {"benchmark": "nasbench201", "dataset": "cifar10", "table": two_tables[0], "networks": 20}
    second = {"benchmark": "nasbench201", "dataset": "cifar100", "table": two_tables[1], "test_networks": 20}
    problem = problem_of(two_tables, task=(first, second))
    trained = {text for task in problem.tasks for text in (*task.train, *task.validation)}
    assert [len(task.train) for task in problem.tasks] == [20, 12]
    assert [len(task.test) for task in problem.tasks] == [10, 20]
    assert not trained.intersection(text for task in problem.tasks for text in task.test)


def test_a_task_that_is_held_out_has_test_networks_only(two_tables: tuple[Path, Path]) -> None:
    first, second = (
        {"benchmark": "nasbench201", "dataset": dataset, "table": table}
        for dataset, table in zip(("cifar10", "cifar100"), two_tables, strict=True)
    )
    problem = problem_of(two_tables, task=(first,), hold_out_task=(second,))
    [task], [held_out] = problem.tasks, problem.held_out
    assert (held_out.held_out, task.held_out) == (True, False)
    assert (held_out.train, held_out.validation, held_out.promoted) == ((), (), ())
    assert held_out.test == task.test
    assert [facts["held_out"] for facts in problem.facts()["tasks"]] == [False, True]


def test_a_task_is_given_once(two_tables: tuple[Path, Path]) -> None:
    task = {"benchmark": "nasbench201", "dataset": "cifar10", "table": two_tables[0]}
    with pytest.raises(InputError, match="must name each task once, got nasbench201/cifar10 twice") as caught:
        problem_of(two_tables, task=(task,), hold_out_task=(task,))
    assert caught.value.parameters == ("task", "hold_out_task")
