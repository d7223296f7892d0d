"""Measures that a network cannot take have a status and one sentence, not an error of torch."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.status import Score, Status
from eznas.testing.measures import network_state, sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = sample_minibatch(2, 8)
BATCH = Minibatch(IMAGES.images, torch.tensor([0, 1]), 3, "test")
PROGRAMS = ["sum(mean(abs(input_grad.noise)))", "sum(mean(abs(weight_grad.loss)))", "sum(mean(conv_out.perturbed))"]


class Classifier(nn.Module):
    """Two convolutions with a function between them."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 6, 3), nn.Linear(6, 3)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.second(self.function(self.first(x))).relu().mean((2, 3)))
        return out


def normalised_positions(x: Tensor) -> Tensor:
    """Normalise maps of one position, as squeeze-and-excitation in some networks does."""
    return x * functional.batch_norm(x.mean((2, 3), keepdim=True), None, None, training=True).sigmoid()


def normalised_images(x: Tensor) -> Tensor:
    return x * functional.instance_norm(x.mean((2, 3), keepdim=True)).sigmoid()


def normalised_groups(x: Tensor) -> Tensor:
    return x * functional.group_norm(x.mean((2, 3), keepdim=True), 4).sigmoid()


def distances(x: Tensor) -> Tensor:
    """Weigh maps by distances, whose derivative torch cannot differentiate."""
    return x * torch.cdist(x.flatten(2), x.flatten(2) + 1).mean((1, 2))[:, None, None, None].tanh()


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient * ctx.saved_tensors[0].cos()


class NoGradient(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_: Any, *__: Any) -> Any:
        raise ValueError("no gradient here\nand no second line")


class FirstMissing(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_: Any, *__: Any) -> Any:
        raise NotImplementedError("derivative for aten::mend is not implemented")


class Silent(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_: Any, *__: Any) -> Any:
        raise ValueError


def pairs_only(x: Tensor) -> Tensor:
    if len(x) < 2:
        raise IndexError("a pair is needed")
    return x.relu()


def no_double(x: Tensor) -> Tensor:
    if x.dtype is torch.float64:
        raise TypeError("float32 is needed")
    return x.relu()


def known_images(x: Tensor) -> Tensor:
    if not torch.equal(x.detach(), known_images.of) and len(x) == 2:  # type: ignore[attr-defined]
        raise KeyError("unknown images")
    return x.relu()


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "batch": normalised_positions,
    "instance": normalised_images,
    "group": normalised_groups,
    "distances": distances,
    "once": Once.apply,
    "no gradient": NoGradient.apply,
    "pairs": pairs_only,
    "float32": no_double,
}
ALONE = {"gradsign", "zico", "synflow_bn"}
SINGLE = "got a tensor of shape (1, 4, 1, 1), since one sample runs alone"
INSTANCES = "got a tensor of shape (2, 4, 1, 1)"
MORE = "must read more than one value of each"
RUN, PAIR = "the network must run", "it raises IndexError: a pair is needed"
NONE = "it raises ValueError: no gradient here"


@cache
def scores_of(kind: str) -> dict[str, Score]:
    network = construct(lambda: Classifier(FUNCTIONS[kind]))
    before = network_state(network)
    scores = measure(network, BATCH, [*MEASURES, *PROGRAMS])
    assert network_state(network) == before
    return scores


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_every_measure_has_a_value_or_one_sentence(kind: str) -> None:
    for name, score in scores_of(kind).items():
        own = score.detail.partition(": ")[2] if score.detail.startswith("measure.") else score.detail
        assert score.ok or (own and "\n" not in own), (name, score)
        assert score.status is not Status.EXCEPTION or own.startswith("CaptureError: "), score


SECOND = "every function of the network must have a second derivative; "
SENTENCES: list[tuple[str, set[str], str]] = [
    ("batch", {*ALONE, "vkdnw"}, f"batch normalisation {MORE} channel; {SINGLE}"),
    ("group", {*ALONE, "synflow", "vkdnw"}, f"group normalisation {MORE} group; {SINGLE}"),
    ("instance", {"near", "snip", "grasp", "zen"}, f"instance normalisation {MORE} channel; {INSTANCES}"),
    ("distances", {"grasp"}, f"{SECOND}torch has none of cdist"),
    ("once", {"grasp"}, f"{SECOND}an autograd function has none"),
    ("no gradient", {"snip", "grasp", "jacob_cov", "synflow", "vkdnw", *PROGRAMS[:2]}, f"{RUN} backward; {NONE}"),
    ("pairs", {"gradsign", "zico"}, f"{RUN} on image 0 alone; {PAIR}"),
    ("pairs", {"vkdnw"}, f"{RUN} on one image of noise in evaluation mode; {PAIR}"),
    ("pairs", {"synflow", "synflow_bn"}, f"{RUN} on an image of ones in double precision; {PAIR}"),
    ("float32", {"zen"}, f"{RUN} on noise in double precision; it raises TypeError: float32 is needed"),
]


@pytest.mark.parametrize(("kind", "names", "sentence"), SENTENCES)
def test_the_sentence_says_where_the_network_fails(kind: str, names: set[str], sentence: str) -> None:
    scores = scores_of(kind)
    for name in names:
        assert sentence in scores[name].detail, (name, scores[name])
    if kind in ("batch", "distances", "once"):
        plain = scores_of("float32")
        for name, score in scores.items():
            assert score.ok or name in names or not plain[name].ok or "measure." in score.detail, (name, score)


@pytest.mark.parametrize(
    ("function", "raised"),
    [
        (FirstMissing.apply, "NotImplementedError: derivative for aten::mend is not implemented"),
        (Silent.apply, "ValueError"),
    ],
)
def test_a_first_derivative_that_is_missing_is_named(function: Callable[[Tensor], Tensor], raised: str) -> None:
    score = measure(construct(lambda: Classifier(function)), BATCH, ["snip"])["snip"]
    assert score.detail == f"CaptureError: {RUN} backward; it raises {raised}"


def test_scenarios_are_named() -> None:
    network = construct(lambda: Classifier(known_images))
    known_images.of = network.first(BATCH.images).detach()  # type: ignore[attr-defined]
    scores = measure(network, BATCH, [PROGRAMS[0], PROGRAMS[2], "meco", "snip"])
    assert scores.pop("snip").ok
    for score, where in zip(scores.values(), ("noise", "perturbed images", "two images of noise"), strict=True):
        assert score.detail == f"CaptureError: the network must run on {where}; it raises KeyError: 'unknown images'"


@pytest.mark.parametrize("inplace", [False, True])
def test_hardsigmoid_has_the_second_derivative_of_its_pieces(inplace: bool) -> None:
    def gate(x: Tensor) -> Tensor:
        return functional.hardsigmoid(x * 4, inplace)

    def pieces(x: Tensor) -> Tensor:
        return functional.relu6(x * 4 + 3) / 6

    found, expected = (
        measure(construct(lambda: Classifier(function)), BATCH, ["grasp", "snip"])  # noqa: B023
        for function in (gate, pieces)
    )
    assert found["grasp"].value == pytest.approx(expected["grasp"].value, rel=1e-4)
    assert found["snip"].value == pytest.approx(expected["snip"].value, rel=1e-5)


def test_group_normalisation_of_several_images_runs_as_in_torch() -> None:
    for name in ("snip", "near", "grad_norm"):
        assert scores_of("group")[name].ok, scores_of("group")[name]
