from __future__ import annotations

import bz2
import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from eznas.benchmarks import BENCHMARKS
from eznas.benchmarks.conversion import convert
from eznas.benchmarks.convert.converted import TrainedArchitectures, Training
from eznas.benchmarks.convert.nasbench101 import read_nasbench101
from eznas.benchmarks.convert.nats import read_nats
from eznas.benchmarks.convert.nds import read_nds
from eznas.errors import InputError
from eznas.seeds import python_rng
from eznas.spaces import SPACES, SearchSpace

if TYPE_CHECKING:
    from pathlib import Path

TOPOLOGY = SPACES["nasbench201"]
FIRST, SECOND = (TOPOLOGY.architectures() or ())[:2]


def params(space: SearchSpace, architecture: str) -> int:
    with torch.device("meta"):
        network = space.build(architecture, space.fidelities["full"], 10)
    return sum(parameter.numel() for parameter in network.parameters())


def record(accuracy: float, stated: float, split: str = "ori-test", mflops: float = 5.0) -> dict[str, Any]:
    """A training as NATS-Bench records it, with two points of its curve."""
    return {
        "epochs": 200,
        "eval_acc1es": {f"{split}@0": accuracy / 2, f"{split}@199": accuracy},
        "params": stated / 1e6,
        "flop": mflops,
    }


def simple(folder: Path, **architectures: list[dict[str, Any]]) -> Path:
    """A ``simple`` directory; the first two trainings are named as those of the test accuracy are."""
    folder.mkdir()
    for name, records in architectures.items():
        results: dict[tuple[str, int], Any] = {
            ("cifar10", seed): each for seed, each in zip((777, 888, 999), records, strict=False)
        }
        if len(records) > 3:
            results["cifar10-valid", 777] = records[3]
        schedule = {"arch_str": {"first": FIRST, "second": SECOND}[name], "all_results": results}
        (folder / f"{name}.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"200": schedule})))
    return folder


def test_a_training_of_another_network_is_left_out_and_counted(tmp_path: Path) -> None:
    true = params(TOPOLOGY, FIRST)
    doctored = [record(90, true), record(92, true), record(50, 0.316e6), record(10, 0.316e6, "x-valid")]
    files = simple(tmp_path / "in", first=doctored, second=[record(80, params(TOPOLOGY, SECOND))])
    found = read_nats([files], "cifar10", TOPOLOGY, 200)
    columns = {name: column.tolist() for name, column in found.columns.items()}
    assert columns["params"] == [true, params(TOPOLOGY, SECOND)]
    assert columns["test_200"] == [91, 80]
    assert columns["test_200@1"] == [45.5, 40]
    assert columns["mflops"] == [5, 5]
    assert "test_200_seed999" not in columns
    assert "validation_200" not in columns
    expected = (
        f"2 trainings of 1 architectures, such as {FIRST}, were left out: they state another number of parameters than "
        "the architecture's network has"
    )
    assert found.notes == (expected,)
    manifest = convert(BENCHMARKS["nats_tss"], [files], "cifar10", tmp_path / "table.csv", partial=True)
    assert manifest["notes"] == [expected]


def test_two_trainings_are_decided_by_the_network_and_not_by_their_number(tmp_path: Path) -> None:
    true = params(TOPOLOGY, FIRST)
    files = simple(tmp_path / "in", first=[record(50, 1000), record(50, 1000), record(90, true)])
    found = read_nats([files], "cifar10", TOPOLOGY, 200)
    assert (found.columns["params"].tolist(), found.columns["test_200"].tolist()) == ([true], [90])
    assert found.notes[0].startswith("2 trainings of 1 architectures")


def test_facts_that_no_network_confirms_are_left_empty_and_counted(tmp_path: Path) -> None:
    files = simple(tmp_path / "in", first=[record(50, 1000, mflops=4), record(90, 2000)], second=[record(80, 1000)])
    found = read_nats([files], "cifar10", TOPOLOGY, 200)
    assert found.columns["test_200"].tolist() == [70, 80]
    for name, value in (("params", 1000), ("mflops", 5)):
        assert np.isnan(found.columns[name][0])
        assert found.columns[name][1] == value
    assert [note[:66] for note in found.notes] == [
        "1 architectures have trainings that state different mflops: their ",
        "1 architectures have trainings that state different params: their ",
    ]


def test_facts_of_networks_that_are_not_built_are_left_empty() -> None:
    trained = TrainedArchitectures(SPACES["transnas_micro"], "jigsaw")
    trainings = [Training({"test_10": value}, {"params": value}) for value in (1.0, 2.0)]
    trained.add("64-41414-3_02_110", trainings, "file")
    converted = trained.converted("test_10", "mean", "file")
    assert converted.columns["test_10"].tolist() == [1.5]
    assert "params" not in converted.columns


def test_rounding_is_no_contradiction(tmp_path: Path) -> None:
    true = params(TOPOLOGY, FIRST)
    files = simple(tmp_path / "in", first=[record(80, true, mflops=5.0), record(90, true, mflops=np.nextafter(5.0, 6))])
    found = read_nats([files], "cifar10", TOPOLOGY, 200)
    assert found.columns["mflops"].tolist() == [pytest.approx(5)]
    assert found.notes == ()


def test_sweeps_and_record_files_decide_alike(tmp_path: Path) -> None:
    space = SPACES["nds_darts"]
    net = json.loads(space.sample(python_rng(0)))
    true = params(space, space.parse(json.dumps(net)))
    runs = [
        {"net": net, "optim": {"lr": 0.1, "wd": 0.1}, "test_ep_top1": [error], "params": stated, "flops": flops}
        for error, stated, flops in ((5.0, true, 7), (7.0, true, 8), (50.0, 1000, 8))
    ]
    path = tmp_path / "DARTS.json"
    path.write_text(json.dumps(runs))
    found = read_nds([path], "cifar10", space)
    assert found.columns["test_1"].tolist() == [94]
    assert (found.columns["params"].tolist(), found.columns["trainings"].tolist()) == ([true], [2])
    assert "flops" not in found.columns
    assert len(found.notes) == 3

    cells = SPACES["nasbench101"]
    cell = "010/001/000 input,conv3x3-bn-relu,output"
    fixed = {
        "module_adjacency": [[0, 1, 0], [0, 0, 1], [0, 0, 0]],
        "module_operations": cell.partition(" ")[2].split(","),
    }
    accuracies = {f"{part}_{split}_accuracy": 0.5 for part in ("halfway", "final") for split in ("validation", "test")}
    pickled = {108: [accuracies | {"final_training_time": 1.0}]}
    stored = {name: (fixed | {"trainable_parameters": 5}, pickled) for name in ("one", "other")}
    path = tmp_path / "nasbench.pkl"
    path.write_bytes(pickle.dumps(stored))
    with pytest.raises(InputError, match="has an entry already; give each architecture once"):
        read_nasbench101([path], "cifar10", cells)
    trained = TrainedArchitectures(cells, "cifar10")
    true = params(cells, cell)
    trainings = [Training({"test_108": value}, {"params": stated}) for value, stated in ((90.0, true), (10.0, 5.0))]
    trained.add(cell, trainings, "here")
    assert trained.converted("test_108", "mean", "here").columns["test_108"].tolist() == [90]
