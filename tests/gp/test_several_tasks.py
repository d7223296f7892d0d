"""Runs with two tasks on one space, one on another space, and one that is held out."""

from __future__ import annotations

import csv
import math
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from eznas.config import EvolveConfig
from eznas.gp import confirmation
from eznas.gp import run as run_module
from eznas.gp import trivial as trivial_module
from eznas.gp.problem import EvolutionProblem
from eznas.gp.schedule import Schedule
from eznas.gp.trivial import trivial_taus
from eznas.progress import Progress
from eznas.run import RunDirectory
from eznas.scoring import SERIAL, Condition, ScoreMatrix, score_networks
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import nn

    RunIn = Callable[..., dict[str, Any]]
    RunUntil = Callable[[Path, EvolveConfig, int], None]

pytestmark = pytest.mark.usefixtures("small_networks")
FIRST, SECOND, OTHER, HELD_OUT = NAMES = (
    "nasbench201/cifar10",
    "nasbench201/cifar100",
    "widths/digits",
    "nasbench201/imagenet16-120",
)
SMALL = {
    "networks": 10,
    "validation_networks": 10,
    "test_networks": 10,
    "full_networks": 8,
    "population": 16,
    "generations": 4,
    "full_generations": 2,
    "library": 10,
    "patience": 2,
    "batch_size": 4,
    "workers": 1,
    "device": "cpu",
    "time_budget": 600.0,
    "seed": 2,
}


def write_table(path: Path, architectures: Sequence[str], accuracy: Callable[[str], float]) -> Path:
    with path.open("w", newline="") as file:
        rows = [[architecture, accuracy(architecture)] for architecture in architectures]
        csv.writer(file).writerows([["architecture", "accuracy"], *rows])
    return path


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, small_networks: None) -> dict[str, Path]:
    folder, rng, space = tmp_path_factory.mktemp("tables"), random.Random(0), SPACES["nasbench201"]
    cells = list(dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(40)))
    widths = list(dict.fromkeys(SPACES["widths"].sample(rng) for _ in range(60)))
    chance = {text: rng.random() for text in cells + widths}
    accuracies: dict[str, Callable[[str], float]] = {
        FIRST: lambda text: 50 + 5 * text.count("conv") + chance[text],
        SECOND: lambda text: 20 + 5 * text.count("conv_3x3") + 2 * chance[text],
        OTHER: lambda text: 40 + sum(map(float, text.split("-"))) + chance[text],
        HELD_OUT: lambda text: 60 - 5 * text.count("skip") + chance[text],
    }
    return {
        name: write_table(folder / f"{place}.csv", widths if name == OTHER else cells, accuracies[name])
        for place, name in enumerate(NAMES)
    }


def config(tables: Mapping[str, Path], **changes: Any) -> EvolveConfig:
    tasks = {
        "task": [f"{name}={tables[name]}" for name in NAMES[:3]],
        "hold_out_task": [f"{HELD_OUT}={tables[HELD_OUT]}"],
    }
    return EvolveConfig.model_validate({**SMALL, **tasks, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tables: dict[str, Path], run_in: RunIn) -> RunDirectory:
    path = tmp_path_factory.mktemp("several") / "whole"
    run_in(path, config(tables))
    return RunDirectory(path)


def programs(summary: Mapping[str, Any]) -> list[str]:
    return [row["program"] for row in summary["hall_of_fame"]]


def test_the_summary_has_every_task(whole: RunDirectory) -> None:
    summary = whole.read_json("summary.json")
    assert [(task["name"], task["held_out"]) for task in summary["tasks"]] == [
        (FIRST, False), (SECOND, False), (OTHER, False), (HELD_OUT, True)
    ]  # fmt: skip
    sizes = [
        [task["networks"][part] for part in ("train", "full_size", "validation", "test")] for task in summary["tasks"]
    ]
    assert sizes == [[10, 8, 10, 10]] * 3 + [[0, 0, 0, 10]]
    assert summary["networks"] == {"train": 30, "full_size": 24, "validation": 30, "test": 30}
    best = summary["best"]
    assert list(best["tasks"]) == list(NAMES)
    for figure, of_task in (("tau_train", "tau_train"), ("tau_validation", "tau_validation"), ("tau_test", "tau")):
        assert best[figure] == min(best["tasks"][name][of_task] for name in NAMES[:3])
    assert best["tasks"][HELD_OUT]["tau_train"] is None
    assert best["tasks"][HELD_OUT]["tau"] is not None
    assert best["tau_test_low"] is None
    assert all(list(row["tasks"]) == list(NAMES) for row in summary["baselines"].values())
    assert [part["tasks"].keys() for part in summary["ablation"]] == [best["tasks"].keys()] * len(summary["ablation"])


def test_scores_on_the_test_networks_are_written_by_task(whole: RunDirectory, tables: dict[str, Path]) -> None:
    rows = whole.read_csv("test_scores.csv")
    assert list(rows[0]) == ["task", "architecture", "accuracy", "best", *confirmation.BASELINES]
    assert Counter(row["task"] for row in rows) == dict.fromkeys(NAMES, 10)
    for name in NAMES:
        with tables[name].open() as file:
            accuracies = {row["architecture"]: float(row["accuracy"]) for row in csv.DictReader(file)}
        assert all(float(row["accuracy"]) == accuracies[row["architecture"]] for row in rows if row["task"] == name)
    scores = {name: [row["best"] for row in rows if row["task"] == name] for name in NAMES}
    assert scores[FIRST] == scores[SECOND] == scores[HELD_OUT]  # the same networks


def test_resuming_equals_not_stopping(
    whole: RunDirectory, tables: dict[str, Path], tmp_path: Path, run_in: RunIn
) -> None:
    run_in(tmp_path / "parts", config(tables, generations=2))
    summary = run_in(tmp_path / "parts", config(tables), resume=True)
    for name in ("hall_of_fame.csv", "test_scores.csv", "genealogy.json", "proxies/rank0.py"):
        assert (tmp_path / "parts" / name).read_bytes() == (whole.path / name).read_bytes(), name
    for figure in ("best", "statuses", "tasks", "ablation", "verdict", "programs_evaluated"):
        assert summary[figure] == whole.read_json("summary.json")[figure], figure


def test_accuracies_of_a_task_that_is_held_out_do_not_matter(
    whole: RunDirectory, tables: dict[str, Path], tmp_path: Path, run_in: RunIn
) -> None:
    with tables[HELD_OUT].open() as file:
        rows = {row["architecture"]: float(row["accuracy"]) for row in csv.DictReader(file)}
    reversed_table = write_table(tmp_path / "reversed.csv", list(rows), lambda text: 100 - rows[text])
    changed = run_in(tmp_path / "run", config({**tables, HELD_OUT: reversed_table}))
    before = whole.read_json("summary.json")
    assert programs(changed) == programs(before)
    taus = [summary["best"]["tasks"][HELD_OUT]["tau"] for summary in (before, changed)]
    assert taus[0] == pytest.approx(-taus[1])
    for row, other in zip(before["hall_of_fame"], changed["hall_of_fame"], strict=True):
        for each in (row, other):
            del each["tasks"][HELD_OUT]
        assert row == other


def test_every_ancestor_of_the_best_program_is_known(whole: RunDirectory) -> None:
    family = whole.read_json("genealogy.json")["programs"]
    assert len(family) > 1
    for text, birth in family.items():
        assert set(birth["parents"]) <= set(family), text
        if birth["operator"] in ("seed", "aggregated reduction", "random"):
            assert not birth["parents"]
        else:
            assert len(birth["parents"]) == (2 if birth["operator"] == "crossover" else 1)
            assert all(family[parent]["generation"] <= birth["generation"] for parent in birth["parents"])


def test_tasks_on_one_space_share_the_runs_of_networks(
    tables: dict[str, Path], tmp_path: Path, run_in: RunIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: Counter[tuple[str, str]] = Counter()
    build = Condition.network

    def network(self: Condition, architecture: str) -> nn.Module:
        built[self.fidelity.name, architecture] += 1
        return build(self, architecture)

    monkeypatch.setattr(Condition, "network", network)
    options = config(tables, task=[f"{name}={tables[name]}" for name in NAMES[:2]], generations=1, full_generations=0)
    summary = run_in(tmp_path / "run", options)
    task = EvolutionProblem.of(options).tasks[0]
    assert summary["networks"]["full_size"] == 16  # of both tasks
    assert {name: count for (size, name), count in built.items() if size == "reduced_wide"} == dict.fromkeys(
        (*task.train, *task.validation), 1
    )
    full = Counter({name: count for (size, name), count in built.items() if size == "full"})
    assert full == dict.fromkeys((*task.train[:8], *task.validation, *task.test), 1)


@pytest.mark.parametrize(
    ("fitness", "objective"),
    [("mean", "tau"), ("weighted", "tau"), ("lexicase", "tau"), ("least", "tasks"), ("mean", "pareto")],
)
def test_every_fitness_and_objective_runs_and_repeats_itself(
    tables: dict[str, Path], tmp_path: Path, run_in: RunIn, run_until: RunUntil, fitness: str, objective: str
) -> None:
    weight = 3.0 if fitness == "weighted" else 1.0
    tasks = [{"benchmark": name.split("/")[0], "dataset": name.split("/")[1], "table": tables[name], "weight": each}
             for name, each in ((FIRST, 1.0), (OTHER, weight))]  # fmt: skip
    changes = {"task": tasks, "hold_out_task": (), "fitness": fitness, "objective": objective, "full_networks": 0}
    summary = run_in(tmp_path / "one", config(tables, generations=3, **changes))
    run_until(tmp_path / "two", config(tables, generations=3, **changes), 1)
    assert run_in(tmp_path / "two", config(tables, generations=3, **changes), resume=True)["best"] == summary["best"]
    first, other = (summary["best"]["tasks"][name]["tau"] for name in (FIRST, OTHER))
    expected = {"least": min(first, other), "weighted": (first + 3 * other) / 4}.get(fitness, (first + other) / 2)
    assert summary["best"]["tau_test"] == pytest.approx(expected)
    assert (summary["fitness"], summary["stopped_by"]) == (fitness, "generations")


def test_a_relative_fitness_counts_from_the_trivial_proxies(
    tables: dict[str, Path], tmp_path: Path, run_in: RunIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    trivial = {FIRST: (0.75, 0.5), OTHER: (0.25, 0.5)}
    monkeypatch.setattr(run_module, "trivial_taus", lambda *_: list(trivial.values()))
    changes = {"task": [f"{name}={tables[name]}" for name in trivial], "hold_out_task": (), "full_networks": 0}
    summary = run_in(tmp_path / "run", config(tables, generations=1, relative=True, **changes))
    assert summary["best"]["tau_train"] == min(summary["best"]["tasks"][name]["tau_train"] for name in trivial)
    checkpoint = RunDirectory(tmp_path / "run").read_checkpoint()
    assert checkpoint is not None
    for _, tau, _, taus in checkpoint["hall"]:
        assert tau == pytest.approx(min(taus[0] - 0.75, taus[1] - 0.25))
    assert summary["relative"] is True


def test_trivial_proxies_are_measured_on_the_networks_that_run(tables: dict[str, Path], tmp_path: Path) -> None:
    """Accuracy grows with the width alone, so params has tau 1; a network that fails does not count."""
    widths = [f"{width}-2" for width in range(1, 34)]
    table = write_table(tmp_path / "table.csv", widths, lambda text: 50 + float(text.partition("-")[0]))
    options = config(tables, task=[f"{OTHER}={table}"], hold_out_task=())
    trained = EvolutionProblem.of(options).tasks[0].train[3]
    broken = f"{trained}!raises"
    text = table.read_text().replace(f"\n{trained},", f"\n{broken},")
    table.write_text(text)
    problem = EvolutionProblem.of(options)
    assert broken in problem.tasks[0].train
    assert trivial_taus(problem, SERIAL, Progress(), Schedule()) == [(1.0, 1.0)]


def test_trivial_proxies_keep_to_their_time(
    tables: dict[str, Path], listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time is left, so the least number of networks is counted, of both parts."""
    monkeypatch.setattr(trivial_module, "LEAST_VISITED", 6)
    problem = EvolutionProblem.of(config(tables, task=[f"{OTHER}={tables[OTHER]}"], hold_out_task=()))
    [task], schedule = problem.tasks, Schedule()
    schedule.begin(-1.0, {task.name: 1.0})
    [(train, validation)] = trivial_taus(problem, SERIAL, listener, schedule)
    [message] = listener.messages
    every = len(task.train) + len(task.validation)
    assert message.startswith(f"the taus of parameters and FLOPs are those on 6 of {every} networks of {OTHER}: ")
    assert 0 < train <= 1
    assert 0 < validation <= 1


def test_tasks_with_the_same_networks_count_them_once(tables: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def score(proxies: Any, condition: Any, architectures: Any, *rest: Any, **options: Any) -> ScoreMatrix:
        counted.append(len(architectures))
        return score_networks(proxies, condition, architectures, *rest, **options)

    monkeypatch.setattr(trivial_module, "score_networks", score)
    tasks = [f"{name}={tables[name]}" for name in (FIRST, SECOND)]
    problem = EvolutionProblem.of(config(tables, task=tasks, hold_out_task=()))
    first, second = trivial_taus(problem, SERIAL, Progress(), Schedule())
    assert counted == [20]
    assert first != second


def test_seeds_are_the_roots_of_their_offspring(tables: dict[str, Path], tmp_path: Path, run_in: RunIn) -> None:
    seed = "sum(mean(weight))"
    options = config(tables, task=[f"{FIRST}={tables[FIRST]}"], hold_out_task=(), full_networks=0, generations=1)
    run_in(tmp_path / "run", options.model_copy(update={"seed_program": (seed,)}))
    checkpoint = RunDirectory(tmp_path / "run").read_checkpoint()
    assert checkpoint is not None
    births = {text: (operator, parents) for text, operator, parents, *_ in checkpoint["genealogy"]}
    assert births[seed] == ("seed", [])
    first = {operator for operator, parents in births.values() if not parents}
    assert first == {"seed", "aggregated reduction", "random"}
    assert all(math.isfinite(row[4]) for row in checkpoint["genealogy"])
