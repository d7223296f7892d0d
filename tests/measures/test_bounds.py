"""A bound of a parameter or of a norm is no activation."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture.call import Call
from eznas.capture.elementwise import Elementwise
from eznas.capture.function import Step
from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = sample_minibatch(4, 8)
NAMES = ["naswot", "swap", "near"]
WAYS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "number": (lambda x, scale: x * scale[0, 0].clamp(max=100), lambda x, scale: x * scale[0, 0]),
    "parameter": (lambda x, scale: x * scale.clamp(max=4.6).exp(), lambda x, scale: x * scale.exp()),
    "computed": (lambda x, scale: x * (scale * 2).clamp(max=4.6), lambda x, scale: x * (scale * 2)),
    "norm": (
        lambda x, _: x / x.norm(dim=1, keepdim=True).clamp(min=1e-12),
        lambda x, _: functional.normalize(x, eps=1e-12),
    ),
    "squares": (
        lambda x, _: x / x.pow(2).sum(1, keepdim=True).sqrt().clamp(min=1e-12),
        lambda x, _: functional.normalize(x, eps=1e-12),
    ),
}


class Bounded(nn.Module):
    """Applies a function to the features and a parameter."""

    def __init__(self, apply: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.stem, self.scale, self.head = nn.Linear(192, 12), nn.Parameter(torch.ones(4, 1)), nn.Linear(12, 10)
        self.apply_to = apply

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.apply_to(torch.relu(self.stem(x.flatten(1))), self.scale))
        return out


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_bound_of_a_parameter_or_a_norm_is_no_activation(way: str) -> None:
    bounded, plain = (measure(construct(lambda one=one: Bounded(one)), BATCH, NAMES) for one in WAYS[way])  # type: ignore[misc]
    for name in NAMES:
        assert plain[name].ok
        assert bounded[name].value == pytest.approx(plain[name].value, rel=1e-5), name


def test_a_bound_of_features_is_an_activation() -> None:
    bounded = measure(construct(lambda: Bounded(lambda x, _: (x - 0.1).clamp(min=0))), BATCH, NAMES)
    plain = measure(construct(lambda: Bounded(lambda x, _: functional.relu(x - 0.1))), BATCH, NAMES)
    assert bounded == plain


def test_an_activation_of_a_number_has_no_pattern() -> None:
    gated = measure(construct(lambda: Bounded(lambda x, scale: x * scale[0, 0].tanh())), BATCH, ["naswot"])
    plain = measure(construct(lambda: Bounded(lambda x, _: x)), BATCH, ["naswot"])
    assert gated == plain


def test_a_tensor_in_the_place_of_a_mask_is_no_mask() -> None:
    features, freed, later = torch.ones(3), torch.ones(3), torch.ones(3)
    elementwise = Elementwise(lambda *_: False)
    of_features = Step(weakref.ref(freed), 0, source=elementwise.step(features), flat=True)
    elementwise._steps.update({id(tensor): of_features for tensor in (freed, later)})
    assert elementwise.step(freed).source is elementwise.step(features)
    assert elementwise.step(later).sources() == [elementwise.step(later)]
    function = elementwise.function(Call(Tensor.double, (later,), None))
    assert function is not None
    assert (function.source, function.flat) == (elementwise.step(later), False)
