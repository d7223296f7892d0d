from __future__ import annotations

import csv
import json
import random
import re
import statistics
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w

from eznas.config import build_config
from eznas.errors import InputError
from eznas.progress import Progress
from eznas.run import RunDirectory, versions
from eznas.scoring import local_executor
from eznas.search.config import SearchConfig
from eznas.search.problem import make_problem
from eznas.search.protocol import ALGORITHMS
from eznas.search.repeats import best_architectures, run_repeats, summarise
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ALL = list(SPACES["nasbench201"].architectures() or ())[:60]


def replace(config: SearchConfig, **changes: Any) -> SearchConfig:
    return config.model_copy(update=changes)


def run(
    options: SearchConfig,
    path: Path,
    *,
    resume: bool = False,
    workers: int = 1,
    compare: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    opened = (
        RunDirectory.resume(path)
        if resume
        else RunDirectory.create(path, options.as_toml(), seed=options.seed, command="search")
    )
    with opened as directory:
        return run_repeats(options, directory, executor=local_executor(workers), compare=compare)


def test_results_are_summarised(options: SearchConfig, tmp_path: Path) -> None:
    results = run(options, tmp_path / "run")
    accuracies = [one["accuracy"] for one in results["runs"]]
    assert results["summary"]["accuracy_mean"] == pytest.approx(statistics.mean(accuracies))
    assert results["summary"]["accuracy_std"] == pytest.approx(statistics.pstdev(accuracies))
    assert results["summary"]["regret_mean"] == pytest.approx(95.9 - statistics.mean(accuracies))
    assert json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8")) == results
    for one in results["runs"]:
        looks = [ALL.index(architecture) for architecture in one["steps"]["architecture"]]
        assert one["seconds"] == sum(10 + index for index in looks)
        assert one["accuracy"] == pytest.approx(90 + max(looks) / 10)  # valid12 grows with the accuracy


def test_runs_do_not_depend_on_the_processes(options: SearchConfig, tmp_path: Path) -> None:
    assert run(options, tmp_path / "one") == run(options, tmp_path / "two", workers=2)


def test_a_run_that_was_stopped_goes_on(options: SearchConfig, tmp_path: Path) -> None:
    whole = run(options, tmp_path / "whole")
    run(replace(options, runs=1), tmp_path / "stopped")
    journal = tmp_path / "stopped" / "journal.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"event":"run","run":1,"resu')  # the machine went down
    assert run(options, tmp_path / "stopped", resume=True) == whole
    assert [json.loads(line)["run"] for line in journal.read_text(encoding="utf-8").splitlines()] == [0, 1, 2]


def test_the_best_of_all_runs_are_counted(options: SearchConfig, tmp_path: Path) -> None:
    results = run(options, tmp_path / "run")
    queried = [set(one["steps"]["architecture"]) for one in results["runs"]]
    expected = sorted(set().union(*queried), key=ALL.index, reverse=True)[:5]  # valid12 rises with the index
    assert [entry["architecture"] for entry in results["best"]] == expected
    for entry in results["best"]:
        index = ALL.index(entry["architecture"])
        assert (entry["accuracy"], entry["value"]) == (90 + index / 10, 60 + index)
        assert entry["runs"] == sum(entry["architecture"] in one for one in queried)


def test_the_best_are_listed_at_their_longest_training() -> None:
    steps = {
        "architecture": ["a", "b", "c", "d", "a", "b", "a"],
        "level": [0, 0, 0, 0, 1, 1, 1],
        "value": [9.0, 8.0, None, 7.0, 2.0, 3.0, 2.0],
        "cost": [None] * 7,
    }
    runs = [{"run": 0, "steps": steps}, {"run": 1, "steps": {name: column[:4] for name, column in steps.items()}}]
    for direction, order in ((1, "bad"), (-1, "abd")):
        best = best_architectures(runs, {"b": 90.0}, direction)
        assert "".join(entry["architecture"] for entry in best) == order
        assert {(entry["architecture"], entry["value"], entry["runs"]) for entry in best} == {
            ("b", 3.0, 2),
            ("a", 2.0, 2),
            ("d", 7.0, 2),
        }
        assert {entry["architecture"]: entry["accuracy"] for entry in best} == {"a": None, "b": 90.0, "d": None}


class Steps(Progress):
    """Counts the steps of one stage."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.done = 0

    def stage(self, name: str, steps: int) -> None:
        self.stages.append((name, steps))

    def advance(self) -> None:
        self.done += 1


@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        ({}, ("runs", 3)),
        ({"signal": ("flops",), "queries": 4, "warmup": 2, "scores": ()}, ("search", 3 * (4 + 2 + 1))),
        ({"signal": ("flops",), "queries": None, "seconds": 0.001, "scores": ()}, ("runs", 3)),
    ],
)
def test_progress_is_one_stage_that_is_completed(
    options: SearchConfig, tmp_path: Path, changes: dict[str, Any], stage: tuple[str, int]
) -> None:
    config = replace(options, batch_size=2, device="cpu", **changes)
    records: list[dict[str, Any]] = []
    for runs in (1, 3):
        steps = Steps()
        with (
            RunDirectory.resume(tmp_path / "run")
            if runs > 1
            else RunDirectory.create(tmp_path / "run", config.as_toml(), seed=0, command="search")
        ) as directory:
            run_repeats(replace(config, runs=runs), directory, progress=steps, callback=records.append)
    assert steps.stages == [stage]
    assert steps.done == stage[1]
    assert [record["run"] for record in records] == [0, 0, 1, 2]


def test_a_regret_is_never_negative() -> None:
    runs = [{"accuracy": 94.6, "best_value": 1.0, "queries": 1, "epochs": 0, "seconds": 0, "scored": 0}] * 3
    regret = summarise(runs, {"best_of_the_space": 94.6 - 1e-14, "timed": False})["regret_mean"]
    assert str(regret) == "0.0"


def test_finished_runs_are_not_done_again(options: SearchConfig, tmp_path: Path) -> None:
    run(options, tmp_path / "run")
    before = (tmp_path / "run" / "journal.jsonl").read_bytes()
    run(options, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == before


def test_scores_are_kept_for_resuming(options: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = replace(options, signal=("flops",), queries=3, runs=2, scores=(), batch_size=2, device="cpu")
    first = run(live, tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    kept = [line for line in journal.read_text(encoding="utf-8").splitlines() if '"run"' not in line.split(",")[0]]
    journal.write_text("\n".join([*kept, ""]), encoding="utf-8")  # scores without a finished run
    monkeypatch.setattr("eznas.scoring.score_networks", None)  # nothing may be scored again
    assert run(live, tmp_path / "run", resume=True) == first


def test_scores_are_kept_under_what_they_were_asked_for_as(
    options: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, program in (("a", "sum(frobenius_norm(weight))"), ("b", "mean(frobenius_norm(weight))")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "params.py").write_text(f'PROGRAM = "{program}"\n', encoding="utf-8")
    names = (str(tmp_path / "a" / "params.py"), str(tmp_path / "b" / "params.py"), "params")
    few = {"queries": 2, "runs": 1, "scores": (), "batch_size": 2, "device": "cpu", "algorithm": "random"}
    table = tmp_path / "table.csv"
    table.write_text("\n".join([*table.read_text(encoding="utf-8").replace(",params", ",x").splitlines()[:7], ""]))
    live = replace(options, **few, signal=names)  # type: ignore[arg-type]
    first = run(live, tmp_path / "run")
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    scores = [entry for entry in journal if entry["event"] == "score"]
    assert {entry["signal"] for entry in scores} == set(names)
    assert len({entry["value"] for entry in scores if entry["architecture"] == scores[0]["architecture"]}) == 3
    (tmp_path / "run" / "journal.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in scores))
    monkeypatch.setattr("eznas.scoring.score_networks", None)  # nothing may be scored again
    assert run(live, tmp_path / "run", resume=True) == first


def test_runs_go_on_from_the_same_data_alone(options: SearchConfig, tmp_path: Path) -> None:
    run(options, tmp_path / "run")
    for name, message in (("fifty.csv", "the same scores"), ("table.csv", "the same table_sha256")):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(before.replace(b",1\n", b",2\n"))
        with pytest.raises(InputError, match=f"must be resumed with {message}: it was started with .*start a new"):
            run(options, tmp_path / "run", resume=True)
        (tmp_path / name).write_bytes(before)
    run(replace(options, runs=4), tmp_path / "run", resume=True)
    assert "runs = 4" in (tmp_path / "run" / "config.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["numerics", "torch"])
def test_scores_of_networks_are_resumed_with_the_same_versions_alone(
    options: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    live = replace(options, signal=("flops",), queries=3, runs=1, scores=(), batch_size=2, device="cpu")
    run(live, tmp_path / "live")
    run(options, tmp_path / "tabular")
    before = versions()[name]
    monkeypatch.setattr("eznas.run.versions", lambda: {**versions(), name: "another"})
    message = f"version of {name} must be the one that the run began with, {re.escape(str(before))}, got another;"
    with pytest.raises(InputError, match=message):
        run(replace(live, runs=2), tmp_path / "live", resume=True)
    run(replace(options, runs=4), tmp_path / "tabular", resume=True)  # reads tables alone


def test_only_searches_of_the_same_are_compared(options: SearchConfig, tmp_path: Path) -> None:
    facts = run(options, tmp_path / "run")["facts"]
    run(options, tmp_path / "run", resume=True, compare={"other": facts})
    for fact in ("space", "target", "table_sha256"):
        with pytest.raises(InputError, match=f"other must be a search of the same .* its {fact} is x, this search"):
            run(options, tmp_path / "run", resume=True, compare={"other": {**facts, fact: "x"}})


def test_a_signal_that_is_reported_is_said(options: SearchConfig) -> None:
    for signal, same in (("accuracy", True), ("valid12", False), ("fifty", False)):
        assert make_problem(replace(options, signal=(signal,))).facts["signal_is_target"] is same


def test_less_is_better_by_some_measures(options: SearchConfig, tmp_path: Path) -> None:
    scores = f"plain={tmp_path / 'fifty.csv'}"
    results = run(replace(options, scores=(scores,), signal=("plain",), queries=100), tmp_path / "run")
    assert results["facts"]["direction"] == -1
    assert [one["best"] for one in results["runs"]] == [ALL[0]] * 3
    assert [one["best_value"] for one in results["runs"]] == [0] * 3


def test_a_space_is_also_named_by_its_benchmark(options: SearchConfig, tmp_path: Path) -> None:
    problem = make_problem(replace(options, benchmark="nats_tss"))
    assert (problem.domain.space.name, problem.domain.size) == ("nasbench201", 60)
    for name, fidelity in (("nasbench301", "nasbench301"), ("darts", "full")):
        problem = make_problem(SearchConfig(benchmark=name, table="none", signal=("params",)))
        assert problem.domain.space.name == "darts"
        assert str(problem.facts["condition"]).startswith(f"{fidelity}, ")
    space, rng = SPACES["darts"], random.Random(0)
    with (tmp_path / "darts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["architecture", "accuracy"], *([space.sample(rng), index] for index in range(4))])
    problem = make_problem(SearchConfig(benchmark="darts", table=str(tmp_path / "darts.csv")))
    assert (problem.domain.space.name, problem.domain.size) == ("darts", 4)


def test_options_survive_the_run_directory(options: SearchConfig, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    for config in (
        options,
        SearchConfig(),
        replace(options, signal=("fifty", "params"), queries=None, weights=(0.5, 0.5), seconds=90.5),
    ):
        file.write_text(tomli_w.dumps(config.as_toml()), encoding="utf-8")
        assert build_config(SearchConfig, {}, file) == config
    file.write_text("querys = 3", encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.toml: unknown option 'querys'; did you mean 'queries'"):
        build_config(SearchConfig, {}, file)


def test_queries_are_limited_unless_there_is_another_budget() -> None:
    assert SearchConfig().queries == 300
    assert SearchConfig(seconds=5).queries is SearchConfig(epochs=5).queries is None
    assert SearchConfig(seconds=5, queries=7).queries == 7


def test_a_name_alone_is_a_list_of_one() -> None:
    config = SearchConfig(signal="synflow", proxy=("naswot", "snip"), warmup=9, weights="0.6,0.4")  # type: ignore[arg-type]
    assert (config.signal, config.weights) == (("synflow",), (0.6, 0.4))


def test_a_search_stays_where_scores_are_known(options: SearchConfig) -> None:
    assert make_problem(options).domain.size == 60
    assert make_problem(replace(options, signal=("fifty",))).domain.size == 50
    assert make_problem(replace(options, proxy=("fifty",), warmup=5)).domain.size == 50


def test_the_best_by_a_proxy_is_reported_with_its_accuracy(options: SearchConfig, tmp_path: Path) -> None:
    results = run(replace(options, signal=("fifty",), queries=100), tmp_path / "run")
    assert [one["best"] for one in results["runs"]] == [ALL[49]] * 3
    assert results["summary"]["accuracy_mean"] == pytest.approx(94.9)
    assert results["summary"]["seconds_mean"] is None  # the file has no seconds


def test_a_search_is_timed_if_everything_that_it_charges_is(options: SearchConfig, tmp_path: Path) -> None:
    assert make_problem(options).facts["timed"] is True
    assert make_problem(replace(options, proxy=("fifty",), warmup=5)).facts["timed"] is False
    assert make_problem(replace(options, algorithm="nsga2", against="fifty")).facts["timed"] is False
    table_property = make_problem(replace(options, algorithm="nsga2", against="params", seconds=3.0))
    assert table_property.facts["timed"] is True
    path = tmp_path / "holed.csv"
    scores = [f"{one},{index},{'' if index % 2 else 3}" for index, one in enumerate(ALL)]
    path.write_text("\n".join(["architecture,holed,seconds", *scores, ""]), encoding="utf-8")
    results = run(replace(options, signal=("holed",), scores=(str(path),), runs=1), tmp_path / "run")
    assert (results["facts"]["timed"], results["summary"]["seconds_mean"]) == (False, None)
    assert "NaN" not in (tmp_path / "run" / "results.json").read_text(encoding="utf-8")


def test_levels_are_taken_from_the_table(options: SearchConfig) -> None:
    problem = make_problem(replace(options, algorithm="hyperband"))
    assert [one.name for one in problem.objective.levels] == ["valid4", "valid12"]


def test_networks_without_a_table_are_searched(tmp_path: Path) -> None:
    options = SearchConfig(table="none", signal=("params",), queries=3, runs=1, batch_size=2, device="cpu", pool=2)
    results = run(options, tmp_path / "run")
    assert results["runs"][0]["accuracy"] is None
    assert results["runs"][0]["best_value"] == max(results["runs"][0]["steps"]["value"])
    assert results["facts"]["target"] is None


def test_every_algorithm_searches_a_table(options: SearchConfig) -> None:
    for name in ALGORITHMS:
        against = "params" if ALGORITHMS[name].costs else ""
        assert make_problem(replace(options, algorithm=name, against=against)).algorithm.name == name
