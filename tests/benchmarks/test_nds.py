from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from eznas.benchmarks import BENCHMARKS, read_table
from eznas.benchmarks.conversion import convert
from eznas.benchmarks.convert.nds import read_nds
from eznas.errors import InputError
from eznas.seeds import python_rng
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

DARTS = SPACES["nds_darts"]
RESNEXT = SPACES["nds_resnext-a"]


def run(net: dict[str, Any], errors: list[float], lr: float = 0.1) -> dict[str, Any]:
    """A run in the form of the official files."""
    return {"net": net, "optim": {"lr": lr, "wd": 5e-4}, "test_ep_top1": errors, "params": 1.5, "flops": 2.5}


def darts(seed: int) -> dict[str, Any]:
    net: dict[str, Any] = json.loads(DARTS.sample(python_rng(seed)))
    return net | {"aux": True, "drop_path_prob": 0.0}


def write(path: Path, contents: object) -> Path:
    path.write_text(json.dumps(contents))
    return path


def test_a_list_of_runs_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "DARTS.json", [run(darts(0), [60, 9.5, 10.0]), run(darts(1), [50, 20, 8.0])])
    found = read_nds([path], "cifar10", DARTS)
    assert found.architectures == tuple(DARTS.parse(json.dumps(darts(seed))) for seed in (0, 1))
    assert found.columns["test_3"].tolist() == [90, 92]
    assert found.columns["best_test"].tolist() == [90.5, 92]
    assert {name: found.columns[name].tolist() for name in ("params", "flops", "lr", "wd", "trainings")} == {
        "params": [1.5, 1.5],
        "flops": [2.5, 2.5],
        "lr": [0.1, 0.1],
        "wd": [5e-4, 5e-4],
        "trainings": [1, 1],
    }
    assert (found.usual, found.target.split, found.target.epochs) == ("test_3", "test", 3)
    assert '"aux"' not in found.architectures[0]


def test_top_and_mid_become_a_column_and_repeats_become_means(tmp_path: Path) -> None:
    contents = {"top": [run(darts(0), [5.0]), run(darts(0), [7.0], lr=0.3)], "mid": [run(darts(1), [20.0])]}
    found = read_nds([write(tmp_path / "DARTS_lr-wd.json", contents)], "cifar10", DARTS)
    assert found.columns["test_1"].tolist() == [94, 80]
    assert found.columns["lr"].tolist() == pytest.approx([0.2, 0.1])
    assert found.columns["trainings"].tolist() == [2, 1]
    assert found.columns["top"].tolist() == [1, 0]
    assert found.notes == ("1 architectures were trained several times; their columns are means",)


def test_a_table_is_written_and_read(tmp_path: Path) -> None:
    path = write(tmp_path / "DARTS.json", [run(darts(0), [60, 10.0]), run(darts(1), [50, 8.0])])
    info = BENCHMARKS["nds_darts_fix-w-d"]
    assert info.space == "nds_darts"
    convert(info, [path], "cifar10", tmp_path / "x.csv")
    table = read_table(tmp_path / "x.csv", benchmark=info.name, space=DARTS, dataset="cifar10")
    assert table.accuracies.tolist() == [90, 92]
    assert table.architectures[0] == DARTS.parse(json.dumps(darts(0)))


def test_every_sweep_has_a_space() -> None:
    sweeps = [info for name, info in BENCHMARKS.items() if name.startswith("nds_")]
    assert len(sweeps) == 23
    assert all(info.space in SPACES for info in sweeps)


@pytest.mark.parametrize(
    ("widths", "groups"),
    [
        ({"bot_muls": [0.5, 1, 0.25], "num_gs": [2, 4, 1]}, [2, 4, 1]),
        ({"bms": [0.5, 1, 0.25], "gws": [4, 8, 16]}, [2, 4, 1]),
    ],
)
def test_groups_are_read_by_number_or_by_width(widths: dict[str, Any], groups: list[int]) -> None:
    net = {"block_type": "res_bottleneck_block", "ds": [1, 2, 3], "ws": [16, 32, 64], "ss": [1, 2, 2], **widths}
    assert json.loads(RESNEXT.parse(json.dumps(net)))["groups"] == groups


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"top": []}, "a list of runs, or an object with the lists top and mid"),
        ("text", "a list of runs"),
        ([], "it is empty"),
        ([3], "run 0: must be an object"),
        ([run({}, [1.0])], "run 0: width of an architecture of nds_darts must be an even number"),
        ([run(darts(0) | {"genotype": {}}, [1.0])], "normal of a genotype of nds_darts must be a list"),
        ([run(darts(0) | {"depth": 2}, [1.0])], "depth of an architecture of nds_darts must be at least 3"),
        ([run(darts(0), [])], "test_ep_top1 must be a list of errors"),
        ([run(darts(0), ["x"])], "test_ep_top1 must be a list of errors"),  # type: ignore[list-item]
    ],
)
def test_what_is_no_sweep_is_refused(tmp_path: Path, contents: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_nds([write(tmp_path / "x.json", contents)], "cifar10", DARTS)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", [run(darts(0), [1.0])])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="whole json file"):
        read_nds([path], "cifar10", DARTS)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"operation": "sep_conv_9x9"}, "unknown operation of nds_darts 'sep_conv_9x9'"),
        ({"source": 2}, "with an earlier input"),
        ({"concat": [6]}, "normal_concat"),
    ],
)
def test_a_genotype_must_be_one_of_the_space(edit: dict[str, Any], message: str) -> None:
    net = darts(0)
    if "concat" in edit:
        net["genotype"]["normal_concat"] = edit["concat"]
    else:
        operation, source = net["genotype"]["normal"][0]
        net["genotype"]["normal"][0] = [edit.get("operation", operation), edit.get("source", source)]
    with pytest.raises(InputError, match=message):
        DARTS.parse(json.dumps(net))
