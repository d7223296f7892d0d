from __future__ import annotations

import csv
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from joblib.externals.loky import get_reusable_executor

from eznas.benchmarks import load_table
from eznas.cli.verify import main
from eznas.errors import InputError
from eznas.minibatch import load_minibatch
from eznas.scoring import Condition, Proxy, local_executor, score_networks
from eznas.seeds import python_rng
from eznas.spaces import SPACES, Fidelity
from eznas.testing.spaces import sampled

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILDER = """
import torch


def small(architecture, classes):
    width = int(architecture)
    layers = [torch.nn.Conv2d(3, width, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, classes))


small.pixels = 8


class Unhappy(Exception):
    pass


def picky(architecture, classes):
    if architecture == "8":
        raise Unhappy("too wide")
    return small(architecture, classes)


def leaving(architecture, classes):
    if architecture == "8":
        raise SystemExit(3)
    return small(architecture, classes)


def wrong(architecture, classes):
    return architecture
"""


def invoke(*args: str, data: Path | None = None) -> Result:
    given = ["--batch-size", "4", "--workers", "1", "--device", "cpu", "--proxy", "params", *args]
    environment = {"COLUMNS": "200", "EZNAS_DATA": str(data) if data else None}
    return CliRunner(env=environment).invoke(main, given, prog_name="python verify_scores.py")


def table(path: Path, architectures: Sequence[str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "accuracy"])
        writer.writerows((architecture, 80 + index) for index, architecture in enumerate(architectures))
    return path


@pytest.mark.parametrize(
    ("args", "space", "benchmark", "dataset"),
    [
        (("--benchmark", "NATSBench"), "nats_sss", "nats_sss", "cifar10"),
        (("--benchmark", "NATSBench", "--dataset", "ImageNet16-120"), "nats_sss", "nats_sss", "imagenet16-120"),
        (("--benchmark", "NDS", "--nds-space", "nds_resnext-a"), "nds_resnext-a", "nds_resnext-a", "cifar10"),
        (("--benchmark", "nds", "--nds-space", "DARTS_fix-w-d"), "nds_darts", "nds_darts_fix-w-d", "cifar10"),
        (("--benchmark", "nasbench_macro"), "nasbench_macro", "nasbench_macro", "cifar10"),
    ],
)
def test_tables_of_every_space_are_found(
    tmp_path: Path, args: tuple[str, ...], space: str, benchmark: str, dataset: str
) -> None:
    table(tmp_path / f"{benchmark}_{dataset}.csv", sampled(SPACES[space], 4))
    result = invoke(*args, "--json", str(tmp_path / "out.json"), data=tmp_path)
    assert result.exit_code == 0, result.output
    [record] = json.loads((tmp_path / "out.json").read_text())
    assert (record["search_space"], record["dataset"], record["n_networks"]) == (space, dataset, 4)


def test_what_stands_in_the_file_is_not_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies = table(tmp_path / "t.csv", sampled(SPACES["nasbench_macro"], 8))
    args = ["--benchmark", "nasbench_macro", "--table", str(accuracies), "--csv", str(tmp_path / "s.csv")]
    assert invoke(*args, "--samples", "3").exit_code == 0
    visited: list[str] = []
    network = Condition.network

    def counted(condition: Condition, architecture: str) -> object:
        visited.append(architecture)
        return network(condition, architecture)

    monkeypatch.setattr(Condition, "network", counted)
    for scored in (5, 0):
        assert invoke(*args, "--samples", "0", "--resume", "--json", str(tmp_path / "s.json")).exit_code == 0
        assert len(visited) == 5
        [record] = json.loads((tmp_path / "s.json").read_text())
        assert (record["n_networks"], record["n_scored_now"]) == (8, scored)
        assert (record["seconds"] is None) == (scored == 0)
    resumed = (tmp_path / "s.csv").read_text()
    assert invoke(*args, "--samples", "3", "--resume").exit_code == 0
    assert (tmp_path / "s.csv").read_text() == resumed  # what another sample has no use for stays
    again = invoke(*args, "--samples", "0")
    assert (again.exit_code, "or resume this one" in again.stderr) == (2, True)
    (tmp_path / "s.csv").unlink()
    assert invoke(*args, "--samples", "0").exit_code == 0
    assert len(visited) == 13
    assert (tmp_path / "s.csv").read_text() == resumed
    assert invoke(*args, "--samples", "0", "--resume", "--seed", "9").exit_code == 2


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_builder.py").write_text(BUILDER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_builder", raising=False)  # another test's
    return "own_builder:small"


def test_networks_of_ones_own_are_verified(tmp_path: Path, builder: str) -> None:
    path = table(tmp_path / "t.csv", ["3", "5", "8", "13"])
    args = ("--benchmark", "custom", "--builder", builder, "--table", str(path), "--json", str(tmp_path / "o.json"))
    result = invoke(*args)
    assert result.exit_code == 0, result.output
    [record] = json.loads((tmp_path / "o.json").read_text())
    assert (record["search_space"], record["n_failed"], record["tau"]) == ("custom:own_builder:small", 0, 1.0)
    assert SPACES["custom:own_builder:small"].fidelities["full"].pixels == 8


def test_networks_of_ones_own_run_in_other_processes(tmp_path: Path, builder: str) -> None:
    get_reusable_executor().shutdown(wait=True)  # processes of other tests stand in another folder
    space = f"custom:{builder}"
    condition = Condition.of(space, SPACES[space].fidelities["full"], 0, load_minibatch("digits", 4, pixels=8))
    alone, apart = (
        score_networks([Proxy.of("params")], condition, ["3", "5"], local_executor(workers)) for workers in (1, 2)
    )
    assert alone.values().tolist() == apart.values().tolist()


def test_what_a_builder_raises_costs_one_network_and_is_told(tmp_path: Path, builder: str) -> None:
    path = table(tmp_path / "t.csv", ["3", "5", "8", "13"])
    for name, said in (("picky", "8: building 8 failed: too wide"), ("leaving", "8: building 8 failed: 3")):
        file = str(tmp_path / f"{name}.json")
        args = ("--benchmark", "custom", "--builder", f"own_builder:{name}", "--table", str(path), "--json", file)
        result = invoke(*args)
        assert result.exit_code == 0, result.output
        assert f"has no value on 1 of 4 networks; the first is {said}" in result.stdout
        [record] = json.loads(Path(file).read_text())
        assert (record["n_failed"], record["first_failure"]) == (1, said)


def test_scores_of_another_builder_are_not_gone_on_with(
    tmp_path: Path, builder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "t.csv", ["3", "5", "8", "13"])
    scores = str(tmp_path / "s.csv")
    args = ("--benchmark", "custom", "--builder", builder, "--table", str(path), "--csv", scores)
    assert invoke(*args).exit_code == 0
    condition = Condition.of(f"custom:{builder}", Fidelity("full", 1, 1, 8), 0, load_minibatch("digits", 4, pixels=8))
    key = condition.key
    with (tmp_path / "own_builder.py").open("a") as file:
        file.write("# another\n")
    assert condition.key == key  # what is loaded is still the first
    monkeypatch.delitem(sys.modules, "own_builder")
    result = invoke(*args, "--resume")
    assert (result.exit_code, "with code of builder and plugins" in result.stderr) == (2, True)
    assert condition.key != key


@pytest.mark.parametrize("pixels", ["16", (16, 16), 16.0, 0, True])
def test_pixels_of_a_builder_are_a_number(monkeypatch: pytest.MonkeyPatch, builder: str, pixels: object) -> None:
    module = importlib.import_module("own_builder")
    monkeypatch.setattr(module.small, "pixels", pixels)
    with pytest.raises(InputError, match="pixels of custom:own_builder:small must be a whole number above 0"):
        SPACES[f"custom:{builder}"]


def test_a_builder_that_builds_no_network_is_said(tmp_path: Path, builder: str) -> None:
    path = table(tmp_path / "t.csv", ["3", "5"])
    result = invoke("--benchmark", "custom", "--builder", "own_builder:wrong", "--table", str(path))
    assert result.exit_code == 1
    assert "must return a torch.nn.Module, got str" in result.stderr
    missing = invoke("--benchmark", "custom", "--builder", "own_builder:none", "--table", str(path))
    assert (missing.exit_code, "has no callable 'none'" in missing.stderr) == (2, True)
    with pytest.raises(InputError, match="table must be a file with the accuracies of custom:"):
        load_table("custom:own_builder:small", "any")
    space = SPACES["custom:own_builder:small"]
    assert space.neighbours("3") == []
    with pytest.raises(InputError, match="register it for more"):
        sampled(space, 1)
    with pytest.raises(InputError, match="has no known edits"):
        space.mutate("3", python_rng(0))
