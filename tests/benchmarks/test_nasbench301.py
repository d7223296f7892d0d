from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from eznas.benchmarks import BENCHMARKS, read_table
from eznas.benchmarks.conversion import convert
from eznas.benchmarks.convert.nasbench301 import auxiliary_parameters, genotype, read_nasbench301
from eznas.errors import InputError
from eznas.spaces import SPACES, Fidelity

if TYPE_CHECKING:
    from pathlib import Path

SPACE = SPACES["darts"]
P = "NetworkSelectorDatasetInfo:darts:"

PUBLISHED = {
    "edge_normal_0": "skip_connect",
    "edge_normal_1": "sep_conv_3x3",
    "edge_reduce_0": "max_pool_3x3",
    "edge_reduce_1": "avg_pool_3x3",
    "inputs_node_normal_3": "0_1",
    "inputs_node_normal_4": "0_2",
    "inputs_node_normal_5": "1_2",
    "inputs_node_reduce_3": "0_1",
    "inputs_node_reduce_4": "1_2",
    "inputs_node_reduce_5": "2_3",
    "edge_normal_10": "sep_conv_3x3",
    "edge_normal_11": "skip_connect",
    "edge_normal_2": "sep_conv_3x3",
    "edge_normal_3": "skip_connect",
    "edge_normal_5": "dil_conv_3x3",
    "edge_normal_7": "dil_conv_5x5",
    "edge_reduce_11": "sep_conv_3x3",
    "edge_reduce_12": "dil_conv_3x3",
    "edge_reduce_2": "skip_connect",
    "edge_reduce_3": "dil_conv_5x5",
    "edge_reduce_6": "sep_conv_3x3",
    "edge_reduce_7": "sep_conv_5x5",
}
"""The cells of the one log in the benchmark's repository, of a network of 20 cells and 50 channels."""


def log(cells: dict[str, str], validation: float = 90.0, **changes: object) -> dict[str, Any]:
    """A log in the official form."""
    config: dict[str, object] = {f"{P}{name}": value for name, value in cells.items()}
    config |= {
        f"{P}layers": 8,
        f"{P}init_channels": 32,
        f"{P}auxiliary": "True",
        "CreateImageDataLoader:batch_size": 96,
    }
    info = {"val_accuracy": validation, "epochs": 98, "model_parameters": 1_500_000 + auxiliary_parameters(32)}
    return {
        "final_metric_score": -validation,
        "optimized_hyperparamater_config": config | changes.pop("config", {}),  # type: ignore[operator]
        "budget": 4,
        "info": [info],
        "test_accuracy": validation - 1,
        "runtime": 7200,
        "learning_curves": {
            "Train/val_accuracy": [20.0, 50.0, 70.0, 80.0],
            "Train/train_cross_entropy": [4.0, 3.0, 2.0, 1.0],
        },
    } | changes


def write(folder: Path, *logs: object) -> Path:
    for place, contents in enumerate(logs):
        path = folder / "nb_301" / ("rs" if place % 2 else "tpe") / f"results_{place}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(contents))
    return folder / "nb_301"


def test_the_published_log_has_the_parameters_of_its_network() -> None:
    architecture = SPACE.parse(genotype({f"{P}{name}": value for name, value in PUBLISHED.items()}, "log"))
    assert json.loads(architecture)["normal"] == [
        ["skip_connect", 0],
        ["sep_conv_3x3", 1],
        ["sep_conv_3x3", 0],
        ["skip_connect", 1],
        ["dil_conv_3x3", 0],
        ["dil_conv_5x5", 2],
        ["sep_conv_3x3", 1],
        ["skip_connect", 2],
    ]
    with torch.device("meta"):
        network = SPACE.build(architecture, Fidelity("published", cells=20, channels=50, pixels=32), 10)
    params = sum(parameter.numel() for parameter in network.parameters())
    assert params + auxiliary_parameters(50) == 6_369_358  # model_parameters of that log


def test_logs_become_columns(tmp_path: Path) -> None:
    other = PUBLISHED | {"edge_normal_0": "max_pool_3x3"}
    small = log(PUBLISHED, config={f"{P}layers": 5})
    folder = write(tmp_path, log(PUBLISHED, 90.0), log(PUBLISHED, 92.0), log(other, 80.0, learning_curves=None), small)
    found = read_nasbench301([folder], "cifar10", SPACE)
    columns = {name: [round(value, 6) for value in column.tolist()] for name, column in found.columns.items()}
    assert str(columns.pop("validation_4@1")) == "[20.0, nan]"
    assert str(columns.pop("validation_4@2")) == "[50.0, nan]"
    losses = [columns.pop(f"train_loss_4{point}")[0] for point in ("@1", "@2", "")]
    assert losses == [4, 3, 1]
    assert columns == {
        "validation_4": [91, 80],
        "test_4": [90, 79],
        "train_seconds_4": [7200, 7200],
        "params": [1_500_000, 1_500_000],
        "trainings": [2, 1],
    }
    assert found.notes == (
        "1 logs are of networks of another size and were left out",
        "1 architectures were trained several times; their columns are means",
    )
    assert (found.usual, found.target.split, found.target.epochs) == ("validation_4", "validation", 4)
    every = read_nasbench301([folder], "cifar10", SPACE, every_epoch=True)
    assert every.columns["validation_4@3"].tolist()[0] == 70


def test_a_table_is_written_and_read(tmp_path: Path) -> None:
    other = PUBLISHED | {"edge_normal_0": "max_pool_3x3"}
    manifest = convert(
        BENCHMARKS["nasbench301"], [write(tmp_path, log(PUBLISHED), log(other, 80.0))], "cifar10", tmp_path / "x.csv"
    )
    table = read_table(tmp_path / "x.csv", benchmark="nasbench301", space=SPACE, dataset="cifar10")
    assert sorted(table.accuracies.tolist()) == [80, 90]
    assert manifest["files"][0]["bytes"] > 1000  # logs in sub-folders are digested too


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([1], "must be a log with optimized_hyperparamater_config"),
        ({"budget": 3}, "must be a log with optimized_hyperparamater_config"),
        (log(PUBLISHED, budget="many"), "must have budget"),
        (log(PUBLISHED, budget=1e9), "must have budget"),
        (log(PUBLISHED, info=[]), "val_accuracy in info"),
        (log(PUBLISHED | {"inputs_node_normal_4": "one"}), "must be two inputs like 0_1"),
        (log(PUBLISHED | {"inputs_node_normal_4": "0_1_2"}), "must"),
        (log(PUBLISHED | {"edge_normal_1": "sep_conv_9x9"}), "unknown operation of darts 'sep_conv_9x9'"),
        (log({}), "inputs_node_normal_3 must be two inputs"),
        (log(PUBLISHED, config={f"{P}init_channels": 8}), "must hold networks of 8 cells and 32 channels, none does"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, contents: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_nasbench301([write(tmp_path, contents)], "cifar10", SPACE)


def test_cut_logs_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must hold logs named results_\*\.json"):
        read_nasbench301([tmp_path], "cifar10", SPACE)
    folder = write(tmp_path, log(PUBLISHED))
    path = folder / "tpe" / "results_0.json"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="must be a whole json file"):
        read_nasbench301([folder], "cifar10", SPACE)
