from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from eznas.run import versions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    Script = Callable[[str], ModuleType]


def test_a_stopped_comparison_is_resumed_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    module = script("siamese")
    accuracies = np.arange(300.0) / 10
    calls: list[tuple[int, int]] = []

    def search(data: Any, budget: int, seed: int) -> tuple[list[int], dict[int, float], int]:
        calls.append((budget, seed))
        return [*range(300)], {250: accuracies[250]}, 7

    monkeypatch.setattr(module, "read", lambda *_: module.Data(accuracies, np.zeros((300, 3)), None, None))
    monkeypatch.setitem(module.METHODS, "brp", search)
    table, folder = tmp_path / "table.csv", tmp_path / "runs"
    table.touch()
    arguments = ["run", str(tmp_path), str(table), str(folder), "--method", "brp", "--total", "100"]
    runner = CliRunner()
    for repeats in ("1", "3"):
        assert runner.invoke(module.main, [*arguments, "--repeats", repeats]).exit_code == 0
    assert calls == [(70, 0), (70, 1), (70, 2)]
    out = tmp_path / "report.json"
    assert runner.invoke(module.main, ["report", str(folder), str(out)]).exit_code == 0
    facts = json.loads(out.read_text())
    assert facts["command"].endswith("FOLDER_OF_RUNS --total 100")
    assert (facts["target"], facts["seeds"], facts["versions"]) == ("test_200", [0, 1, 2], versions())
    assert facts["table"] == hashlib.sha256(b"").hexdigest()
    [row] = facts["rows"]
    assert row["accuracy"] == pytest.approx(2.9)  # the best of the first 30
    assert row["accuracy_with_trained"] == pytest.approx(25.0)
    assert (row["repeats"], row["published"], row["standard_error"]) == (3, 73.7, 0.0)
    assert row["spearman"] == pytest.approx(-1)
    assert out.with_suffix(".png").stat().st_size > 1000

    table.write_text("another table")
    assert runner.invoke(module.main, [*arguments, "--repeats", "4"]).exit_code == 0
    refused = runner.invoke(module.main, ["report", str(folder), str(out)])
    assert refused.exit_code == 2
    assert "must have the same target, table, versions" in refused.output


def test_codes_are_a_learning_curve_of_the_table(tmp_path: Path, script: Script) -> None:
    table, out = tmp_path / "table.csv", tmp_path / "codes.csv"
    table.write_text("# epochs: 1\narchitecture,accuracy\nidentity>1|output,50\ndwconv3x3>1|output,80\n")
    arguments = f"{table} {out} --space tiny_nanobench --images digits --count 16 --fidelity reduced_wide --samples 1"
    result = CliRunner().invoke(script("estimation_codes").main, arguments.split())
    assert result.exit_code == 0, result.output
    assert "1 architectures, 0 without a code" in result.output
    facts, header, row = out.read_text().splitlines()
    assert (facts, header) == ("# epochs: 1", "architecture,accuracy,train_loss_3@1,train_loss_3@2,train_loss_3")
    assert all(0 < float(loss) < 10 for loss in row.split(",")[2:])
