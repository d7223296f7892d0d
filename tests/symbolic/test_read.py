from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eznas.errors import InputError
from eznas.symbolic.read import read_score_tables

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_file_of_verify_scores_is_one_task(tmp_path: Path) -> None:
    path = written(
        tmp_path / "mine.csv",
        "architecture,accuracy,synflow,naswot,naswot_seconds,seconds,status",
        "a,90,1.5,3,0.1,0.2,ok",
        "b,91,2.5,,0.1,0.2,naswot: non_finite",
        "c,89,0.5,inf,0.1,0.2,ok",
        "d,,0.5,4,0.1,0.2,ok",
    )
    table = read_score_tables([path], max_missing=0.9)
    (task,) = table.tasks
    assert (table.columns, task.name) == (("synflow", "naswot"), "mine")
    assert task.architectures == ("a",)
    assert task.left_out == {"b": "no naswot", "c": "no naswot", "d": "no accuracy"}
    np.testing.assert_array_equal(task.matrix(table.columns), [[1.5], [3.0]])


def test_a_column_with_many_missing_scores_is_dropped(tmp_path: Path) -> None:
    lines = [f"net{index},{index},{index},{'' if index < 3 else index}" for index in range(10)]
    path = written(tmp_path / "mine.csv", "uid,accuracy,synflow,naswot", *lines)
    table = read_score_tables([path], max_missing=0.2)
    assert table.columns == ("synflow",)
    assert table.dropped == {"naswot": "has no score of 3 of 10 architectures in mine"}
    assert len(table.tasks[0].architectures) == 10
    wide = read_score_tables([path], max_missing=0.3)
    assert wide.columns == ("synflow", "naswot")
    assert len(wide.tasks[0].architectures) == 7
    with pytest.raises(InputError, match="columns must be usable, but naswot has no score of 3 of 10"):
        read_score_tables([path], columns=["naswot"], max_missing=0.2)


def test_tasks_of_one_file_and_of_several(tmp_path: Path) -> None:
    first = written(
        tmp_path / "first.csv", "# scores", "task,architecture,accuracy,Grad-Norm", "x,a,1,5", "y,a,2,6", "x,b,3,7"
    )
    second = tmp_path / "second.csv.gz"
    second.write_bytes(gzip.compress(b"architecture,test,accuracy,grad_norm,other\na,1,9,2,3\n"))
    table = read_score_tables([first, second], target=None)
    assert [task.name for task in table.tasks] == ["x", "y", "second"]
    assert table.tasks[0].architectures == ("a", "b")
    assert table.columns == ("grad_norm",)
    assert table.dropped == {"test": "is missing in x, y", "other": "is missing in x, y"}
    (alone,) = read_score_tables([second], target="test").tasks
    assert alone.accuracies.tolist() == [1.0]
    assert set(alone.scores) == {"grad_norm", "other"}  # no other accuracy is a score
    assert len(table.sources) == 2


def test_accuracies_and_numbers_of_architectures_are_no_scores_unless_chosen(tmp_path: Path) -> None:
    names = ("id", "Index", "top1_accuracy", "validation_loss", "test_loss", "train_loss", "synflow")
    path = written(tmp_path / "mine.csv", f"architecture,accuracy,{','.join(names)}", "a,90,1,2,3,4,5,6,7")
    table = read_score_tables([path])
    assert table.columns == tuple(table.tasks[0].scores) == ("synflow",)  # no baseline either
    assert set(table.dropped) == {name.lower() for name in names[:-1]}
    assert table.dropped["id"] == "is not named like a score; choose it with columns to read it"
    chosen = read_score_tables([path], columns=["train_loss", "synflow"])
    assert chosen.columns == ("train_loss", "synflow")


def test_numbers_above_all_floats_are_missing(tmp_path: Path) -> None:
    entries = {"a": {"val_accuracy": 1, "synflow": 10**400}, "b": {"val_accuracy": 2, "synflow": 3}}
    path = written(tmp_path / "zc_mine.json", json.dumps({"cifar10": entries}))
    (task,) = read_score_tables([path], max_missing=0.5).tasks
    assert task.left_out == {"a": "no synflow"}


def test_nas_bench_suite_zero(tmp_path: Path) -> None:
    entries = {
        "(0, 1)": {"val_accuracy": 90.5, "synflow": {"score": 3.5, "time": 0.1}, "epe_nas": {"score": -1e8}},
        "(1, 1)": {"val_accuracy": 91.5, "synflow": {"score": 4.5, "time": 0.1}, "epe_nas": {"score": 2.0}},
    }
    path = tmp_path / "zc_nasbench201.json"
    path.write_text(json.dumps({"cifar10": entries, "ImageNet16-120": entries}), encoding="utf-8")
    table = read_score_tables([path])
    assert [task.name for task in table.tasks] == ["nasbench201/cifar10", "nasbench201/ImageNet16-120"]
    assert table.columns == ("synflow",)
    assert table.tasks[0].architectures == ("(0, 1)", "(1, 1)")
    assert table.dropped == {"epe_nas": "has no score of 1 of 2 architectures in nasbench201/cifar10"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["architecture,score", "a,1"], "must have the columns architecture and accuracy, it has: architecture, score"),
        (["name,accuracy,score", "a,1,2"], "must have the columns architecture and accuracy"),
        (["architecture,accuracy,s", "a,1"], "line 2: must have 3 cells as the header has, got 2"),
        (["architecture,accuracy,s", "a,1,2", "a,1,2"], "must have one line for each architecture, a has 2"),
        (["architecture,accuracy,s,s", "a,1,2,2"], "must have one column 's', it has 2"),
        (["architecture,accuracy,S/s", "a,1,2"], "made of a-z, 0-9 and _, got 'S/s'; rename it"),
        (["architecture,accuracy,s s,s-s", "a,1,2,3"], "columns 's s' and 's-s' must have different names"),
        (["architecture,accuracy,s", "a,,2"], "must have accuracies, it has none"),
        (["architecture,accuracy,s"], "scores.csv must have architectures, it has none"),
        (["architecture,accuracy,best", "a,1,2"], "must have a name that no result has, got 'best'; rename it"),
        (["architecture,accuracy,Rank0", "a,1,2"], "must have a name that no result has, got 'Rank0'; rename it"),
        (["architecture,accuracy,Task", "a,1,2"], "must have a name that no result has, got 'Task'; rename it"),
        (["architecture,accuracy,s", "a,1,x"], "must have a column of scores in every task"),
    ],
)
def test_faulty_files_are_one_sentence(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_score_tables([written(tmp_path / "scores.csv", *lines)])
    assert message in str(caught.value)


@pytest.mark.parametrize("content", ["[1, 2]", '{"cifar10": 3}', "{", '{"cifar10": {"a": 1}}'])
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    path = written(tmp_path / "zc_mine.json", content)
    with pytest.raises(InputError, match=r"must be a zc_\*\.json of NAS-Bench-Suite-Zero"):
        read_score_tables([path])


@pytest.mark.parametrize("content", ['{"cifar10": {}}', "{}"])
def test_json_without_architectures_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="must have architectures, it has none"):
        read_score_tables([written(tmp_path / "zc_mine.json", content)])


def test_missing_files_and_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.csv must be a readable score file: No such file"):
        read_score_tables([tmp_path / "nothing.csv"])
    path = written(tmp_path / "scores.csv", "architecture,accuracy,synflow", "a,1,2")
    with pytest.raises(InputError, match="unknown column 'synfloww'; did you mean 'synflow'"):
        read_score_tables([path], columns=["synfloww"])
    with pytest.raises(InputError, match="tasks must have different names, got scores several times"):
        read_score_tables([path, path])
