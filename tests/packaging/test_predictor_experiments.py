"""The experiments with predictors: figures beside published ones, and paired comparisons."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def table(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("predictor_table")


@pytest.fixture
def evolved(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("predict_evolved")


def test_published_figures_are_linear_in_the_logarithm_of_the_size(table: ModuleType) -> None:
    assert table.published_at("nasbench101", "seminas", 24) == pytest.approx(0.395)
    assert table.published_at("nasbench101", "seminas", (24 * 71) ** 0.5) == pytest.approx((0.395 + 0.51) / 2)
    assert table.published_at("nasbench101", "seminas", 4) is None
    assert table.published_at("nasbench101", "svr", 24) is None


def test_the_table_has_published_figures_below_and_says_what_is_missing(table: ModuleType) -> None:
    row = {"train_size": 24, "epochs": 0, "tau": 0.4, "tau_sd": 0.01}
    seminas = {"space": "nasbench101", "predictor": "seminas", "status": "ok", "trials": 3, "rows": [row]}
    missing = {"space": "nasbench101", "predictor": "xgboost", "status": "install it", "trials": 3, "rows": []}
    lines = table.markdown([seminas, missing]).splitlines()
    assert "| seminas | 3 | - | - | - | 0.400 (0.010) | - | - | - | - |" in lines
    assert "| seminas, published | | 0.220 | 0.272 | 0.335 | 0.395 | 0.454 | 0.510 | 0.565 | 0.605 |" in lines
    assert any(line.startswith("| xgboost | install it |") for line in lines)
    assert any(line.startswith("- oneshot, rsws: ") for line in lines)


def test_every_registered_predictor_is_in_the_table_or_named_below_it(table: ModuleType) -> None:
    from eznas.predictors import PREDICTORS

    named = {name.partition("@")[0].partition(":")[0] for _, name in table.entries()}
    excused = {word for names in table.NOT_EVALUATED for word in names.replace(",", " ").split()}
    assert {*PREDICTORS} - named - excused == set()


def test_processor_seconds_add_up_over_commands(table: ModuleType) -> None:
    record = {"status": "ok", "processor_seconds": 1.5}
    continued = table.add_seconds(record, {"status": "ok", "processor_seconds": 2.0})
    assert continued["processor_seconds"] == 3.5
    assert table.add_seconds(record, {}) == record
    written = table.facts([continued, {"status": "install it"}, record])
    assert (written["processor_seconds"], written["sizes"][-1]) == (5.0, 205)


def test_the_interval_of_a_gain_is_students(evolved: ModuleType) -> None:
    found = evolved.paired(np.array([[0.5, 0.6], [0.5, 0.8], [0.4, 0.4]]))
    half = stats.t.ppf(0.975, 2) * np.std([0.1, 0.3, 0.0], ddof=1) / 3**0.5
    assert found == {
        "published": 0.4667,
        "both": 0.6,
        "gain": 0.1333,
        "low": round(0.4 / 3 - half, 4),
        "high": round(0.4 / 3 + half, 4),
    }


def test_files_of_scores_are_joined_on_common_networks(evolved: ModuleType, tmp_path: Path) -> None:
    texts = {
        "a": "architecture,params\nx,1\ny,2\nz,3\n",
        "b": "architecture,accuracy,program,status\nz,90,7,ok\nx,80,8,ok\n",
        "c": "architecture,program,program_seconds\nx,5,0.1\ny,4,0.1\nz,6,0.1\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    files = evolved.joined(
        tmp_path / "a", [tmp_path / "b", tmp_path / "c"], tmp_path / "published", tmp_path / "programs"
    )
    read = [list(csv.reader(path.read_text().splitlines())) for path in files]
    assert read == [
        [["architecture", "params"], ["x", "1"], ["z", "3"]],
        [["architecture", "program", "program#1"], ["x", "8", "5"], ["z", "7", "6"]],
    ]
