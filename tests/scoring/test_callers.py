"""Networks, minibatches and names as people pass them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from eznas.errors import InputError
from eznas.minibatch import Minibatch
from eznas.networks import construct
from eznas.programs import evaluate, parse
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import sample_minibatch

BATCH = sample_minibatch(4, 8)
NAMES = ["snip", "naswot", "l2_norm"]


def network() -> nn.Sequential:
    return construct(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)))


@pytest.mark.parametrize(
    "data",
    [
        (BATCH.images, BATCH.labels),
        [BATCH.images, BATCH.labels.int()],
        (BATCH.images, nn.functional.one_hot(BATCH.labels, 10).float()),
        DataLoader(TensorDataset(BATCH.images, BATCH.labels), batch_size=4),
        Minibatch(BATCH.images, BATCH.labels.to(torch.int32), 10, "test"),
    ],
)
def test_minibatches_of_several_kinds(data: Any) -> None:
    assert measure(network(), data, NAMES) == measure(network(), BATCH, NAMES)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ((BATCH.images, torch.rand(4)), "targets of a regression have no classes"),
        (BATCH.images, "minibatch must be a Minibatch, a pair of images and labels, or a loader"),
        ("cifar", "got a str"),
    ],
)
def test_other_data_is_refused_in_a_sentence(data: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        measure(network(), data, NAMES)


def test_programs_and_a_loss() -> None:
    text = "sum(frobenius_norm(weight_grad.loss))"
    found = measure(network(), BATCH, [text, "grad_norm"])
    assert found[text].value == pytest.approx(found["grad_norm"].value)
    assert measure(network(), BATCH, parse(text)) == {text: found[text]}

    def squares(logits: Tensor, labels: Tensor) -> Tensor:
        return (logits - nn.functional.one_hot(labels, 10)).square().mean()

    assert measure(network(), BATCH, "grad_norm", loss=squares)["grad_norm"].value != found["grad_norm"].value


def test_one_program_that_raises_fails_alone() -> None:
    class Halved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3), nn.Linear(288, 10)

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                out: Tensor = self.head(self.second(self.first(x).relu()).flatten(1))
            return out.float()

    texts = ["mean(mean(logdet(conv_out.data)))", "mean(sum_abs(conv_out.data))"]
    scores = evaluate([parse(text) for text in texts], construct(Halved), BATCH)
    assert scores[0].status is not Status.OK
    assert scores[1].ok, scores


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_networks_of_other_precisions(dtype: torch.dtype) -> None:
    names = ["naswot", "snip", "synflow", "zen", "l2_norm", "flops", "swap", "grad_norm"]
    expected = measure(network(), BATCH, names)
    for name, score in measure(network().to(dtype), BATCH, names).items():
        tolerance = 1e-3 if dtype is torch.float64 else 0.1
        assert score.value == pytest.approx(expected[name].value, rel=tolerance), (name, score)


def test_networks_that_are_refused_in_a_sentence() -> None:
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    exported = torch.export.export(network().eval(), (BATCH.images,)).module()
    for refused, sentence in (
        (lazy, "must have run once, so that its lazy parameter 1.weight has a shape"),
        (network().to("meta"), "must have values; 0.weight is on the meta device"),
        (exported, "not one of torch.export"),
    ):
        for score in measure(refused, BATCH, ["snip", "zen", "flops"]).values():
            assert score.status is Status.EXCEPTION
            assert sentence in score.detail
    wrapped = nn.DataParallel(network())  # goes to CUDA where there is one
    plain = network().to(next(wrapped.parameters()).device)
    assert measure(wrapped, BATCH, NAMES) == measure(plain, BATCH, NAMES)


def test_the_kernel_of_repeated_images_is_singular() -> None:
    twice = Minibatch(torch.cat([BATCH.images[:2], BATCH.images[:2] + 1e-6]), BATCH.labels, 10, "test")
    score = measure(network(), twice, ["ntk_condition"])["ntk_condition"]
    assert score.status is Status.NON_FINITE
    assert "must not be singular; its least eigenvalue is within the rounding" in score.detail


def test_the_name_of_a_module_does_not_choose_parameters() -> None:
    renamed = nn.Sequential()
    for name, module in zip(("lightweight", "relu", "flat", "weighty"), network(), strict=True):
        renamed.add_module(name, module)
    assert measure(renamed, BATCH, ["ntk_condition"]) == measure(network(), BATCH, ["ntk_condition"])
