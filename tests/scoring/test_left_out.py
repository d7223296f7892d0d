"""Panels and score matrices of which some networks are broken, or not reached in time."""

from __future__ import annotations

import contextlib
import sys
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from torch import nn

import eznas.scoring.executor
from eznas.errors import EznasError, OutOfTimeError
from eznas.minibatch import load_minibatch
from eznas.primitives import Kind
from eznas.programs import leaf, parse, reductions
from eznas.scoring import Condition, Panel, Proxy, local_executor, score_networks
from eznas.scoring.executor import PoolExecutor
from eznas.scoring.left_out import left_out_messages
from eznas.scoring.vector_store import VectorStore
from eznas.spaces import SPACES
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

BUILDER = """
import time
import torch
from torch import nn

SEEN = set()

def build(architecture, classes):
    width, _, fault = architecture.partition(" ")
    time.sleep(0.8 if fault == "slow" or fault == "slow once" and architecture not in SEEN else 0.0)
    SEEN.add(architecture)
    if fault == "kill":
        raise KeyboardInterrupt
    layers = [nn.Conv2d(3, int(width), 3), nn.BatchNorm2d(int(width)), nn.ReLU()]
    if fault == "raise":
        layers.append(nn.Linear(1, 1))
    if fault == "nan":
        layers.append(Nan())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(int(width), classes))

build.pixels = 8

class Nan(nn.Module):
    def forward(self, images):
        return images * float("nan")
"""

HEALTHY = tuple(str(width) for width in range(3, 15))
PROGRAMS = [
    parse(f"sum({reduction}({statistic}))")
    for reduction in ("mean", "l1")
    for statistic in ("norm_out.data", "weight_grad.loss", "conv_in.data", "weight", "input_grad.data")
]
REDUCTIONS = reductions(PROGRAMS)
UNDEFINED = parse("mean(log(neg(abs(norm_out.data))))", Kind.UNIT)


class Pool(PoolExecutor):
    """Two workers in this process; the fault ``kill`` of a network ends a worker."""

    workers = 2

    def pool(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def _send(
        self, function: Callable[[Any], Any], calls: Mapping[int, Any], ahead: int
    ) -> Iterator[tuple[int, list[Any]]]:
        del ahead
        for index, call in calls.items():
            try:
                result = function(call.item)
            except KeyboardInterrupt:
                raise CancelledError from None
            yield index, [result]


@pytest.fixture(scope="module")
def condition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Condition]:
    folder = tmp_path_factory.mktemp("builder")
    (folder / "faulty_builder.py").write_text(BUILDER)
    get_reusable_executor().shutdown(wait=True)  # its processes do not know the folder
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.delitem(sys.modules, "faulty_builder", raising=False)
        space = "custom:faulty_builder:build"
        yield Condition.of(space, SPACES[space].fidelities["full"], 0, load_minibatch("digits", 6, pixels=8))


class Clock:
    """A clock that goes on by one with each network that is built."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.built: list[str] = []
        network = Condition.network

        def counted(condition: Condition, architecture: str) -> nn.Module:
            self.built.append(architecture)
            return network(condition, architecture)

        patch.setattr(Condition, "network", counted)
        patch.setattr(eznas.scoring.executor.time, "time", lambda: float(len(self.built)))


def with_faults(faults: dict[int, str]) -> list[str]:
    return [f"{width} {faults[place]}" if place in faults else width for place, width in enumerate(HEALTHY)]


def test_an_architecture_is_in_a_panel_once() -> None:
    condition = Condition.of(
        "nasbench201", SPACES["nasbench201"].fidelities["reduced_wide"], 0, load_minibatch("noise", 4)
    )
    first, second = (SPACES["nasbench201"].architectures() or [])[:2]
    with pytest.raises(ValueError, match="architectures must differ, but 1 repeat an earlier one"):
        Panel(condition, [first, second, first])


def assert_as_healthy(panel: Panel, kept: list[int]) -> None:
    """Check that the networks at some places have the values that they have alone, and the others none."""
    assert np.flatnonzero(panel.usable).tolist() == kept
    alone = Panel(panel.condition, [panel.architectures[place] for place in kept])
    alone.extend(REDUCTIONS)
    scores = panel.table.scores(PROGRAMS)
    assert scores[:, kept].tobytes() == alone.table.scores(PROGRAMS).tobytes()
    assert np.isnan(np.delete(scores, kept, axis=1)).all()


@pytest.mark.parametrize("screen", [False, True])
@pytest.mark.parametrize("first", [0, 5])
def test_broken_networks_are_left_out_and_cost_no_other(condition: Condition, first: int, *, screen: bool) -> None:
    """Also where they are the first, on which reductions are screened."""
    panel = Panel(condition, with_faults({first: "raise", first + 1: "nan", 11: "slow"}))
    assert panel.extend([*REDUCTIONS, UNDEFINED], screen=screen) == [True] * len(REDUCTIONS) + [False]
    assert_as_healthy(panel, [place for place in range(12) if place not in (first, first + 1)])
    raised, nan = (panel.left_out[panel.architectures[place]] for place in (first, first + 1))
    assert raised.startswith("it failed: RuntimeError: ")
    assert nan == "it has too few finite values: 2 formulas are finite on it, and 10 on another network"


def test_a_network_that_kills_its_process_is_left_out(condition: Condition) -> None:
    panel = Panel(condition, with_faults({0: "raise", 1: "kill", 2: "nan"}), executor=Pool())
    assert panel.extend([*REDUCTIONS, UNDEFINED], screen=True) == [True] * len(REDUCTIONS) + [False]
    assert_as_healthy(panel, list(range(3, 12)))
    assert panel.left_out["4 kill"] == (
        "it ended its process: the process that ran 4 kill ended 2 times without a result, as a process does that runs "
        "out of memory (CancelledError)"
    )


def test_only_broken_networks_end_with_a_sentence_that_counts_them(condition: Condition) -> None:
    panel = Panel(condition, ["3 raise", "4 raise", "5", "6 nan"], least_usable=2)
    sentence = r"at least 2 networks must be usable, got 1: 2 of 4 networks \(full, seed 0, 6 images of digits\) are "
    with pytest.raises(EznasError, match=sentence + "left out, the first: 3 raise, because it failed: RuntimeError"):
        panel.extend(REDUCTIONS)


def test_networks_that_were_left_out_before_are_not_built(
    condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {1: "raise", 3: "nan"}
    panel = Panel(condition, with_faults(faults))
    panel.extend(REDUCTIONS, screen=True)
    clock = Clock(monkeypatch)
    resumed = Panel(condition, panel.architectures)
    resumed.leave_out(panel.left_out)
    resumed.extend(REDUCTIONS)
    assert clock.built == [HEALTHY[place] for place in range(12) if place not in faults]
    assert resumed.left_out == panel.left_out
    assert resumed.table.scores(PROGRAMS).tobytes() == panel.table.scores(PROGRAMS).tobytes()


def test_a_network_that_fails_later_loses_the_values_that_it_had(
    condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = Panel(condition, HEALTHY)
    panel.extend(REDUCTIONS[:4])
    network = Condition.network

    def broken(condition: Condition, architecture: str) -> nn.Module:
        if architecture == "5":
            raise MemoryError("no more memory")
        return network(condition, architecture)

    monkeypatch.setattr(Condition, "network", broken)
    assert panel.extend(REDUCTIONS) == [True] * len(REDUCTIONS)
    assert panel.left_out == {"5": "it failed: MemoryError: no more memory"}
    assert np.isnan(panel.table.scores(PROGRAMS)[:, 2]).all()
    assert np.isfinite(np.delete(panel.table.scores(PROGRAMS), 2, axis=1)).all()


def test_a_network_with_another_number_of_units_than_before_is_left_out(
    condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = Panel(condition, HEALTHY)
    panel.extend(REDUCTIONS[:4])
    network = Condition.network

    def changed(condition: Condition, architecture: str) -> nn.Module:
        made = network(condition, architecture)
        return nn.Sequential(made, nn.Linear(10, 10)) if architecture == "5" else made

    monkeypatch.setattr(Condition, "network", changed)
    panel.extend(REDUCTIONS)
    assert panel.left_out == {"5": "it changed: it has 3 units, and had 2 before"}


@pytest.mark.parametrize("least", [0, 3])
@pytest.mark.parametrize("screen", [False, True])
def test_nothing_begins_after_the_deadline_but_the_least(
    condition: Condition, monkeypatch: pytest.MonkeyPatch, least: int, *, screen: bool
) -> None:
    clock, panel = Clock(monkeypatch), Panel(condition, HEALTHY)
    if not least:
        with pytest.raises(EznasError, match=r"got 0: 12 of 12 .* the first: 3, because it was not reached in time"):
            panel.extend(REDUCTIONS, screen=screen, deadline=0.0)
        assert not clock.built
        return
    assert all(panel.extend(REDUCTIONS, screen=screen, deadline=0.0, least=least))
    assert clock.built == list(HEALTHY[:3])
    assert panel.left_out == dict.fromkeys(HEALTHY[3:], "it was not reached in time")
    monkeypatch.undo()
    assert_as_healthy(panel, [0, 1, 2])


@pytest.mark.parametrize("screen", [False, True])
def test_the_first_evaluation_keeps_the_networks_that_it_reached(
    condition: Condition, monkeypatch: pytest.MonkeyPatch, *, screen: bool
) -> None:
    clock, panel = Clock(monkeypatch), Panel(condition, with_faults({3: "raise"}))
    assert all(panel.extend(REDUCTIONS, screen=screen, deadline=7.0))
    assert len(clock.built) == 7
    monkeypatch.undo()
    assert_as_healthy(panel, [0, 1, 2, 4, 5, 6])


@pytest.mark.parametrize("screen", [False, True])
def test_a_later_evaluation_is_of_no_use_in_part(
    condition: Condition, monkeypatch: pytest.MonkeyPatch, *, screen: bool
) -> None:
    panel = Panel(condition, HEALTHY)
    panel.extend(REDUCTIONS[:2])
    clock = Clock(monkeypatch)
    with pytest.raises(OutOfTimeError, match=r"the time was over when .* of .* networks"):
        panel.extend(REDUCTIONS, screen=screen, deadline=7.0, least=9)
    assert len(clock.built) == 7
    assert panel.table.missing(REDUCTIONS) == REDUCTIONS[2:]
    assert panel.usable.all()
    assert all(panel.extend(REDUCTIONS, screen=screen))


def test_what_two_processes_reached_is_a_first_part(condition: Condition, tmp_path: Path) -> None:
    list(local_executor(2).map(str, HEALTHY))  # the processes are there
    names = with_faults({3: "slow", 5: "slow", 7: "slow", 9: "slow"})
    with VectorStore(tmp_path / "vectors.sqlite") as store:
        panel = Panel(condition, names, store, local_executor(2))
        panel.extend(REDUCTIONS, deadline=time.time() + 0.7, least=2)
        reached = int(panel.usable.sum())
        assert 2 <= reached < 12
        assert_as_healthy(panel, list(range(reached)))
        assert set(panel.left_out.values()) == {"it was not reached in time"}


@pytest.mark.parametrize("deadline", [None, 600.0])
def test_a_network_that_is_far_slower_than_the_others_is_left_out_where_there_is_a_deadline(
    condition: Condition, monkeypatch: pytest.MonkeyPatch, deadline: float | None
) -> None:
    monkeypatch.setattr("eznas.scoring.panel._SLOW_SECONDS", 0.7)
    monkeypatch.setattr("eznas.scoring.panel._SLOW", 3.0)
    clock = Clock(monkeypatch)
    panel = Panel(condition, with_faults({4: "slow", 6: "slow once" if deadline else "slow"}))
    panel.extend(REDUCTIONS[:4], deadline=deadline)
    assert list(panel.left_out) == (["7 slow"] if deadline else [])
    if deadline:
        assert panel.left_out["7 slow"].startswith("it is too slow: it takes 0.8 s, and most take 0.0")
        assert clock.built[12:] == ["7 slow", "9 slow once"]
        monkeypatch.undo()
        assert all(panel.extend(REDUCTIONS))
        assert_as_healthy(panel, [place for place in range(12) if place != 4])


def test_leaves_are_computed_on_the_networks_that_are_left_and_reached(
    condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, panel = Clock(monkeypatch), Panel(condition, with_faults({1: "raise", 3: "nan"}))
    panel.extend(REDUCTIONS)
    names = ["measure.params", "measure.synflow"]
    clock.built.clear()
    assert panel.extend_leaves(names, deadline=7.0) == [True, True]
    assert clock.built == [panel.architectures[place] for place in (0, 2, 4, 5, 6, 7, 8)]
    assert np.flatnonzero(panel.usable).tolist() == [0, 2, 4, 5, 6, 7, 8]
    with pytest.raises(OutOfTimeError, match="the time was over when 0 of 7 networks"):
        panel.extend_leaves(["measure.naswot"], deadline=0.0, least=3)
    monkeypatch.undo()
    program = [parse(f"add(measure.synflow, {PROGRAMS[0]})")]
    expected = score_networks([Proxy.of(program[0].text)], condition, panel.architectures).values()
    scores = panel.table.scores(program)
    assert scores[:, panel.usable] == pytest.approx(expected[:, panel.usable])
    assert np.isnan(scores[:, ~panel.usable]).all()
    later = panel.architectures[2]
    panel.leave_out({later: "it is too slow"})
    assert np.isnan(panel.table.scores([leaf("measure.synflow")])[0, 2])


def test_a_network_that_kills_its_process_has_no_leaves(condition: Condition) -> None:
    panel = Panel(condition, with_faults({1: "kill"})[:4], executor=Pool())
    assert panel.extend_leaves(["measure.params"]) == [True]
    assert panel.left_out["4 kill"].startswith("it failed: the process that ran 4 kill ended 2 times")


def test_stored_networks_need_no_time(condition: Condition, tmp_path: Path) -> None:
    with VectorStore(tmp_path / "vectors.sqlite") as store:
        Panel(condition, HEALTHY[:5], store).extend(REDUCTIONS)
        panel = Panel(condition, [*HEALTHY[:4], HEALTHY[8], HEALTHY[4]], store)
        panel.extend(REDUCTIONS, deadline=time.time())
    assert list(panel.left_out) == [HEALTHY[8], HEALTHY[4]]


def test_a_network_that_kills_its_process_has_a_status(condition: Condition) -> None:
    names = with_faults({2: "kill", 4: "raise", 6: "nan"})
    matrix = score_networks([Proxy.of("params"), Proxy.of("synflow")], condition, names, Pool())
    assert matrix.architectures == tuple(names)
    assert matrix.statuses(0) == {Status.OK: 11, Status.EXCEPTION: 1}
    assert matrix.scores[1][2].detail.startswith("the process that ran 5 kill ended 2 times without a result")
    assert matrix.seconds[2] == 0.0


@pytest.mark.parametrize(("deadline", "least", "reached"), [(0.0, 0, 0), (0.0, 2, 2), (5.0, 2, 5), (99.0, 0, 12)])
def test_a_score_matrix_has_the_networks_that_were_reached(
    condition: Condition, monkeypatch: pytest.MonkeyPatch, deadline: float, least: int, reached: int
) -> None:
    clock = Clock(monkeypatch)
    kept: list[str] = []
    matrix = score_networks(
        [Proxy.of("params")], condition, HEALTHY, keep=lambda name, _: kept.append(name), deadline=deadline, least=least
    )
    assert matrix.architectures == HEALTHY[:reached] == tuple(kept) == tuple(clock.built)
    assert matrix.values().shape == (1, reached)


def test_messages_count_networks_by_kind() -> None:
    left_out = {
        "a": "it failed: ValueError: 3: 4",
        "b": "it was not reached in time",
        "c": "it failed: KeyError: 1",
        "d": "it failed: ValueError: 5",
        "e": "it was not reached in time",
    }
    assert left_out_messages(left_out, 9, "full") == [
        "2 of 9 networks (full) are left out, the first: a, because it failed: ValueError: 3: 4",
        "2 of 9 networks (full) are left out, the first: b, because it was not reached in time",
        "1 of 9 networks (full) is left out: c, because it failed: KeyError: 1",
    ]
