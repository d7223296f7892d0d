"""Runs whose programs read measures and features of architectures."""

from __future__ import annotations

import csv
import random
from typing import TYPE_CHECKING, Any

import pytest

from eznas.config import EvolveConfig
from eznas.gp.problem import EvolutionProblem
from eznas.gp.results import EXPORTED
from eznas.programs import network_leaves, parse, reductions
from eznas.run import RunDirectory
from eznas.scoring.network_leaves import written_out
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    RunIn = Callable[..., dict[str, Any]]
    RunUntil = Callable[[Path, EvolveConfig, int], None]

pytestmark = pytest.mark.usefixtures("small_networks")
RESULTS = ("hall_of_fame.csv", "test_scores.csv", "genealogy.json")
CHEAP = ("params", "naswot", "l2_norm", "synflow")


@pytest.fixture(scope="module")
def widths(tmp_path_factory: pytest.TempPathFactory, small_networks: None) -> Path:
    """Forty networks whose accuracy grows with their widths, with some chance."""
    rng = random.Random(0)
    drawn = list(dict.fromkeys(SPACES["widths"].sample(rng) for _ in range(70)))[:40]
    path = tmp_path_factory.mktemp("widths") / "table.csv"
    with path.open("w", newline="") as file:
        accuracies = [40 + sum(map(float, text.split("-"))) + 4 * rng.random() for text in drawn]
        csv.writer(file).writerows([["architecture", "accuracy"], *zip(drawn, accuracies, strict=True)])
    return path


def with_fault(table: Path, part: str, place: int, fault: str, folder: Path) -> tuple[Path, str]:
    """Return the table with a fault of one of a run's networks, and its name."""
    [task] = EvolutionProblem.of(config(table)).tasks
    sound = getattr(task, part)[place]
    faulty, changed = f"{sound}!{fault}", folder / f"{fault}.csv"
    changed.write_text(table.read_text().replace(f"\n{sound},", f"\n{faulty},"))
    [task] = EvolutionProblem.of(config(changed)).tasks
    assert getattr(task, part)[place] == faulty
    return changed, faulty


def config(table: Path, **changes: Any) -> EvolveConfig:
    small = {
        "networks": 12,
        "validation_networks": 10,
        "test_networks": 10,
        "full_networks": 8,
        "population": 14,
        "generations": 4,
        "full_generations": 1,
        "library": 8,
        "patience": 1,
        "batch_size": 4,
        "workers": 1,
        "time_budget": 600.0,
    }
    data = {} if "task" in changes else {"benchmark": "widths", "dataset": "digits", "table": table}
    chosen = {"terminal_measures": CHEAP} if "terminals" in changes else {}
    return EvolveConfig.model_validate({**small, **data, **chosen, **changes})


def leaves_of(summary: Mapping[str, Any]) -> set[str]:
    return {leaf.text for row in summary["hall_of_fame"] for leaf in network_leaves([parse(row["program"])])}


@pytest.mark.parametrize("terminals", ["measures", "both"])
def test_programs_read_measures_and_resuming_equals_not_stopping(
    widths: Path, tmp_path: Path, run_in: RunIn, run_until: RunUntil, terminals: str
) -> None:
    whole = run_in(tmp_path / "whole", config(widths, terminals=terminals))
    run_until(tmp_path / "parts", config(widths, terminals=terminals), 2)
    parts = run_in(tmp_path / "parts", config(widths, terminals=terminals), resume=True)
    for name in RESULTS:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name
    assert parts["best"] == whole["best"]
    assert parts["statuses"] == whole["statuses"]

    assert whole["networks"]["full_size"] == 8
    assert leaves_of(whole) <= {f"measure.{name}" for name in CHEAP}
    assert leaves_of(whole)
    read = {node for row in whole["hall_of_fame"] for node in reductions([parse(row["program"])])}
    checkpoint = RunDirectory(tmp_path / "whole").read_checkpoint()
    assert checkpoint is not None
    assert checkpoint["leaves"] == [f"measure.{name}" for name in CHEAP]
    if terminals == "measures":
        assert not read
        assert not checkpoint["library"]
        assert whole["reductions_evaluated"] == 0
    else:
        assert checkpoint["library"]
    programs = {row["name"]: parse(row["program"]) for row in whole["hall_of_fame"][:EXPORTED]}
    alone = {name for name, program in programs.items() if not network_leaves([written_out(program)])}
    assert {path.stem for path in (tmp_path / "whole" / "proxies").glob("*.py")} >= alone


def test_programs_of_features_run_no_network(widths: Path, tmp_path: Path, run_in: RunIn) -> None:
    options = config(widths, terminals="measures", terminal_measures=("graf",), full_networks=0)
    summary = run_in(tmp_path / "run", options)
    assert leaves_of(summary) <= {"graf.narrowest", "graf.conv_3x3"}
    assert "graf.narrowest" in leaves_of(summary)
    proxies = tmp_path / "run" / "proxies"
    assert not list(proxies.glob("*.py"))  # such a program needs the architecture
    proxies.mkdir()
    for name in ("rank1.py", "mine.py"):
        (proxies / name).write_text("")
    run_in(tmp_path / "run", options, resume=True)  # also removes what it would not write
    assert [path.name for path in proxies.iterdir()] == ["mine.py"]


def test_features_that_all_spaces_have_are_leaves(widths: Path, table: Path, tmp_path: Path, run_in: RunIn) -> None:
    tasks = [f"widths/digits={widths}", f"nasbench201/cifar10={table}"]
    both = {"terminals": "both", "terminal_measures": ("graf", "params"), "full_networks": 0, "generations": 1}
    run_in(tmp_path / "run", config(widths, task=tasks, **both))
    checkpoint = RunDirectory(tmp_path / "run").read_checkpoint()
    assert checkpoint is not None
    common = SPACES["widths"].features("2-3").keys() & SPACES["nasbench201"].features(
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    )
    assert {*checkpoint["leaves"]} == {f"graf.{name}" for name in common} | {"measure.params"}


@pytest.mark.parametrize("terminals", ["measures", "both"])
def test_a_measure_without_a_value_on_a_network_is_no_leaf(
    widths: Path, tmp_path: Path, run_in: RunIn, run_until: RunUntil, terminals: str, listener: Any
) -> None:
    """Also after a resume, when the network may be left out for the sake of the formulas."""
    table, faulty = with_fault(widths, "train", 4, "nan@reduced_wide", tmp_path)
    options = config(table, terminals=terminals, full_networks=0, library=16)
    whole = run_in(tmp_path / "whole", options, listener)
    told = [text for text in listener.messages if text.startswith("measure.naswot has no value on ")]
    assert len(told) == 1
    assert faulty in told[0]
    assert (faulty in whole["tasks"][0]["left_out"]["train"]) is (terminals == "both")
    run_until(tmp_path / "parts", options, 1)
    summary = run_in(tmp_path / "parts", options, resume=True)
    for name in RESULTS:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name
    assert summary["statuses"] == whole["statuses"]
    assert "measure.naswot" not in leaves_of(summary)
    checkpoint = RunDirectory(tmp_path / "parts").read_checkpoint()
    assert checkpoint is not None
    assert "measure.params" in checkpoint["leaves"]
    assert "measure.naswot" not in checkpoint["leaves"]


@pytest.mark.parametrize("fault", ["raises", "nan"])
def test_a_network_on_which_no_measure_has_a_value_is_left_out(
    widths: Path, tmp_path: Path, run_in: RunIn, fault: str, listener: Any
) -> None:
    table, faulty = with_fault(widths, "validation", 4, f"{fault}@reduced_wide", tmp_path)
    measures = ("naswot", "grad_norm")
    summary = run_in(
        tmp_path / "run", config(table, terminals="measures", terminal_measures=measures, full_networks=0), listener
    )
    assert list(summary["tasks"][0]["left_out"]["validation"]) == [faulty]
    assert any(faulty in message and "left out" in message for message in listener.messages)
    assert leaves_of(summary) <= {f"measure.{name}" for name in measures}
