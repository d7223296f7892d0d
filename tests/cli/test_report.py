from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from matplotlib.figure import Figure

from eznas.cli.report import main
from eznas.cli.search import main as search_command
from eznas.report.style import png

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eznas.run import RunDirectory

TASKS = ["nasbench201/cifar10", "nats_sss/cifar10"]
FILES = ("scores.png", "taus.png", "pareto.png", "progress.png", "program.png", "report.html")


def invoke(*args: object) -> Result:
    return CliRunner().invoke(main, list(map(str, args)), prog_name="eznas report")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every plot by one point, which is faster."""
    point = png(Figure(figsize=(0.1, 0.1)))
    for name in ("plots", "run_page", "comparison_page"):
        monkeypatch.setattr(importlib.import_module(f"eznas.report.{name}"), "png", lambda *_: point)


def search(path: Path, *args: str) -> Path:
    given = ["--algorithm", "random", "--runs", "1", "--queries", "3", *args, "--out", str(path)]
    result = CliRunner().invoke(search_command, given, prog_name="eznas search")
    assert result.exit_code == 0, result.output
    return path


@pytest.mark.usefixtures("undrawn")
def test_the_page_of_an_evolution_is_written_again(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> None:
    result = invoke(finished_run(tmp_path / "run").path)
    assert result.exit_code == 0, result.output
    written = [tmp_path / "run" / name for name in FILES]
    assert result.stdout.splitlines() == [f"written: {path}" for path in written]
    assert all(path.is_file() for path in written)


@pytest.mark.usefixtures("undrawn")
def test_evolutions_are_compared(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> None:
    runs = [finished_run(tmp_path / "good", TASKS, noise=0.2).path, finished_run(tmp_path / "poor", noise=3.0).path]
    before = {path: sorted(path.iterdir()) for path in runs}
    page, data = tmp_path / "comparison.html", tmp_path / "comparison.json"
    result = invoke(*runs, "--html", page, "--json", data)
    assert result.exit_code == 0, result.output
    assert {path: sorted(path.iterdir()) for path in runs} == before  # only read
    assert "<h2>Paired differences</h2>" in page.read_text(encoding="utf-8")
    compared = json.loads(data.read_text(encoding="utf-8"))
    assert [run["run"] for run in compared["runs"]] == [str(path) for path in runs]
    [difference] = compared["differences"]
    assert f"{difference['difference']:+.3f}" in result.stdout
    for run in compared["runs"]:
        assert f"{run['run']}  {run['verdict']}" in result.stdout
    assert json.loads(invoke(*runs, "--json").stdout) == compared
    assert len(json.loads(invoke(runs[0], "--json", "-").stdout)["runs"]) == 1


@pytest.mark.usefixtures("undrawn")
def test_searches_and_evolutions_are_not_mixed(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> None:
    run, found = finished_run(tmp_path / "run").path, search(tmp_path / "search")
    assert "must be evolutions alone or searches alone" in invoke(run, found).stderr
    assert "must be evolutions alone or searches alone" in invoke(run, "--compare", found).stderr
    result = invoke(found, "--json", "-")
    assert (result.exit_code, "must come with evolutions" in result.stderr) == (2, True)
    assert invoke(run, "--compare", run).exit_code == 2


def test_the_page_of_a_search_is_written_again(tmp_path: Path) -> None:
    first, other = search(tmp_path / "first"), search(tmp_path / "other", "--seed", "1")
    page = first / "search.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()
    assert invoke(first).stdout == f"written: {page}\n"
    assert page.read_text(encoding="utf-8") == before
    assert invoke(first, "--compare", other).exit_code == 0
    compared = page.read_text(encoding="utf-8")
    assert len(compared) > len(before)
    assert invoke(first, other).exit_code == 0
    assert page.read_text(encoding="utf-8") == compared


@pytest.mark.usefixtures("undrawn")
def test_a_plot_that_cannot_be_written_is_exit_code_1(
    tmp_path: Path, finished_run: Callable[..., RunDirectory]
) -> None:
    path = finished_run(tmp_path / "run").path
    (path / "scores.png").mkdir()
    result = invoke(path)
    assert (result.exit_code, "scores.png was not written" in result.stderr) == (1, True)
    assert "program.png" in result.stdout


def test_what_is_no_finished_run_is_exit_code_2(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> None:
    assert invoke(tmp_path).exit_code == 2
    path = finished_run(tmp_path / "run").path
    (path / "summary.json").unlink()
    assert "summary.json" in invoke(path).stderr
    assert "summary.json" in invoke(path, path).stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "results.json").write_text(json.dumps({}), encoding="utf-8")
    assert invoke(tmp_path / "other").exit_code == 2
