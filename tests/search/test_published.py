"""Published searches, repeated on the real tables where they lie beside the checkout."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eznas.report.search import search_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        yield importlib.import_module("search_naswot")


@pytest.fixture(scope="module")
def folder(script: ModuleType, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published")
    script.write_scores(shared_data / "naswot_cifar10.json.gz", path)
    script.write_tables(path, [shared_data / "nasbench201.json.gz"])
    return path


@pytest.mark.slow
def test_rows_of_the_naswot_report(script: ModuleType, folder: Path) -> None:
    rows = {name: (published, options) for name, published, options in script.naswot_rows(folder)}
    assert len(rows) == 25
    for name, within in (
        ("synflow: random", 0.25),  # two standard errors of a mean over 30 runs
        ("synflow: ageing evolution", 0.05),
    ):
        published, options = rows[name]
        found: dict[str, Any] = script.run(options, folder / name.replace(" ", "_").replace(":", "")).summary
        assert found["accuracy_mean"] == pytest.approx(published, abs=within), name


@pytest.mark.slow
def test_warm_up_and_move_reach_the_same_with_several_times_fewer_queries(script: ModuleType, folder: Path) -> None:
    led, _, _, plain = script.zero_cost_searches(folder)[0]
    assert (led.warmup, led.move, plain.warmup, plain.move) == (3000, 0.75, 0, 0.0)
    curves = [script.run(one.model_copy(update={"runs": 10}), folder / f"run{one.warmup}") for one in (led, plain)]
    fewer_queries, fewer_seconds = search_rows(curves)[0][-2:]
    assert isinstance(fewer_queries, float)
    assert isinstance(fewer_seconds, float)
    assert fewer_queries > 4
    assert fewer_seconds > 3
