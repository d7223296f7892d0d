from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from eznas.config import EvolveConfig
from eznas.gp.problem import EvolutionProblem
from eznas.seeds import python_rng
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("benchmark", "space", "trained"), [("nasbench301", "darts", "nasbench301"), ("nasbench201", "nasbench201", "full")]
)
def test_what_is_reported_is_of_the_size_that_was_trained(
    tmp_path: Path, benchmark: str, space: str, trained: str
) -> None:
    table, rng = tmp_path / "table.csv", python_rng(0, "test")
    drawn = dict.fromkeys(SPACES[space].canonical(SPACES[space].sample(rng)) for _ in range(40))
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["architecture", "accuracy"], *([one, 60 + place] for place, one in enumerate(drawn))]
        )
    few = {"networks": 12, "validation_networks": 10, "test_networks": 10, "full_networks": 8, "batch_size": 4}
    config = EvolveConfig.model_validate({"benchmark": benchmark, "table": table, **few})
    problem = EvolutionProblem.of(config)
    assert problem.full.fidelity == SPACES[space].fidelities[trained]
    assert tuple(one.fidelity.name for one in problem.breeding) == SPACES[space].reduced
    whole = EvolutionProblem.of(config.model_copy(update={"fidelity": "full"}))
    assert [one.fidelity.name for one in whole.breeding] == [trained]
