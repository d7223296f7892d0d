from __future__ import annotations

import gzip
import hashlib
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.benchmarks import AccuracyTable, Target, load_table, read_table, write_table
from eznas.errors import InputError
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

SPACE = SPACES["nasbench201"]
ALL = tuple(SPACE.architectures() or ())
A, B, C = ALL[:3]


def read(path: Path, target: str | None = None, dataset: str = "cifar10") -> AccuracyTable:
    return read_table(path, benchmark="nasbench201", space=SPACE, dataset=dataset, target=target)


def written(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_a_table_reads_as_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path, f"architecture,accuracy,params\n{A},90.5,12\n {B} ,10,\n\n{C},93,1e3\n")
    table = read(path)
    assert table.architectures == (A, B, C)
    np.testing.assert_array_equal(table.accuracies, [90.5, 10, 93])
    np.testing.assert_array_equal(table.columns["params"], [12, np.nan, 1000])
    assert (table.benchmark, table.space, table.source) == ("nasbench201", "nasbench201", str(path))
    assert table.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(table.target) == "cifar10 unknown accuracy, epochs not stated, as in table.csv"


def test_target_picks_another_column(tmp_path: Path) -> None:
    path = written(tmp_path, f"# split: test\nvalid,architecture,accuracy\n1,{A},90.5\n2,{B},10\n")
    table = read(path, "valid")
    np.testing.assert_array_equal(table.accuracies, [1, 2])
    np.testing.assert_array_equal(table.columns["accuracy"], [90.5, 10])
    assert table.target == Target("cifar10", "unknown", None, "column 'valid' of table.csv")


def test_the_data_set_is_checked_for_every_column(tmp_path: Path) -> None:
    path = written(tmp_path, f"# dataset: cifar100\narchitecture,accuracy,valid\n{A},1,1\n{B},2,2\n")
    with pytest.raises(InputError, match="on cifar10, but names the data set cifar100; set dataset to cifar100"):
        read(path, "valid")


def test_the_file_may_say_which_accuracy_it_is(tmp_path: Path) -> None:
    facts = "# dataset: cifar10\n# split: validation\n#epochs : 200\n# training_seeds: mean of 777, 888\n# x\n"
    table = read(written(tmp_path, f"{facts}architecture,accuracy\n{A},1\n{B},2\n"))
    assert table.target == Target("cifar10", "validation", 200, "mean of 777, 888")


def test_spreadsheets_and_gzip_are_read(tmp_path: Path) -> None:
    text = f'architecture,accuracy\r\n{A},1\r\n"{B}",2\r\n'
    marked = written(tmp_path, "\ufeff" + text)
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert read(marked).architectures == read(packed).architectures == (A, B)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "table.csv must begin with the line architecture,accuracy, but it is empty"),
        ("# split: test\n", "but it is empty"),
        ("architecture,accuracy\n", "has none"),
        (f"arch,accuracy\n{A},1\n", "line 1: must have a column 'architecture', it has: arch, accuracy"),
        (f"architecture,top1\n{A},1\n", "line 1: must have a column 'accuracy', it has: architecture, top1"),
        (f"architecture,accuracy,accuracy\n{A},1,2\n", "line 1: must have one column 'accuracy'"),
        (f"architecture,accuracy\n{A},1\n{B}\n", "line 3: must have 2 cells as the header has, got 1"),
        (f"architecture,accuracy\n{A},1\n\n{B},2\n {A} ,3\n", "line 5: .* is in line 2 too"),
        (f"architecture,accuracy\n{A},1\nresnet,2\n", "line 3, column 'architecture': .* must read .*'resnet'"),
        (f"architecture,accuracy\n{A},1\n{B},good\n", "line 3, column 'accuracy': must be a finite number, got 'good'"),
        (f"architecture,accuracy\n{A},1\n{B},\n", "line 3, column 'accuracy': must be a finite number, got ''"),
        (f"architecture,accuracy\n{A},nan\n{B},1\n", "line 2, column 'accuracy': must be a finite number, got 'nan'"),
        (f"architecture,accuracy\n{A},-inf\n{B},1\n", "line 2, column 'accuracy': must be a finite number"),
        (f"architecture,accuracy,note\n{A},1,x\n{B},1,y\n", "line 2, column 'note': must be a number or nothing"),
        (f"architecture,accuracy\n{A},1\n{B},1\n", "column 'accuracy' must have different values .* all are 1.0"),
        (f'architecture,accuracy\n"{A},1\n', "line 2: must be CSV"),
        (f"# dataset: cifar100\narchitecture,accuracy\n{A},1\n{B},2\n", "must hold accuracies on cifar10"),
        (f"# split: train\narchitecture,accuracy\n{A},1\n{B},2\n", "split must be one of .* got 'train'"),
        (f"# epochs: many\narchitecture,accuracy\n{A},1\n{B},2\n", "epochs must be a whole number, got 'many'"),
    ],
)
def test_faults_are_named_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_architectures_without_the_accuracy_asked_for_are_left_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, f"architecture,accuracy,test_200,empty\n{A},1,,\n{B},2,91,\n{C},3,92,\n")
    table = read(path, target="test_200")
    assert (table.architectures, table.accuracies.tolist()) == ((B, C), [91.0, 92.0])
    assert str(table.target).endswith(", 1 rows without it left out")
    with pytest.raises(InputError, match="column 'empty' must hold numbers, but it is empty"):
        read(path, target="empty")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.csv cannot be read: No such file"):
        read(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read(tmp_path)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"architecture,accuracy\n\xff\xfe")
    with pytest.raises(InputError, match="must be UTF-8 text, but byte 22 is not"):
        read(binary)
    whole = gzip.compress(f"architecture,accuracy\n{A},1\n{B},2\n".encode())
    for data in (b"architecture", whole[:-12], whole[:12] + b"\0\1\2" + whole[15:]):
        packed = tmp_path / "torn.csv.gz"
        packed.write_bytes(data)
        with pytest.raises(InputError, match="must be a gzip file, as its name says"):
            read(packed)


finite = st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(st.tuples(st.sampled_from(ALL[:50]), finite, st.floats()), min_size=2, unique_by=lambda row: row[0])
targets = st.builds(
    Target,
    st.just("cifar10"),
    st.sampled_from(["validation", "test", "unknown"]),
    st.none() | st.integers(1, 1000),
    st.sampled_from(["one training", "mean of 777, 888 and 999", "seed: 3 # of 4"]),
)


@settings(max_examples=60, deadline=None)
@given(rows.filter(lambda rows: len({row[1] for row in rows}) > 1), targets, st.sampled_from(["csv", "csv.gz"]))
def test_writing_and_reading_gives_the_same_table(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float, float]], target: Target, suffix: str
) -> None:
    architectures, accuracies, further = zip(*rows, strict=True)
    table = AccuracyTable(
        "nasbench201", "nasbench201", target, architectures, np.array(accuracies), "", "", {"x": np.array(further)}
    )
    path = tmp_path_factory.mktemp("tables") / f"table.{suffix}"
    write_table(table, path)
    again = read(path)
    assert again.architectures == table.architectures
    assert again.target == target
    np.testing.assert_array_equal(again.accuracies, table.accuracies)
    np.testing.assert_array_equal(again.columns["x"], table.columns["x"])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_table(tmp_path: Path) -> None:
    path = written(tmp_path, "old")
    table = AccuracyTable("", "", Target("", "", 1, ""), (A,), np.array([1.0, 2.0]), "", "")
    with pytest.raises(ValueError, match="longer"):
        write_table(table, path)
    assert path.read_text() == "old"


def test_a_hundred_thousand_rows_read_fast(tmp_path: Path) -> None:
    class Numbers(type(SPACE)):  # type: ignore[misc]
        def parse(self, text: str) -> str:
            return text

    lines = "".join(f"a{index},{index % 97},{index}\n" for index in range(100_000))
    path = written(tmp_path, f"architecture,accuracy,params\n{lines}")
    start = time.process_time()
    table = read_table(path, benchmark="x", space=Numbers(), dataset="x")
    assert time.process_time() - start < 3
    assert len(table) == 100_000
    assert table.columns["params"].sum() == 99_999 * 50_000


def test_the_whole_space_reads(tmp_path: Path) -> None:
    lines = "".join(f"{architecture},{index}\n" for index, architecture in enumerate(ALL))
    path = written(tmp_path, f"architecture,accuracy\n{lines}")
    assert load_table(table=path).architectures == ALL
