"""Every measure leaves the network as it was, also where the network raises."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eznas.capture import CaptureError
from eznas.capture.call import RecordError
from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
from eznas.scoring import Proxy, score_network
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import network_state

BATCH = Minibatch(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(4)), torch.arange(4), 10, "test")


class Broken(RuntimeError):  # noqa: N818
    pass


OF_ATTENTION = {"attention_importance", "dss", "head_confidence", "head_importance", "softmax_confidence"}
OF_ATTENTION |= {"synaptic_diversity"}


class Network(nn.Module):
    def __init__(self, failure: str, *, attends: bool) -> None:
        super().__init__()
        self.failure, self.attends = failure, attends
        self.projection = nn.Linear(4, 4)
        self.stem, self.conv = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.dropout, self.classifier = nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Linear(144, 10)

    def forward(self, x: Tensor) -> Tensor:
        if self.failure == "first":
            raise Broken
        x = self.norm(self.conv(torch.relu_(self.stem(x))))
        if self.attends:
            tokens = self.projection(x.flatten(2).mT)
            x = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
        out: Tensor = self.classifier(self.dropout(x).flatten(1))
        if self.failure == "last":
            raise Broken
        if self.failure == "backward" and out.requires_grad:
            out.register_hook(fail)  # type: ignore[no-untyped-call]
        return out


def fail(_: Tensor) -> None:
    raise Broken


@pytest.mark.parametrize("failure", ["none", "first", "last", "backward"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", sorted(MEASURES))
def test_a_measure_leaves_no_trace(name: str, failure: str, training: bool) -> None:
    network = Network(failure, attends=name in OF_ATTENTION).train(training)
    before, images = network_state(network), BATCH.images.clone()
    record = MEASURES[name]
    raised = False
    if record.function is None:
        (score,) = score_network([Proxy.of(name)], network, BATCH)
        raised = score.status is Status.EXCEPTION
    else:
        try:
            record.function(network, BATCH)
        except (Broken, CaptureError, RecordError) as error:  # the latter two name the pass that failed
            raised = Broken in (type(error), type(error.__cause__))
    runs = {"first": "forward", "last": "forward", "backward": "backward"}.get(failure)
    if (name, failure) != ("az_trainability", "backward"):  # which does not pass through the logits
        assert raised == (runs in record.needs)
    assert network_state(network) == before
    assert torch.equal(BATCH.images, images)


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_a_weight_that_is_computed_is_not_computed_aside(name: str) -> None:
    network = nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3),
        nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10),
    )  # fmt: skip
    before = network_state(network)
    measure(network, BATCH, [name])
    assert network_state(network) == before
