from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result

from eznas.cli.report import main
from eznas.cli.search import main as search_command
from eznas.run import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "sum(frobenius_norm(weight))"


def invoke(*args: object) -> Result:
    return CliRunner().invoke(main, list(map(str, args)), prog_name="eznas report")


def evolution(path: Path, program: str = PROGRAM) -> Path:
    with RunDirectory.create(path, {}, seed=0, command="eznas evolve") as made:
        made.write_json("summary.json", {"target": "cifar10 test accuracy", "best": {"program": program}})
        made.write_csv("logbook.csv", ["generation"], [])
        columns = ["architecture", "accuracy", "score"]
        made.write_csv("test_scores.csv", columns, [["a", 90.0, 1.0], ["b", 91.0, 2.0], ["c", 92.0, 3.0]])
    return path


def search(path: Path, *args: str) -> Path:
    given = ["--algorithm", "random", "--runs", "1", "--queries", "3", *args, "--out", str(path)]
    result = CliRunner().invoke(search_command, given, prog_name="eznas search")
    assert result.exit_code == 0, result.output
    return path


def test_the_plots_of_an_evolution_are_drawn_again(tmp_path: Path) -> None:
    result = invoke(evolution(tmp_path / "run"))
    assert result.exit_code == 0, result.output
    written = [tmp_path / "run" / name for name in ("scores.png", "program.png")]
    assert result.stdout.splitlines() == [f"written: {path}" for path in written]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_the_page_of_a_search_is_written_again(tmp_path: Path) -> None:
    first, other = search(tmp_path / "first"), search(tmp_path / "other", "--seed", "1")
    page = first / "search.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()
    assert invoke(first).stdout == f"written: {page}\n"
    assert page.read_text(encoding="utf-8") == before
    assert invoke(first, "--compare", other).exit_code == 0
    assert len(page.read_text(encoding="utf-8")) > len(before)


def test_a_plot_that_cannot_be_drawn_is_exit_code_1(tmp_path: Path) -> None:
    path = evolution(tmp_path / "run")
    (path / "scores.png").mkdir()
    result = invoke(path)
    assert (result.exit_code, "scores.png was not drawn" in result.stderr) == (1, True)
    assert "program.png" in result.stdout


def test_what_is_no_finished_run_is_exit_code_2(tmp_path: Path) -> None:
    assert invoke(tmp_path).exit_code == 2
    path = evolution(tmp_path / "run")
    (path / "summary.json").unlink()
    assert "summary.json" in invoke(path).stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "results.json").write_text(json.dumps({}), encoding="utf-8")
    assert invoke(tmp_path / "other").exit_code == 2
