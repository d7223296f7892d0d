from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from eznas.benchmarks import BENCHMARKS, read_table
from eznas.benchmarks.conversion import convert
from eznas.benchmarks.convert.transnas import METRICS, read_transnas
from eznas.errors import InputError
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MICRO, MACRO = ("64-41414-0_00_000", "64-41414-3_02_110"), ("64-1242-basic",)
SPACE = SPACES["transnas_micro"]


def training(metric: str, curve: list[Any], **changes: object) -> dict[str, object]:
    """A training in the form of the official file."""
    metrics = {
        f"train_{metric}": curve,
        f"valid_{metric}": curve,
        f"test_{metric}": [value - 1 for value in curve],
        "train_loss": [3.0, 2.0, 1.0][: len(curve)],
        "time_elapsed": [10.0, 20.0, 30.0][: len(curve)],
    }
    info = {"inference_time": 0.01, "encoder_params": 900, "model_params": 1000, "model_FLOPs": 5e6, "encoder_FLOPs": 1}
    return {"metrics": metrics, "total_epochs": len(curve), "model_info": info} | changes


def contents(**changes: object) -> dict[str, Any]:
    """The official file with two cells and one macro-structure."""

    def tasks(last: float) -> dict[str, object]:
        return {task: training(metric, [1.0, 2.5, last]) for task, metric in METRICS.items()}

    data = {"macro": {MACRO[0]: tasks(7.0)}, "micro": {one: tasks(5.0 + place) for place, one in enumerate(MICRO)}}
    lists = {task: [f"valid_{metric}"] for task, metric in METRICS.items()}
    return {"metrics_dict": lists, "info_names": ["model_params"], "task_list": list(METRICS), "data": data} | changes


def saved(folder: Path, loaded: object, **options: bool) -> Path:
    path = folder / "transnas-bench_v10141024.pth"
    torch.save(loaded, path, **options)
    return path


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("task", METRICS)
def test_a_task_becomes_columns(tmp_path: Path, task: str, zipped: bool) -> None:
    path = saved(tmp_path, contents(), _use_new_zipfile_serialization=zipped)
    found = read_transnas([path], task, SPACE)
    assert found.architectures == MICRO
    assert {name: column.tolist() for name, column in found.columns.items()} == {
        "validation_3": [5, 6],
        "best_validation": [5, 6],
        "validation_3@1": [1, 1],
        "validation_3@2": [2.5, 2.5],
        "test_3": [4, 5],
        "best_test": [4, 5],
        "test_3@1": [0, 0],
        "test_3@2": [1.5, 1.5],
        "train_loss_3": [1, 1],
        "train_loss_3@1": [3, 3],
        "train_loss_3@2": [2, 2],
        "train_seconds_3": [30, 30],
        "params": [1000, 1000],
        "encoder_params": [900, 900],
        "flops": [5e6, 5e6],
    }
    assert (found.usual, found.target.split, found.target.epochs) == ("validation_3", "validation", 3)
    assert METRICS[task] in str(found.target)


def test_the_other_space_is_in_the_same_file(tmp_path: Path) -> None:
    path = saved(tmp_path, contents())
    info = BENCHMARKS["transnas_macro"]
    assert info.convert is not None
    assert info.convert([path], "jigsaw").architectures == MACRO
    convert(BENCHMARKS["transnas_micro"], [path], "class_scene", tmp_path / "t.csv", partial=True)
    table = read_table(tmp_path / "t.csv", benchmark="transnas_micro", space=SPACE, dataset="class_scene")
    assert table.curve("validation_3")[0] == (1, 2, 3)
    with pytest.raises(InputError, match="must have 4096 architectures, the files hold 2"):
        convert(BENCHMARKS["transnas_micro"], [path], "class_scene", tmp_path / "t.csv", force=True)


def test_numbers_of_numpy_are_read(tmp_path: Path) -> None:
    loaded = contents()
    curve = [np.float64(1.0), np.float64(2.0), np.float64(9.0)]
    loaded["data"]["micro"][MICRO[0]]["class_scene"] = training("top1", curve)
    found = read_transnas([saved(tmp_path, loaded)], "class_scene", SPACE)
    assert found.columns["validation_3"].tolist() == [9, 6]


def test_another_number_of_epochs_is_noted(tmp_path: Path) -> None:
    loaded = contents()
    loaded["data"]["micro"]["64-41414-0_00_001"] = {"jigsaw": training("top1", [1.0, 4.0])}
    found = read_transnas([saved(tmp_path, loaded)], "jigsaw", SPACE)
    assert found.notes == ("1 architectures were trained for 2 epochs and not 3",)
    assert np.isnan(found.columns["validation_3"]).tolist() == [False, False, True]


def test_a_best_value_that_is_not_there_is_said(tmp_path: Path) -> None:
    listed = SPACE.architectures() or ()
    one = {"class_scene": training("top1", [1.0, 2.0])}
    path = saved(tmp_path, contents(data={"micro": dict.fromkeys(listed, one)}))
    with pytest.raises(InputError, match=r"must hold validation_25 on class_scene, whose published best is 54\.94"):
        convert(BENCHMARKS["transnas_micro"], [path], "class_scene", tmp_path / "t.csv", force=True)


class Command:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("false",)


def _with(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    loaded = contents()
    change(loaded["data"]["micro"])
    return loaded


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (Command(), r"could run foreign code.*system"),
        (_with(lambda micro: micro.update({MICRO[0]: Command()})), r"could run foreign code.*system"),
        ([1], "must hold data of micro"),
        ({"data": {"micro": {}}}, "must hold data of micro"),
        (_with(lambda micro: micro.update({"64-41414-9_00_000": {}})), "must read like 64-41414-3_02_110"),
        (_with(lambda micro: micro.update({MICRO[0]: 3})), "must have class_scene, and be the only entry"),
        (_with(lambda micro: micro[MICRO[0]]["class_scene"].pop("metrics")), "must have metrics of class_scene"),
        (
            _with(lambda micro: micro[MICRO[0]]["class_scene"]["metrics"].update(valid_top1=[])),
            "valid_top1 of class_scene must be a list of numbers",
        ),
        (
            _with(lambda micro: micro[MICRO[0]]["class_scene"]["metrics"].update(valid_top1=[1.0, torch.ones(2)])),
            "valid_top1 of class_scene must be a list of numbers",
        ),
        (
            _with(lambda micro: micro[MICRO[0]]["class_scene"]["metrics"].update(test_top1=[1.0])),
            r"as many epochs of validation as of test, got \[1, 3\]",
        ),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, loaded: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_transnas([saved(tmp_path, loaded)], "class_scene", SPACE)


def test_damaged_files_and_unknown_tasks_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, contents())
    with pytest.raises(InputError, match="unknown task of TransNAS-Bench-101 'class_scenes'"):
        read_transnas([path], "class_scenes", SPACE)
    with pytest.raises(InputError, match="must be converted from one file, got 2"):
        read_transnas([path, path], "class_scene", SPACE)
    whole = path.read_bytes()
    for data in (whole[:-200], whole[:100], b"no file of torch"):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"was not read|must be a whole file"):
            read_transnas([path], "class_scene", SPACE)
