from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

from eznas.benchmarks import BENCHMARKS

ROOT = Path(__file__).resolve().parents[2]


def commands(*args: str) -> list[str]:
    """What reproduce.sh would run."""
    environment = {**os.environ, "PYTHON": "echo"}
    run = subprocess.run(
        ["bash", "reproduce.sh", *args],  # noqa: S607 - wherever bash is
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.splitlines()


def test_runs_take_the_table_and_the_images() -> None:
    lines = commands("evolved", "tables", "pictures")
    assert len(lines) == 3
    for line in lines:
        assert "--table tables/nasbench201_cifar10.csv --target valid200" in line
        assert "--images pictures" in line


def test_without_a_table_the_embedded_one_is_used() -> None:
    for line in commands("evolved") + commands("eznas_a"):
        assert "--table" not in line
        assert "--images digits" in line


def test_tables_say_their_data_set(tmp_path: Path) -> None:
    source = tmp_path / "columns.json.gz"
    figures = {"valid200": [90.0], "test200": [91.0]}
    columns = {"ops": ["none", "skip_connect"], "cell": ["010101"], "cifar10": figures, "ImageNet16-120": figures}
    source.write_bytes(gzip.compress(json.dumps(columns).encode()))
    subprocess.run([sys.executable, "experiments/tables.py", str(source), str(tmp_path)], cwd=ROOT, check=True)
    facts = {
        path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# dataset: ") for path in tmp_path.glob("*.csv")
    }
    assert facts == {"cifar10", "imagenet16-120"}
    assert facts <= set(BENCHMARKS["nasbench201"].datasets)


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
    files = [f"{folder}/few.csv", f"{folder}/ours.csv", "--again", f"{folder}/again.csv", "--results", folder, "--least", "4"]
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
