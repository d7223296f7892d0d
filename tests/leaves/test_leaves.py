from __future__ import annotations

import pickle
import random
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from eznas.errors import InputError, nearest, unknown, with_names
from eznas.registry import Registry
from eznas.seeds import derive_seed, numpy_rng, python_rng, torch_generator
from eznas.status import Score, Status

if TYPE_CHECKING:
    from pathlib import Path


def test_derived_seeds_depend_on_seed_and_every_name() -> None:
    seeds = {derive_seed(0), derive_seed(1), derive_seed(0, "a"), derive_seed(0, "a", "b"), derive_seed(0, "ab")}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(7, "initialise", 3) == derive_seed(7, "initialise", 3)


def test_generators_do_not_touch_global_state() -> None:
    before = random.getstate()
    first = (python_rng(1, "x").random(), numpy_rng(1, "x").random(), torch_generator(1, "x").initial_seed())
    assert first == (python_rng(1, "x").random(), numpy_rng(1, "x").random(), torch_generator(1, "x").initial_seed())
    assert random.getstate() == before


def test_unknown_names_come_with_the_nearest() -> None:
    assert nearest("synflw", ["synflow", "snip"]) == "synflow"
    assert nearest("zzz", ["synflow"]) is None
    assert "did you mean 'synflow'?" in str(unknown("measure", "synflw", ["snip", "synflow"]))
    assert "known: snip, synflow" in str(unknown("measure", "zzz", ["synflow", "snip"]))


@pytest.mark.parametrize(
    ("message", "parameters", "expected"),
    [
        ("batch_size must be at least 2, got 1", ("batch_size",), "--batch-size must be at least 2, got 1"),
        ("give table, not data", ("table", "data"), "give --table, not --data"),
        ("table or table=FILE: see table", ("table",), "--table or table=FILE: see table"),
        ("table must not be 'table', a/table, table.csv or tables", ("table",), None),
        ("the table must be a file", (), "the table must be a file"),
        ("seed must be positive", ("seed",), "seed must be positive"),
    ],
)
def test_only_listed_parameters_are_renamed_and_not_inside_values(
    message: str, parameters: tuple[str, ...], expected: str | None
) -> None:
    flags = {"batch_size": "--batch-size", "table": "--table", "data": "--data"}
    error = pickle.loads(pickle.dumps(InputError(message, parameters=parameters)))  # noqa: S301 - as workers send it
    assert with_names(error, flags) == (expected or message.replace("table", "--table", 1))
    assert with_names(ValueError(message), flags) == message == str(error)


def test_a_registry_loads_late_refuses_duplicates_and_matches_patterns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_registering_module.py").write_text("LOADED = True")
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[str] = Registry("thing", lambda record: record, ["a_registering_module"])
    registry.register("beta")
    registry.register("alpha")
    assert "a_registering_module" not in sys.modules
    assert list(registry) == ["alpha", "beta"]
    assert "a_registering_module" in sys.modules
    assert registry.matching("al*") == ["alpha"]
    with pytest.raises(InputError, match=r"no thing matches 'x\*'; known: alpha, beta"):
        registry.matching("x*")
    assert len(registry) == 2
    assert "beta" in registry
    with pytest.raises(InputError, match="thing 'beta' is registered already"):
        registry.register("beta")
    registry.register("beta", replace=True)
    with pytest.raises(InputError, match="unknown thing 'alpa'; did you mean 'alpha'"):
        registry["alpa"]


def test_a_built_in_record_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from test_leaves_registries import taken\ntaken.register('alpha')\n"
    (tmp_path / "a_late_module.py").write_text(text + "raise OSError\n")
    monkeypatch.syspath_prepend(tmp_path)
    taken: Registry[str] = Registry("thing", lambda record: record, ["a_late_module"])
    registries = ModuleType("test_leaves_registries")
    registries.__dict__["taken"] = taken
    monkeypatch.setitem(sys.modules, "test_leaves_registries", registries)
    taken.register("beta")
    with pytest.raises(OSError):  # noqa: PT011 - of the module
        len(taken)
    (tmp_path / "a_late_module.py").write_text(text)
    taken.restore({"alpha": None})
    taken.register("alpha")  # before the module is loaded
    with pytest.raises(InputError, match="thing 'alpha' is registered already"):
        len(taken)
    assert list(taken) == ["alpha", "beta"]
    assert taken.register("alpha", replace=True) == "alpha"


def test_scores_are_numbers_where_they_have_a_value() -> None:
    assert float(Score(1.5)) == 1.5
    with pytest.raises(ValueError, match=r"^the score has no value, its status is no_units: nothing there$"):
        float(Score.failed(Status.NO_UNITS, "nothing there"))
    with pytest.raises(ValueError, match=r"its status is constant$"):
        float(Score.failed(Status.CONSTANT))


def test_pandas_takes_scores() -> None:
    pandas = pytest.importorskip("pandas")
    scores = {"a": Score(1.5), "b": Score.failed(Status.NON_FINITE, "the value is inf")}
    rows = pandas.DataFrame(scores.values(), index=scores)
    assert rows.to_csv().splitlines() == [",value,status,detail", "a,1.5,ok,", "b,,non_finite,the value is inf"]
    assert rows[rows.status == "ok"].index.tolist() == ["a"]
    networks = pandas.DataFrame([{"a": Score(1.5)}, {"a": Score(2.5)}])
    assert networks.astype(float)["a"].tolist() == [1.5, 2.5]


def test_scores_carry_a_status() -> None:
    assert Score.of(1.5) == Score(1.5, Status.OK)
    assert Score.of(float("inf")).status is Status.NON_FINITE
    failed = Score.failed(Status.NO_UNITS, "nothing there")
    assert not failed.ok
    assert failed.value != failed.value
