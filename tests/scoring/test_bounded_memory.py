"""Bounds on memory, tested by counting the bytes of the tensors that live at once."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from eznas.capture.record import flattened
from eznas.measures import MEASURES
from eznas.minibatch import load_minibatch
from eznas.passes.bounded_passes import BoundedPasses
from eznas.passes.network_passes import NetworkPasses
from eznas.passes.parts import PARTS, PassBytes
from eznas.programs import BoundedReductions, evaluate, parse, reductions
from eznas.scoring.matrix import Proxy, score_network
from eznas.scoring.measure_memory import plan_measures
from eznas.scoring.score_many import score_measures
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

BATCH = load_minibatch("digits", 8, pixels=16)
UNITS, CHANNELS = 8, 12
MAP = 4 * 8 * CHANNELS * 16 * 16
"""Bytes of the output of a unit."""


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that functions of torch make and that live at once.

    Attributes:
        most: The most bytes.
        now: The bytes now.
    """

    def __init__(self) -> None:
        super().__init__()
        self.most = self.now = 0
        self._uses: Counter[int] = Counter()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in flattened((out,), {}):
            if isinstance(tensor, Tensor):
                memory, size = tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()
                self.now += 0 if self._uses[memory] else size
                self._uses[memory] += 1
                self.most = max(self.most, self.now)
                weakref.finalize(tensor, self._release, memory, size)
        return out

    def _release(self, memory: int, size: int) -> None:
        self._uses[memory] -= 1
        self.now -= 0 if self._uses[memory] else size


runs: list[int] = []
"""One entry for each forward pass of a ``Chain``."""


class Chain(nn.Module):
    """Units of one shape, some beside a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.convs = nn.ModuleList([nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(UNITS)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(CHANNELS) for _ in range(UNITS)])
        self.head = nn.Linear(CHANNELS, 10)
        self.register_forward_pre_hook(lambda *_: runs.append(1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for place, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            out = norm(conv(torch.relu(x)))
            x = x + out if place % 2 else out
        return self.head(torch.relu(x).mean((2, 3)))


PROGRAM = (
    "sum(add(add(add(l1(input.noise), mean(logdet(conv_out.data))), "
    "add(nuclear_norm(norm_out.perturbed), hamming_distance(conv_in.data, conv_in.noise))), "
    "add(add(sum_abs(mul(conv_out.data, conv_out_grad.loss)), effective_rank(weight_grad.loss)), "
    "add(lp_norm(input_grad.loss, 3), entropy(softmax(conv_in_grad.loss))))))"
)


def counted(compute: Callable[[], Any]) -> tuple[Any, int, int]:
    """Return a result, the most bytes, and the number of forward passes.

    No cycle of references is collected meanwhile, so the bytes do not depend on when that happens.
    """
    runs.clear()
    gc.collect()
    gc.disable()
    try:
        with LiveBytes() as live:
            result = compute()
    finally:
        gc.enable()
    return result, live.most, len(runs)


@pytest.mark.parametrize(("maps", "factor"), [(20, 9), (36, 3)])
def test_a_program_keeps_to_the_memory_in_few_passes(maps: int, factor: int) -> None:
    program, network = parse(PROGRAM), Chain()
    (expected,), whole, passes = counted(lambda: evaluate([program], network, BATCH))
    assert passes == 3
    assert whole > 3 * maps * MAP
    (score,), most, bounded = counted(lambda: evaluate([program], network, BATCH, memory=maps * MAP))
    assert score == expected
    assert most <= maps * MAP
    outlines = 3  # passes of two images
    assert bounded - outlines <= factor * passes


def test_nothing_of_a_pass_is_kept_after_it() -> None:
    bounded = BoundedReductions(reductions([parse(PROGRAM)]), Chain(), BATCH, "auto", 20 * MAP)
    with LiveBytes() as live:
        bounded.evaluate()
        gc.collect()  # recorders, which refer to themselves
        assert live.now < MAP


MEASURED = ["near", "naswot", "grad_norm", "snip", "logsynflow", "meco", "jacob_cov"]


def test_measures_keep_to_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eznas.capture.heap._LARGE", 0)  # as for networks of hundreds of megabytes
    network, records = Chain(), [MEASURES[name] for name in MEASURED]
    expected, whole, _ = counted(lambda: score_measures(records, network, BATCH))
    assert all(score.ok for score in expected.values())
    memory = 20 * MAP
    assert whole > 1.5 * memory
    scores, most, passes = counted(lambda: score_measures(records, network, BATCH, memory=memory))
    assert scores == expected
    assert most <= memory
    assert passes <= 16  # passes of two images included


@pytest.mark.parametrize("name", ["near", "naswot", "grad_norm", "jacob_cov", "epe_nas", "az_expressivity", "meco"])
def test_bounded_passes_give_equal_values(name: str) -> None:
    record, network = MEASURES[name], Chain()
    assert record.from_passes is not None
    with NetworkPasses(network, BATCH, record.parts) as passes:
        expected = record.from_passes(passes)
    for graph in (4 * MAP, 100 * MAP):
        with BoundedPasses(graph, 2**30, network, BATCH, record.parts) as bounded:
            assert record.from_passes(bounded) == expected


def test_outputs_that_a_measure_names_are_kept_beside_a_function_of_outputs() -> None:
    with NetworkPasses(Chain(), BATCH, ["outputs"]) as passes:
        expected = [out.shape for out in passes.outputs()]
    with BoundedPasses(0, 2**30, Chain(), BATCH, ["map_outputs", "outputs"]) as bounded:
        assert [out.shape for out in bounded.outputs()] == expected
        assert bounded.map_outputs(lambda out: out.shape) == expected
    with BoundedPasses(0, 2**30, Chain(), BATCH, ["map_outputs"]) as mapped:
        assert mapped.recorder.outputs == []


def test_parts_without_a_graph_refuse_a_backward_pass() -> None:
    with BoundedPasses(0, 2**30, Chain(), BATCH, ["logits"]) as passes:
        logits = passes._forward().logits.sum()
        with pytest.raises(RuntimeError, match="no part that a measure names may run a backward pass"):
            logits.backward()


def test_measures_that_read_a_graph_again_run_alone() -> None:
    records = [MEASURES[name] for name in ("near", "naswot", "grad_norm", "snip", "fisher", "grasp", "params")]
    plan = plan_measures(records, Chain(), BATCH, 40 * MAP)
    assert [sorted(group.names) for group in plan.groups] == [["naswot", "near"], ["grad_norm", "snip"]]
    assert set(plan.refused) == {"fisher", "grasp"}
    assert plan.refused["grasp"].status is Status.MEMORY_LIMIT
    assert "for each process to compute grasp on 8 images, got" in plan.refused["grasp"].detail
    assert {*plan_measures(records, Chain(), BATCH, 2**30).groups[0].names} == {record.name for record in records}


@pytest.mark.parametrize(
    ("program", "maps"),
    [("mul(measure.grasp, measure.near)", 40), ("mul(measure.near, sum(l1(conv_out_grad.data)))", 8)],
)
def test_a_program_is_refused_before_anything_runs_on_all_images(program: str, maps: int) -> None:
    images: list[int] = []
    network = Chain()
    network.register_forward_pre_hook(lambda _, inputs: images.append(len(inputs[0])))
    (score,) = score_network([Proxy.of(program)], network, BATCH, maps * MAP)
    assert score.status is Status.MEMORY_LIMIT
    assert "memory must be at least" in score.detail
    assert set(images) == {2}


def test_every_part_states_its_memory() -> None:
    sizes = PassBytes(images=8, graph=80, outputs=40, largest=4, patterns=3, features=5, maps=0, weights=10)
    found = {part.name: part.bytes(sizes) for part in map(PARTS.__getitem__, PARTS)}
    assert found["logits"] == 0
    assert found["patterns"] == 3 + 4
    assert found["linearised"] == 2 * 80 / 8 + 4 * 10
    assert found["sample_logit_gradients"] == 2 * 8 * 10
