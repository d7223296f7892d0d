from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

import eznas.gp
import eznas.report
from eznas.cli.evolve import _print, main
from eznas.errors import EznasError, InputError
from eznas.run import FORMAT, RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.config import EvolveConfig
    from eznas.progress import Progress
    from eznas.scoring import Executor

GOLDEN = Path(__file__).parent / "tables"

ROW: dict[str, Any] = {
    "name": "rank0",
    "program": "sum(f(x))",
    "complexity": 3,
    "coverage": 1.0,
    "statuses": {"ok": 5},
    "tau_train": 0.8,
    "tau_validation": 0.75,
    "tau_test": 0.7654,
    "tau_test_low": 0.7,
    "tau_test_high": 0.8,
    "rho_test": 0.9,
    "seconds": 0.25,
    "tasks": {"nasbench201/cifar10": {"tau": 0.7654}},
}
SUMMARY: dict[str, Any] = {
    "tasks": [
        {
            "name": "nasbench201/cifar10",
            "target": "cifar10 test accuracy",
            "networks": {"test": 5},
            "reported_on": "full, seed 0, 16 images of digits",
            "held_out": False,
        }
    ],
    "verdict": {"sentence": "better than every baseline", "held_out": None, "notes": ["A note."], "tasks": []},
    "stopped_by": "time",
    "generations": 12,
    "hall_of_fame": [ROW],
    "baselines": {"params": {**ROW, "name": "params", "program": "", "tau_train": None, "complexity": 0}},
}


class Evolved:
    """Stands in for the run and remembers what it was given."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.calls: list[tuple[EvolveConfig, bool]] = []

    def __call__(
        self,
        config: EvolveConfig,
        directory: RunDirectory,
        executor: Executor,
        progress: Progress,
        *,
        resume: bool,
        resume_with: str,
        **_: object,
    ) -> dict[str, Any]:
        assert executor.workers >= 1
        self.calls.append((config, resume))
        progress.message(f"evolving; resume with: {resume_with}")
        progress.stage("visiting", 1)
        progress.advance()
        record = {"generation": 1, "seconds": 2.0, "programs_evaluated": 9}
        progress.generation({**record, "best_tau_train": 0.5, "best_tau_validation": 0.4})
        progress.message("halfway")
        if isinstance(self.error, InputError):
            raise self.error
        directory.write_checkpoint({"generation": 1})
        if self.error is not None:
            raise self.error
        directory.write_json("summary.json", SUMMARY)
        return SUMMARY


@pytest.fixture
def evolved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Evolved:
    made = Evolved()
    monkeypatch.setattr(eznas.gp, "run_evolution", made)
    monkeypatch.setattr(eznas.report, "render", lambda *_: [])
    monkeypatch.chdir(tmp_path)
    return made


def invoke(*args: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, list(args), prog_name="python -m eznas.evolve")


def test_options_reach_the_run(evolved: Evolved) -> None:
    result = invoke(
        *("--out", "here", "--population", "50", "--time-budget", "10m"),
        *("--seed-program", "sum(a)", "--seed-program", "sum(b)"),
    )
    assert result.exit_code == 0, result.output
    [(config, resume)] = evolved.calls
    assert (config.population, config.time_budget, config.seed_program) == (50, 600.0, ("sum(a)", "sum(b)"))
    assert not resume


def test_a_flag_reaches_the_run_and_is_off_without(evolved: Evolved, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("seed_measures = true\n", encoding="utf-8")
    for args in ((), ("--seed-measures",), ("--config", "c.toml")):
        assert invoke(*args).exit_code == 0
    assert [config.seed_measures for config, _ in evolved.calls] == [False, True, True]


def test_the_manifest_has_the_command_line(evolved: Evolved, tmp_path: Path) -> None:
    invoke("--out", "here", "--seed", "7")
    manifest = RunDirectory(tmp_path / "here").manifest()
    assert manifest["command"] == "python -m eznas.evolve --out here --seed 7"
    assert manifest["seed"] == 7


def test_without_out_a_new_directory_in_runs_is_made(evolved: Evolved, tmp_path: Path) -> None:
    result = invoke()
    [made] = (tmp_path / "runs").iterdir()
    assert str(made.relative_to(tmp_path)) in result.stdout


def test_what_was_found_is_printed_beside_the_baselines(evolved: Evolved) -> None:
    out = invoke("--out", "here").stdout
    found, program = [line for line in out.splitlines() if "rank0" in line]
    [baseline] = [line for line in out.splitlines() if "params" in line]
    assert "0.765" in found
    assert "0.700 to 0.800" in found
    assert "100%" in found
    assert program == "rank0  sum(f(x))"
    assert baseline.split()[-2] == "-"
    assert found.split()[:4] == ["rank0", "3", "0.25", "0.765"]
    assert out.endswith("\nThe best program is better than every baseline.\nA note.\n\nwritten to here\n")


@pytest.mark.parametrize("tasks", [1, 3, 7])
def test_the_final_table_is_golden(
    tasks: int, tmp_path: Path, finished_run: Callable[..., RunDirectory], capsys: pytest.CaptureFixture[str]
) -> None:
    """To write the files again, run with EZNAS_UPDATE_GOLDEN=1."""
    names = ["nasbench201/cifar10", "nats_sss/cifar10", "nasbench101/cifar10:validation_108", "darts/cifar10",
             "transnas_macro/jigsaw", "transnas_micro/class_scene", "nasbench_macro/cifar10"][:tasks]  # fmt: skip
    held_out = names[-1:] if tasks > 1 else []
    _print(finished_run(tmp_path / "run", names, held_out=held_out).read_json("summary.json"), Path("runs/first"))
    shown = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
    golden = GOLDEN / f"evolve_{tasks}_tasks.txt"
    if os.environ.get("EZNAS_UPDATE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
    assert max(map(len, shown.partition("\nrank0  ")[0].splitlines())) <= 100


def test_progress_goes_to_standard_error(evolved: Evolved) -> None:
    result = invoke("--out", "here", "--workers", "1")
    assert result.stderr.startswith("evolving; resume with: python -m eznas.evolve --resume here\n")
    assert "visiting: 1/1" in result.stderr
    assert "halfway" in result.stderr
    assert "halfway" not in result.stdout


def test_command_line_wins_over_the_file(evolved: Evolved, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("population = 30\ngenerations = 5\n", encoding="utf-8")
    invoke("--out", "here", "--config", "c.toml", "--population", "40")
    [(config, _)] = evolved.calls
    assert (config.population, config.generations) == (40, 5)


def test_resuming_takes_the_configuration_of_the_run(evolved: Evolved) -> None:
    invoke("--out", "here", "--population", "50")
    result = invoke("--resume", "here", "--time-budget", "1h")
    assert result.exit_code == 0, result.output
    config, resume = evolved.calls[1]
    assert (config.population, config.time_budget, resume) == (50, 3600.0, True)


@pytest.mark.parametrize(
    "extra", [("--population", "9"), ("--config", "c.toml"), ("--out", "there"), ("--device", "cpu")]
)
def test_a_resumed_run_keeps_its_course(evolved: Evolved, extra: tuple[str, str]) -> None:
    invoke("--out", "here")
    result = invoke("--resume", "here", *extra)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {extra[0]} must not be given")


def test_a_run_of_a_cluster_goes_on_without_it(evolved: Evolved, tmp_path: Path) -> None:
    invoke("--out", "here")
    config = tmp_path / "here" / "config.toml"
    config.write_text('backend = "dask"\nscheduler = "tcp://127.0.0.1:9"\n', encoding="utf-8")
    result = invoke("--resume", "here", "--backend", "loky")
    assert result.exit_code == 0, result.output
    chosen, _ = evolved.calls[1]
    assert (chosen.backend, chosen.scheduler) == ("loky", None)
    assert "scheduler" not in config.read_text(encoding="utf-8")


def test_what_cannot_work_does_not_change_the_configuration(evolved: Evolved, tmp_path: Path) -> None:
    invoke("--out", "here")
    before = (tmp_path / "here" / "config.toml").read_text(encoding="utf-8")
    result = invoke("--resume", "here", "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "--scheduler must come with --backend 'dask', got 'tcp://127.0.0.1:9' alone" in result.stderr
    assert (tmp_path / "here" / "config.toml").read_text(encoding="utf-8") == before


def test_resuming_needs_a_run(evolved: Evolved, tmp_path: Path) -> None:
    result = invoke("--resume", "nowhere")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_resuming_refuses_another_format_before_its_configuration_is_read(evolved: Evolved, tmp_path: Path) -> None:
    invoke("--out", "here")
    RunDirectory(tmp_path / "here").record(format=99)
    (tmp_path / "here" / "config.toml").write_text("of_another_format = 1\n", encoding="utf-8")
    result = invoke("--resume", "here")
    assert result.exit_code == 2
    assert f"must be a run directory of format {FORMAT}, got format 99" in result.stderr


def test_a_plot_that_fails_does_not_cost_the_results(
    evolved: Evolved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise InputError("test_scores.csv is missing")

    monkeypatch.setattr(eznas.report, "render", fail)
    result = invoke("--out", "here")
    assert "rank0" in (tmp_path / "here" / "summary.json").read_text(encoding="utf-8")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, "error: test_scores.csv is missing")


def test_a_run_without_report_draws_nothing(evolved: Evolved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eznas.report, "render", lambda *_: pytest.fail("the report was written"))
    for words in (("--out", "here", "--no-report"), ("--resume", "here")):
        result = invoke(*words)
        assert result.exit_code == 0, result.output
    assert "report = false\n" in (tmp_path / "here" / "config.toml").read_text(encoding="utf-8")
    assert [config.report for config, _ in evolved.calls] == [False, False]
    result = invoke("--resume", "here", "--no-report")
    assert (result.exit_code, "--no-report must not be given when a run is resumed" in result.stderr) == (2, True)


def test_a_picture_that_is_not_drawn_is_a_message(evolved: Evolved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eznas.report, "render", lambda _, message, __: message("program.png was not drawn: too large"))
    result = invoke("--out", "here")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, "program.png was not drawn: too large")


def test_a_used_directory_is_refused(evolved: Evolved) -> None:
    invoke("--out", "here")
    result = invoke("--out", "here")
    assert result.exit_code == 2
    assert "here must be new or empty" in result.stderr


def test_a_bad_value_leaves_nothing_behind(evolved: Evolved, tmp_path: Path) -> None:
    result = invoke("--out", "here", "--networks", "3")
    assert result.exit_code == 2
    assert result.stderr == "error: --networks must be greater than or equal to 10, got '3'\n"
    assert not (tmp_path / "here").exists()


def test_an_input_error_before_anything_was_written_frees_the_name(evolved: Evolved, tmp_path: Path) -> None:
    evolved.error = InputError("unknown data set 'cifer10'")
    assert invoke("--out", "here").exit_code == 2
    assert not (tmp_path / "here").exists()


def test_a_failed_run_keeps_its_directory(evolved: Evolved, tmp_path: Path) -> None:
    evolved.error = EznasError("nothing usable was found")
    result = invoke("--out", "here")
    assert result.exit_code == 1
    assert "halfway\nresume with: python -m eznas.evolve --resume here\n" in result.stderr
    assert (tmp_path / "here" / "manifest.json").is_file()


def test_an_interrupt_is_exit_code_130(evolved: Evolved) -> None:
    evolved.error = KeyboardInterrupt()
    result = invoke("--out", "here")
    assert result.exit_code == 130
    assert "halfway\nresume with: python -m eznas.evolve --resume here\nerror: interrupted\n" in result.stderr


def test_resuming_is_journalled(evolved: Evolved, tmp_path: Path) -> None:
    invoke("--out", "here")
    invoke("--resume", "here", "--workers", "1")
    lines = (tmp_path / "here" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert "--resume here --workers 1" in json.loads(lines[-1])["command"]
