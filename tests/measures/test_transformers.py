"""Measures of transformers against naive implementations with modules of known names, and by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses
from eznas.measures.w_pca import components
from eznas.minibatch import Minibatch
from eznas.networks import construct, initialise
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

IDS = torch.randint(20, (4, 6), generator=torch.Generator().manual_seed(1))
BATCH = Minibatch(IDS, torch.tensor([0, 1, 2, 1]), 3, "test")
ADDITIVE = ["head_importance", "head_confidence", "softmax_confidence", "attention_importance", "activation_distance"]
ADDITIVE += ["synaptic_saliency", "v_pca", "w_pca", "jacob_cosine"]
OF_ATTENTION = {"head_importance", "head_confidence", "softmax_confidence", "attention_importance", "dss"}
OF_ATTENTION |= {"synaptic_diversity"}
NUCLEAR = ["dss", "synaptic_diversity"]


class Block(nn.Module):
    """A layer of a transformer with separate projections, whose attention is written in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.query, self.key, self.value, self.out = (nn.Linear(8, 8) for _ in range(4))
        self.first, self.second = nn.Linear(8, 12), nn.Linear(12, 8)
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(2))

    def attention(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(2, (2, 4)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        return self.attend(q, k, v)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.how == "softmax":
            self.maps = (q @ k.mT / 2).softmax(-1)
            self.heads = self.maps @ v
        else:
            self.heads = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(self.heads.transpose(1, 2).flatten(2))
        return out

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norms[0](x))
        self.hidden = self.first(self.norms[1](x))
        self.activated = functional.gelu(self.hidden)
        out: Tensor = x + self.second(self.activated)
        return out


class Fused(Block):
    """The same layer with one projection, as a module of torch or by hand."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        if how == "module":
            self.inner = nn.MultiheadAttention(8, 2, batch_first=True)
        else:
            self.qkv = nn.Linear(8, 24)

    def attention(self, x: Tensor) -> Tensor:
        if self.how == "module":
            return self.inner(x, x, x, need_weights=False)[0]
        q, k, v = self.qkv(x).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        return self.attend(q, k, v)


class Normalised(nn.Module):
    """A gated block and a ReLU between RMS normalisations, which are written in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.table, self.gate, self.up, self.down = nn.Embedding(20, 8), *(nn.Linear(8, 8) for _ in range(3))
        self.first, self.second, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def norm(self, x: Tensor) -> Tensor:
        squares: dict[str, Callable[[], Tensor]] = {
            "pow": lambda: x.pow(2), "square": x.square, "product": lambda: x * x, "float": lambda: x.float().pow(2),
        }  # fmt: skip
        if self.how == "torch":
            return functional.rms_norm(x, (8,), eps=1e-6)
        return x * torch.rsqrt(squares[self.how]().mean(-1, keepdim=True) + 1e-6)

    def forward(self, ids: Tensor) -> Tensor:
        x = ids if ids.is_floating_point() else self.table(ids)
        gated = self.norm(x)
        x = x + self.down(functional.silu(self.gate(gated)) * self.up(gated))
        x = x + self.second(self.norm(functional.relu(self.first(self.norm(x)))))
        out: Tensor = self.head(x.mean(1))
        return out


class Transformer(nn.Module):
    def __init__(self, kind: Any, how: str) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.blocks = nn.ModuleList(kind(how) for _ in range(2))
        self.head = nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = ids if ids.is_floating_point() else self.table(ids)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(x.mean(1))
        return out


def transformer(kind: Any = Block, how: str = "softmax") -> Transformer:
    """Return a network; those of all kinds have the same weights."""
    plain = construct(lambda: Transformer(Block, "softmax"))
    initialise(plain, 4)
    network = construct(lambda: Transformer(kind, how))
    network.load_state_dict(plain.state_dict(), strict=False)
    if kind is Fused:
        for block, own in zip(network.blocks, plain.blocks, strict=True):
            layers = (own.query, own.key, own.value)
            weight = torch.cat([layer.weight for layer in layers]).detach()
            bias = torch.cat([layer.bias for layer in layers]).detach()
            inside = block.inner if how == "module" else block.qkv
            names = ("in_proj_weight", "in_proj_bias") if how == "module" else ("weight", "bias")
            for name, values in zip(names, (weight, bias), strict=True):
                setattr(inside, name, nn.Parameter(values))
            if how == "module":
                inside.out_proj.load_state_dict(own.out.state_dict())
            for unused in ("query", "key", "value", *(("out",) if how == "module" else ())):
                delattr(block, unused)
    return network


def values(names: list[str], network: nn.Module, batch: Any = BATCH) -> dict[str, float]:
    scores = measure(network, batch, names)
    assert all(score.ok for score in scores.values()), scores
    return {name: score.value for name, score in scores.items()}


def nuclear(matrix: Tensor) -> float:
    return float(torch.linalg.svdvals(matrix.double()).sum())


def test_the_formulas_of_serianni_and_kalita() -> None:
    """As in their released code: modules by name, and the gradients of the summed outputs."""
    network = transformer()
    projected: list[Tensor] = []
    handles = [
        layer.register_forward_hook(lambda _, __, out: projected.append(out))
        for block in network.blocks
        for layer in (block.query, block.key, block.value)
    ]
    network(IDS).sum().backward()
    for handle in handles:
        handle.remove()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    diversity = importance = saliency = 0.0
    for number, block in enumerate(network.blocks):
        for layer in ("query", "key", "value", "out", "first", "second"):
            weight = getattr(block, layer).weight.detach()
            gradient = gradients[f"blocks.{number}.{layer}.weight"]
            assert gradient is not None
            if layer in ("first", "second"):
                saliency += float((weight * gradient).abs().sum())
            else:
                diversity += nuclear(weight) * nuclear(gradient)
            if layer in ("query", "key", "value"):
                importance += float((weight * gradient).abs().sum())
    distance = 0.0
    for block in network.blocks:
        for sample in block.activated.detach():
            x = (sample > 0).float()
            distance += float((x @ x.t() + (1 - x) @ (1 - x.t())).sum()) / 4
    network.zero_grad()
    found = values([*ADDITIVE, *NUCLEAR], network)
    assert found["synaptic_diversity"] == pytest.approx(diversity, rel=1e-5)
    assert found["head_importance"] == pytest.approx(importance, rel=1e-5)
    assert found["synaptic_saliency"] == pytest.approx(saliency, rel=1e-5)
    assert found["activation_distance"] == pytest.approx(distance, rel=1e-6)
    confidence = sum(float(out.detach().max(1)[0].mean()) for out in projected)
    assert found["head_confidence"] == pytest.approx(confidence, rel=1e-5)
    assert found["softmax_confidence"] == pytest.approx(
        sum(float(block.maps.detach().max(-1)[0].mean()) for block in network.blocks), rel=1e-5
    )


def test_the_importance_of_michel() -> None:
    """The derivative of each sample's loss with respect to a factor of each head."""
    network = transformer()
    total = 0.0
    for row in range(4):
        loss = functional.cross_entropy(network(IDS[row : row + 1]), BATCH.labels[row : row + 1])
        heads = [block.heads for block in network.blocks]
        for head, gradient in zip(heads, torch.autograd.grad(loss, heads), strict=True):
            total += float((head.detach() * gradient).sum((0, 2, 3)).abs().sum()) / 4
    assert values(["attention_importance"], network)["attention_importance"] == pytest.approx(total, rel=1e-5)


def test_the_indicator_of_tf_tas() -> None:
    """As in its released code: absolute weights, an input of ones, and layers by name."""
    network = transformer()
    expected = 0.0
    absolute = transformer().double()
    with torch.no_grad():
        for parameter in absolute.parameters():
            parameter.abs_()
    absolute(torch.ones(1, 6, 8, dtype=torch.float64)).sum().backward()
    for name, parameter in absolute.named_parameters():
        if name.endswith(("query.weight", "key.weight", "value.weight", "out.weight")):
            expected += nuclear(parameter.detach()) * nuclear(parameter.grad)
        elif name.endswith(("first.weight", "second.weight", "head.weight")):
            expected += float((parameter.detach() * parameter.grad).abs().sum())
    assert values(["dss"], network)["dss"] == pytest.approx(expected, rel=1e-6)


def test_principal_components() -> None:
    network = transformer()
    network(IDS)
    expected = 0
    for block in network.blocks:
        rows = block.hidden.detach().double().flatten(0, 1)
        variances = torch.linalg.svdvals(rows - rows.mean(0)).square()
        share, count = 0.0, 0
        while share <= 0.99:
            share += float(variances[count] / variances.sum())
            count += 1
        expected += count
    found = values(["v_pca", "w_pca"], network)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert found == {"v_pca": expected, "w_pca": parameters * expected}
    rows = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 0.2, 0], [0, -0.2, 0]])  # variances 1 and .04
    assert components(rows) == 2
    assert components(rows * torch.tensor([1.0, 0.4, 1.0])) == 1  # .0064 of 1.0064
    assert components(torch.cat([rows, rows.new_zeros(4, 9)], 1)) == 2  # more columns than rows
    with pytest.raises(UndefinedError, match="must vary"):
        components(torch.ones(3, 2))


def test_cosines_by_hand() -> None:
    class Weighted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            angle = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]])
            return (x * angle[: len(x)]).sum(1, keepdim=True)

    data = (torch.ones(3, 2), torch.zeros(3, dtype=torch.int64))
    expected = 1 - (2 * 0.6**0.05 + 2 * 0.8**0.05) / 2 / 6
    assert values(["jacob_cosine"], Weighted(), data)["jacob_cosine"] == pytest.approx(expected)
    score = measure(Weighted(), (data[0][:1], data[1][:1]), "jacob_cosine")["jacob_cosine"]
    assert "two images" in score.detail


def test_uniform_attention_has_the_confidence_of_chance() -> None:
    network = transformer(how="sdpa")
    with torch.no_grad():
        for block in network.blocks:
            block.query.weight.zero_()
            block.query.bias.zero_()
    assert values(["softmax_confidence"], network)["softmax_confidence"] == pytest.approx(2 / 6)


@pytest.mark.parametrize(("kind", "how"), [(Block, "sdpa"), (Fused, "softmax"), (Fused, "sdpa"), (Fused, "module")])
def test_attention_is_found_however_it_is_written(kind: Any, how: str) -> None:
    names = [*ADDITIVE, *(NUCLEAR if kind is Block else [])]
    expected, found = values(names, transformer()), values(names, transformer(kind, how))
    for name in names:
        assert found[name] == pytest.approx(expected[name], rel=1e-4), name
    one, other = (values(NUCLEAR, transformer(Fused, fused)) for fused in ("softmax", "module"))
    assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("how", ["pow", "square", "product", "float"])
def test_squares_in_normalisations_are_no_activations(how: str) -> None:
    names = ["activation_distance", "synaptic_saliency", "v_pca", "swap", "linear_regions", "snip"]
    expected, found = (values(names, _normalised(way)) for way in ("torch", how))
    for name in names:
        assert found[name] == pytest.approx(expected[name], rel=1e-4), name


def _normalised(how: str) -> nn.Module:
    network = construct(lambda: Normalised(how))
    initialise(network, 4)
    return network


def test_squares_in_normalisations_of_channels_are_no_activations() -> None:
    class Channels(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x / x.pow(2).mean(1, keepdim=True).sqrt()).mean((2, 3))

    score = measure(Channels(), (torch.arange(48.0).view(4, 3, 2, 2) - 20, torch.tensor([0, 1, 2, 1])), "swap")["swap"]
    assert not score.ok


def test_squares_that_a_layer_reads_are_activations() -> None:
    class Squares(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().mean(1, keepdim=True) + x[:, :1]

    found = values(["swap"], Squares(), (torch.tensor([[1.0, -1], [1, 2]]), torch.tensor([0, 0])))
    assert found["swap"] == 2


def test_activations_of_a_pooled_token() -> None:
    """Two samples of one vector: each channel agrees with itself alone."""

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.pooler, self.head = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, ids: Tensor) -> Tensor:
            x = ids if ids.is_floating_point() else self.table(ids)
            out: Tensor = self.head(torch.tanh(self.pooler(x[:, 0])))
            return out

    assert values(["activation_distance"], construct(Pooled))["activation_distance"] == 8


class Gated(nn.Module):
    """Normalisation behind attention, rotated queries, adapted projections, a gated block, and patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.query, self.low, self.high = nn.Linear(8, 8), nn.Linear(8, 2, bias=False), nn.Linear(2, 8, bias=False)
        self.key_value, self.out = nn.Linear(8, 8), nn.Linear(8, 8)
        self.norm, self.last = nn.RMSNorm(8), nn.LayerNorm(8)
        self.gate, self.up, self.down, self.head = nn.Linear(8, 6), nn.Linear(8, 6), nn.Linear(6, 8), nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).mT
        query = (self.query(x) + self.high(self.low(x))).unflatten(2, (2, 4)).transpose(1, 2)
        rotated = torch.cat([query[..., 2:], -query[..., :2]], -1)
        key, value = self.key_value(x).unflatten(2, (2, 4)).transpose(1, 2).split(1, 1)
        heads = functional.scaled_dot_product_attention(rotated, key, value, enable_gqa=True)
        x = self.norm(x + self.out(heads.transpose(1, 2).flatten(2)))
        x = self.last(x + self.down(functional.silu(self.gate(x)) * self.up(x)))
        out: Tensor = self.head(x[:, 0])
        return out


def test_roles_of_gated_adapted_and_shared_layers() -> None:
    network = construct(Gated)
    names = {id(parameter): name.removesuffix(".weight") for name, parameter in network.named_parameters()}
    with NetworkPasses(network, sample_minibatch(3, 8), ["roles"]) as passes:
        roles = passes.roles()

    def of(weights: list[Tensor]) -> set[str]:
        return {names[id(weight)] for weight in weights}

    assert of(roles.attention_weights(outputs=False)) == {"query", "high", "key_value"}
    assert of(roles.attention_weights(outputs=True)) == {"query", "high", "key_value", "out"}
    assert of(roles.feed_forward_weights()) == {"gate", "up", "down"}
    assert of([weight for run in roles.others for weight in run.weights]) == {"patches", "low", "head"}
    assert {names[id(weight)] for weight in roles.linear_weights()} == set(names.values()) & {
        "query", "low", "high", "key_value", "out", "gate", "up", "down", "head"
    }  # fmt: skip
    assert len(roles.projections) == 1


def test_networks_without_attention_have_a_status() -> None:
    network = construct(lambda: nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 10)))
    for name, score in measure(network, sample_minibatch(4, 4), [*ADDITIVE, *NUCLEAR]).items():
        assert score.ok == (name not in OF_ATTENTION), name
        assert score.ok or (score.status is Status.NON_FINITE and "attention" in score.detail)
    one = nn.Sequential(nn.Flatten(), nn.Linear(48, 10))
    scores = measure(one, sample_minibatch(4, 4), ["v_pca", "w_pca", "activation_distance", "synaptic_saliency"])
    assert {score.status for score in scores.values()} == {Status.NO_UNITS}


def test_patterns_of_smooth_activations_are_signs() -> None:
    """Four samples with two GELUs and a SiLU: the distinct columns of signs, by hand."""

    class Smooth(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.gelu(x[:, :2]) + functional.silu(x[:, 1:])

    rows = torch.tensor([[1.0, -1.0, 1.0], [1.0, 2.0, -1.0], [-3.0, -1.0, 1.0], [-1.0, 2.0, -1.0]])
    columns = {tuple((rows[:, place] > 0).tolist()) for place in range(3)}
    assert len(columns) == 3
    found = values(["swap"], Smooth(), (rows, torch.tensor([0, 1, 0, 1])))
    assert found["swap"] == 3
    assert math.isfinite(found["swap"])
