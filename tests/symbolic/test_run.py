from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import kendalltau, somersd
from torch import nn

import eznas
from eznas.api.evolve import ScoresRun
from eznas.cli.main import main
from eznas.errors import EznasError, InputError
from eznas.progress import Progress
from eznas.scoring import Proxy, score_network
from eznas.scoring.executor import SERIAL, LokyExecutor
from eznas.symbolic.config import ScoresConfig
from eznas.symbolic.evolution import Evolution
from eznas.symbolic.hall import Member
from eznas.symbolic.measures import with_measures
from eznas.symbolic.problem import ScoresProblem
from eznas.symbolic.report import ScoresReport, program_scores

from .conftest import COLUMNS, TASKS, write_scores

if TYPE_CHECKING:
    from eznas.symbolic.population import Rules

SMALL: dict[str, Any] = {"population": 60, "offspring": 200, "workers": 1, "time_budget": "10m", "progress": False}


def small_rules(file: Path, **options: Any) -> tuple[ScoresProblem, Rules]:
    config = ScoresConfig(scores=file, population=60, offspring=200, **options)
    problem = ScoresProblem.of(config)
    return problem, problem.rules(config, 4)


def evolved(file: Path, executor: Any = SERIAL, epochs: int = 2, **options: Any) -> Evolution:
    problem, rules = small_rules(file, **options)
    evolution = Evolution.begin(rules, problem.first)
    for _ in range(epochs):
        evolution.step(executor)
    return evolution


def test_a_planted_formula_is_found_and_reported(score_file: Path, tmp_path: Path) -> None:
    run = eznas.evolve(
        scores=score_file, hold_out_task="other/c", generations=30, out=tmp_path / "run", report=False, **SMALL
    )
    assert not list(run.path.glob("*.png"))
    assert not (run.path / "report.html").exists()
    assert CliRunner().invoke(main, ["report", str(run.path)]).exit_code == 0
    summary = run.summary
    best = summary["best"]
    assert best["tau_test"] > 0.95  # accuracy = 50 + log(synflow) nwot
    assert best["tasks"]["other/c"]["tau"] > 0.9
    assert max(row["tau_test"] for row in summary["baselines"].values()) < 0.8
    assert best["tau_test"] == pytest.approx(np.mean([best["tasks"][name]["tau"] for name in TASKS[:2]]))
    assert best["tasks"]["other/c"]["tau_train"] is None
    assert [task["held_out"] for task in summary["tasks"]] == [False, False, True]
    assert summary["verdict"]["worse"] == 0 < summary["verdict"]["better"]
    assert summary["stopped_by"] == "generations"
    assert summary["generations"] == 30
    assert run.finished
    for name in ("report.html", "program.png", "logbook.csv", "hall_of_fame.csv", "checkpoint.json"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    lines = (tmp_path / "run" / "test_scores.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("task,architecture,accuracy,best,")
    assert len(lines) == 1 + sum(task["networks"]["test"] for task in summary["tasks"])
    rows = [line.split(",") for line in lines[1:]]
    for name in TASKS:
        own = np.array([[float(row[2]), float(row[3])] for row in rows if row[0] == name])
        assert best["tasks"][name]["tau"] == pytest.approx(kendalltau(*own.T).statistic)


@pytest.mark.usefixtures("without_pictures")
def test_time_for_pictures_is_reserved_only_where_they_are_drawn(score_file: Path, tmp_path: Path) -> None:
    class Listening(Progress):
        def message(self, text: str) -> None:
            messages.append(text)

    messages: list[str] = []
    options = {**SMALL, "generations": 1, "time_budget": "12s", "progress": Listening()}
    for report in (True, False):
        eznas.evolve(scores=score_file, out=tmp_path / str(report), report=report, **options)
    assert [text.partition(" take ")[0] for text in messages if " take " in text] == ["the tests and pictures"]


@pytest.mark.usefixtures("without_pictures")
def test_programs_of_known_measures_score_networks(score_file: Path, tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
    minibatch = eznas.load_minibatch("noise", 4)
    network(minibatch.images)
    run = eznas.evolve(scores=score_file, columns=("synflow", "nwot"), generations=5, out=tmp_path / "run", **SMALL)
    program, _ = with_measures(eznas.parse(run.best["program"]))
    wanted = score_network([Proxy.of(program.text)], network, minibatch)[0]
    assert run.score(network, minibatch) == wanted
    other = eznas.evolve(scores=score_file, columns="noise", generations=5, out=tmp_path / "other", **SMALL)
    with pytest.raises(InputError, match="must read columns that are measures, got noise"):
        other.score(network, minibatch)


def test_programs_are_counted_once_their_tau_is_computed(score_file: Path) -> None:
    counts = evolved(score_file).counts
    assert counts.raced == counts.statuses["ok"] + counts.statuses["constant"]
    assert counts.statuses["non_finite"] > 0
    assert 0 < counts.raced <= 2 * 5 * 4 * 200  # epochs, generations, islands, offspring
    assert 0 < counts.evaluated <= 2 * 5 * 4 * 8
    assert 0 < (counts.squared_errors / counts.evaluated) ** 0.5 < 0.2


def test_the_hall_holds_the_fitness_of_its_programs(score_file: Path) -> None:
    evolution = evolved(score_file)
    problem, _ = small_rules(score_file)
    assert len(evolution.hall.members) > 3
    for member in evolution.hall.candidates(100):
        for part, wanted in (("train", member.train), ("validation", member.validation)):
            taus = []
            for each in problem.tasks:
                places = getattr(each.split, part)
                scores = program_scores(problem.table, each.task, member.program)
                taus.append(somersd(each.task.accuracies[places], scores[places]).statistic)
            assert np.mean(taus) == pytest.approx(wanted)


@pytest.mark.usefixtures("without_pictures")
def test_a_relative_fitness_counts_from_the_better_of_params_and_flops(score_file: Path, tmp_path: Path) -> None:
    text = score_file.read_text(encoding="utf-8")
    score_file.write_text(text.replace("synflow,nwot", "flops,params", 1), encoding="utf-8")
    run = eznas.evolve(scores=score_file, relative=True, fitness="least", generations=5, out=tmp_path / "run", **SMALL)
    summary = run.summary
    assert summary["relative"] is True
    for part in ("train", "validation"):
        margins = [
            summary["best"]["tasks"][task][f"tau_{part}"]
            - max(summary["baselines"][name]["tasks"][task][f"tau_{part}"] for name in ("params", "flops"))
            for task in TASKS
        ]
        assert summary["best"][f"tau_{part}"] == pytest.approx(min(margins))
    assert summary["best"]["tau_train"] > 0 >= summary["baselines"]["params"]["tau_train"]


def test_a_relative_fitness_needs_a_trivial_column(score_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a column params or flops in every task"):
        eznas.evolve(scores=score_file, relative=True, generations=5, out=tmp_path / "run", **SMALL)


def test_the_result_depends_on_the_seed_and_not_on_the_processes(score_file: Path) -> None:
    one, two, other = (evolved(score_file, seed=seed).state() for seed in (0, 0, 1))
    assert one == two
    assert other["hall"] != one["hall"]
    assert evolved(score_file, LokyExecutor(2)).state() == one


def test_held_out_tasks_never_influence_selection(tmp_path: Path) -> None:
    """Other accuracies and scores of the held-out task give the same programs; those of a selected task do not."""
    same = [
        evolved(write_scores(tmp_path / f"{number}.csv", changed=changed), hold_out_task="other/c").state()
        for number, changed in enumerate(("", "other/c", "space/b"))
    ]
    assert same[0] == same[1]
    assert same[0]["hall"] != same[2]["hall"]


@pytest.mark.usefixtures("without_pictures")
def test_a_resumed_run_equals_an_uninterrupted_one(score_file: Path, tmp_path: Path) -> None:
    whole = eznas.evolve(scores=score_file, generations=15, out=tmp_path / "whole", **SMALL)
    eznas.evolve(scores=score_file, generations=5, out=tmp_path / "part", **SMALL)
    part = ScoresRun.open(tmp_path / "part").resume(generations=15, progress=False)
    for name in ("hall_of_fame", "statuses", "programs_evaluated", "generations", "racing_error"):
        assert part.summary[name] == whole.summary[name], name
    states = [json.loads((tmp_path / name / "checkpoint.json").read_text())["state"] for name in ("whole", "part")]
    assert states[0]["islands"] == states[1]["islands"]
    score_file.write_text(score_file.read_text().replace("net1,", "net1000,"))
    with pytest.raises(InputError, match=r"scores\.csv must be the file that the run began with"):
        ScoresRun.open(tmp_path / "part").resume(generations=20, progress=False)
    with pytest.raises(InputError, match="max_size must not be given when a run is resumed"):
        ScoresRun.open(tmp_path / "part").resume(max_size=20, progress=False)


@pytest.mark.usefixtures("without_pictures")
def test_a_run_that_ended_within_an_epoch_can_be_prolonged(score_file: Path, tmp_path: Path) -> None:
    whole = eznas.evolve(scores=score_file, generations=12, out=tmp_path / "whole", **SMALL)
    part = eznas.evolve(scores=score_file, generations=7, out=tmp_path / "part", **SMALL)
    assert part.summary["generations"] == 7
    part = ScoresRun.open(tmp_path / "part").resume(generations=12, progress=False)
    for name in ("hall_of_fame", "statuses", "programs_evaluated", "generations", "racing_error"):
        assert part.summary[name] == whole.summary[name], name
    states = [json.loads((tmp_path / name / "checkpoint.json").read_text())["state"] for name in ("whole", "part")]
    assert states[0]["islands"] == states[1]["islands"]
    logs = [(tmp_path / name / "logbook.csv").read_text().splitlines() for name in ("whole", "part")]
    assert [line.split(",")[0] for line in logs[0]] == [line.split(",")[0] for line in logs[1]]


def test_a_program_without_a_value_on_some_test_networks_has_no_tau(score_file: Path) -> None:
    problem, _ = small_rules(score_file, hold_out_task="other/c")
    held = problem.tasks[2]
    held.task.scores["synflow"][held.split.test[:2]] = -1.0
    report = ScoresReport(problem, 0)
    best = Member("power(score.synflow, 0.5)", 2, 0.5, 0.5)  # undefined for negative scores
    (row,) = report.programs([best])
    figures = row["tasks"]["other/c"]
    assert figures["tau"] is figures["rho"] is figures["ndcg"] is None
    assert figures["coverage"] == pytest.approx(1 - 2 / len(held.split.test))
    assert row["tasks"]["space/a"]["tau"] is not None
    json.dumps(row, allow_nan=False)
    notes = report.verdict(best, report.baselines())["notes"]
    count = len(held.split.test)
    assert any(f"On other/c, the best program has no value on 2 of {count} architectures" in note for note in notes)


def test_the_verdict_names_sizes_and_the_columns_compared(tmp_path: Path) -> None:
    """The parameters are the column of the lowest tau, and so none of those that are compared."""
    rng = np.random.default_rng(0)
    accuracy = np.linspace(80, 90, 100)
    columns = [accuracy, accuracy + rng.normal(size=100), -accuracy]
    rows = [
        f"net{index},{accuracy[index]},{','.join(f'{column[index]}' for column in columns)}" for index in range(100)
    ]
    file = tmp_path / "scores.csv"
    file.write_text("\n".join(["architecture,accuracy,synflow,nwot,params", *rows]) + "\n")
    problem, _ = small_rules(file)
    report = ScoresReport(problem, 0)
    found = report.verdict(Member("mul(score.params, score.params)", 3, 1.0, 1.0), report.baselines())
    assert found["tasks"][0]["monotone"] == {"params": pytest.approx(-1)}
    assert (
        "On each task, the two best columns are those with the highest tau on its test architectures." in found["notes"]
    )


@pytest.mark.usefixtures("without_pictures")
def test_a_callback_ends_the_evolution(score_file: Path, tmp_path: Path) -> None:
    run = eznas.evolve(
        scores=score_file, out=tmp_path / "run", callback=lambda record: record["generation"] >= 10, **SMALL
    )
    assert (run.summary["stopped_by"], run.summary["generations"]) == ("callback", 10)


@pytest.mark.usefixtures("without_pictures")
def test_a_time_budget_ends_the_run(score_file: Path, tmp_path: Path) -> None:
    run = eznas.evolve(**{**SMALL, "time_budget": 8}, scores=score_file, out=tmp_path / "run")
    assert run.summary["stopped_by"] == "time"
    assert run.summary["generations"] >= 5


@pytest.mark.parametrize("fitness", ["least", "weighted", "lexicase"])
def test_other_fitnesses_find_programs_too(score_file: Path, fitness: str) -> None:
    weights = "space/a=2" if fitness == "weighted" else ()
    evolution = evolved(score_file, fitness=fitness, weights=weights, epochs=3)
    assert evolution.hall.candidates(1)[0].worth > 0.7


def test_architectures_without_a_score_are_left_out_with_a_count(tmp_path: Path) -> None:
    file = write_scores(tmp_path / "scores.csv")
    lines = file.read_text().splitlines()
    lines[3] = ",".join([*lines[3].split(",")[:4], "", "1.0"])
    file.write_text("\n".join(lines) + "\n")
    problem, _ = small_rules(file)
    assert problem.notes() == ["space/a: 1 architecture is left out, without an accuracy or a score of a column"]
    assert problem.tasks[0].facts("")["missing"] == {"no nwot": 1}
    assert len(problem.tasks[0].task.architectures) == 79


def test_seed_programs_take_part(score_file: Path) -> None:
    planted = "mul(log(score.synflow), score.nwot)"
    evolution = evolved(score_file, epochs=0, seed_program=planted)
    assert evolution.hall.candidates(1)[0].program == planted
    with pytest.raises(InputError, match=r"unknown column 'score\.latency'"):
        small_rules(score_file, seed_program="log(score.latency)")
    with pytest.raises(InputError, match="power with 7 is not an operator"):
        small_rules(score_file, seed_program="power(score.noise, 7)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hold_out_task": "space/d"}, "unknown task 'space/d'; did you mean 'space/"),
        ({"hold_out_task": TASKS}, "hold_out_task must leave a task to evolve on"),
        ({"weights": "space/d=2", "fitness": "weighted"}, "unknown task 'space/d'"),
        ({"weights": "space/a=-2"}, "weights must be TASK=X with a positive number"),
        ({"weights": "space/a"}, "weights must be TASK=X with a positive number"),
        ({"weights": "space/a=2"}, "weights must come with fitness weighted"),
        ({"tournament": 5, "fitness": "lexicase"}, "tournament must not be given with fitness lexicase, which selects"),
        ({"weighted_ridge": 0.1}, "weighted_ridge must come with weighted_terms of 2 or more"),
        ({"weighted_terms": 1}, "weighted_terms must be 0 or at least 2, got 1"),
        ({"scores": ()}, "scores"),
    ],
)
def test_faulty_options_are_one_sentence(score_file: Path, tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        eznas.evolve(**{"scores": score_file, **SMALL, **options}, out=tmp_path / "run")
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_columns_that_rank_nothing_are_an_error(tmp_path: Path) -> None:
    lines = [f"net{index},{index},1" for index in range(100)]
    file = tmp_path / "scores.csv"
    file.write_text("\n".join(["architecture,accuracy,synflow", *lines]) + "\n")
    with pytest.raises(EznasError, match="no column and no seed program ranks the training architectures"):
        eznas.evolve(scores=file, out=tmp_path / "run", **SMALL)


def test_formulas_beat_every_measure_on_published_scores(shared_data: Path, tmp_path: Path) -> None:
    """The mean tau over the tasks of NAS-Bench-Suite-Zero on test architectures, after some seconds of evolution."""
    import sys

    sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))
    try:
        from leave_one_out import convert
    finally:
        sys.path.pop(0)
    file = tmp_path / "suite_zero.csv"
    convert.callback(shared_data / "published_scores_nbsuite_zero.json.gz", file)
    evolution = evolved(file, epochs=4)
    problem, _ = small_rules(file)
    assert len(problem.tasks) == 12

    def mean(program: str) -> float:
        return float(
            np.mean(
                [
                    kendalltau(
                        program_scores(problem.table, each.task, program)[each.split.test],
                        each.task.accuracies[each.split.test],
                    ).statistic
                    for each in problem.tasks
                ]
            )
        )

    best = mean(evolution.hall.candidates(1)[0].program)
    assert best > max(mean(f"score.{column}") for column in problem.table.columns) + 0.02


def test_columns_that_are_not_chosen_are_named_in_one_sentence(score_file: Path) -> None:
    problem = ScoresProblem.of(ScoresConfig(scores=score_file, columns=COLUMNS[0]))
    first, second = COLUMNS[1:]
    assert problem.notes() == [f"columns {first}, {second} are not read: each is not among the chosen columns"]
