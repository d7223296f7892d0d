from __future__ import annotations

import csv
import gzip
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from eznas.benchmarks import BENCHMARKS, load_table
from eznas.cli.console import Command
from eznas.config import EvolveConfig, build_config
from eznas.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from eznas.search.config import SearchConfig

    Script = Callable[[str], ModuleType]

ROOT = Path(__file__).resolve().parents[2]


def reproduce(*args: str, folder: Path = ROOT, script: str = "reproduce.sh") -> subprocess.CompletedProcess[str]:
    """Run reproduce.sh, which prints the commands instead of running them."""
    environment = {**os.environ, "PYTHON": "echo"}
    return subprocess.run(
        ["bash", script, *args],  # noqa: S607 - wherever bash is
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


def commands(*args: str) -> list[str]:
    return reproduce(*args).stdout.splitlines()


def test_runs_take_the_table_and_the_images() -> None:
    lines = commands("evolved", "tables", "pictures")
    assert len(lines) == 3
    for line in lines:
        assert f"--table {ROOT}/tables/nasbench201_cifar10.csv --target validation_200" in line
        assert f"--images {ROOT}/pictures" in line


def test_without_a_table_the_embedded_one_is_used() -> None:
    for line in commands("evolved") + commands("eznas_a"):
        assert "--table" not in line
        assert "--images digits" in line


def option(line: str, wanted: str) -> list[str]:
    words = line.split()
    return [value for name, value in itertools.pairwise(words) if name == wanted]


def test_the_campaign_takes_tables_and_images() -> None:
    [line] = commands("campaign", "tables", "pictures")
    images = f"--images {ROOT}/pictures"
    assert line == f"experiments/campaign.py {ROOT}/tables {images} --out runs/reproduce/campaign"
    [line] = commands("leave_one_out", "tables")
    assert option(line, "--without") == ["each"]
    with pytest.raises(subprocess.CalledProcessError):
        commands("campaign")


def test_a_stopped_run_is_resumed_and_a_finished_one_left(tmp_path: Path) -> None:
    shutil.copy(ROOT / "reproduce.sh", tmp_path)
    (tmp_path / "experiments").mkdir()
    shutil.copy(ROOT / "experiments" / "nasbench201_cifar10.toml", tmp_path / "experiments")
    runs = tmp_path / "runs" / "reproduce"
    for seed in range(3):
        (runs / f"seed{seed}").mkdir(parents=True)
    run = runs / "seed0"
    for other in ("seed1", "seed2"):
        (runs / other / "summary.json").touch()

    (run / "config.toml").touch()
    done = reproduce("evolved", folder=tmp_path)
    assert done.stdout == "-m eznas.evolve --resume runs/reproduce/seed0\n"
    assert "resuming runs/reproduce/seed0 with its own tables and images\n" in done.stderr
    (run / "summary.json").touch()
    done = reproduce("evolved", folder=tmp_path)
    assert done.stdout == ""
    assert "runs/reproduce/seed0 is finished; move it away to run it again\n" in done.stderr


def test_the_configuration_is_options_of_an_evolution() -> None:
    config = build_config(EvolveConfig, {}, ROOT / "experiments" / "nasbench201_cifar10.toml")
    for task in config.tasks():
        assert task.dataset in BENCHMARKS[task.benchmark].datasets
    assert {*config.terminal_measures} <= {*MEASURES}


@pytest.mark.parametrize("row", ["nats_sss_cifar10", "nasbench201_imagenet16-120"])
def test_rows_are_one_command_each(row: str) -> None:
    assert commands(row) == [f"experiments/rows.py {row}"]
    assert commands(row, "tables", "pictures") == [
        f"experiments/rows.py {row} --data {ROOT}/tables --images {ROOT}/pictures"
    ]
    assert commands("rows", "tables") == [f"experiments/rows.py --all --data {ROOT}/tables"]


def test_the_table_of_predictors_reads_column_files() -> None:
    line = f"experiments/predictor_table.py {ROOT}/columns runs/reproduce/predictor_table"
    assert commands("predictor_table", "columns") == [line]


def test_transformers_take_tables_and_images() -> None:
    [line] = commands("transformers", "tables", "pictures")
    options = f"--images {ROOT}/pictures --out runs/reproduce/transformers"
    assert line == f"experiments/transformer_spaces.py {ROOT}/tables {options}"
    with pytest.raises(subprocess.CalledProcessError):
        commands("transformers")


def test_folders_are_those_of_where_it_is_called(tmp_path: Path) -> None:
    run = reproduce("nds_darts", "tables", "noise", folder=tmp_path, script=str(ROOT / "reproduce.sh"))
    assert run.stdout.strip() == f"experiments/rows.py nds_darts --data {tmp_path}/tables --images noise"


@pytest.mark.parametrize("name", ["", "nothing", "../experiments/nasbench201_cifar10", "."])
def test_other_names_are_exit_code_2_and_what_there_is(name: str) -> None:
    run = subprocess.run(["bash", "reproduce.sh", name], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    assert run.returncode == 2
    assert "nds_darts" in run.stderr
    assert "Usage: bash reproduce.sh NAME" in run.stderr


@pytest.fixture
def rows(script: Script) -> ModuleType:
    return script("rows")


def test_rows_name_what_exists(rows: ModuleType) -> None:
    from eznas.scoring.proxy_sources import resolve
    from eznas.spaces import SPACES

    for row in rows.read_rows().values():
        info = BENCHMARKS[row.benchmark]
        assert row.dataset in info.datasets
        assert (row.fidelity or info.fidelity) in SPACES[info.space].fidelities
        for proxy in row.proxies:
            resolve(proxy)
        for one in (*row.published, *row.obtained):
            assert one["proxy"] in row.proxies
            assert "tau" in one or "rho" in one
        for one in row.obtained:
            assert one["tau_low"] <= one["tau"] <= one["tau_high"]
            assert one["n"] + one["failed"] <= max(row.n_samples, 1000)
            assert "/" not in one["images"]


def test_the_readme_holds_the_table_of_rows(rows: ModuleType) -> None:
    assert rows.markdown(rows.read_rows()) in (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")


def test_a_row_falls_back_and_says_so(rows: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS", tmp_path / "rows")
    (tmp_path / "rows").mkdir()
    text = """
title = "Macro"
benchmark = "nasbench_macro"
dataset = "cifar10"
proxies = ["params", "l2_norm"]
target = "validation_3"
pictures = "pictures.npz"
fidelity = "reduced_narrow"
n_samples = 5
batch_size = 2
published = [{ proxy = "params", source = "a paper", tau = 0.5 }]
"""
    (tmp_path / "rows" / "macro.toml").write_text(text, encoding="utf-8")

    def run(*args: str) -> str:
        result = CliRunner(env={"COLUMNS": "300"}).invoke(rows.main, ["macro", "--workers", "1", *args])
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    skipped = run("--record")
    assert "Macro: skipped: nasbench_macro_cifar10.csv was not found (searched in: nowhere: " in skipped
    assert "nas-bench-macro_cifar10.json for eznas benchmarks convert nasbench_macro" in skipped
    assert (tmp_path / "rows" / "macro.toml").read_text(encoding="utf-8") == text
    lines = [f"{'0' * 7}{digit},{80 + digit}" for digit in range(3)] + ["11111111,90", "11111112,91"]
    (tmp_path / "nasbench_macro_cifar10.csv").write_text("\n".join(["architecture,accuracy", *lines]), encoding="utf-8")
    args = ("--data", str(tmp_path), "--csv", str(tmp_path / "scores"), "--record")
    found = run(*args)
    assert "fell back to the table's own accuracy, since it has no column validation_3" in found
    assert "fell back to digits, since --images is not given and no searched folder has pictures.npz" in found
    assert (tmp_path / "scores" / "macro.csv").exists()
    row = rows.read_rows()["macro"]
    assert [one["proxy"] for one in row.obtained] == ["params", "l2_norm"]
    assert (row.obtained[0]["n"], row.obtained[0]["failed"], row.obtained[0]["images"]) == (5, 0, "2 of digits")
    assert "| macro | params | 0.5, - | a paper | 1.000 (1.000 to 1.000) | 1.000 | 5 |" in rows.markdown({"macro": row})
    result = CliRunner().invoke(rows.main, ["marco"])
    assert (result.exit_code, "did you mean 'macro'" in result.stderr) == (2, True)


def test_tables_say_their_data_set(tmp_path: Path) -> None:
    source = tmp_path / "columns.json.gz"
    figures = {"valid200": [90.0], "test200": [91.0]}
    columns = {"ops": ["none", "skip_connect"], "cell": ["010101"], "cifar10": figures, "ImageNet16-120": figures}
    columns["hw_cifar10"] = {"pixel3_latency": [5.5], "edgetpu_latency": [-1.0]}  # which cannot run it
    source.write_bytes(gzip.compress(json.dumps(columns).encode()))
    subprocess.run([sys.executable, "experiments/tables.py", str(tmp_path), str(source)], cwd=ROOT, check=True)
    facts = {
        path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# dataset: ") for path in tmp_path.glob("*.csv")
    }
    row = (tmp_path / "nasbench201_cifar10.csv").read_text(encoding="utf-8").splitlines()[-1]
    assert row.endswith(",90.0,90.0,91.0,5.5,")
    assert facts == {"cifar10", "imagenet16-120"}
    assert facts <= set(BENCHMARKS["nasbench201"].datasets)


def test_tables_refuse_what_is_no_column_file(tmp_path: Path) -> None:
    for contents in (b"# a page", gzip.compress(b"no json"), gzip.compress(b"{}")[:-4]):
        source = tmp_path / "README.md"
        source.write_bytes(contents)
        command = [sys.executable, "experiments/tables.py", str(tmp_path / "out"), str(source)]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "README.md must be a column file, gzipped JSON or CSV, but cannot be read" in done.stderr


DATA = {
    *("campaign_figures", "checked_runs", "predictor_published_models", "predictor_table_published"),
    "transformer_figures",
}
"""Files without a command."""
SCRIPTS = sorted({path.stem for path in (ROOT / "experiments").glob("*.py")} - DATA)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_find_what_they_import_and_report_errors_in_a_sentence(name: str, script: Script) -> None:
    main = script(name).main
    commands = main.commands.values() if isinstance(main, click.Group) else [main]
    assert [command.name for command in commands if not isinstance(command, Command)] == []


def test_searches_find_their_tables_and_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    from eznas.search import problem
    from eznas.spaces import SPACES

    searches = script("search_naswot")
    count = len(SPACES["nasbench201"].architectures() or ())
    every = {"score": [1.0] * count, "seconds": [2.0] * count}
    scores = {**dict.fromkeys(("hook_logdet", "synflow", "snip", "val12"), every), "accuracy": [90.0] * count}
    figures = {"test200": [91.0, 92.0], "valid200": [90.0, 91.0], "valid12": [70.0, 71.0], "valid12_seconds": [9.0, 9]}
    columns = {"ops": ["none", "skip_connect"], "cell": ["010101", "111111"], "cifar10": figures}
    for name, held in (("naswot_cifar10", scores), ("nasbench201", columns)):
        (tmp_path / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(held).encode()))
    plain = [group[-1:] for group in searches.zero_cost_searches(tmp_path / "out")][:1]
    made: list[problem.SearchProblem] = []

    def run(options: SearchConfig, _path: Path) -> None:
        made.append(problem.make_problem(options))

    for name, stub in (("naswot_rows", []), ("zero_cost_searches", plain), ("search_rows", [])):
        monkeypatch.setattr(searches, name, lambda _given, stub=stub: stub)
    monkeypatch.setattr(searches, "run", run)
    searches.repeat(tmp_path, tmp_path / "out")
    [one] = made
    assert one.facts["target"] == "cifar10 test accuracy, 200 epochs, column 'test_200' of nasbench201_cifar10.csv"
    [level] = one.objective.levels
    assert (level.name, level.epochs, level.timed) == ("validation_200", 200, True)
    assert (tmp_path / "out" / "one_seed.csv").read_text(encoding="utf-8").count("\n") == count + 5


def test_agreement_with_published_scores_is_a_rank_correlation(tmp_path: Path) -> None:
    cells, operations = ["000000", "111111", "222222", "333333"], ["none", "skip_connect", "conv", "pool"]
    names = [f"|{one}~0|+|{one}~0|{one}~1|+|{one}~0|{one}~1|{one}~2|" for one in operations]
    tables = {
        "nasbench201": {"ops": operations, "cell": cells, "cifar10": {"valid200": [10.0, 20.0, 30.0, 40.0]}},
        "published_scores_nb201_cifar10": {"net_str": names, "snip": [1.0, 2.0, 3.0, 4.0]},
        "naswot_cifar10": {"snip": {"score": [9.0, None, 1.0, 0.0]}},
    }
    for name, columns in tables.items():
        (tmp_path / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(columns).encode()))
    for file, scores in (("few", [4, 3]), ("ours", [4, 3, 2, 1]), ("again", [4, 3, 1, "nan"])):
        rows = ["architecture,snip", *(f"{name},{one}" for name, one in zip(names, scores, strict=False))]
        (tmp_path / f"{file}.csv").write_text("\n".join(rows), encoding="utf-8")
    folder = str(tmp_path)
    files = [
        f"{folder}/few.csv",
        f"{folder}/ours.csv",
        "--again",
        f"{folder}/again.csv",
        "--results",
        folder,
        "--least",
        "4",
    ]
    subprocess.run(
        [sys.executable, "experiments/published_scores.py", "table", folder, *files],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    with (tmp_path / "published_scores.csv").open(newline="", encoding="utf-8") as text:
        [row] = csv.DictReader(text)
    assert row == {
        "measure": "snip",
        "networks": "4",
        "rho": "-1.000",
        "rho_128": "1.000",
        "tau": "-1.000",
        "tau_published": "1.000",
        "rho_again": "1.000",
        "networks_again": "3",
    }


@pytest.mark.slow
def test_tables_are_read_by_their_benchmarks(shared_data: Path, tmp_path: Path) -> None:
    names = ("nats_sss", "nasbench101", "transnas101", "nasbench_macro", "darts_random")
    files = [str(shared_data / f"{name}.json.gz") for name in names]
    subprocess.run([sys.executable, "experiments/tables.py", str(tmp_path), *files], cwd=ROOT, check=True)
    counts = {"nats_sss": 32_768, "nasbench101": 15_000, "nasbench_macro": 3_280}
    for name, count in counts.items():
        table = load_table(name, "cifar10", tmp_path / f"{name}_cifar10.csv")
        assert len(table) == count
        assert table.target.epochs == {"nats_sss": 90, "nasbench101": 108, "nasbench_macro": 50}[name]
    best = BENCHMARKS["nats_sss"].best["cifar100"]["test_90"]
    assert load_table("nats_sss", "cifar100", tmp_path / "nats_sss_cifar100.csv").accuracies.max() == best
    assert len(load_table("transnas_macro", "class_object", tmp_path / "transnas_macro_class_object.csv")) == 3_256
    assert len(load_table("nasbench301", "cifar10", tmp_path / "darts_random_cifar10.csv")) == 500
