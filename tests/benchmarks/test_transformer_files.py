"""Converters of Accel-NASBench, NAS-Bench-BERT and ViT-Bench-101."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from eznas.benchmarks import BENCHMARKS, read_table
from eznas.benchmarks.conversion import convert
from eznas.benchmarks.convert.accel import read_accel
from eznas.benchmarks.convert.flexibert import read_flexibert
from eznas.benchmarks.convert.vitbench import read_vitbench
from eznas.benchmarks.costs import CLASSES, operations, without_values
from eznas.errors import InputError
from eznas.networks.autoformer import AutoFormerNetwork
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path


ACCEL, FLEXIBERT, PIT = SPACES["accel_nasbench"], SPACES["flexibert"], SPACES["vitbench101_pit"]


def training(expansion: int, top1: float) -> dict[str, Any]:
    blocks = {f"block{place}_{name}": value for place in range(7) for name, value in (("e", 6), ("k", 3), ("l", 2))}
    blocks |= {f"block{place}_se": False for place in range(7)} | {"block0_e": expansion}
    return {
        "architecture": blocks,
        "metrics": {"val_top1": top1, "val_top5": top1 + 20, "train_time": 100.0},
        "model_info": {"macs": 369.5, "params": 4.042824},
        "platform_perf": {
            "latency_zcu102": {"latency_mean": 4.5, "latency_std": None},
            "throughput_a100": {"throughput_mean": 11102.5, "throughput_std": 1.7},
        },
    }


@pytest.mark.parametrize("packed", [False, True])
def test_accel_nasbench_is_read(tmp_path: Path, packed: bool) -> None:
    folder = tmp_path / "anb_dataset_jsons"
    folder.mkdir()
    for index, entry in enumerate([training(1, 60.0), training(4, 62.0), training(1, 61.0)]):
        (folder / f"result_{index}.json").write_text(json.dumps(entry))
    path = folder
    if packed:
        path = tmp_path / "anb_dataset_jsons.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, "anb_dataset_jsons")
    found = read_accel([path], "imagenet", ACCEL)
    assert found.architectures == tuple("|".join([f"e{first}k3l2", *["e6k3l2"] * 6]) for first in (1, 4))
    assert {name: column.tolist() for name, column in found.columns.items()} == {
        "val_top1": [60.5, 62],
        "val_top5": [80.5, 82],
        "train_seconds": [100, 100],
        "mmacs": [369.5, 369.5],
        "params": [4042824, 4042824],
        "latency_zcu102": [4.5, 4.5],
        "throughput_a100": [11102.5, 11102.5],
    }
    assert found.notes == ("1 architectures were trained several times; their columns are means",)


@pytest.mark.parametrize(
    ("contents", "message"),
    [("{", "a whole json file"), ("[]", "an object with an architecture"), ("{}", "an object with an architecture")],
)
def test_faulty_trainings_are_refused(tmp_path: Path, contents: str, message: str) -> None:
    (tmp_path / "result_0.json").write_text(contents)
    with pytest.raises(InputError, match=message):
        read_accel([tmp_path], "imagenet", ACCEL)
    without = training(1, 60.0) | {"metrics": {}}
    (tmp_path / "result_0.json").write_text(json.dumps(without))
    with pytest.raises(InputError, match="a number as val_top1 in metrics"):
        read_accel([tmp_path], "imagenet", ACCEL)
    (tmp_path / "result_0.json").unlink()
    with pytest.raises(InputError, match="it holds none"):
        read_accel([tmp_path], "imagenet", ACCEL)
    (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b cut")
    with pytest.raises(InputError, match="a whole tar archive"):
        read_accel([tmp_path / "cut.tar.gz"], "imagenet", ACCEL)


def bert(stack: int, glue: float) -> dict[str, Any]:
    layer = {
        "operation_type": "LT",
        "operation_parameter": "DFT",
        "num_operation_heads": 2,
        "feed_forward_dimension": 512,
        "num_feed_forward": stack,
    }
    overrides = {"hidden_size": 256, "nas_config": {"encoder_layers": [layer, layer]}}
    return {
        "scores": {"cola": 40, "glue": glue},
        "time_to_train": 5.0,
        "hparams": {"model_hparam_overrides": overrides},
    }


def test_flexibert_is_read(tmp_path: Path) -> None:
    path = tmp_path / "BERT_benchmark.json"
    path.write_text(json.dumps([bert(1, 70.0), bert(3, 74.0), bert(1, 71.0)]))
    found = read_flexibert([path], "glue", FLEXIBERT)
    assert found.architectures == tuple(f"256{2 * f'|LT-DFT-2-512x{stack}'}" for stack in (1, 3))
    assert found.columns["glue"].tolist() == [70.5, 74]
    assert found.columns["train_seconds"].tolist() == [5, 5]
    assert len(found.notes) == 1
    for faulty, message in (
        ([{}], "an object with scores"),
        ([bert(1, 1) | {"scores": {}}], "glue in scores"),
        ({}, "a list"),
    ):
        path.write_text(json.dumps(faulty))
        with pytest.raises(InputError, match=message):
            read_flexibert([path], "glue", FLEXIBERT)


def test_vitbench_is_read(tmp_path: Path) -> None:
    path = tmp_path / "gt_pit.pth"
    arch = {"base_dim": 16, "mlp_ratio": 6, "depth": [2, 8, 4], "num_heads": [2, 4, 4]}
    entry = {"arch": arch, "c100_base_acc": 68.5, "c100_kd_acc": 72.5, "chaoyang_base_acc": None}
    other = {"arch": arch | {"base_dim": 24}, "c100_base_acc": 70.0, "c100_kd_acc": None}
    torch.save([entry, other], path)
    found = read_vitbench([path], "cifar100", PIT)
    assert found.architectures == ("16x6|2x2|8x4|4x4", "24x6|2x2|8x4|4x4")
    assert found.columns["base"].tolist() == [68.5, 70]
    np.testing.assert_equal(found.columns["kd"], [72.5, np.nan])
    manifest = convert(BENCHMARKS["vitbench101_pit"], [path], "cifar100", tmp_path / "t.csv")
    assert manifest["architectures"] == 2
    table = read_table(tmp_path / "t.csv", benchmark="vitbench101_pit", space=PIT, dataset="cifar100")
    assert table.accuracies.tolist() == [68.5, 70]
    with pytest.raises(InputError, match="must hold chaoyang_base_acc"):
        read_vitbench([path], "chaoyang", PIT)
    torch.save([{}], path)
    with pytest.raises(InputError, match="an object with arch"):
        read_vitbench([path], "cifar100", PIT)
    torch.save({}, path)
    with pytest.raises(InputError, match="a list of architectures"):
        read_vitbench([path], "cifar100", PIT)


def test_operations_that_thop_and_autoformer_count() -> None:
    with without_values():
        squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1), nn.SiLU())
        network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), squeeze)
        transformer = AutoFormerNetwork([(2, 8)], channels=4, head_channels=3, pixels=32, classes=5)
    expected = 4 * 16 * 27 + 4 * 64 + 2 * 64 + 4 * (16 + 1) + 8
    assert operations(network, 8, "products_and_norms") == expected
    linear = 4 * 18 + 6 * 4 + 2 * 4 * 8
    layer = 6 * (linear + 8) + 2 * 36 * 6 + 28.5 * 36 + 6 * 6 / 2
    assert operations(transformer, 32, "autoformer") == 4 * 768 * 4 + 4 + 5 * 4 / 2 + 5 * 20 + layer
    with pytest.raises(TypeError, match="must be an AutoFormerNetwork"):
        operations(network, 8, "autoformer")
    assert CLASSES["imagenet"] == 1000
