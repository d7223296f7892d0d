from __future__ import annotations

import importlib.metadata
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from eznas.benchmarks import AccuracyTable, load_table
from eznas.benchmarks.convert import analog
from eznas.benchmarks.convert.analog import COLUMNS, read_analog
from eznas.errors import InputError
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def table() -> AccuracyTable:
    try:
        importlib.metadata.distribution("analog-nasbench")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("analog-nasbench is not installed")
    return load_table()


def test_the_embedded_table_is_whole(table: AccuracyTable) -> None:
    assert table.architectures == SPACES["nasbench201"].architectures()
    assert table.accuracies.shape == (15_625,)
    assert table.accuracies.max() == pytest.approx(94.0664)
    assert table.accuracies.min() == 10
    assert set(table.columns) == set(COLUMNS) - {"baseline_accuracy"}
    assert (table.target.dataset, table.target.split, table.target.epochs) == ("cifar10", "test", 200)
    assert table.digest == "85f3435b877aa2d36268d55ce07f6ff6d73643d17a840f1941745da5eb80db32"


def test_it_agrees_with_the_official_test_accuracies(table: AccuracyTable, real: Callable[[str], Any]) -> None:
    official = real("nasbench201")["cifar10"]["test200"]
    assert spearmanr(table.accuracies, official).statistic == pytest.approx(0.991, abs=0.001)
    assert kendalltau(table.accuracies, official).statistic == pytest.approx(0.926, abs=0.001)
    assert np.abs(table.accuracies - official).mean() < 0.5


def test_cells_without_a_path_are_at_chance(table: AccuracyTable) -> None:
    space = SPACES["nasbench201"]
    nothing = space.canonical("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    dead = [index for index, text in enumerate(table.architectures) if space.canonical(text) == nothing]
    assert len(dead) > 100
    assert (table.accuracies[dead] == 10).all()


def test_another_column_can_be_the_target(table: AccuracyTable) -> None:
    other = load_table(target="analog_accuracy")
    np.testing.assert_array_equal(other.accuracies, table.columns["analog_accuracy"])
    assert "hardware-aware" in str(other.target)
    with pytest.raises(InputError, match="unknown column of the embedded table 'accuracy'"):
        load_table(target="accuracy")


def test_reading_is_quick(table: AccuracyTable) -> None:
    start = time.process_time()
    load_table()
    assert time.process_time() - start < 2


def test_the_package_is_not_imported(table: AccuracyTable) -> None:
    code = (
        "import sys; from eznas.benchmarks import load_table; load_table();"
        "print([name for name in ('analognasbench', 'pandas', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(InputError, match=r'pip install "eznas\[nasbench201\]"'):
        read_analog()


def test_a_package_without_its_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "files", lambda _: None)
    with pytest.raises(InputError, match=r"must contain data\.anb"):
        read_analog()


def damaged(value: Any) -> bytes:
    return pickle.dumps(value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must be a whole pickle"),
        (damaged([1]), "must hold a dictionary, got list"),
        (damaged({}), "must hold a number as baseline_accuracy of .* got None"),
        (damaged(Path()), "names pathlib"),
    ],
)
def test_a_damaged_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "data.anb"
    path.write_bytes(data)
    monkeypatch.setattr(analog, "_locate", lambda: path)
    with pytest.raises(InputError, match=message) as caught:
        read_analog()
    assert str(path) in str(caught.value)
