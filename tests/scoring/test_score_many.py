"""Many measures at once do not influence each other, whatever the caller's modes and the measures of users do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eznas.capture import CaptureError, capture
from eznas.measures import MEASURES
from eznas.measures import register_measure as register
from eznas.measures.snip import snip
from eznas.minibatch import Minibatch
from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import network_state, sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = sample_minibatch(4, 8)


def network(classes: int = 10) -> nn.Module:
    return construct(
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes),
        )
    )  # fmt: skip


def test_a_users_measure_draws_the_same_numbers_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MEASURES, "_records", {name: MEASURES[name] for name in MEASURES})
    register(name="drawn", paper="", formula="")(lambda *_: float(np.random.rand() + torch.rand(())))  # noqa: NPY002
    assert measure(network(), BATCH, ["drawn"]) == measure(network(), BATCH, ["drawn"])


def test_one_name_is_a_list_of_one() -> None:
    assert measure(network(), BATCH, "naswot") == measure(network(), BATCH, ["naswot"])


def test_l2_norm_sums_over_the_parameters_behind_a_computed_weight() -> None:
    given = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    score = measure(given, BATCH, ["l2_norm"])["l2_norm"]
    assert score.value == pytest.approx(sum(float(p.detach().norm()) for p in given.parameters() if p.dim() > 1))


def test_invalid_labels_cost_only_the_measures_that_read_them() -> None:
    scores = measure(network(2), BATCH, ["eznas_a", "eznas_top", "evolved_nb201", "snip", "naswot"])
    assert scores["eznas_a"] == measure(network(2), BATCH, ["eznas_a"])["eznas_a"]
    assert [name for name, score in scores.items() if not score.ok] == ["evolved_nb201", "snip"]
    assert "one number from 0 to 1" in scores["evolved_nb201"].detail


def test_an_inference_mode_of_the_caller_changes_no_score() -> None:
    given = network()
    expected = measure(given, BATCH)
    with torch.inference_mode():
        made = Minibatch(BATCH.images.clone(), BATCH.labels.clone(), 10, "test")
        found = [measure(given, minibatch) for minibatch in (BATCH, made)]
    assert repr(found) == repr([expected, expected])


@pytest.mark.parametrize("whole", [True, False])
def test_a_compiled_network_has_the_scores_of_the_original(whole: bool) -> None:
    plain, compiled = network(), network()
    plain(BATCH.images)
    if whole:
        compiled = torch.compile(compiled, backend="eager")  # type: ignore[assignment]
    else:
        compiled.compile(backend="eager")
    compiled(BATCH.images)
    before = network_state(compiled)
    assert repr(measure(compiled, BATCH)) == repr(measure(plain, BATCH))
    assert len(capture(compiled, BATCH, ["weight"]).units) == 1
    assert network_state(compiled) == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused_and_left_alone() -> None:
    inner = network()
    inner(BATCH.images)
    scripted = nn.Sequential(torch.jit.script(inner))
    before = [tensor.tolist() for tensor in (*inner.parameters(), *inner.buffers())]
    for refused in (lambda: capture(scripted, BATCH), lambda: snip(scripted, BATCH)):
        with pytest.raises(CaptureError, match=r"must be an eager torch\.nn\.Module, not TorchScript"):
            refused()
    score = measure(scripted, BATCH, ["l2_norm"])["l2_norm"]
    assert score.status is Status.EXCEPTION
    assert "must be an eager torch.nn.Module, not TorchScript" in score.detail
    assert [tensor.tolist() for tensor in (*inner.parameters(), *inner.buffers())] == before


def careless(given: nn.Module, minibatch: Minibatch) -> float:
    given.eval()
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    nn.functional.cross_entropy(given(minibatch.images), minibatch.labels).backward()  # type: ignore[no-untyped-call]
    return float(sum(one.grad.norm() for one in given.parameters() if one.grad is not None))


def destructive(given: nn.Module, minibatch: Minibatch) -> float:
    minibatch.images.zero_()
    for module in given.modules():
        if isinstance(module, nn.Conv2d):
            module.weight = nn.Parameter(torch.zeros_like(module.weight))
    for parameter in given.parameters():
        parameter.data.zero_()
        parameter.grad = None
        parameter.requires_grad_(False)
    raise RuntimeError("half way")


def patching(given: nn.Module, minibatch: Minibatch) -> float:
    del minibatch
    for module in list(given.modules()):
        if isinstance(module, nn.Conv2d):
            module.mask = nn.Parameter(torch.ones(1))
            module.forward = lambda _: torch.zeros(())  # type: ignore[assignment,method-assign]
            module.register_forward_hook(lambda *_: torch.zeros(()))
    given[0] = nn.Identity()  # type: ignore[operator]
    raise RuntimeError("half way")


@pytest.mark.parametrize("function", [careless, destructive, patching])
def test_a_users_measure_leaves_the_network_as_it_was(
    function: Callable[[nn.Module, Minibatch], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MEASURES, "_records", {name: MEASURES[name] for name in MEASURES})
    register(name="own", paper="", formula="")(function)
    given, images = network(), BATCH.images.clone()
    given(BATCH.images).sum().backward()
    before = network_state(given)
    scores = measure(given, BATCH, ["own", "l2_norm", "zen", "snip"])
    assert scores["own"].ok == (function is careless)
    assert scores["own"].status in (Status.OK, Status.EXCEPTION)
    assert network_state(given) == before
    assert torch.equal(BATCH.images, images)
    assert {name: scores[name] for name in ("l2_norm", "zen", "snip")} == measure(
        network(), BATCH, ["l2_norm", "zen", "snip"]
    )


def test_rounding_is_no_score_of_meco() -> None:
    class Tokens(nn.Module):
        """More channels than positions, so that their correlations are singular."""

        def __init__(self) -> None:
            super().__init__()
            self.embed, self.norm, self.head = nn.Conv2d(3, 24, 4, 4), nn.LayerNorm(24), nn.Linear(24, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.norm(self.embed(x).flatten(2).mT).mean(1))
            return out

    assert measure(construct(Tokens), BATCH, ["meco"])["meco"].value == 0
    assert measure(network(), BATCH, ["meco"])["meco"].value > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [(nn.Linear(2, 2, device="meta"), "on the meta device"), (nn.LazyLinear(2), "so that its lazy parameter")],
)
def test_a_network_without_values_has_a_status_on_every_device(given: nn.Module, message: str) -> None:
    for device in ("auto", "cpu"):
        score = measure(given, BATCH, ["snip"], device)["snip"]
        assert score.status is Status.EXCEPTION
        assert message in score.detail
