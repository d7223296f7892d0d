"""The script of the campaign: its score file, its programs, and the choice among formulas."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import eznas
from eznas.benchmarks import load_table
from eznas.errors import InputError

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).resolve().parents[2] / "experiments"
CONFIG: dict[str, Any] = {
    "seeds": [1, 3],
    "batch_size": 8,
    "split": "0.7/0.2/0.1",
    "measures": ["params", "depth"],
    "reductions": ["l1(weight)", "effective_rank(weight_grad.loss)"],
    "aggregations": ["sum(X)", "slope(cumulative_sum(sqrt(X)))"],
    "task": [{"name": "nasbench201/cifar10", "networks": [3, 1], "test": 4}],
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("campaign")


@pytest.fixture
def campaign(script: ModuleType, tmp_path: Path) -> Any:
    table = load_table("nasbench201", "cifar10")
    names = table.architectures[:4]
    lines = [f"{name},{accuracy}" for name, accuracy in zip(names, (60.5, 70.5, 80.5, 90.5), strict=True)]
    text = "\n".join(["# dataset: cifar10", "architecture,accuracy", *lines])
    (tmp_path / "nasbench201_cifar10.csv").write_text(text, encoding="utf-8")
    made = script.Campaign(CONFIG, tmp_path, tmp_path / "out", "digits", 1)
    (tmp_path / "out" / "train").mkdir(parents=True)
    blocks = [form.replace("X", block) for block in CONFIG["reductions"] for form in CONFIG["aggregations"]]
    rows = [[name, 0, 7, 3, i, "" if i else "inf", i + 1, 9 - i, ""] for i, name in enumerate(names)]
    for seed, scored in (("1", rows[:3]), ("3", rows[3:])):
        with (tmp_path / "out" / "train" / f"nasbench201_{seed}.csv").open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(["architecture", "accuracy", "params", "depth", *blocks, "status"])
            writer.writerows(scored)
    return made


def test_the_score_file_has_short_names_and_no_column_that_lacks_scores(campaign: Any, tmp_path: Path) -> None:
    joined = campaign._join()
    rows = list(csv.DictReader(joined.read_text(encoding="utf-8").splitlines()))
    assert list(rows[0]) == ["task", "architecture", "accuracy", "params", "depth", "c002", "c004", "c005"]
    assert [row["accuracy"] for row in rows] == ["60.5", "70.5", "80.5", "90.5"]
    assert [row["c005"] for row in rows] == ["9", "8", "7", "6"]
    assert {row["task"] for row in rows} == {"nasbench201/cifar10"}


def test_a_task_that_needs_a_gpu_is_left_out_on_a_cpu(script: ModuleType, tmp_path: Path) -> None:
    macro = {"name": "transnas_macro/class_scene", "networks": [5, 5], "test": 5, "gpu": True}
    config = CONFIG | {"task": [*CONFIG["task"], macro]}
    made = script.Campaign(config, tmp_path, tmp_path, "digits", 1, device="cpu")
    assert ([task.name for task in made.tasks], made.left_out) == (["nasbench201/cifar10"], [macro["name"]])


def test_a_share_of_the_networks_has_at_least_forty(script: ModuleType, tmp_path: Path) -> None:
    config = CONFIG | {"task": [{"name": "nasbench201/cifar10", "networks": [240, 100], "test": 20}]}
    [task] = script.Campaign(config, tmp_path, tmp_path, "digits", 1, share=0.2).tasks
    assert (task.networks, task.test) == ((48, 40), 20)


def test_networks_of_a_seed_are_others_than_those_of_the_seeds_before(
    script: ModuleType, campaign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def verify(*_: Any, **options: Any) -> None:
        asked.append((options["samples"], options["csv"].name, options["unwanted"][:]))

    monkeypatch.setattr(script.verification, "verify", verify)
    campaign.score()
    names = list(load_table("nasbench201", "cifar10").architectures[:4])
    assert asked == [(3, "nasbench201_1.csv", []), (1, "nasbench201_3.csv", names[:3])]


def test_a_formula_is_tested_on_the_left_out_space_with_one_seed(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["task,architecture,accuracy,params,flops"]
    lines += [f"space/a,net{i},{i},{i if i < 12 else -i},{-i}" for i in range(20)]
    scores, one_seed = tmp_path / "scores.csv", tmp_path / "space_1.csv"
    scores.write_text("\n".join(lines) + "\n", encoding="utf-8")
    one_seed.write_text("\n".join(["architecture,params", *[f"net{i},0" for i in range(12)]]), encoding="utf-8")
    run = SimpleNamespace(summary={"best": {"program": "neg(score.flops)"}})
    script.print_left_out(run, scores, "space", one_seed)
    row = next(line for line in capsys.readouterr().out.splitlines() if "space/a" in line)
    assert row.split()[1:3] == ["12", "1.000"]
    assert row.split()[-2:] == ["params", "1.000"]


def test_each_space_is_left_out_in_turn(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    left_out: list[str] = []
    monkeypatch.setattr(script.Campaign, "score", lambda _: tmp_path)
    monkeypatch.setattr(script.Campaign, "evolve_without", lambda *arguments: left_out.append(arguments[2]))
    monkeypatch.setattr(script, "print_left_out", lambda *_: None)
    arguments = [str(tmp_path), "--out", str(tmp_path / "out"), "--device", "cpu", "--workers", "1", "--without"]
    CliRunner().invoke(script.main, [*arguments, "each"], catch_exceptions=False)
    assert left_out == ["nasbench201", "nats_sss", "nasbench101", "nasbench_macro"]  # the fifth needs a GPU
    refused = CliRunner().invoke(script.main, [*arguments, "transnas_macro"])
    assert refused.exit_code == 2
    assert "without must be a space of the campaign whose networks run on this device" in refused.output


def test_spaces_to_leave_out_must_be_of_the_campaign(script: ModuleType, tmp_path: Path) -> None:
    macro = {"name": "transnas_macro/class_scene", "networks": [5, 5], "test": 5}
    made = script.Campaign(CONFIG | {"task": [*CONFIG["task"], macro]}, tmp_path, tmp_path, "digits", 1, device="cpu")
    listed = {"spaces_to_leave_out": ["nasbench201", "transnas_macro"]}
    assert script.spaces_to_leave_out(made, listed, "each") == ["nasbench201"]
    assert script.spaces_to_leave_out(made, {}, "nasbench201") == ["nasbench201"]
    for config in ({}, {"spaces_to_leave_out": ["nasbench201", "nats_ss"]}):
        with pytest.raises(InputError, match="each with such spaces in spaces_to_leave_out; got each with"):
            script.spaces_to_leave_out(made, config, "each")


def test_columns_become_measures_and_building_blocks(campaign: Any) -> None:
    program = campaign.program("mul(log(score.params), add(score.c005, score.c002))")
    wanted = (
        "mul(log(measure.params), add(slope(cumulative_sum(sqrt(effective_rank(weight_grad.loss)))), sum(l1(weight))))"
    )
    assert eznas.parse(program) == eznas.parse(wanted)


def test_every_block_of_the_campaign_is_a_program(script: ModuleType, tmp_path: Path) -> None:
    config = script.read_toml(FOLDER / "campaign.toml")
    made = script.Campaign(config, tmp_path, tmp_path, "digits", 1)
    columns = made._columns
    assert len(columns) == len(set(columns.values()))
    for name, text in columns.items():
        assert name in eznas.MEASURES if name == text else eznas.parse(text)
    assert sum(entry.get("forward_only", False) for entry in config["evolution"]) == 1


def test_the_margin_is_the_least_over_tasks_and_parts(script: ModuleType) -> None:
    def row(*taus: float | None) -> dict[str, Any]:
        a, b = taus[:2], taus[2:]
        parts = ("tau_train", "tau_validation")
        return {"tasks": {"a": dict(zip(parts, a, strict=True)), "b": dict(zip(parts, b, strict=True))}}

    baselines = {"params": row(0.5, 0.4, 0.1, 0.2), "flops": row(0.3, 0.6, 0.0, 0.1), "naswot": row(1, 1, 1, 1)}
    run = SimpleNamespace(summary={"baselines": baselines, "tasks": [{"name": "a"}, {"name": "b"}]})
    assert script.margin(run, row(0.7, 0.7, 0.4, 0.35)) == pytest.approx(0.1)
    assert script.margin(run, row(0.7, 0.7, None, 0.35)) == pytest.approx(-1.1)
