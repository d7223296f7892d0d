from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from eznas.benchmarks import BENCHMARKS, AccuracyTable, Target
from eznas.benchmarks.check import sampled
from eznas.benchmarks.costs import COUNTS, operations, without_values
from eznas.cli.benchmarks import main
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable

TSS, SSS = "NATS-tss-v1_0-3ffb9-simple", "NATS-sss-v1_0-50262-simple"


def invoke(*args: str) -> Result:
    return CliRunner(env={"EZNAS_DATA": None, "XDG_CONFIG_HOME": "nowhere"}).invoke(main, [*args, "--quiet"])


def test_operations_by_hand() -> None:
    state = torch.get_rng_state()
    with without_values():
        grouped = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2)
        plain = nn.BatchNorm2d(8, affine=False)
        body = [nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), grouped]
        network = nn.Sequential(*body, plain, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    products = 8 * 8 * 4 * 3 * 9 + 2 * 2 * 8 * 2 * 9 + 8 * 10
    biases = 2 * 2 * 8 + 10
    normalised, rectified, pooled = 2 * 4 * 8 * 8 + 8 * 2 * 2, 4 * 8 * 8, 4 * 4 * 4 * 4
    unpooled = products + biases - 10 + normalised + rectified + pooled
    expected = {
        "products": products,
        "products_and_biases": products + biases,
        "products_and_norms": products + 4 * 4 * 8 * 8 + 2 * 8 * 2 * 2 + 8 * (2 * 2 + 1),
        "every_layer": unpooled + 8 * 3 * 3,
        "every_layer_unpooled": unpooled,
    }
    assert {counted: operations(network, 8, counted) for counted in COUNTS} == expected
    assert all("forward" not in vars(layer) for layer in network.modules())
    assert torch.equal(torch.get_rng_state(), state)
    assert nn.Linear(2, 2).weight.abs().sum() > 0


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2},
        {"padding": (0, 3), "kernel_size": (1, 7)},
        {"dilation": 2, "padding": "same"},
        {"padding": "valid"},
    ],
)
def test_layers_hand_on_the_shapes_they_compute(options: dict[str, Any]) -> None:
    seen: list[tuple[int, ...]] = []
    layer = nn.Conv2d(3, 5, **{"kernel_size": 3, **options})
    network = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2))
    network[1].register_forward_hook(lambda _layer, given, _left: seen.append(tuple(given[0].shape)))
    operations(network, 11, "products")
    network(torch.zeros(1, 3, 11, 11))
    assert seen[0] == seen[1]


@pytest.mark.parametrize(("name", "column"), [("nasbench201", "mflops_every_layer"), ("nasbench_macro", "flops")])
def test_column_files_have_the_costs_of_the_networks(shared_data: Path, tmp_path: Path, name: str, column: str) -> None:
    script = Path(__file__).resolve().parents[2] / "experiments" / "tables.py"
    runpy.run_path(str(script))["write_tables"](tmp_path, [shared_data / f"{name}.json.gz"])
    told = invoke("check", name, "--dataset", "cifar10", "--networks", "8", "--data", str(tmp_path))
    assert told.exit_code == 0, told.output
    assert "8 of 8 networks built have the table's number of parameters" in told.output
    assert f"8 of 8 networks built have the table's {column}: " in told.output


@pytest.mark.parametrize(
    ("benchmark", "dataset"),
    [
        ("nasbench201", "cifar100"),
        ("nasbench101", "cifar10"),
        ("transbench101_micro", "class_scene"),
        ("transbench101_macro", "class_object"),
    ],
)
def test_published_scores_have_the_costs_of_the_networks(
    real: Callable[[str], Any], tmp_path: Path, benchmark: str, dataset: str
) -> None:
    found = real("published_scores_nbsuite_zero")[benchmark][dataset]
    names = ("arch", "val_accuracy", "params", "flops")
    lines = list(zip(*(found[name] for name in names), strict=True))[::90]
    entries = {
        arch: {"val_accuracy": accuracy, "params": {"score": params}, "flops": {"score": flops}}
        for arch, accuracy, params, flops in lines
    }
    path, table = tmp_path / f"zc_{benchmark}.json", tmp_path / f"zc_{benchmark}_{dataset}.csv"
    path.write_text(json.dumps({dataset: entries}))
    name = f"zc_{benchmark}"
    done = CliRunner().invoke(main, ["convert", name, str(path), "--dataset", dataset, "--partial", "-o", str(table)])
    assert done.exit_code == 0, done.output
    told = invoke("check", name, "--networks", "0", "--data", str(tmp_path))
    assert told.exit_code == 0, told.output
    assert "networks built have the table's flops: millions of operations as NASLib counts them" in told.output


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
    assert "3 of 3 networks built have the table's mflops: millions of multiply-adds" in told.output


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
    assert "8:8:8:8:8 has other mflops than in the table" in told.stderr
    assert "8:8:8:8:16 has another number of parameters than in the table" in told.stderr
    assert "0 of 2 networks built have the table's mflops" in told.output


def test_costs_that_are_not_stated_are_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "nats_sss_cifar10.csv"
    path.write_text("architecture,accuracy,params\n8:8:8:8:8,79,\n16:8:8:8:8,80,\n")
    told = invoke("check", "--data", str(tmp_path))
    assert told.exit_code == 0, told.output
    assert "2 of these have no params, and are not compared" in told.output


def test_a_missing_table_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    for arguments in (("nats_sss",), ("nats_sss", "--dataset", "cifar100")):
        told = invoke("check", *arguments, "--data", str(tmp_path / "none"))
        assert told.exit_code == 2
        name = f"nats_sss_{arguments[-1] if arguments[2:] else 'cifar10'}.csv"
        assert f"{name} must be in one of the folders that are searched" in told.stderr
        assert "none (given, not there)" in told.stderr
        assert "convert nats_sss writes it" in told.stderr


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


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (None, "NAME_DATASET.csv must be in one of the folders that are searched"),
        ("CIFAR10", "NAME_cifar10.csv must be in one of the folders that are searched"),
        ("cifarr", "unknown data set 'cifarr'; did you mean 'cifar"),
        ("zzz", "unknown data set 'zzz'; known: autoencoder, chaoyang, cifar10, cifar100, class_object"),
    ],
)
def test_to_check_nothing_is_no_success(tmp_path: Path, dataset: str | None, message: str) -> None:
    told = invoke("check", "--data", str(tmp_path / "none"), *(("--dataset", dataset) if dataset else ()))
    assert told.exit_code == 2
    assert message in told.stderr
    assert dataset in ("cifarr", "zzz") or "none (given, not there)" in told.stderr


def test_a_data_set_that_a_benchmark_lacks_is_said() -> None:
    told = invoke("check", "nats_sss", "--dataset", "svhn")
    assert told.exit_code == 2
    assert "unknown data set of nats_sss 'svhn'" in told.stderr


def test_a_faulty_table_does_not_keep_others_from_being_checked(tmp_path: Path) -> None:
    (tmp_path / "nats_sss_cifar10.csv").write_text("architecture,accuracy\nnone,79\n")
    (tmp_path / "nats_sss_cifar100.csv").write_text("architecture,accuracy\n8:8:8:8:8,79\n16:8:8:8:8,80\n")
    told = invoke("check", "--data", str(tmp_path))
    assert told.exit_code == 1
    assert "nats_sss_cifar10.csv: cannot be used" in told.output
    assert "nats_sss_cifar100.csv: 2 architectures" in told.output
    assert "nats_sss_cifar10.csv, line 2, column 'architecture': an architecture of nats_sss must be" in told.stderr
    alone = invoke("check", "nats_sss", "--table", str(tmp_path / "nats_sss_cifar10.csv"))
    assert alone.exit_code == 2


@pytest.mark.parametrize("option", [(), ("--dataset", "cifar10"), ("--dataset", "CIFAR10")])
def test_data_sets_are_named_in_any_case(tmp_path: Path, option: tuple[str, ...]) -> None:
    path = tmp_path / "nats_sss_cifar10.csv"
    path.write_text("# dataset: CIFAR10\narchitecture,accuracy\n8:8:8:8:8,79\n16:8:8:8:8,80\n")
    told = invoke("check", "nats_sss", *option, "--table", str(path))
    assert told.exit_code == 0, told.output
    assert "2 architectures, cifar10 unknown accuracy" in told.output
    assert all(one == one.lower() for info in BENCHMARKS.values() for one in info.datasets)
