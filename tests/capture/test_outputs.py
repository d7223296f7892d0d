"""What networks return, and the loss of it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import CaptureError
from eznas.capture.call import RecordError
from eznas.capture.outputs import checked_logits, loss_of, mean_loss
from eznas.errors import InputError
from eznas.minibatch import Minibatch
from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch

BATCH = sample_minibatch(4, 4)
PROGRAM = "sum(frobenius_norm(weight_grad.loss))"


@dataclass
class Output:
    hidden: Tensor
    logits: Tensor


class Named(NamedTuple):
    logits: Tensor
    hidden: Tensor


FORMS: dict[str, Any] = {
    "tuple": lambda hidden, logits: (logits, hidden),
    "list with a number": lambda _, logits: [torch.tensor(1.0), logits],
    "dictionary": lambda hidden, logits: OrderedDict(hidden=hidden, logits=logits),
    "dictionary of other names": lambda _, logits: {"loss": None, "scores": logits},
    "dataclass": Output,
    "named tuple": lambda hidden, logits: Named(logits, hidden),
}


class Wrapped(nn.Module):
    def __init__(self, form: Any) -> None:
        super().__init__()
        self.first, self.second, self.form = nn.Linear(48, 8), nn.Linear(8, 10), form

    def forward(self, x: Tensor) -> Any:
        hidden = self.first(x.flatten(1)).relu()
        return self.form(hidden, self.second(hidden))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_logits_are_found(form: Any) -> None:
    names = ["snip", "synflow", "naswot", "zico", "vkdnw", "flops", PROGRAM]
    network = construct(lambda: Wrapped(lambda _, logits: logits))
    expected = measure(network, BATCH, names)
    network.form = form
    assert measure(network, BATCH, names) == expected
    assert all(score.ok for score in expected.values())


@pytest.mark.parametrize("out", [None, {}, ("text", torch.zeros(4, dtype=torch.int64)), torch.zeros(3, 2)])
def test_other_outputs_are_refused(out: Any) -> None:
    with pytest.raises(RecordError, match="must return one tensor of 4 x classes logits; got"):
        checked_logits(out, 4)


def test_the_loss_of_positions() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, generator=generator)
    labels = torch.tensor([[4, -100, 0], [2, 1, -100]])
    rows = torch.stack([logits[0, 0], logits[0, 2], logits[1, 0], logits[1, 1]])
    expected = -sum(float(row.log_softmax(0)[label]) for row, label in zip(rows, (4, 0, 2, 1), strict=True)) / 4
    assert float(mean_loss(logits, labels)) == pytest.approx(expected, rel=1e-6)
    assert float(mean_loss(logits.movedim(2, 1), labels)) == pytest.approx(expected, rel=1e-6)
    pixels = torch.randn(2, 3, 4, 6, generator=generator)
    of_pixels = torch.randint(3, (2, 4, 6), generator=generator)
    torch.testing.assert_close(mean_loss(pixels, of_pixels), functional.cross_entropy(pixels, of_pixels))


@pytest.mark.parametrize(
    ("logits", "labels", "sentence"),
    [
        ((2, 3, 5), [[0, 1], [1, 0]], r"labels of shape \(2, 2\) need logits with these axes"),
        ((2, 2, 5), [[0, 5], [1, 0]], r"labels must be from 0 to 4, or -100 .*; got 5"),
        ((2, 2, 5), [[-100, -100]] * 2, "all are -100"),
        ((2, 2, 5), [0, 1], "need logits of shape images x classes; got logits of"),
        ((2, 5), [0, 5], "one number from 0 to 4 for each image"),
    ],
)
def test_labels_that_do_not_fit(logits: tuple[int, ...], labels: Any, sentence: str) -> None:
    with pytest.raises(RecordError, match=sentence):
        mean_loss(torch.zeros(logits), torch.tensor(labels))


def test_a_loss_of_ones_own_is_that_of_measures_and_programs() -> None:
    network = construct(lambda: nn.Sequential(nn.Flatten(), nn.Linear(48, 6), nn.ReLU(), nn.Linear(6, 1)))
    targets = torch.rand(4, generator=torch.Generator().manual_seed(0))

    def squares(out: Tensor, given: Tensor) -> Tensor:
        return functional.mse_loss(out[:, 0], given)

    loss = squares(network(BATCH.images), targets)
    gradients = torch.autograd.grad(loss, [network[1].weight, network[3].weight])
    found = measure(network, (BATCH.images, targets), ["grad_norm", "gradsign", PROGRAM], loss=squares)
    expected = sum(float(gradient.norm()) for gradient in gradients)
    assert found["grad_norm"].value == pytest.approx(expected, rel=1e-5)
    assert found[PROGRAM].value == pytest.approx(expected, rel=1e-5)
    assert found["gradsign"].ok
    with pytest.raises(RecordError, match=r"one number, such as a mean; got a tensor of shape \(4,\)"):
        loss_of(torch.zeros(4, 1), targets, lambda out, given: (out[:, 0] - given).square())
    with pytest.raises(RecordError, match="got a float"):
        loss_of(torch.zeros(4, 1), targets, lambda *_: 1.0)  # type: ignore[arg-type,return-value]
    with pytest.raises(RecordError, match="each row of the logits, of which there are 4; got 2 rows"):
        loss_of(torch.zeros(4, 1), targets[:2], squares)
    with pytest.raises(RecordError, match="of which there are 4; the minibatch has none"):
        loss_of(torch.zeros(4, 1), None, squares)
    with pytest.raises(InputError, match="labels must have a row for each of the 4 samples"):
        Minibatch(BATCH.images, targets[:2], 1, "test", loss=squares)


def test_a_regression_without_a_class_axis() -> None:
    network = construct(lambda: nn.Sequential(nn.Flatten(), nn.Linear(48, 1), nn.Flatten(0)))
    targets = torch.rand(4, generator=torch.Generator().manual_seed(0))
    assert measure(network, (BATCH.images, targets), "snip", loss=functional.mse_loss)["snip"].ok
    score = measure(network, BATCH, "snip")["snip"]
    assert "need logits of shape images x classes; got logits of (4,)" in score.detail


def test_capture_errors_are_those_of_eznas() -> None:
    minibatch = Minibatch(BATCH.images, BATCH.labels, 10, "test", loss=lambda *_: torch.zeros(2))
    detail = measure(construct(lambda: Wrapped(Output)), minibatch, "snip")["snip"].detail
    assert detail.startswith(f"{CaptureError.__name__}: the loss must return a tensor with one number")
