"""Networks that take tokens, several tensors, sequences and sound, against networks that take one tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import eznas
from eznas.capture import CaptureError, capture
from eznas.capture.inputs import with_tensor_input
from eznas.minibatch import Minibatch
from eznas.networks import construct, initialise
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import network_state

if TYPE_CHECKING:
    from collections.abc import Callable

IDS = torch.randint(12, (6, 5), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(5) < torch.tensor([5, 4, 3, 5, 2, 4])[:, None]
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
TEXTS = {"ids": IDS, "mask": MASK, "labels": LABELS}
NAMES = ["snip", "jacob_cov", "zico", "gradsign", "near", "meco", "fisher", "synflow", "vkdnw", "epe_nas"]
STATISTICS = ["conv_in_grad.perturbed", "image_grad.noise", "weight_grad.loss"]


class Encoder(nn.Module):
    """Embeds tokens, mixes those that the mask keeps, and classifies their mean."""

    def __init__(self, taking: str = "tokens") -> None:
        super().__init__()
        self.table, self.place = nn.Embedding(12, 8), nn.Embedding(5, 8)
        self.norm, self.first, self.second = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 3)
        self.taking = taking

    def embed(self, ids: Tensor) -> Tensor:
        if self.taking == "columns":
            return self.table(ids.t()).transpose(0, 1)
        if self.taking == "rows of a parameter":
            return self.table.weight[ids]
        if self.taking == "product":
            return functional.one_hot(ids, 12).to(self.table.weight.dtype) @ self.table.weight
        out: Tensor = self.table(ids.int())
        return out

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = (ids if ids.is_floating_point() else self.embed(ids)) + self.place(torch.arange(5))
        x = x + self.second(functional.gelu(self.first(self.norm(x))))
        kept = mask[..., None].to(x.dtype)
        out: Tensor = self.head((x * kept).sum(1) / kept.sum(1))
        return out


class Embedded(nn.Module):
    """The same network of embedded tokens, whose masks are those of the rows that it is given."""

    def __init__(self, inner: Encoder, images: Tensor, noise: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.known = [(images, MASK), (noise, MASK)]

    def forward(self, x: Tensor) -> Tensor:
        mask = MASK[: len(x)]
        for known, masks in self.known:
            if len(x) < 6:
                same = (known[:, None].to(x.dtype) == x.detach()).flatten(2).all(2)
                if bool(same.any(0).all()):
                    mask = masks[same.int().argmax(0)]
        out: Tensor = self.inner(x, mask)
        return out


def encoder(taking: str = "tokens") -> Encoder:
    network = construct(lambda: Encoder(taking))
    initialise(network, 3)
    return network


def by_unit(network: nn.Module, minibatch: Minibatch) -> dict[tuple[str, str], Tensor]:
    """Return the statistics by the names of units, and those of the images by an empty name."""
    captured = capture(network, minibatch, STATISTICS, "any")
    tensors = {("", name): tensor for name, tensor in captured.images.items()}
    for group in captured.groups:
        for name, of_units in group.tensors.items():
            for place, tensor in zip(group.units, of_units, strict=True):
                tensors[captured.units[place].name.removeprefix("inner."), name] = tensor
    return tensors


@pytest.mark.parametrize("taking", ["tokens", "columns", "rows of a parameter"])
def test_tokens_are_scored_as_their_embeddings(taking: str) -> None:
    network = encoder(taking)
    before = network_state(network)
    names = NAMES if taking == "tokens" else ["snip", "jacob_cov"]
    found, statistics = measure(network, TEXTS, names), by_unit(network, Minibatch.of(TEXTS))
    assert network_state(network) == before
    embedded = network.table(IDS).detach()
    plain = Minibatch(embedded, LABELS, 3, "test", deviation=float(embedded.std(correction=0)))
    inner = Embedded(network, embedded, plain.noise)
    expected = measure(inner, plain, names)
    for name, score in expected.items():
        assert score.ok, score
        assert found[name].value == pytest.approx(score.value, rel=1e-4), name
    same = by_unit(inner, plain)
    looks_up = taking != "rows of a parameter"
    assert {name for name, _ in statistics.keys() - same.keys()} == ({"table"} if looks_up else set())
    for key, tensor in same.items():
        torch.testing.assert_close(statistics[key], tensor, rtol=0.0, atol=1e-3 * float(tensor.abs().max()))


def test_gradients_flow_into_the_table() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(12, 8)

        def forward(self, ids: Tensor) -> Tensor:
            return functional.linear(self.table(ids).cumsum(1), self.table.weight)

    network = construct(Tied)
    labels = IDS.roll(-1, 1)
    labels[:, -1] = -100
    logits = network(IDS)[:, :-1].flatten(0, 1)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, labels[:, :-1].flatten()), network.table.weight)
    found = measure(network, (IDS, labels), ["grad_norm", "mean(frobenius_norm(weight_grad.loss))", "vkdnw", "epe_nas"])
    assert found["grad_norm"].value == pytest.approx(float(gradient.norm()), rel=1e-5)
    assert found["mean(frobenius_norm(weight_grad.loss))"].value == pytest.approx(float(gradient.norm()), rel=1e-5)
    assert "images x classes logits; got (1, 5, 12)" in found["vkdnw"].detail
    assert "one class for each image; their shape is (6, 5)" in found["epe_nas"].detail


def test_the_rows_of_single_samples_keep_their_masks() -> None:
    network = encoder()
    total: dict[str, Tensor] = {}
    for row in range(6):
        loss = functional.cross_entropy(network(IDS[row : row + 1], MASK[row : row + 1]), LABELS[row : row + 1])
        weights = {name: weight for name, weight in network.named_parameters() if weight.dim() > 1 and name[0] in "fsh"}
        for name, gradient in zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True):
            total[name] = total.get(name, 0) + gradient.sign()
    expected = sum(float(signs.abs().sum()) for signs in total.values())
    assert measure(network, TEXTS, "gradsign")["gradsign"].value == expected


def test_a_split_counts_the_labels_that_are_given() -> None:
    network = nn.Sequential(nn.Embedding(12, 8), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 12))
    labels = IDS.roll(-1, 1).masked_fill(~MASK, -100)
    whole, parts = (measure(network, (IDS, labels), ["snip", "swap"], split=split) for split in (None, 4))
    assert parts["snip"].value == pytest.approx(whole["snip"].value, rel=1e-5)
    assert parts["swap"] == whole["swap"]


@pytest.mark.parametrize("first", [3, 0])
def test_a_split_without_labels_adds_nothing(first: int) -> None:
    network = nn.Sequential(nn.Embedding(12, 8), nn.Linear(8, 12))
    labels = IDS.clone()
    labels[first : first + 3] = -100
    whole, parts = (measure(network, (IDS, labels), ["snip", "swap"], split=split) for split in (None, 1))
    assert parts["snip"].value == pytest.approx(whole["snip"].value, rel=1e-5)
    labels.fill_(-100)
    for split in (None, 1):
        nothing = measure(network, (IDS, labels), ["snip"], split=split)["snip"]
        assert not nothing.ok
        assert "must have a label; all labels of sample" in nothing.detail


def test_equal_tokens_keep_their_masks() -> None:
    network = encoder()
    kept = torch.tensor([5, 3, 2, 1])
    texts = {"ids": IDS[:1].expand(4, 5), "mask": torch.arange(5) < kept[:, None], "labels": torch.tensor([0, 1, 2, 0])}
    whole, parts = (measure(network, texts, ["snip", "jacob_cov"], split=split) for split in (None, 1))
    for name, score in whole.items():
        assert parts[name].value == pytest.approx(score.value, rel=1e-4), name
    expected: dict[str, Tensor] = {}
    names = [name for name, weight in network.named_parameters() if weight.dim() > 1 and name[0] in "fsh"]
    for row in range(4):
        logits = network(texts["ids"][row : row + 1], texts["mask"][row : row + 1])
        loss = functional.cross_entropy(logits, texts["labels"][row : row + 1])
        weights = [network.get_parameter(name) for name in names]
        for name, gradient in zip(names, torch.autograd.grad(loss, weights), strict=True):
            expected[name] = expected.get(name, 0) + gradient.sign()
    found = measure(network, texts, "gradsign")["gradsign"].value
    assert found == sum(float(signs.abs().sum()) for signs in expected.values())
    seen, plain = with_tensor_input(network, Minibatch.of(texts))
    torch.testing.assert_close(seen(plain.images[:2]), network(texts["ids"][:2], texts["mask"][:2]))


def test_noise_is_the_output_of_the_embedding() -> None:
    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.norm, self.head = nn.Embedding(12, 8), nn.LayerNorm(8), nn.Linear(8, 3)

        def forward(self, ids: Tensor) -> Tensor:
            out: Tensor = self.head(self.norm(self.table(ids)).mean(1))
            return out

    network = construct(Normalised)
    _, plain = with_tensor_input(network, Minibatch(IDS, LABELS, 3, "test"))
    quantities = ["conv_in", "conv_out", "norm_out"]
    names = [f"{quantity}.{scenario}" for quantity in quantities for scenario in ("data", "noise", "perturbed")]
    captured = capture(network, Minibatch(IDS, LABELS, 3, "test"), names)
    unit = captured.units[0]
    assert (unit.name, unit.behind) == ("table", "layer_norm")
    found = {
        name: tensors[group.units.index(0)].squeeze(-1).mT
        for group in captured.groups
        if 0 in group.units
        for name, tensors in group.tensors.items()
    }
    changed = plain.perturbed.detach()
    expected = {"data": plain.images, "noise": plain.noise, "perturbed": changed - plain.images}
    for scenario, tensor in expected.items():
        for quantity in quantities[:2]:
            torch.testing.assert_close(found[f"{quantity}.{scenario}"], tensor)
    torch.testing.assert_close(found["norm_out.noise"], network.norm(plain.noise).detach())
    score = measure(network, (IDS, LABELS), "sum(log(nuclear_norm(conv_out.perturbed)))")
    assert all(one.ok for one in score.values())


def test_tokens_without_an_embedding() -> None:
    product, table = (measure(encoder(taking), TEXTS, ["snip", "flops"]) for taking in ("product", "tokens"))
    assert product["snip"].ok
    assert product["flops"].value > table["flops"].value

    class Compares(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            return ids > 3

    score = measure(Compares(), TEXTS | {"mask": None}, ["params"])["params"]
    assert score.status is Status.EXCEPTION


def test_a_token_outside_the_vocabulary_is_told() -> None:
    score = measure(nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(20, 3)), (IDS, LABELS), "snip")["snip"]
    assert score.status is Status.EXCEPTION
    assert "index out of range" in score.detail


def test_tables_of_places_are_no_embeddings_of_tokens() -> None:
    class Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place, self.kind, self.table = nn.Embedding(5, 4), nn.Embedding(2, 4), nn.Embedding(12, 4)
            self.head = nn.Linear(4, 3)

        def forward(self, ids: Tensor) -> Tensor:
            x = self.place(torch.arange(5).expand_as(ids)) + self.kind(torch.zeros_like(ids))
            out: Tensor = self.head((x + self.table(ids.flatten()).unflatten(0, ids.shape)).mean(1))
            return out

    network = construct(Placed)
    _, plain = with_tensor_input(network, Minibatch(IDS, LABELS, 3, "test"))
    assert torch.equal(plain.images, network.table(IDS))
    assert measure(network, (IDS, LABELS), "snip")["snip"].ok


def test_integers_that_are_numbers_are_cast() -> None:
    network = construct(lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)))
    names = ["snip", "naswot"]
    assert measure(network, (IDS, LABELS), names) == measure(network, (IDS.float(), LABELS), names)
    images = (torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 255).byte()
    network = construct(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)))
    assert measure(network, (images, LABELS), names) == measure(network, (images.float(), LABELS), names)


class Joined(nn.Module):
    """Takes an image and a row of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.row, self.head = nn.Linear(48, 8), nn.Linear(2, 8), nn.Linear(8, 3)

    def forward(self, image: Tensor, row: Tensor) -> Tensor:
        out: Tensor = self.head((self.image(image.flatten(1)) + self.row(row)).relu())
        return out


def test_tuples_are_positional_arguments() -> None:
    generator = torch.Generator().manual_seed(0)
    image, row = torch.randn(6, 3, 4, 4, generator=generator), torch.randn(6, 2, generator=generator)
    network = construct(Joined)
    loss = functional.cross_entropy(network(image, row), LABELS)
    weights = [network.image.weight, network.row.weight, network.head.weight]
    expected = sum(float(gradient.norm()) for gradient in torch.autograd.grad(loss, weights))
    for data in (((image, row), LABELS), {"image": image, "row": row, "labels": LABELS}):
        assert measure(network, data, "grad_norm")["grad_norm"].value == pytest.approx(expected, rel=1e-5)
    minibatch = Minibatch((image, row), LABELS, 3, "test")
    assert repr(minibatch) == "<Minibatch 6 images 3x4x4, 2 of test, 3 classes, cpu>"
    assert minibatch.take(2).images[1].shape == (2, 2)
    captured = capture(network, minibatch, ["image.data", "image.noise", "image_grad.perturbed"])
    assert torch.equal(captured.images["image.data"][0], image)
    assert torch.equal(captured.images["image.noise"][0], Minibatch(image, LABELS, 3, "test").noise)


@pytest.mark.parametrize(
    ("network", "shape", "maps"),
    [
        (lambda: nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(40, 3)), (1, 12), (12, 1, 1)),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3)), (6,), (6, 1, 1)),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(24, 9), nn.ReLU(), nn.Linear(9, 3)), (4, 6), (6, 4, 1)),
        (lambda: nn.Sequential(nn.Conv3d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)), (2, 3, 3, 3), (2, 3, 9)),
    ],
)
def test_sound_rows_sequences_and_films(network: Any, shape: tuple[int, ...], maps: tuple[int, ...]) -> None:
    data = (torch.randn(6, *shape, generator=torch.Generator().manual_seed(0)), LABELS)
    built = construct(network)
    names = ["snip", "naswot", "jacob_cov", "synflow", "flops", "zico", "ntk_condition"]
    assert all(score.ok for score in measure(built, data, names).values())
    images = capture(built, Minibatch.of(data), ["image.data", "image_grad.loss"]).images
    assert images["image.data"].shape == images["image_grad.loss"].shape == (1, 6, *maps)
    assert images["image.data"].sum() == pytest.approx(float(data[0].sum()), rel=1e-4)


def test_tags_of_tokens_stay_tags() -> None:
    """Rows of labels with a single one are not taken for classes once the tokens are embedded."""
    network = construct(lambda: nn.Sequential(nn.Embedding(12, 8), nn.Linear(8, 2)))
    tags = torch.eye(5, dtype=torch.int64)[[0, 1, 2, 3, 4, 0]]
    loss = functional.cross_entropy(network(IDS).flatten(0, 1), tags.flatten())
    (gradient,) = torch.autograd.grad(loss, network[1].weight)
    found = measure(network, (IDS, tags), "grad_norm")["grad_norm"]
    assert found.value == pytest.approx(float(gradient.norm()), rel=1e-5)


def test_a_row_runs_with_the_other_inputs_of_its_sample() -> None:
    network = encoder()
    minibatch = Minibatch({"ids": IDS, "mask": MASK}, LABELS, 3, "test")
    seen, plain = with_tensor_input(network, minibatch)
    rows = torch.tensor([4, 2])
    torch.testing.assert_close(seen(plain.images[rows]), network(IDS[rows], MASK[rows]))
    torch.testing.assert_close(seen(plain.images), network(IDS, MASK))
    torch.testing.assert_close(seen(plain.noise[rows]), network(plain.noise[rows], MASK[rows]))
    torch.testing.assert_close(seen(torch.ones(1, 5, 8)), network(torch.ones(1, 5, 8), MASK[:1]))
    assert (seen.head, dict(seen.named_parameters())) == (network.head, dict(network.named_parameters()))
    assert isinstance(seen, Encoder)
    assert with_tensor_input(seen, plain) == (seen, plain)


def test_a_network_that_raises_has_a_status() -> None:
    scores = measure(encoder(), {"ids": IDS, "labels": LABELS}, ["params", "snip"])
    assert {score.status for score in scores.values()} == {Status.EXCEPTION}
    assert "missing 1 required positional argument: 'mask'" in scores["snip"].detail
    with pytest.raises(CaptureError, match="labels must be"):
        capture(encoder(), Minibatch.of({"ids": IDS, "mask": MASK}), ["weight_grad.loss"])


def test_units_take_what_measures_take() -> None:
    network = encoder()
    report = eznas.units(network, TEXTS)
    assert [row.name for row in report.units] == ["table", "place", "first", "second", "head"]
    assert eznas.units(nn.Sequential(nn.Embedding(12, 3)), (IDS, IDS)).units[0].name == "0"


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda network: torch.compile(network, backend="eager")])
def test_a_wrapped_network_has_the_units_and_parameters_of_the_network(wrap: Callable[[nn.Module], nn.Module]) -> None:
    network = nn.Sequential(nn.Embedding(12, 3), nn.Linear(3, 12))
    expected = eznas.units(network, (IDS, IDS))
    assert expected.share > 0
    assert eznas.units(wrap(network), (IDS, IDS)) == expected
