from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from eznas.errors import InputError
from eznas.measures import MEASURES, Measure
from eznas.minibatch import load_minibatch
from eznas.primitives import Kind
from eznas.programs import evaluate, parse, reductions
from eznas.progress import Progress
from eznas.scoring import (
    SERIAL,
    Captures,
    Condition,
    MemoryPlan,
    Panel,
    Proxy,
    core_count,
    local_executor,
    score_networks,
)
from eznas.scoring.executor import SerialExecutor
from eznas.scoring.vector_store import VectorStore
from eznas.spaces import SPACES, Fidelity
from eznas.status import Status

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = [
    parse("mean(frobenius_norm(sigmoid(logdet(sign(input_grad.data)))))"),
    parse("add(sum(effective_rank(weight_grad.loss)), max(mean(abs(norm_out.noise))))"),
    parse("sum(mul(mean(conv_in.perturbed), mean_square(image_grad.data)))"),
]


@pytest.fixture(scope="module")
def condition() -> Condition:
    fidelity = Fidelity("tiny", cells=1, channels=4, pixels=8, batch=6)
    return Condition.of("nasbench201", fidelity, 3, load_minibatch("digits", 8, pixels=16))


@pytest.fixture(scope="module")
def architectures() -> list[str]:
    rng = random.Random(2)
    return [SPACES["nasbench201"].sample(rng) for _ in range(6)]


def test_a_condition_cuts_the_minibatch_to_its_fidelity(condition: Condition) -> None:
    assert condition.minibatch.images.shape == (6, 3, 8, 8)
    assert str(condition) == "tiny, seed 3, 6 images of digits"


def test_networks_repeat_and_depend_on_the_seed(condition: Condition, architectures: list[str]) -> None:
    other = Condition(condition.space, condition.fidelity, 4, condition.minibatch)
    first, again = (condition.network(architectures[0]).state_dict() for _ in range(2))
    different = other.network(architectures[0]).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], different[key]) for key in first)


class Counting(Progress):
    """Counts steps."""

    def __init__(self) -> None:
        self.steps = 0

    def advance(self) -> None:
        self.steps += 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_panel_gives_what_each_network_alone_gives(
    condition: Condition, architectures: list[str], workers: int
) -> None:
    panel, progress = Panel(condition, architectures, executor=local_executor(workers)), Counting()
    finite = panel.extend(reductions(PROGRAMS), progress)
    assert progress.steps == len(architectures)
    assert finite == [True] * len(reductions(PROGRAMS))
    got = panel.table.scores(PROGRAMS)
    for column, architecture in enumerate(architectures):
        alone = evaluate(PROGRAMS, condition.network(architecture), condition.minibatch)
        np.testing.assert_allclose(got[:, column], [score.value for score in alone], rtol=1e-6)


def test_a_panel_does_not_visit_for_what_it_knows(condition: Condition, architectures: list[str]) -> None:
    panel = Panel(condition, architectures[:2])
    panel.extend(reductions(PROGRAMS))
    progress = Counting()
    panel.extend(reductions(PROGRAMS), progress)
    assert progress.steps == 0
    panel.table.forget(reductions(PROGRAMS[:1]))
    panel.extend(reductions(PROGRAMS), progress)
    assert progress.steps == 2


def test_what_was_evaluated_before_does_not_change_a_value(condition: Condition, architectures: list[str]) -> None:
    together, apart = Panel(condition, architectures), Panel(condition, architectures)
    together.extend(reductions(PROGRAMS))
    for reduction in reversed(reductions(PROGRAMS)):
        apart.extend([reduction])
    assert np.array_equal(together.table.scores(PROGRAMS), apart.table.scores(PROGRAMS), equal_nan=True)


def test_a_panel_without_vectors_cannot_score(condition: Condition, architectures: list[str]) -> None:
    with pytest.raises(ValueError, match="must hold the programs' reductions"):
        Panel(condition, architectures).table.scores(PROGRAMS)


def test_measures_and_programs_are_scored_side_by_side(condition: Condition, architectures: list[str]) -> None:
    proxies = [Proxy.of("params"), Proxy("mine", PROGRAMS[0].text), Proxy.of("eznas_a")]
    matrix = score_networks(proxies, condition, architectures)
    values = matrix.values()
    assert values.shape == (3, 6)
    np.testing.assert_array_equal(values[1], values[2])
    network = condition.network(architectures[0])
    assert values[0, 0] == sum(parameter.numel() for parameter in network.parameters())
    assert matrix.statuses(0) == {Status.OK: 6}
    assert len(matrix.seconds) == 6


def test_a_failure_is_a_status_and_never_a_number(
    condition: Condition, architectures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def moody(network: nn.Module, _: object) -> float:
        if any(True for name, _ in network.named_modules() if "edges.0_1.conv" in name):
            raise TypeError("no convolutions, please")
        return float("nan")

    monkeypatch.setitem(MEASURES._records, "moody", Measure("moody", "none", "none", frozenset(), function=moody))
    none = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    conv = none.replace("none~0|+", "nor_conv_3x3~0|+", 1)
    (row,) = score_networks([Proxy("moody", measure="moody")], condition, [none, conv, "|nonsense|"]).scores
    assert [score.status for score in row] == [Status.NON_FINITE, Status.EXCEPTION, Status.EXCEPTION]
    assert "no convolutions, please" in row[1].detail
    assert "nonsense" in row[2].detail
    assert all(np.isnan(score.value) for score in row)


@pytest.mark.parametrize(("text", "reason"), [("paramz", "did you mean 'params'"), ("sum(weight)", "sum")])
def test_what_is_neither_measure_nor_program_is_refused(text: str, reason: str) -> None:
    if text == "sum(weight)":
        text, reason = "sum(weight))", "\\)"
    with pytest.raises(InputError, match=reason):
        Proxy.of(text)


def test_results_come_from_one_thread_each_and_the_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    words = ["a", "bb", "ccc", "dddd"]
    for workers in (1, 2):
        assert sorted(local_executor(workers).map(_threads, words)) == [(word, 1) for word in words]
    assert torch.get_num_threads() == before


def _threads(_: str) -> int:
    return torch.get_num_threads()


def test_no_workers_means_one_a_core() -> None:
    assert local_executor(3).workers == 3
    assert local_executor(0).workers == core_count() == len(os.sched_getaffinity(0))
    assert SERIAL.workers == 1


def test_a_panel_takes_from_the_store_what_another_left_there(
    condition: Condition, architectures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VectorStore(tmp_path / "vectors.sqlite") as store:
        first = Panel(condition, architectures[:3], store)
        first.extend(reductions(PROGRAMS))
        visited: list[str] = []
        network = Condition.network

        def watched(self: Condition, architecture: str) -> nn.Module:
            visited.append(architecture)
            return network(self, architecture)

        monkeypatch.setattr(Condition, "network", watched)
        second = Panel(condition, architectures[:4], store)
        second.extend(reductions(PROGRAMS))
        assert visited == [architectures[3]]
        assert second.table.scores(PROGRAMS)[:, :3].tobytes() == first.table.scores(PROGRAMS).tobytes()
        other = Panel(Condition(condition.space, condition.fidelity, 4, condition.minibatch), architectures[:1], store)
        other.extend(reductions(PROGRAMS))
        assert len(visited) == 2  # another initialisation is another network


def test_statistics_that_are_kept_are_not_captured_again_and_change_nothing(
    condition: Condition, architectures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, kept = Panel(condition, architectures[:3]), Captures(2**26)
    plain.extend(reductions(PROGRAMS))
    keeping = Panel(condition, architectures[:3], executor=SerialExecutor(captures=kept))
    for reduction in reductions(PROGRAMS):
        keeping.extend([reduction])
    assert keeping.table.scores(PROGRAMS).tobytes() == plain.table.scores(PROGRAMS).tobytes()
    assert 0 < kept.bytes < 2**26
    monkeypatch.setattr(Condition, "network", None)  # which is not built any more
    keeping.extend(reductions([parse("sum(mean(abs(neg(norm_out.noise))))")]))


def test_what_does_not_fit_is_not_kept(condition: Condition, architectures: list[str]) -> None:
    kept = Captures(1000)
    panel = Panel(condition, architectures[:2], executor=SerialExecutor(captures=kept))
    panel.extend(reductions(PROGRAMS))
    assert kept.bytes <= 1000
    plain = Panel(condition, architectures[:2])
    plain.extend(reductions(PROGRAMS))
    assert panel.table.scores(PROGRAMS).tobytes() == plain.table.scores(PROGRAMS).tobytes()


def test_little_memory_changes_no_value(condition: Condition, architectures: list[str]) -> None:
    wide, narrow = (
        Panel(condition, architectures[:3]),
        Panel(condition, architectures[:3], executor=SerialExecutor(300_000)),
    )
    for panel in (wide, narrow):
        panel.extend(reductions(PROGRAMS))
    assert narrow.table.scores(PROGRAMS).tobytes() == wide.table.scores(PROGRAMS).tobytes()
    network = condition.network(architectures[0])
    expected = evaluate(PROGRAMS, network, condition.minibatch)
    assert evaluate(PROGRAMS, network, condition.minibatch, memory=300_000) == expected


def test_screening_spares_visits_to_what_is_undefined_at_once(condition: Condition, architectures: list[str]) -> None:
    good, bad = (parse(text, Kind.UNIT) for text in ("mean(norm_out.data)", "mean(log(neg(abs(norm_out.data))))"))
    panel = Panel(condition, architectures)
    finite = panel.extend([good, bad], screen=True)
    assert finite == [True, False]
    plain = Panel(condition, architectures)
    assert plain.extend([good, bad]) == finite
    program = parse("sum(mean(norm_out.data))")
    assert panel.table.scores([program]).tobytes() == plain.table.scores([program]).tobytes()
    assert np.isnan(panel.table.scores([parse("sum(mean(log(neg(abs(norm_out.data)))))")])).all()


def test_of_reductions_that_are_equal_by_the_rules_one_is_evaluated(
    condition: Condition, architectures: list[str]
) -> None:
    panel = Panel(condition, architectures[:2])
    first, second = (parse(text, Kind.UNIT) for text in ("l1(norm_out.data)", "mean(abs(neg(norm_out.data)))"))
    progress = Counting()
    panel.extend([first], progress)
    panel.extend([second], progress)
    assert progress.steps == 2
    alone = Panel(condition, architectures[:2])
    alone.extend([second])
    program = [parse("sum(mean(abs(neg(norm_out.data))))")]
    assert panel.table.scores(program).tobytes() == alone.table.scores(program).tobytes()


def test_memory_is_shared_out_among_processes() -> None:
    alone, both = MemoryPlan.of(4 * 2**30, 1), MemoryPlan.of(4 * 2**30, 2)
    assert alone.captures is not None
    assert both.captures is None
    assert 2 * both.per_call < 4 * 2**30 - 3 * 2**28
    with pytest.raises(InputError, match=r"memory must be at least .*G for 8 processes, got 1\.00G"):
        MemoryPlan.of(2**30, 8)
    assert MemoryPlan.of(2**30, 0).workers >= 1
