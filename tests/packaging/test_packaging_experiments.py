from __future__ import annotations

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
