from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eznas import scoring
from eznas.config import EvolveConfig
from eznas.errors import EznasError, InputError
from eznas.gp import assemble, course, seconds, time_plan
from eznas.gp.confirmation import BASELINES
from eznas.gp.problem import EvolutionProblem
from eznas.gp.results import EXPORTED
from eznas.measures.registry import measure_programs
from eznas.run import NUMERICS, RunDirectory
from eznas.scoring import SERIAL, Proxy
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eznas.scoring import ScoreMatrix

    RunIn = Callable[..., dict[str, Any]]
    RunUntil = Callable[[Path, EvolveConfig, int], None]

pytestmark = pytest.mark.usefixtures("small_networks")
TIMES = {"seconds"}


def config(table: Path, **changes: Any) -> EvolveConfig:
    small = {
        "table": table,
        "networks": 12,
        "validation_networks": 10,
        "test_networks": 10,
        "population": 20,
        "generations": 6,
        "library": 24,
        "patience": 2,
        "full_networks": 8,
        "full_generations": 2,
        "batch_size": 4,
        "workers": 1,
        "device": "cpu",
        "time_budget": 600.0,
    }
    return EvolveConfig.model_validate({**small, **changes})


def few_are_screened(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (assemble, time_plan):
        monkeypatch.setattr(module, "SCREENED", 6)


def without_times(path: Path) -> list[dict[str, str]]:
    return [
        {key: value for key, value in row.items() if key not in TIMES}
        for row in RunDirectory(path).read_csv("logbook.csv")
    ]


@pytest.mark.parametrize("objective", ["tau", "pareto"])
def test_a_run_leaves_everything_and_resuming_equals_not_stopping(
    tmp_path: Path, table: Path, objective: str, run_in: RunIn
) -> None:
    whole = run_in(tmp_path / "whole", config(table, objective=objective))
    run_in(tmp_path / "parts", config(table, objective=objective, generations=3))
    parts = run_in(tmp_path / "parts", config(table, objective=objective), resume=True)

    for name in ("hall_of_fame.csv", "test_scores.csv", "proxies/rank0.py"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    assert without_times(tmp_path / "whole") == without_times(tmp_path / "parts")
    assert whole["best"] == parts["best"]
    assert whole["statuses"] == parts["statuses"]

    assert whole["stopped_by"] == "generations"
    assert whole["networks"] == {"train": 12, "full_size": 8, "validation": 10, "test": 10}
    assert whole["generations"] == 6 + 2  # and those after the promotion
    assert len(list((tmp_path / "whole" / "proxies").glob("*.py"))) == EXPORTED
    rows = RunDirectory(tmp_path / "whole").read_csv("hall_of_fame.csv")
    assert list(rows[0]) == ["complexity", "seconds", "tau_train", "tau_validation", "tau_test", "coverage", "program"]
    assert rows[0]["program"] == whole["best"]["program"]
    taus = [float(row["tau_validation"]) for row in rows if row["coverage"] == "1.0"]
    assert taus == sorted(taus, reverse=True)

    described = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
    files = [path.name.removesuffix(".bak") for path in (tmp_path / "whole").iterdir() if path.is_file()]
    columns = [*rows[0], *RunDirectory(tmp_path / "whole").read_csv("logbook.csv")[0]]
    names = [*files, *(name for name in columns if not name.startswith("status_"))]
    assert {name for name in names if f"`{name}`" not in described} == set()


def test_the_number_of_processes_does_not_change_the_result(tmp_path: Path, table: Path, run_in: RunIn) -> None:
    run_in(tmp_path / "one", config(table, generations=2))
    run_in(tmp_path / "two", config(table, generations=2, workers=2))
    for name in ("hall_of_fame.csv", "test_scores.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_promotion_that_does_not_fit_the_time_leaves_it_to_the_generations(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, listener: Any, run_in: RunIn
) -> None:
    monkeypatch.setattr(time_plan.TimePlan, "promotion", lambda *_: 1e9)
    summary = run_in(tmp_path / "run", config(table), listener)
    assert summary["networks"]["full_size"] == 0
    assert (summary["stopped_by"], summary["generations"]) == ("generations", 6)
    assert sum("no promotion" in message and "time_budget" in message for message in listener.messages) == 1


def test_a_resumed_run_is_promoted_as_it_was_decided(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, run_until: RunUntil, run_in: RunIn
) -> None:
    run_until(tmp_path / "run", config(table), 3)
    monkeypatch.setattr(course.Course, "_plan_promotion", lambda _: None)  # the time left is short by now
    assert run_in(tmp_path / "run", config(table), resume=True)["networks"]["full_size"] == 8


def test_screening_chooses_among_more_reductions_and_resumes_to_the_same(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, run_until: RunUntil, run_in: RunIn
) -> None:
    few_are_screened(monkeypatch)
    few = {"generations": 3, "full_networks": 0}
    whole = run_in(tmp_path / "whole", config(table, **few))
    run_until(tmp_path / "parts", config(table, **few), 2)
    resumed = run_in(tmp_path / "parts", config(table, **few), resume=True)
    for name in ("hall_of_fame.csv", "test_scores.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    assert whole["reductions_rejected"] == resumed["reductions_rejected"]
    plain = run_in(tmp_path / "plain", config(table, draws=1, **few))
    assert whole["reductions_evaluated"] >= 3 * 24 > plain["reductions_evaluated"]  # 24 are the first library


def test_what_was_not_promoted_for_want_of_time_is_not_after_a_resume_either(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, run_until: RunUntil, run_in: RunIn
) -> None:
    with monkeypatch.context() as busy:
        busy.setattr(time_plan.TimePlan, "promotion", lambda *_: 1e9)
        run_until(tmp_path / "run", config(table), 3)
    assert run_in(tmp_path / "run", config(table), resume=True)["networks"]["full_size"] == 0
    assert run_in(tmp_path / "run", config(table, time_budget=1200.0), resume=True)["networks"]["full_size"] == 8


def test_seed_programs_are_not_screened(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, listener: Any, run_in: RunIn
) -> None:
    few_are_screened(monkeypatch)
    poor = "sum(mean(weight))"
    run_in(tmp_path / "run", config(table, generations=1, seed_program=(poor,)), listener)
    assert not any("left out" in message for message in listener.messages)
    checkpoint = (tmp_path / "run" / "checkpoint.json").read_text(encoding="utf-8")
    assert '"mean(weight)"' in checkpoint


def test_an_interrupt_reports_what_was_found_and_can_be_resumed(
    tmp_path: Path, table: Path, listener: Any, run_in: RunIn
) -> None:
    def interrupt(record: Mapping[str, float | int | str]) -> None:
        if record["generation"] == 2:
            raise KeyboardInterrupt

    listener.generation = interrupt
    summary = run_in(tmp_path / "run", config(table, generations=4), listener)
    assert summary["stopped_by"] == "interrupt"
    assert summary["best"]["tau_test"] is not None
    assert any("interrupted" in message for message in listener.messages)
    resumed = run_in(tmp_path / "run", config(table, generations=4), resume=True)
    run_in(tmp_path / "whole", config(table, generations=4))
    assert resumed["stopped_by"] == "generations"
    assert (tmp_path / "run" / "hall_of_fame.csv").read_bytes() == (
        tmp_path / "whole" / "hall_of_fame.csv"
    ).read_bytes()


def test_a_budget_that_turns_out_too_short_still_gives_some_generations(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, run_in: RunIn
) -> None:
    monkeypatch.setattr(time_plan.TimePlan, "check", lambda *_, **__: None)
    monkeypatch.setattr(time_plan.TimePlan, "fitted", lambda plan, problem, *_: (plan, problem))
    summary = run_in(tmp_path / "run", config(table, generations=1000, patience=100, time_budget=0.1))
    assert summary["stopped_by"] == "time"
    assert summary["generations"] == course._LEAST_GENERATIONS
    assert summary["best"]["program"]


def test_a_budget_that_is_too_short_is_refused_before_it_is_spent(tmp_path: Path, table: Path, run_in: RunIn) -> None:
    with pytest.raises(
        InputError,
        match=r"time_budget must be more than \d+ s on this machine, got 0 s: this is for nasbench201/cifar10 alone, ",
    ) as caught:
        run_in(tmp_path / "run", config(table, time_budget=0.1))
    assert caught.value.parameters == ("time_budget",)
    assert not (tmp_path / "run" / "vectors.sqlite").exists()


def test_a_few_networks_are_timed_and_those_that_take_long_once(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = EvolutionProblem.of(config(table)).tasks[0]
    timed: list[tuple[str, ...]] = []

    def score_networks(*arguments: Any, **options: Any) -> ScoreMatrix:
        matrix = scoring.score_networks(*arguments, **options)
        timed.append(matrix.architectures)
        return dataclasses.replace(matrix, seconds=(8.0, 1.0, 3.0)[: len(matrix.architectures)])

    monkeypatch.setattr(seconds, "score_networks", score_networks)
    proxies = [Proxy(seconds.CHEAP, seconds.CHEAP)]
    assert seconds.seconds_of(proxies, task, SERIAL) == 1
    assert seconds.median_seconds(proxies, task, SERIAL, task.full, 600.0) == 3
    assert seconds.median_seconds(proxies, task, SERIAL, task.full, 0.0) == 8
    assert timed == [task.validation[:3], task.validation[:3], task.validation[:1]]


def test_a_space_of_one_size_is_not_promoted(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, listener: Any, run_in: RunIn
) -> None:
    monkeypatch.setattr(type(SPACES["nasbench201"]), "reduced", ("full",))
    summary = run_in(tmp_path / "run", config(table, generations=1, weighted_terms=0), listener)
    assert summary["networks"]["full_size"] == 0
    assert summary["generations"] == 1
    assert len(listener.messages) == 1


def test_the_first_message_describes_the_run(tmp_path: Path, table: Path, listener: Any, run_in: RunIn) -> None:
    run_in(tmp_path / "run", config(table, generations=1, weighted_terms=0), listener)
    [message] = listener.messages
    assert message.startswith("evolving on nasbench201 (cifar10 ")
    assert "), 12 training, 10 validation and 10 test networks, 4 images of digits, at most 600 s; " in message
    assert message.endswith(f"writing to {tmp_path / 'run'}")


def test_a_seed_program_that_is_none_is_said_before_anything_is_written(
    tmp_path: Path, table: Path, run_in: RunIn
) -> None:
    with pytest.raises(InputError, match="seed_program must be a program, such as those of a hall of fame"):
        run_in(tmp_path / "run", config(table, generations=1, seed_program=("eznas_a",)))
    assert not (tmp_path / "run" / "checkpoint.json").exists()


@pytest.mark.usefixtures("every_baseline")
def test_seed_programs_and_every_baseline_take_part(tmp_path: Path, table: Path, run_in: RunIn) -> None:
    seed = "sum(effective_rank(weight_grad.data))"
    summary = run_in(tmp_path / "run", config(table, generations=1, seed_program=(seed,)))
    assert tuple(summary["baselines"]) == BASELINES
    checkpoint = RunDirectory(tmp_path / "run").read_checkpoint()
    assert checkpoint is not None
    assert checkpoint["library"][0] == "effective_rank(weight_grad.data)"
    assert seed in checkpoint["population"] or seed in [text for text, *_ in checkpoint["hall"]]


def test_measures_take_part(tmp_path: Path, table: Path, run_in: RunIn) -> None:
    run_in(tmp_path / "run", config(table, generations=1, seed_measures=True))
    checkpoint = RunDirectory(tmp_path / "run").read_checkpoint()
    assert checkpoint is not None
    assert {"frobenius_norm(weight)", "dot(weight, weight_grad.loss)"} <= set(checkpoint["tried"])


def test_measures_that_are_programs_are_turned_to_more_being_better() -> None:
    programs = measure_programs()
    assert "sum(frobenius_norm(weight))" in programs
    assert "neg(sum(dot(weight, weight_grad.loss)))" in programs


def test_parts_of_one_accuracy_are_refused(tmp_path: Path, table: Path, run_in: RunIn) -> None:
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    table.write_text(
        "architecture,accuracy\n" + "".join(f"{one},{90 + (index == 0)}\n" for index, (one, _) in enumerate(rows))
    )
    with pytest.raises(InputError, match="networks must differ in accuracy"):
        run_in(tmp_path / "run", config(table))


def test_resuming_with_other_numerics_or_on_another_table_is_refused(
    tmp_path: Path, table: Path, run_in: RunIn
) -> None:
    run_in(tmp_path / "run", config(table, generations=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eznas.run.NUMERICS", NUMERICS + 1)
        message = f"version of numerics must be the one that the run began with, {NUMERICS}, got {NUMERICS + 1}"
        with pytest.raises(InputError, match=message):
            run_in(tmp_path / "run", config(table, generations=2), resume=True)
    text = table.read_text().splitlines()
    table.write_text("\n".join(text[:-1]) + "\n")
    with pytest.raises(InputError, match="table of nasbench201/cifar10 must be those that the run began with"):
        run_in(tmp_path / "run", config(table, generations=2), resume=True)


def test_networks_that_cannot_run_end_with_the_reason(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, run_in: RunIn
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("this network is broken")

    monkeypatch.setattr(type(SPACES["nasbench201"]), "build", fail)
    with pytest.raises(EznasError, match="this network is broken"):
        run_in(tmp_path / "run", config(table))
