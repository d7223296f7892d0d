"""Measures of weights and gradients against values computed by hand, and their formulas written out."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import CaptureError
from eznas.measures import MEASURES
from eznas.measures.snip import snip
from eznas.minibatch import Minibatch
from eznas.networks import initialise
from eznas.programs import evaluate, parse
from eznas.scoring.score_many import measure
from eznas.seeds import torch_generator
from eznas.status import Status
from eznas.testing.measures import sample_minibatch, value_of
from eznas.testing.networks import CLASSIFIERS, PIXELS, classifier

BATCH = sample_minibatch(6, PIXELS)
CLASSES = Minibatch(BATCH.images, torch.tensor([0, 1, 0, 1, 1, 2]), 10, "test")
KINDS = list(CLASSIFIERS)
CONVOLUTIONAL = ["cells", "depthwise", "without_norm"]


def value(name: str, network: nn.Module, minibatch: Minibatch = BATCH) -> float:
    return value_of(name, network, minibatch)


def layers(network: nn.Module) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def one_layer() -> nn.Sequential:
    network: Any = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[1.0, 2], [2, 3]]))
        network[1].bias.copy_(torch.tensor([2.0, 0]))
    return nn.Sequential(*network)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # logits 5, 5; softmax 1/2, 1/2; gradient of the logits -1/2, 1/2; of each row of weights the same twice
        ("grad_norm", 1),
        ("snip", 0.5 * 3 + 0.5 * 5),
        ("plain", -0.5 * 3 + 0.5 * 5),
        ("fisher", 2 * 2 * 0.5 * 2.5**2),
        # the Hessian in the logits is [[1, -1], [-1, 1]] / 4, so H g is g again
        ("grasp", -1),
        ("l2_norm", 18**0.5),
        ("synflow", 8),
        ("logsynflow", 8 * math.log(2)),
        ("gradsign", 4),
        ("params", 6),
    ],
)
def test_one_layer_by_hand(name: str, expected: float) -> None:
    batch = Minibatch(torch.ones(1, 1, 1, 2), torch.tensor([0]), 2, "test")
    assert value(name, one_layer(), batch) == pytest.approx(expected, abs=1e-6)


def test_the_tangent_kernel_of_one_layer_by_hand() -> None:
    # G is each image twice, once for each logit: the kernel is twice [[1, 1], [1, 4]]
    batch = Minibatch(torch.tensor([[1.0, 0], [1, 3**0.5]]).reshape(2, 1, 1, 2), torch.tensor([0, 1]), 2, "test")
    greatest, least = (5 + 13**0.5) / 2, (5 - 13**0.5) / 2
    assert value("ntk_condition", one_layer(), batch) == pytest.approx(greatest / least, rel=1e-5)


def test_zico_of_one_layer_by_hand() -> None:
    # gradients of the logits are -+1/2 where the logits are equal: image 1 has them, image 2 is thrice as large
    network: Any = one_layer()
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].bias.zero_()
    batch = Minibatch(torch.tensor([[1.0, 1], [3, 3]]).reshape(2, 1, 1, 2), torch.tensor([0, 0]), 2, "test")
    # four weights: mean |g| = 1, deviation 1/2
    assert value("zico", network, batch) == pytest.approx(math.log(8))


def gradients_by_backward(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    network.zero_grad()
    loss: Any = functional.cross_entropy(network(images), labels)
    loss.backward()
    found = [layer.weight.grad for layer in layers(network)]
    return [torch.zeros(1) if one is None else one.clone() for one in found]


@pytest.mark.parametrize("kind", KINDS)
def test_the_measures_of_the_gradient_by_their_formulas(kind: str) -> None:
    network = classifier(kind).double().train()
    batch = Minibatch(BATCH.images.double(), BATCH.labels, 10, "test")
    gradients = gradients_by_backward(network, batch.images, batch.labels)
    weights = [layer.weight.detach() for layer in layers(network)]
    pairs = list(zip(weights, gradients, strict=True))
    assert value("grad_norm", network, batch) == pytest.approx(sum(float(one.norm()) for one in gradients))
    assert value("snip", network, batch) == pytest.approx(sum(float((w * g).abs().sum()) for w, g in pairs))
    assert value("plain", network, batch) == pytest.approx(sum(float((w * g).sum()) for w, g in pairs), abs=1e-12)
    assert value("l2_norm", network, batch) == pytest.approx(sum(float(w.norm()) for w in weights))


@pytest.mark.parametrize("kind", [*CONVOLUTIONAL, "linear"])
def test_grasp_by_finite_differences_of_the_gradient(kind: str) -> None:
    network = classifier(kind).double().train()
    batch = Minibatch(BATCH.images.double(), BATCH.labels, 10, "test")
    gradients = gradients_by_backward(network, batch.images, batch.labels)
    moved, step = [copy.deepcopy(network), copy.deepcopy(network)], 1e-6
    for sign, other in zip((1, -1), moved, strict=True):
        for layer, gradient in zip(layers(other), gradients, strict=True):
            layer.weight.data += sign * step * gradient
    after, before = (gradients_by_backward(one, batch.images, batch.labels) for one in moved)
    expected = -sum(
        float((layer.weight.detach() * (one - other)).sum()) / (2 * step)
        for layer, one, other in zip(layers(network), after, before, strict=True)
    )
    assert value("grasp", network, batch) == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_fisher_by_its_formula(kind: str) -> None:
    network = classifier(kind).double().train()
    batch = Minibatch(BATCH.images.double(), BATCH.labels, 10, "test")
    kept: list[tuple[Any, Tensor]] = []

    def keep(module: nn.Module, _: Any, out: Tensor) -> Tensor:
        out.retain_grad()
        kept.append((module, out))
        return out.clone()  # what follows may write to it

    handles = [layer.register_forward_hook(keep) for layer in layers(network)]
    loss: Any = functional.cross_entropy(network(batch.images), batch.labels)
    loss.backward()
    for handle in handles:
        handle.remove()
    total = 0.0
    for layer, out in kept:
        gradient = torch.zeros_like(out) if out.grad is None else out.grad
        channel = 1 if isinstance(layer, nn.Conv2d) else out.dim() - 1
        for index in range(out.shape[channel]):
            each = [float((out.detach()[i] * gradient[i]).select(channel - 1, index).sum()) for i in range(len(out))]
            total += layer.weight[0].numel() * sum(one**2 for one in each) / len(each) / 2
    assert value("fisher", network, batch) == pytest.approx(total)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name, record in MEASURES.items() if record.equivalent])
def test_equivalent_programs_have_the_value_of_the_measure(name: str, kind: str) -> None:
    network = classifier(kind)
    (score,) = evaluate([parse(MEASURES[name].equivalent)], network, BATCH, units="any")
    assert value(name, network) == pytest.approx(score.value, rel=1e-3 if name == "plain" else 1e-5, abs=1e-6)


def absolute(network: nn.Module, *, normalised: bool) -> nn.Module:
    network = copy.deepcopy(network).double().train()
    for parameter in network.parameters():
        parameter.data.abs_()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and not normalised:
                setattr(parent, name, nn.Identity())
    return network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalised", [True, False])
def test_synflow_by_its_formula(kind: str, normalised: bool) -> None:
    network = absolute(classifier(kind), normalised=normalised)
    network(torch.ones(1, 3, PIXELS, PIXELS).double()).sum().backward()
    expected = sum(
        float((layer.weight.detach() * layer.weight.grad).abs().sum())
        for layer in layers(network)
        if layer.weight.grad is not None
    )
    assert value("synflow_bn" if normalised else "synflow", classifier(kind)) == pytest.approx(expected)


def test_synflow_does_not_overflow_single_precision() -> None:
    network = nn.Sequential(nn.Flatten(), *[nn.Linear(4, 4, bias=False) for _ in range(60)])
    with torch.no_grad():
        for layer in layers(network):
            layer.weight.fill_(10.0)
    batch = Minibatch(torch.ones(1, 1, 2, 2), torch.tensor([0]), 4, "test")
    assert value("synflow", network, batch) == pytest.approx(60 * 4 * 40.0**60, rel=1e-9)
    for layer in layers(network):
        layer.weight.data.fill_(1e10)
    score = measure(network, batch, ["synflow"])["synflow"]
    assert score.status is Status.NON_FINITE
    assert "1.8e+308" in score.detail


def image_gradients(network: nn.Module, images: Tensor) -> Any:
    leaf = images.clone().requires_grad_()
    network(leaf).sum().backward()
    return torch.zeros_like(leaf).flatten(1).numpy() if leaf.grad is None else leaf.grad.flatten(1).double().numpy()


def pearson(one: Any, other: Any) -> float:
    return float(((one - one.mean()) * (other - other.mean())).mean() / one.std() / other.std())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "depthwise"])  # whose sum of logits is constant
def test_the_measures_of_image_gradients_by_double_loops(kind: str) -> None:
    network = classifier(kind).double()
    batch = Minibatch(CLASSES.images.double(), CLASSES.labels, 10, "test")
    rows = image_gradients(network.train(), batch.images)
    matrix = np.array([[pearson(one, other) for other in rows] for one in rows])
    values = np.linalg.eigvalsh(matrix).clip(0) + 1e-5
    expected = -float(np.sum(np.log(values) + 1 / values))
    assert value("jacob_cov", network, batch) == pytest.approx(expected, rel=1e-6)
    total = 0.0
    for label in set(CLASSES.labels.tolist()):
        members = [row for row, one in zip(rows, CLASSES.labels.tolist(), strict=True) if one == label]
        total += abs(sum(math.log(abs(pearson(a, b)) + 1e-5) for a in members for b in members))
    assert value("epe_nas", network, batch) == pytest.approx(total, rel=1e-6)


def test_epe_nas_compares_classes_where_there_are_many() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * PIXELS**2, 8), nn.ReLU(), nn.Linear(8, 101))
    initialise(network, 0)
    rows = image_gradients(network, CLASSES.images)
    sums = []
    for label in (0, 1, 2):
        members = [row for row, one in zip(rows, CLASSES.labels.tolist(), strict=True) if one == label]
        found = sum(math.log(abs(pearson(a, b)) + 1e-5) for a in members for b in members)
        sums.append(found / len(members))
    expected = sum(abs(a - b) for a in sums for b in sums) / 3
    assert value("epe_nas", network, CLASSES) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["cells", "without_norm", "linear", "transformer"])
def test_the_tangent_kernel_image_by_image(kind: str) -> None:
    network = classifier(kind).double().train()
    batch = Minibatch(BATCH.images.double(), BATCH.labels, 10, "test")
    rows = []
    for index in range(len(batch)):
        network.zero_grad()
        network(batch.images)[index].sum().backward()
        flat = [
            (torch.zeros_like(one) if one.grad is None else one.grad).flatten()
            for name, one in network.named_parameters()
            if "weight" in name
        ]
        rows.append(torch.cat(flat).tolist())
    kernel = np.array([[np.dot(one, other) for other in np.array(rows)] for one in np.array(rows)])
    values = np.linalg.eigvalsh(kernel)
    assert value("ntk_condition", network, batch) == pytest.approx(values[-1] / values[0], rel=1e-4)


def test_the_tangent_kernel_of_equal_images_is_singular() -> None:
    twins = Minibatch(BATCH.images[:1].repeat(2, 1, 1, 1), BATCH.labels[:2], 10, "test")
    score = measure(classifier("linear"), twins, ["ntk_condition"])["ntk_condition"]
    assert score.status is Status.NON_FINITE
    assert "must not be singular" in score.detail


@pytest.mark.parametrize("kind", KINDS)
def test_gradsign_and_zico_by_loops(kind: str) -> None:
    network = classifier(kind).double().train()
    batch = Minibatch(BATCH.images.double(), BATCH.labels, 10, "test")
    signs = [
        torch.cat([one.sign().flatten() for one in gradients_by_backward(network, image[None], label[None])])
        for image, label in zip(batch.images, batch.labels, strict=True)
    ]
    if kind != "depthwise":  # the average of one image behind a batch normalisation is 0 up to rounding
        assert value("gradsign", network, batch) == float(torch.stack(signs).sum(0).abs().sum())
    halves = [
        gradients_by_backward(network, batch.images[part], batch.labels[part]) for part in np.split(np.arange(6), 2)
    ]
    total = 0.0
    for pair in zip(*halves, strict=True):
        both = np.stack([one.numpy().ravel() for one in pair])
        deviation = both.std(0)
        ratios = np.abs(both).mean(0)[deviation > 0] / deviation[deviation > 0]
        total += math.log(ratios.sum()) if ratios.sum() > 0 else 0.0
    assert value("zico", network, batch) == pytest.approx(total, rel=1e-6)


def test_a_network_without_logits_raises_a_capture_error() -> None:
    with pytest.raises(CaptureError, match="must return one tensor of 6 x classes logits"):
        snip(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(0)), BATCH)
    with pytest.raises(CaptureError, match="labels of one class an image need logits of shape images x classes"):
        snip(nn.Conv2d(3, 2, 1), BATCH)


def test_a_layer_that_runs_twice_counts_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = nn.Linear(3 * PIXELS**2, 3 * PIXELS**2), nn.Linear(3 * PIXELS**2, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.inner(self.inner(x.flatten(1))))
            return out

    network = Twice()
    with torch.no_grad():  # as the weights of a module are drawn from torch's global generator
        for parameter in network.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=torch_generator(0, "twice")))
    gradients = gradients_by_backward(network, BATCH.images, BATCH.labels)
    assert value("grad_norm", network) == pytest.approx(sum(float(one.norm()) for one in gradients))
