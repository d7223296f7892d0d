from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.benchmarks import BENCHMARKS, AccuracyTable, Target, load_table, sample_splits
from eznas.errors import InputError
from eznas.spaces import SPACES

SPACE = SPACES["nasbench201"]
ALL = tuple(SPACE.architectures() or ())


def table_of(architectures: tuple[str, ...]) -> AccuracyTable:
    target = Target("cifar10", "test", 200, "one training")
    accuracies = np.arange(len(architectures), dtype=np.float64)
    return AccuracyTable("nasbench201", "nasbench201", target, architectures, accuracies, "", "")


def test_tables_and_records_print_in_one_line() -> None:
    expected = (
        "<AccuracyTable nasbench201: 15,625 architectures, cifar10 test accuracy, 200 epochs, one training, from x>"
    )
    assert repr(replace(table_of(ALL), source="x")) == expected
    assert repr(BENCHMARKS["nats_tss"]) == "<BenchmarkInfo nats_tss: nasbench201 on cifar10, cifar100, imagenet16-120>"
    assert repr(SPACE) == "<SearchSpace nasbench201>"
    assert repr(BENCHMARKS).startswith("<Registry with a benchmark for each of 44 names: accel_nasbench, ")


def test_a_benchmark_names_a_space_and_its_embedded_data_sets() -> None:
    for info in BENCHMARKS.values():
        assert info.space in SPACES
        assert set(info.embedded) <= set(info.datasets)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"benchmark": "nasbench210"}, "unknown benchmark 'nasbench210'; did you mean 'nasbench201'"),
        ({"dataset": "cifar11"}, "unknown data set of nasbench201 'cifar11'; did you mean 'cifar10'"),
        (
            {"dataset": "cifar100"},
            r"table must be a CSV file .* only the accuracies of nasbench201/cifar10 and .* come with a package",
        ),
        ({"target": "valid"}, "unknown column of the embedded table 'valid'; .*baseline_accuracy"),
        ({"table": Path("absent.csv")}, r"absent\.csv cannot be read"),
        (
            {"table": Path("absent.csv"), "target": "architecture"},
            "target must be a column of accuracies, got 'architecture'",
        ),
    ],
)
def test_what_is_not_there_is_said(asked: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_table(**asked)  # type: ignore[arg-type]


def test_a_given_table_serves_any_data_set(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"architecture,accuracy,valid\n{ALL[0]},1,4\n{ALL[1]},2,3\n")
    table = load_table("nasbench201", "cifar100", path, "valid")
    assert table.accuracies.tolist() == [4, 3]
    assert table.target.dataset == "cifar100"


sizes = st.tuples(*[st.integers(0, 40)] * 3)


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(0, 5))
def test_parts_share_no_function(sizes: tuple[int, int, int], seed: int) -> None:
    parts = sample_splits(ALL, sizes, seed, SPACE)
    assert tuple(map(len, parts)) == sizes
    functions = [set(map(SPACE.canonical, part)) for part in parts]
    assert all(not left & right for left, right in combinations(functions, 2))
    assert all(len(set(part)) == len(part) for part in parts)
    assert parts == sample_splits(ALL, sizes, seed, SPACE)


def test_the_test_part_does_not_depend_on_the_others() -> None:
    large = sample_splits(ALL, (200, 100, 300), 4, SPACE)
    small = sample_splits(ALL, (10, 100, 300), 4, SPACE)
    other = sample_splits(ALL, (0, 0, 50), 4, SPACE)
    assert large[2] == small[2]
    assert large[1] == small[1]
    assert large[0][:10] == small[0]
    assert other[2] == large[2][:50]
    assert sample_splits(ALL, (0, 0, 50), 5, SPACE)[2] != other[2]


def test_the_test_part_is_uniform() -> None:
    few = ALL[:10]
    drawn = [text for seed in range(500) for text in sample_splits(few, (0, 0, 3), seed, SPACE)[2]]
    assert all(drawn.count(text) == pytest.approx(150, abs=45) for text in few)


def test_copies_of_test_cells_are_left_out() -> None:
    plain = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    copy = "|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|"
    both = (plain, copy)
    assert set(sample_splits(both, (0, 0, 2), 0, SPACE)[2]) == {plain, copy}
    with pytest.raises(
        InputError, match=r"has 2 architectures, too few for 1 training, .* only 0 are left for training"
    ):
        sample_splits(both, (1, 0, 1), 0, SPACE)


def test_too_few_and_negative_are_refused() -> None:
    with pytest.raises(InputError, match="only 20 are left for test; ask for fewer"):
        sample_splits(ALL[:20], (5, 5, 21), 0, SPACE)
    with pytest.raises(InputError, match=r"must not be negative, got \(1, -1, 1\)"):
        sample_splits(ALL[:20], (1, -1, 1), 0, SPACE)


def test_global_random_state_stays() -> None:
    before = random.getstate()
    sample_splits(ALL[:200], (5, 5, 5), 0, SPACE)
    assert random.getstate() == before
