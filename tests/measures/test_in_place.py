"""Networks that overwrite tensors have the values of their twins that do not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import capture
from eznas.minibatch import Minibatch
from eznas.networks import construct, initialise
from eznas.passes.linearised import linearised_gradients
from eznas.primitives import STATISTICS
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable


class PreActivated(nn.Module):
    """A block whose shortcut reads what its normalisation is given."""

    def __init__(self, *, inplace: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.normalise = nn.BatchNorm2d(4)
        self.activate = nn.ReLU(inplace=inplace)
        self.main = nn.Conv2d(4, 4, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = -self.stem(x)  # so that an activation changes something
        out: Tensor = x + self.main(self.activate(self.normalise(x)))
        return out.mean((2, 3))


@pytest.mark.parametrize("normalised", [True, False])
def test_an_activation_in_place_is_an_activation(*, normalised: bool) -> None:
    found = []
    for inplace in (False, True):
        network = PreActivated(inplace=inplace)
        initialise(network, 0)
        found.append(linearised_gradients(network, torch.ones(1, 3, 8, 8), normalised=normalised))
    for (weight, gradient), (weight_in_place, gradient_in_place) in zip(*found, strict=True):
        torch.testing.assert_close(weight_in_place, weight)
        torch.testing.assert_close(gradient_in_place, gradient)


BATCH = sample_minibatch(4, 8)
MEASURES_OF_HOOKS = [
    *("activation_distance", "attention_importance", "az_expressivity", "az_trainability", "dss", "depth", "fisher"),
    *("head_confidence", "jacob_cov", "meco", "naswot", "near", "ntk_condition", "snip", "softmax_confidence"),
    *("swap", "synaptic_saliency", "synflow", "synflow_bn", "v_pca", "zen"),
]
READ = [name for name in STATISTICS if not name.startswith("image")]


class Function(nn.Module):
    """A function in a block between two convolutions, or between two layers on tokens."""

    def __init__(self, function: Callable[..., Tensor], *, inplace: bool, tokens: bool = False) -> None:
        super().__init__()
        self.function, self.inplace, self.tokens = function, inplace, tokens
        self.first = nn.Linear(6, 8) if tokens else nn.Conv2d(6, 8, 3, padding=1)
        self.second = nn.Linear(8, 8) if tokens else nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        shortcut = x.clone()
        out: Tensor = self.second(self.function(x, self.inplace))
        return shortcut + out


class Stack(nn.Module):
    def __init__(self, function: Callable[..., Tensor], *, inplace: bool, tokens: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(Function(function, inplace=inplace, tokens=tokens), *following)
            for following in ([nn.Linear(8, 6) if tokens else nn.Conv2d(8, 6, 1)], [])
        )
        self.head, self.tokens = nn.Linear(8, 10), tokens

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = functional.avg_pool2d(x, 2).flatten(2).mT if self.tokens else x
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(x.mean(1) if self.tokens else x.mean((2, 3)))
        return out


def changed(x: Tensor, function: str, *args: object, inplace: bool) -> Tensor:
    """Run a method of a tensor, or its form in place."""
    out: Tensor = getattr(x, f"{function}_" if inplace else function)(*args)
    return out


def normalised(norm: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda x, inplace: changed(norm(x), "relu", inplace=inplace)


def scaled(x: Tensor, inplace: bool) -> Tensor:
    x = functional.layer_norm(x, (8,))
    return changed(changed(x, "mul", 1.5, inplace=inplace), "tanh", inplace=inplace)


def view_of_norm(x: Tensor, inplace: bool) -> Tensor:
    rows = functional.instance_norm(x).flatten(2)
    return changed(rows, "relu", inplace=inplace).view_as(x)


def view_before_activation(x: Tensor, inplace: bool) -> Tensor:
    return changed(functional.silu(x.flatten(2), inplace), "add", 2, inplace=inplace).view_as(x)


def view_of_activation(x: Tensor, inplace: bool) -> Tensor:
    x = functional.hardtanh(x)
    return changed(x.view(len(x), -1), "mul", 0.5, inplace=inplace).view_as(x)


def activation_of_slice(x: Tensor, inplace: bool) -> Tensor:
    left, right = x.flatten(2)[:, :, :32], x.flatten(2)[:, :, 32:]
    left = functional.leaky_relu(left, 0.1, inplace=inplace)
    return torch.cat([left, right], 2).view_as(x)


def gate_by_hand(x: Tensor, inplace: bool) -> Tensor:
    x = x.mT
    return changed(x, "mul", (x.detach() > 0), inplace=inplace).mT


def norm_by_hand(x: Tensor, inplace: bool) -> Tensor:
    x = x.flatten(0, 1)
    x = changed(x * 1.5, "sub", x.mean(-1, keepdim=True), inplace=inplace)
    x = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return changed(x.view(4, 16, 8), "relu", inplace=inplace)


def attention(x: Tensor, inplace: bool) -> Tensor:
    heads = x.unflatten(-1, (2, 4)).transpose(1, 2)
    scores = changed(heads @ heads.mT, "div", 2, inplace=inplace)
    mask = torch.ones(16, 16, dtype=torch.bool).triu(1)
    scores = changed(scores, "masked_fill", mask, float("-inf"), inplace=inplace)
    maps = scores.softmax(-1).flatten(0, 1)
    values = heads.flatten(0, 1)
    out = changed(maps @ values, "add", 1, inplace=inplace)
    return changed(out.unflatten(0, (4, 2)).transpose(1, 2).flatten(2), "relu", inplace=inplace)


def base_read(x: Tensor, inplace: bool) -> Tensor:
    x = x * 2
    rows = changed(x.view(-1), "relu", inplace=inplace)
    return x if inplace else rows.view_as(x)


CASES: dict[str, tuple[Callable[..., Tensor], bool]] = {
    "batch norm": (
        normalised(partial(functional.batch_norm, running_mean=None, running_var=None, training=True)),
        False,
    ),
    "group norm": (normalised(partial(functional.group_norm, num_groups=2)), False),
    "instance norm": (normalised(functional.instance_norm), False),
    "layer norm": (normalised(partial(functional.layer_norm, normalized_shape=(8,))), True),
    "rms norm": (normalised(partial(functional.rms_norm, normalized_shape=(8,))), True),
    "scaled": (scaled, True),
    "view of norm": (view_of_norm, False),
    "view before activation": (view_before_activation, False),
    "view of activation": (view_of_activation, False),
    "activation of slice": (activation_of_slice, False),
    "gate by hand": (gate_by_hand, True),
    "norm by hand": (norm_by_hand, True),
    "attention": (attention, True),
    "base read": (base_read, False),
}


@pytest.mark.parametrize("case", CASES)
def test_an_overwritten_tensor_has_the_values_and_gradients_of_its_twin(case: str) -> None:
    function, tokens = CASES[case]
    twin, network = (construct(partial(Stack, function, inplace=inplace, tokens=tokens)) for inplace in (False, True))
    expected, found = (measure(one, BATCH, MEASURES_OF_HOOKS) for one in (twin, network))
    for name, score in expected.items():
        assert found[name] == score or not (score.ok or found[name].ok), (name, score, found[name])
    assert sum(score.ok for score in expected.values()) >= 12
    if case == "base read":  # units are not followed from a view to its base
        return
    left, right = (capture(one, BATCH, READ, units="any") for one in (twin, network))
    assert left.units == right.units
    for one, other in zip(left.groups, right.groups, strict=True):
        for name, tensors in one.tensors.items():
            assert all(map(torch.equal, tensors, other.tensors[name])), name


def test_the_last_maps_are_those_before_a_view_of_them_is_overwritten() -> None:
    scores = []
    for inplace in (False, True):
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.ReLU(inplace), nn.Linear(144, 10))
        scores.append(measure(network, BATCH, ["zen"])["zen"])
    assert scores[0].ok
    assert scores[0] == scores[1]


class Words(nn.Module):
    """Looks up words and adds their positions."""

    def __init__(self, *, inplace: bool) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(9, 8), nn.Parameter(torch.ones(5, 8))
        self.wide, self.head, self.inplace = nn.Linear(8, 8), nn.Linear(8, 3), inplace

    def forward(self, tokens: Tensor) -> Tensor:
        x = changed(self.words(tokens), "add", self.positions, inplace=self.inplace)
        out: Tensor = self.head(changed(self.wide(x), "relu", inplace=self.inplace).mean(1))
        return out


def test_embeddings_are_those_before_positions_are_added() -> None:
    batch = Minibatch(torch.arange(20).view(4, 5) % 9, torch.arange(4) % 3, 3, "test")
    twin, network = (construct(partial(Words, inplace=inplace)) for inplace in (False, True))
    names = ["fisher", "jacob_cosine", "near", "snip", "swap", "synflow"]
    assert measure(twin, batch, names) == measure(network, batch, names)
    left, right = (capture(one, batch, READ) for one in (twin, network))
    assert left.units == right.units
    for one, other in zip(left.groups, right.groups, strict=True):
        for name, tensors in one.tensors.items():
            assert all(map(torch.equal, tensors, other.tensors[name])), name


def test_numbers_and_complements_overwrite_nothing() -> None:
    class Read(nn.Module):
        def __init__(self, *, number: bool) -> None:
            super().__init__()
            self.conv, self.head, self.number = nn.Conv2d(3, 4, 3), nn.Linear(4, 10), number

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x).sigmoid()
            if self.number:
                assert [0, 1][int(x[0, 0, 0, 0])] == 0
                assert (~x.argmax(1)[0]).max() < 0
            out: Tensor = self.head(x.mean((2, 3)))
            return out

    twin, network = (construct(partial(Read, number=number)) for number in (False, True))
    names = ["snip", "grad_norm", "grasp", "sum(mean(conv_out_grad.data))"]
    expected = measure(twin, BATCH, names)
    assert all(score.ok for score in expected.values()), expected
    assert measure(network, BATCH, names) == expected
