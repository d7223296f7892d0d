from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from eznas.benchmarks import BENCHMARKS, AccuracyTable, Target
from eznas.benchmarks.__main__ import main
from eznas.benchmarks.check import multiply_adds, sampled
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

TSS, SSS = "NATS-tss-v1_0-3ffb9-simple", "NATS-sss-v1_0-50262-simple"


def invoke(*args: str) -> Result:
    return CliRunner(env={"EZNAS_DATA": None, "XDG_CONFIG_HOME": "nowhere"}).invoke(main, [*args, "--quiet"])


def test_multiply_adds_by_hand() -> None:
    with torch.device("meta"):
        grouped = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2)
        body = [nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), grouped]
        network = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    products = 8 * 8 * 4 * 3 * 9 + 2 * 2 * 8 * 2 * 9 + 8 * 10
    assert multiply_adds(network, 8, bias=False) == products
    assert multiply_adds(network, 8, bias=True) == products + 2 * 2 * 8 + 10


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "imagenet16-120"])
@pytest.mark.parametrize(("name", "folder"), [("nats_tss", TSS), ("nats_sss", SSS)])
def test_official_samples_have_the_costs_of_the_networks(
    shared_data: Path, tmp_path: Path, name: str, folder: str, dataset: str
) -> None:
    official = str(shared_data / "official_samples" / folder)
    out = str(tmp_path / f"{name}_{dataset}.csv")
    done = CliRunner().invoke(main, ["convert", name, official, "--dataset", dataset, "--partial", "-o", out])
    assert done.exit_code == 0, done.output
    told = invoke("check", "--networks", "0", "--data", str(tmp_path))
    assert told.exit_code == 0, told.output
    assert "3 of 3 networks built have the table's number of parameters" in told.output
    assert "3 of these 3 have the table's mflops: millions of multiply-adds" in told.output


def params(space: str, architecture: str) -> int:
    with torch.device("meta"):
        network = SPACES[space].build(architecture, SPACES[space].fidelities["full"], 10)
    return sum(parameter.numel() for parameter in network.parameters())


def test_cells_have_one_network_under_every_numbering(tmp_path: Path) -> None:
    rows = "01110/00001/00001/00001/00000"
    first = f"{rows} input,maxpool3x3,conv1x1-bn-relu,conv3x3-bn-relu,output"
    second = f"{rows} input,conv3x3-bn-relu,conv1x1-bn-relu,maxpool3x3,output"
    space = SPACES["nasbench101"]
    assert space.trained(first) == space.trained(second) == second  # type: ignore[attr-defined]
    assert params("nasbench101", first) == params("nasbench101", second)
    path = tmp_path / "nasbench101_cifar10.csv"
    path.write_text(f'architecture,accuracy,params\n"{first}",91,{params("nasbench101", first)}\n"{second}",90,1\n')
    told = invoke("check", "nasbench101", "--data", str(tmp_path))
    assert told.exit_code == 1
    assert "1 of 2 networks built have the table's number of parameters" in told.output
    assert f"{second} has another number of parameters" in told.stderr


@pytest.mark.parametrize(("asked", "places"), [(0, [0, 1, 2, 3, 4]), (2, [0, 2]), (3, [0, 1, 3]), (9, [0, 1, 2, 3, 4])])
def test_as_many_networks_are_built_as_are_asked_for(asked: int, places: list[int]) -> None:
    architectures = tuple(f"8:8:8:8:{8 * width}" for width in range(1, 6))
    numbers = np.arange(5.0)
    target = Target("cifar10", "test", 90, "one")
    table = AccuracyTable("nats_sss", "nats_sss", target, architectures, numbers, "t.csv", "", {"params": numbers})
    assert sampled(BENCHMARKS["nats_sss"], table, asked) == places
    assert sampled(BENCHMARKS["nats_sss"], replace(table, columns={}), asked) == []
    assert sampled(BENCHMARKS["nats_sss"], replace(table, target=replace(target, dataset="jigsaw")), asked) == []


def test_wrong_costs_are_faults(tmp_path: Path) -> None:
    path = tmp_path / "nats_sss_cifar10.csv"
    path.write_text("architecture,accuracy,params,mflops\n8:8:8:8:8,79,11714,1\n8:8:8:8:16,82,18387,1\n")
    told = invoke("check", "--data", str(tmp_path))
    assert told.exit_code == 1
    assert "8:8:8:8:8 has other mflops than the table says" in told.stderr
    assert "8:8:8:8:16 has another number of parameters than the table says" in told.stderr
    assert "0 of these 1 have the table's mflops" in told.output


def test_networks_with_another_head_are_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "transnas_micro_jigsaw.csv"
    path.write_text("architecture,accuracy,params\n64-41414-0_00_000,79,1\n64-41414-0_00_001,82,2\n")
    told = invoke("check", "--data", str(tmp_path))
    assert told.exit_code == 0, told.output
    assert "networks for jigsaw, which have another head, are not built" in told.output


def test_a_table_needs_its_benchmark(tmp_path: Path) -> None:
    told = invoke("check", "--table", str(tmp_path / "x.csv"))
    assert told.exit_code == 2
    assert "--table must come with the name of one benchmark, got 0" in told.stderr
