from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from click.testing import CliRunner

from eznas.cli.console import Command
from eznas.primitives import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "perf").glob("*.py"))
PARTS = ("checkouts", "figures", "tournament")
"""Files that the scripts share."""


@pytest.fixture(autouse=True)
def perf_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "perf")


def quick(name: str, tmp_path: Path, *options: str) -> dict[str, Any]:
    """What a command writes; in a process of its own, since it sets threads and times what it calls."""
    file = tmp_path / "figures.json"
    subprocess.run(
        [sys.executable, str(ROOT / "perf" / f"{name}.py"), "--quick", "--json", str(file), *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in PARTS])
def test_commands_find_what_they_import_and_report_errors_in_a_sentence(name: str) -> None:
    if name == "restore":
        pytest.importorskip("safetensors")
    main = importlib.import_module(name).main
    assert isinstance(main, Command)


@pytest.fixture
def no_reference(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves no imported package of a reference behind, in memory or as bytecode."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in ("foresight", "foresight.pruners", "foresight.pruners.predictive"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("no_reference")
@pytest.mark.parametrize(("change", "message"), [("{}", ""), ('{"snip": 0.0}', "snip must have the value of the")])
def test_a_reference_is_called_as_zero_cost_nas_is_and_its_values_are_compared(
    tmp_path: Path, change: str, message: str
) -> None:
    package = tmp_path / "foresight" / "pruners" / "predictive.py"
    package.parent.mkdir(parents=True)
    package.write_text(f"""
def find_measures(net, loader, info, device, measure_names):
    import measures
    from eznas.minibatch import Minibatch
    [(images, labels)] = loader
    assert (info, device, net.training) == (("random", 1, 10), "cpu", True)
    return measures.written_here(net, Minibatch(images, labels, 10, "stub"), measure_names) | {change}
""")
    result = CliRunner().invoke(importlib.import_module("measures").main, ["4", "1", "--reference", str(tmp_path)])
    assert message in str(result.exception)
    assert result.exit_code == bool(message)


def test_a_reference_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(importlib.import_module("measures").main, ["4", "1", "--reference", str(tmp_path)])
    assert result.exit_code == 2
    assert f"the reference must be a checkout of zero-cost-nas, got {tmp_path}" in result.output


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's figures of memory")
def test_a_budget_says_time_memory_and_counts(tmp_path: Path) -> None:
    found = quick("search_budget", tmp_path, "--workers", "1")
    assert (found["programs"], found["generations"], found["networks"]) == (10, 2, 4)
    assert len(found["seconds_by_generation"]) == len(found["statistics_by_generation"]) == 2
    assert sum(found["seconds_by_generation"]) <= found["seconds"] + 0.1
    assert 15 <= found["distinct_programs"] <= found["programs_evaluated"] <= 20  # five bred ones at least are the same
    assert found["distinct_reductions"] > 0
    assert found["captured_gib"] > 0
    assert 0.1 < found["memory_gib"] < found["memory_bound_gib"] + 0.1
    assert "minutes_for_the_papers_budget" not in found


def test_a_roofline_times_all_primitives(tmp_path: Path) -> None:
    found = quick("roofline", tmp_path)
    rows = found["primitives"].values()
    assert sum(row["calls"] for row in rows) == found["calls_a_network"] > 0
    assert sum(row["bytes"] for row in rows) == pytest.approx(found["moved_mib_a_network"] * 2**20, abs=0.05 * 2**20)
    spent = found["seconds_a_network"]["evaluate"]
    assert 0 < found["seconds_in_primitives_a_network"] <= spent
    for name, seconds in found["seconds_at_the_limit"].items():
        assert found["fraction_of_the_limit"][name] == pytest.approx(seconds / spent, abs=0.01)


def test_scores_of_a_device_are_compared_with_those_of_the_cpu() -> None:
    device = importlib.import_module("device")
    options = {"fidelity": "reduced_wide", "networks": 1, "reductions": 4, "images": 2, "seed": 0}
    found = device.run_space("nats_sss", "cpu", {**options, "measures": ["synflow", "snip"]})
    assert [row["proxy"] for row in found["proxies"]][-2:] == ["synflow", "snip"]
    for row in found["proxies"]:
        assert row["equal"]
        assert not row["difference"] > 0  # NaN where there is no value
    assert 0 < found["proxies"][-1]["cpu_error"] < 1e-3
    assert found["seconds"].keys() == {"cpu", "double", "device", "again"}


def test_a_visit_is_the_sum_of_its_steps() -> None:
    visit = importlib.import_module("visit")
    options = {"space_name": "nasbench201", "fidelity": "reduced_wide", "networks": 1, "reductions": 2}
    [figures] = visit.least_of_rounds([ROOT], 1, {**options, "images": 2, "seed": 0})
    steps = [figures[step] for step in ("build", "capture", "evaluate")]
    assert min(steps) > 0
    assert figures["visit"] == pytest.approx(sum(steps))
    assert visit.ratio([{"build": 2.0}, {"build": 3.0}], "build") == [1.5]


def test_programs_over_scores_are_counted(tmp_path: Path) -> None:
    found = quick("scores", tmp_path)
    assert found["racing_architectures"] >= 2 * 8
    assert 100 < found["programs"] <= 5 * 4 * 256  # generations of an epoch, islands, offspring
    assert 0 < found["evaluated"] <= 5 * 4 * 8
    assert found["programs"] < found["statuses"]["ok"] + found["statuses"]["constant"]  # those of the first epoch too
    assert found["programs_a_second"] == pytest.approx(found["programs"] / found["seconds"], rel=0.05)


def test_bytes_moved_are_those_of_arguments_and_result() -> None:
    profile = importlib.import_module("roofline").Profile()
    found, kind = profile._timed("mean", [Kind.OUTPUT])
    assert (found.name, kind) == ("mean", Kind.UNIT)
    images = torch.ones(2, 3, 4, 5, 6)
    assert found.function(images).tolist() == [1.0, 1.0]
    [(name, row)] = profile.rows.items()
    assert (name, row.calls, row.bytes) == ("mean(output)", 1, 2 * 3 * 4 * 5 * 6 * 4 + 2 * 4)


def test_the_sums_of_a_cluster_are_the_arithmetic_of_the_constants(tmp_path: Path) -> None:
    constants = importlib.import_module("constants")
    each = {"processor_seconds": 3.9, "bytes_sent": 203e3, "bytes_back": 32e3, "bytes_stored": 561.0}
    assert constants.sums(each, 10_000, 128) == [2115.9, 16.53, 459.0, 87.7]
    found = quick("constants", tmp_path)["reduced_wide"]
    assert found["bytes_sent"] > 16 * 3 * 16 * 16 * 4  # the images
    assert 80 * 8 * found["units"] < found["bytes_back"] < 80 * 8 * found["units"] + 2000
    assert found["bytes_stored"] > 8 * found["units"]


def test_memory_of_a_block_is_measured() -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("needs Linux's figures of memory")
    memory = importlib.import_module("memory")
    size = 64 * 2**20
    meter = memory.Meter(os.getpid(), every=0.01)
    meter.look()
    before = meter.peak
    with meter:
        held = bytearray(size)
        meter.look()
    assert len(held) == size
    assert meter.peak >= before + size * 0.9
    assert sum(meter.alone.values()) >= meter.peak * 0.9  # other tests' processes may be there
    assert memory.processor_seconds(os.getpid()) > 0


def test_statistics_come_back_from_a_file(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    found = quick("restore", tmp_path, "--folder", str(tmp_path))["reduced_wide"]
    assert found["mib"] > 1
    assert set(found["seconds"]) >= {"capture", "write", "read from the disk", "read from the system's memory"}
