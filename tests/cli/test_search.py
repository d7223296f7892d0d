from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from eznas.cli.search import main
from eznas.search.protocol import ALGORITHMS
from eznas.search.surrogate import SURROGATES
from eznas.spaces import SPACES

ALL = list(SPACES["nasbench201"].architectures() or ())[:40]


@pytest.fixture
def table(tmp_path: Path) -> str:
    lines = [f"{one},{90 + index / 10},{index},{index + 5},{40 - index}" for index, one in enumerate(ALL)]
    text = "\n".join(["architecture,accuracy,valid12,valid12_seconds,params", *lines, ""])
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    scores = "\n".join(["uid,score,time", *(f"{index},{index},0.5" for index in range(40)), ""])
    (tmp_path / "mine.csv").write_text(scores, encoding="utf-8")
    return str(tmp_path / "table.csv")


def invoke(*args: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, list(args), prog_name="python -m eznas.search")


def searched(*args: str) -> dict[str, Any]:
    result = invoke("--workers", "1", "--json", *args)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_leaves_results_and_a_page(name: str, table: str, tmp_path: Path) -> None:
    signal = ["--signal", "valid12"]
    if ALGORITHMS[name].levels:
        text = (tmp_path / "table.csv").read_text(encoding="utf-8").replace("params", "valid4")
        (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    against = ["--against", "params"] if ALGORITHMS[name].costs else []
    found = searched(
        "--table", table, "--algorithm", name, *signal, *against, "--queries", "15", "--runs", "2",
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert found["summary"]["runs"] == 2
    assert found["facts"]["label"] == f"{name} on valid12"
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert results["summary"] == found["summary"]
    page = (tmp_path / "run" / "search.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2 + bool(against)
    described = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
    names = [*(path.name for path in (tmp_path / "run").iterdir()), *results, *results["runs"][0]["steps"]]
    assert {name for name in names if f"`{name}`" not in described} == set()


def test_a_proxy_from_a_file_is_climbed_and_leads(table: str, tmp_path: Path) -> None:
    scores = f"synflow={tmp_path / 'mine.csv'}"
    found = searched(
        "--benchmark", "nasbench201", "--dataset", "cifar10", "--table", table, "--algorithm", "aging_evolution",
        "--scores", scores, "--signal", "synflow", "--warmup", "3000", "--move", "0.75", "--queries", "30",
        "--runs", "3", "--seed", "0", "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert found["summary"]["accuracy_mean"] == pytest.approx(93.9)
    assert found["summary"]["scored_mean"] == 40
    # every architecture was scored once in the warm-up, and each look costs its score again
    runs = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["runs"]
    assert [run["seconds"] for run in runs] == [0.5 * (40 + run["queries"]) for run in runs]


def test_searches_are_compared(table: str, tmp_path: Path) -> None:
    searched("--table", table, "--signal", "valid12", "--queries", "20", "--runs", "3", "--out", str(tmp_path / "a"))
    result = invoke(
        "--table", table, "--signal", "valid12", "--scores", str(tmp_path / "mine.csv"), "--proxy", "mine",
        "--warmup", "100", "--queries", "20", "--runs", "3", "--out", str(tmp_path / "b"),
        "--compare", str(tmp_path / "a"), "--workers", "1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    row = next(line for line in result.stdout.splitlines() if "with warm-up 100 by mine" in line)
    assert float(row.split()[-2]) > 1  # fewer queries
    assert "the signal is the reported accuracy" not in result.stdout
    assert f"{ALL[-1]}  " in result.stdout  # the best architecture
    assert "aging_evolution on valid12" in (tmp_path / "b" / "search.html").read_text(encoding="utf-8")


def test_other_searches_are_not_compared(table: str, tmp_path: Path) -> None:
    result = invoke("--table", table, "--queries", "5", "--runs", "1", "--out", str(tmp_path / "a"), "--workers", "1")
    assert "the signal is the reported accuracy" in result.stdout
    refused = invoke("--table", table, "--target", "valid12", "--queries", "5", "--runs", "1", "--workers", "1",
                     "--out", str(tmp_path / "b"), "--compare", str(tmp_path / "a"))  # fmt: skip
    assert refused.exit_code == 2
    assert "must be a search of the same space, table and target" in refused.stderr
    assert not (tmp_path / "b").exists()


def test_a_search_is_resumed_with_more_runs(table: str, tmp_path: Path) -> None:
    whole = searched("--table", table, "--signal", "valid12", "--queries", "9", "--runs", "3",
                     "--out", str(tmp_path / "whole"))  # fmt: skip
    searched("--table", table, "--signal", "valid12", "--queries", "9", "--runs", "1", "--out", str(tmp_path / "run"))
    more = searched("--resume", str(tmp_path / "run"), "--runs", "3")
    assert more["summary"] == whole["summary"]
    for option in ("queries", "out"):
        refused = invoke("--resume", str(tmp_path / "run"), f"--{option}", "3")
        assert refused.exit_code == 2
        assert f"--{option} must not be given when a run is resumed" in refused.stderr
    refused = invoke("--resume", str(tmp_path / "run"), "--config", "a.toml")
    assert (refused.exit_code, "--config must not be given with --resume" in refused.stderr) == (2, True)


def test_seconds_may_be_words(table: str, tmp_path: Path) -> None:
    found = searched("--table", table, "--signal", "valid12", "--seconds", "1m30s", "--runs", "1",
                     "--out", str(tmp_path / "run"))  # fmt: skip
    assert 90 <= found["summary"]["seconds_mean"] < 90 + 45
    config = (tmp_path / "run" / "config.toml").read_text(encoding="utf-8")
    assert "seconds = 90.0" in config
    assert "queries" not in config


def test_a_budget_of_nothing_is_reported(table: str, tmp_path: Path) -> None:
    found = searched("--table", table, "--queries", "0", "--runs", "2", "--out", str(tmp_path / "run"))
    assert found["summary"]["accuracy_mean"] is None
    assert found["summary"]["runs_without_a_result"] == 2


def test_signals_are_combined(table: str, tmp_path: Path) -> None:
    found = searched(
        "--table", table, "--scores", str(tmp_path / "mine.csv"), "--signal", "mine", "--signal", "valid12",
        "--combine", "minmax", "--weights", "0.6,0.4", "--queries", "40", "--runs", "1", "--algorithm", "random",
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert found["summary"]["value_mean"] == pytest.approx(1.0)
    assert found["facts"]["label"] == "random on min_max(mine, valid12)"


def test_a_search_that_cannot_begin_leaves_no_directory(table: str, tmp_path: Path) -> None:
    result = invoke("--table", table, "--signal", "valid13", "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert "did you mean 'valid12'" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--weights", "a,b"), "--weights must be a valid number"),
        (("--seconds", "soon"), "--seconds must be a duration such as 90s"),
        (("--queries", "-1"), "--queries must be greater than or equal to 0, got '-1'"),
        (("--memory", "5M"), "--memory must be a size of at least 512M, such as 4G, got '5M'"),
        (("--move", "2"), "--move must be less than or equal to 1, got '2'"),
        (("--resume", "RUN"), "must be a run directory"),
        (("--compare", "RUN"), "must be a run directory"),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    result = invoke(*(arg.replace("RUN", str(tmp_path / "nothing")) for arg in args))
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_help_names_every_algorithm_and_surrogate() -> None:
    text = invoke("--help").output
    for name in ALGORITHMS:
        assert f"    {name}  " in text or f"    {name} " in text
        assert " ".join(ALGORITHMS[name].summary.split()[:3]) in text
    for name in SURROGATES:
        assert name in text
