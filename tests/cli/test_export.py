from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from eznas.cli.export import main
from eznas.programs import parse
from eznas.programs.export import to_dot, to_latex
from eznas.run import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path

BEST = "sum(frobenius_norm(weight_grad.data))"
SECOND = "mean(frobenius_norm(weight))"


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, list(args), prog_name="eznas export")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with RunDirectory.create(tmp_path / "run", {}, seed=3, command="python -m eznas.evolve --seed 3") as made:
        made.record(target="cifar10 validation accuracy")
        best = {"name": "rank0", "tau_train": 0.8, "tau_validation": 0.75, "tau_test": 0.7421, "program": BEST}
        second = {"name": "rank1", "tau_train": 0.7, "tau_validation": 0.65, "tau_test": None, "program": SECOND}
        made.write_json("summary.json", {"hall_of_fame": [best, second]})
    return made.path


def test_a_program_may_be_longer_than_a_path() -> None:
    program = BEST
    while len(program) < 300:
        program = f"add({program}, {SECOND})"
    result = invoke(program, "--format", "text")
    assert result.exit_code == 0, result.output
    assert invoke(program.replace("mean", "meen")).exit_code == 2


def test_the_best_of_a_run_says_where_it_comes_from(run: Path) -> None:
    result = invoke(str(run))
    assert result.exit_code == 0, result.output
    assert BEST in result.stdout
    assert "python -m eznas.evolve --seed 3" in result.stdout
    assert "cifar10 validation accuracy" in result.stdout
    assert "0.7421" in result.stdout
    compile(result.stdout, "proxy.py", "exec")


def test_the_noise_is_that_of_the_run(run: Path, tmp_path: Path) -> None:
    record = {"name": "rank0", "program": "sum(mean(abs(norm_out.noise)))"}
    RunDirectory(run).write_json("summary.json", {"hall_of_fame": [record]})
    first, again = tmp_path / "first.py", tmp_path / "again.py"
    assert invoke(str(run), "-o", str(first)).exit_code == 0
    assert invoke(str(first), "-o", str(again)).exit_code == 0
    for path in (first, again):
        assert "\nNOISE_SEED = 3\n" in path.read_text(encoding="utf-8")
    assert "\nNOISE_SEED = 0\n" in invoke("sum(mean(abs(norm_out.noise)))").stdout


def provisional(run: Path, rows: list[list[object]]) -> None:
    RunDirectory(run).record(reported_on="full, seed 3")
    columns = ["complexity", "seconds", "tau_train", "tau_validation", "tau_test", "coverage", "program"]
    RunDirectory(run).write_csv("hall_of_fame.provisional.csv", columns, rows)


def test_an_unfinished_run_gives_provisional_programs(run: Path) -> None:
    (run / "summary.json").unlink()
    provisional(run, [[3, None, 0.6, 0.55, None, None, SECOND]])
    text = invoke(str(run)).stdout
    assert SECOND in text
    assert '"provisional": True' in text
    assert "reported_on" not in text
    assert "tau_test" not in text


def test_a_finished_run_gives_its_final_programs(run: Path) -> None:
    provisional(run, [[3, None, 0.6, 0.55, None, None, SECOND]])
    text = invoke(str(run)).stdout
    assert BEST in text
    assert '"reported_on": "full, seed 3"' in text
    assert '"provisional"' not in text


def test_a_run_without_any_program_is_exit_code_2(run: Path) -> None:
    (run / "summary.json").unlink()
    provisional(run, [])
    result = invoke(str(run))
    assert result.exit_code == 2
    assert "the run was stopped before it had one" in result.stderr


def test_another_rank(run: Path) -> None:
    assert invoke(str(run), "--rank", "1", "--format", "text").stdout == f"{SECOND}\n"


def test_a_rank_that_is_not_there_is_exit_code_2(run: Path) -> None:
    result = invoke(str(run), "--rank", "2")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --rank must be at least 0 and below 2")


def test_an_exported_file_can_be_exported_again(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "proxy.py"
    result = invoke(str(run), "-o", str(path))
    assert (result.exit_code, result.output) == (0, "")
    assert invoke(str(path), "--format", "text").stdout == f"{BEST}\n"


def test_formats_are_those_of_the_library() -> None:
    node = parse(BEST)
    assert invoke(BEST, "--format", "latex").stdout == f"{to_latex(node)}\n"
    assert invoke(BEST, "--format", "dot").stdout == to_dot(node)


def test_a_measure_that_is_a_program_can_be_exported() -> None:
    assert invoke("eznas_a", "--format", "text").stdout.startswith("mean(frobenius_norm(sigmoid(")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("snip", "as a program it is sum(sum_abs(mul(weight, weight_grad.loss)))"),
        ("params", "params must be a program to be exported, but it is a measure written in Python"),
        ("sum(nonsense(weight))", "nonsense"),
        ("nazwot", "did you mean 'naswot'?"),
        ("runs/none", "no run directory 'runs/none' exists; 'runs/none' must be a measure, a program or"),
    ],
)
def test_what_is_no_program_is_exit_code_2(source: str, message: str) -> None:
    result = invoke(source)
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_a_directory_that_is_no_run_is_exit_code_2(tmp_path: Path) -> None:
    result = invoke(str(tmp_path))
    assert result.exit_code == 2
    assert "must be a run directory" in result.stderr
