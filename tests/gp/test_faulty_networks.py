"""A whole run from the command line, with networks that fail in every way among those of every part."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from eznas.cli.evolve import main
from eznas.config import EvolveConfig
from eznas.gp.problem import EvolutionProblem
from eznas.run import RunDirectory
from eznas.scoring.left_out import FAILED, LOST, SLOW, UNDEFINED
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_networks")]
OPTIONS: dict[str, Any] = {
    "benchmark": "widths",
    "dataset": "digits",
    "networks": 16,
    "validation_networks": 10,
    "test_networks": 12,
    "full_networks": 0,
    "population": 14,
    "generations": 4,
    "library": 16,
    "patience": 50,
    "batch_size": 4,
    "workers": 2,
    "device": "cpu",
    "time_budget": "20m",
}
FAULTS = {
    "train": {2: "raises", 3: "nan", 4: "slow@reduced_wide", 5: "kills@reduced_wide"},
    "validation": {3: "raises", 4: "nan"},
    "test": {2: "raises", 4: "nan"},
}


def parts(table: Path) -> dict[str, tuple[str, ...]]:
    [task] = EvolutionProblem.of(EvolveConfig.model_validate({**OPTIONS, "table": table})).tasks
    return {"train": task.train, "validation": task.validation, "test": task.test}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_networks: None) -> tuple[RunDirectory, Mapping[str, str]]:
    """The finished run, and the networks with a fault by part and fault."""
    folder, rng = tmp_path_factory.mktemp("faulty"), random.Random(0)
    table = folder / "table.csv"
    drawn = list(dict.fromkeys(SPACES["widths"].sample(rng) for _ in range(80)))[:44]
    accuracies = [f"{40 + sum(map(float, text.split('-'))) + rng.random()}" for text in drawn]
    rows = dict(zip(drawn, accuracies, strict=True))

    def write(renamed: Mapping[str, str]) -> None:
        with table.open("w", newline="") as file:
            named = [[renamed.get(text, text), accuracy] for text, accuracy in rows.items()]
            csv.writer(file).writerows([["architecture", "accuracy"], *named])

    write({})
    sound = parts(table)
    faulty = {(part, fault): sound[part][place] for part, faults in FAULTS.items() for place, fault in faults.items()}
    write({name: f"{name}!{fault}" for (_, fault), name in faulty.items()})
    networks = {f"{part} {fault.partition('@')[0]}": f"{name}!{fault}" for (part, fault), name in faulty.items()}
    for part, fault in faulty:
        assert networks[f"{part} {fault.partition('@')[0]}"] in parts(table)[part]

    plugin = Path(__file__).with_name("tiny_spaces.py")
    given = {**OPTIONS, "table": table, "plugin": plugin, "out": folder / "run"}
    arguments = [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eznas.scoring.executor._PATIENCE", 1)  # after each death, new processes import torch for seconds
        result = CliRunner(env={"COLUMNS": "200"}).invoke(main, arguments, prog_name="eznas evolve")
    assert result.exit_code == 0, result.output
    return RunDirectory(folder / "run"), networks


def test_networks_that_fail_in_evolution_are_left_out_and_named(run: tuple[RunDirectory, Mapping[str, str]]) -> None:
    directory, networks = run
    summary = directory.read_json("summary.json")
    assert summary["stopped_by"] == "generations"
    assert summary["best"]["tau_test"] is not None
    [task] = summary["tasks"]
    reasons = {
        "train": {"raises": FAILED, "nan": UNDEFINED, "slow": SLOW, "kills": LOST},
        "validation": {"raises": FAILED, "nan": UNDEFINED},
    }
    for part, expected in reasons.items():
        left_out = task["left_out"][part]
        assert left_out.keys() == {networks[f"{part} {fault}"] for fault in expected}
        for fault, reason in expected.items():
            assert left_out[networks[f"{part} {fault}"]].startswith(f"{reason}: "), fault


def test_networks_that_fail_in_the_test_cost_their_scores(run: tuple[RunDirectory, Mapping[str, str]]) -> None:
    directory, networks = run
    [task] = directory.read_json("summary.json")["tasks"]
    failed = networks["test raises"]
    assert {failed} <= task["left_out"]["test"].keys() <= {failed, networks["test nan"]}
    rows = {row["architecture"]: row for row in directory.read_csv("test_scores.csv")}
    assert len(rows) == 12
    assert {name for name, row in rows.items() if not row["naswot"]} == {failed, networks["test nan"]}
    assert not rows[failed]["best"]
