from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eznas.config import EvolveConfig, build_config
from eznas.errors import InputError
from eznas.tasks import TaskConfig, parse_task


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nasbench201/cifar10", {"benchmark": "nasbench201", "dataset": "cifar10"}),
        (
            "nasbench101/cifar10:validation_108",
            {"benchmark": "nasbench101", "dataset": "cifar10", "target": "validation_108"},
        ),
        ("b/d:t=a/b=c.csv", {"benchmark": "b", "dataset": "d", "target": "t", "table": Path("a/b=c.csv")}),
        (
            "custom:mine:build/flowers=t.csv",
            {"benchmark": "custom:mine:build", "dataset": "flowers", "table": Path("t.csv")},
        ),
    ],
)
def test_texts_of_tasks(text: str, expected: dict[str, Any]) -> None:
    assert parse_task(text) == expected


@pytest.mark.parametrize("text", ["", "nasbench201", "/cifar10", "nasbench201/", "nasbench201/:test"])
def test_a_task_needs_a_benchmark_and_a_data_set(text: str) -> None:
    with pytest.raises(InputError, match=r"task must be BENCHMARK/DATASET\[:TARGET\]\[=TABLE\], such as"):
        build_config(EvolveConfig, {"task": (text,)})


def test_a_task_has_the_options_of_the_run_but_its_own_table_and_target() -> None:
    options = {"networks": 33, "images": "noise"}
    own = {"benchmark": "nats_sss", "dataset": "cifar10", "networks": 44, "images": "digits"}
    config = EvolveConfig.model_validate({**options, "task": ("nasbench201/cifar10", own)})
    first, second = config.tasks()
    assert (first.networks, first.images, first.table, first.target) == (33, "noise", None, None)
    assert (second.networks, second.images, second.validation_networks) == (44, "digits", 60)


def test_without_tasks_the_options_of_the_run_are_one() -> None:
    [task] = EvolveConfig.model_validate({"dataset": "cifar100", "target": "test_200", "networks": 33}).tasks()
    assert (task.name, task.networks) == ("nasbench201/cifar100:test_200", 33)
    assert EvolveConfig().held_out_tasks() == ()


def test_a_configuration_keeps_its_tasks(tmp_path: Path) -> None:
    task = TaskConfig(benchmark="nasbench101", dataset="cifar10", table=tmp_path / "t.csv", weight=2.0)
    config = EvolveConfig(
        fitness="weighted", task=(task,), hold_out_task=(TaskConfig(benchmark="nats_sss", dataset="cifar10"),)
    )
    assert EvolveConfig.model_validate(config.as_toml()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"task": "nasbench201/cifar10", "table": "t.csv"},
            "table must not be given with task: each task names its own table",
        ),
        ({"fitness": "lexicase", "objective": "tasks"}, "fitness must not be lexicase with the objective tasks"),
        ({"terminal_measures": "synflow"}, "terminal_measures must come with terminals measures or both"),
        ({"tournament": 5, "fitness": "lexicase"}, "tournament must not be given with fitness lexicase, which selects"),
        ({"tournament": 5, "objective": "tasks"}, "tournament must not be given with the objective tasks, which"),
        ({"parsimony": 0.01, "objective": "pareto"}, "parsimony must not be given with the objective pareto, which"),
        (
            {"task": [{"benchmark": "a", "dataset": "b", "weight": 2.0}], "fitness": "mean"},
            "task must not set a weight, which only fitness weighted reads",
        ),
        ({"weighted_ridge": 0.01, "weighted_terms": 0}, "weighted_ridge must come with weighted_terms of 2 or more"),
    ],
)
def test_options_that_would_be_without_effect_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build_config(EvolveConfig, options)
    assert set(caught.value.parameters) >= set(options) - {"table"} | ({"table"} & set(options))
