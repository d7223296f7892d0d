"""The script of the experiment on transformers: pairs of equal size, its score file and its formulas."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import eznas
from eznas.errors import InputError
from eznas.rank_metrics import tau_equal_size
from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).resolve().parents[2] / "experiments"
CONFIG: dict[str, Any] = {
    "seed": 1,
    "batch_size": 8,
    "split": "0.35/0.15/0.5",
    "parts": {"shapes": ["params"], "fast": ["dss", "near"], "slow": ["meco", "grasp"]},
    "reductions": ["l1(weight)", "numel(weight)"],
    "aggregations": ["sum(X)", "slope(cumulative_sum(sqrt(X)))"],
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("transformer_spaces")


@pytest.fixture
def space(script: ModuleType, tmp_path: Path) -> Any:
    entry = {"benchmark": "flexibert", "dataset": "glue", "no_value": ["near", "meco"], "fidelity": "full"}
    return script.Space(CONFIG, {**entry, "images": "noise", "columns": ["hours"]}, tmp_path, tmp_path)


@pytest.fixture
def figures(script: ModuleType) -> ModuleType:
    return importlib.import_module("transformer_figures")


def test_the_interval_on_pairs_of_equal_size_is_that_of_resamples_one_by_one(figures: ModuleType) -> None:
    rng = np.random.default_rng(0)
    scores, accuracies = rng.integers(0, 9, 30).astype(float), rng.integers(0, 9, 30).astype(float)
    sizes = rng.uniform(1, 1.5, 30)
    drawn = numpy_rng(3, "bootstrap").integers(0, 30, (figures.RESAMPLES, 30))
    naive = [tau_equal_size(scores[draw], accuracies[draw], sizes[draw]) for draw in drawn]
    found = figures.equal_size(scores, accuracies, sizes, 3)
    assert found[0] == pytest.approx(tau_equal_size(scores, accuracies, sizes))
    assert found[1:] == pytest.approx(tuple(np.quantile(naive, [0.025, 0.975])))


def scored(script: ModuleType) -> Any:
    columns = {
        "params": [3.0, 2.0, 1.0],
        "dss": [1.0, np.nan, 2.0],
        "grasp": [2.0, 3.0, 4.0],
        "sum(l1(weight))": [1.0, 1.0, 1.0],
        "slope(cumulative_sum(sqrt(l1(weight))))": [5.0, 6.0, 7.0],
        "sum(numel(weight))": [1.0, np.inf, 1.0],
        "slope(cumulative_sum(sqrt(numel(weight))))": [4.0, 3.0, 3.0],
    }
    arrays = {name: np.array(values) for name, values in columns.items()}
    return script.Scored(
        ("a", "b", "c"), np.array([1.0, 2.0, 3.0]), arrays, {"layers": np.array([2.0, 4.0, 4.0])}, {}, {}
    )


def test_networks_are_read_that_have_the_scores_of_all_parts(space: Any, tmp_path: Path) -> None:
    names = [f"128|SA-SDP-{heads}-512x1|DSC-5-2-512x{stack}" for heads in (2, 4) for stack in (1, 3)]
    lines = [f"{name},{80 + place},{place}" for place, name in enumerate(names)]
    (tmp_path / "flexibert_glue.csv").write_text("\n".join(["architecture,accuracy,hours", *lines]), encoding="utf-8")
    rows = [f"{name},0,{place + 5},,ok" for place, name in enumerate(names)]
    for part, header, kept in (("shapes", "params,other", rows), ("slow", "grasp,other", rows[1:][::-1])):
        text = "\n".join([f"architecture,accuracy,{header},status", *kept])
        (tmp_path / f"flexibert_{part}.csv").write_text(text, encoding="utf-8")
    read = space.read(["shapes", "slow"])
    assert read.architectures == tuple(names[1:])
    assert read.accuracies.tolist() == [81, 82, 83]
    assert read.columns["params"].tolist() == read.columns["grasp"].tolist() == [6, 7, 8]
    assert read.features["feed_forward"].tolist() == [4, 2, 4]
    assert read.extra["hours"].tolist() == [1, 2, 3]
    with pytest.raises(InputError, match=r"flexibert_blocks\.csv must exist"):
        space.read(["shapes", "blocks"])


def test_the_score_file_has_the_columns_with_a_value_on_every_network(script: ModuleType, space: Any) -> None:
    rows = list(csv.DictReader(space.score_file(scored(script)).read_text(encoding="utf-8").splitlines()))
    named = ["params", "grasp", "block_001", "block_003", "graf_layers"]
    assert list(rows[0]) == ["task", "architecture", "accuracy", *named]
    assert [row["block_001"] for row in rows] == ["5.0", "6.0", "7.0"]
    assert {row["task"] for row in rows} == {"flexibert"}


@pytest.mark.parametrize(
    ("reads", "columns"),
    [
        ("features", ["params", "graf_layers"]),
        ("statistics", ["params", "block_001", "block_003"]),
        ("all", ["params", "block_001", "block_003", "graf_layers"]),
    ],
)
def test_an_evolution_does_not_read_slow_measures(
    script: ModuleType, space: Any, monkeypatch: pytest.MonkeyPatch, reads: str, columns: list[str]
) -> None:
    asked = {}
    monkeypatch.setattr(script.eznas, "evolve", lambda **options: asked.update(options))
    space.evolve(space.score_file(scored(script)), {"name": "some", "reads": reads}, "1s", 1)
    assert asked["columns"] == columns


def test_measures_without_a_value_are_left_out(space: Any) -> None:
    assert space.measures(["shapes", "fast", "blocks"]) == ["params", "dss"]
    assert space.measures(["slow"]) == ["grasp"]


def test_columns_become_measures_blocks_and_features(space: Any) -> None:
    program = space.program("mul(log(score.params), add(score.block_003, score.graf_layers))")
    wanted = "mul(log(measure.params), add(slope(cumulative_sum(sqrt(numel(weight)))), graf.layers))"
    assert eznas.parse(program) == eznas.parse(wanted)


def test_figures_leave_out_networks_without_a_score(figures: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FEWEST", 2)
    few = scored(figures)
    found = figures.figures("dss", few.columns["dss"], few, 0)
    assert (found["n"], found["tau"], found["rho"]) == (2, 1.0, 1.0)
    assert found["equal_size"] is None  # the two networks differ in size
    constant = few.columns["sum(l1(weight))"]
    assert figures.figures("block", constant, few, 0) == {"name": "block", "n": 3, "tau": None}


def test_every_text_of_the_configuration_is_a_proxy(script: ModuleType, tmp_path: Path) -> None:
    config = script.read_toml(FOLDER / "transformer_spaces.toml")
    measures = [name for names in config["parts"].values() for name in names]
    assert set(measures) <= set(eznas.MEASURES)
    assert len(measures) == len(set(measures))
    for entry in config["space"]:
        made = script.Space(config, entry, tmp_path, tmp_path)
        assert entry["fidelity"] in eznas.SPACES[made.name].fidelities
        assert len({eznas.parse(text) for text in made.blocks}) == len(made.blocks)
