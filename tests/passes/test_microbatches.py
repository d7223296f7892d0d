"""Scores of a minibatch that runs in parts equal those of the whole, unless a measure reads it as a whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.errors import InputError
from eznas.measures import MEASURES
from eznas.passes.parts import PARTS
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import network_state, sample_minibatch
from eznas.testing.networks import PIXELS, classifier

BATCH = sample_minibatch(7, PIXELS)
NAMES = [name for name, record in MEASURES.items() if record.parts and all(PARTS[part].splits for part in record.parts)]


@pytest.mark.parametrize("images", [1, 3, 7, 100])
@pytest.mark.parametrize("kind", ["without_norm", "transformer", "linear"])
def test_a_split_minibatch_has_the_scores_of_the_whole(kind: str, images: int) -> None:
    assert {"grad_norm", "snip", "plain", "jacob_cov", "epe_nas", "naswot", "synflow"} <= set(NAMES)
    network = classifier(kind).double()
    batch = type(BATCH)(BATCH.images.double(), BATCH.labels, 10, "testing")
    before = network_state(network)
    whole, parts = measure(network, batch, NAMES), measure(network, batch, NAMES, split=images)
    assert network_state(network) == before
    for name in NAMES:
        assert parts[name].status is whole[name].status, (name, parts[name], whole[name])
        if whole[name].ok:
            assert parts[name].value == pytest.approx(whole[name].value, rel=1e-7, abs=1e-10), name


def test_no_more_images_run_at_once() -> None:
    network = classifier("without_norm")
    counts: list[int] = []
    network.register_forward_pre_hook(lambda _, args: counts.append(len(args[0])))
    measure(network, BATCH, ["grad_norm", "jacob_cov", "naswot"], split=2)
    assert max(counts) == 2


def test_a_network_with_batch_normalisation_is_refused() -> None:
    with pytest.raises(InputError, match=r"split must be None for networks with batch normalisation.* has stem"):
        measure(classifier("cells"), BATCH, ["snip"], split=2)


@pytest.mark.parametrize("name", ["fisher", "grasp", "zico", "zen", "eznas_a"])
def test_measures_that_read_the_whole_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"split must be None for measures that read the whole minibatch: {name}"):
        measure(classifier("without_norm"), BATCH, ["snip", name], split=2)


def test_split_is_at_least_one() -> None:
    with pytest.raises(InputError, match="split must be at least 1; got 0"):
        measure(classifier("linear"), BATCH, ["snip"], split=0)


def test_a_normalisation_that_is_no_module_has_a_status() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3 * PIXELS**2, 10)

        def forward(self, x: Tensor) -> Tensor:
            return functional.batch_norm(self.head(x.flatten(1)), None, None, training=True)

    score = measure(Functional(), BATCH, ["snip"], split=2)["snip"]
    assert score.status is Status.NON_FINITE
    assert "split must be None" in score.detail
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("images", [1, 2])
def test_a_normalisation_of_single_values_has_the_same_status(images: int) -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(functional.batch_norm(self.conv(x).mean((2, 3)), None, None, training=True))
            return out

    score = measure(Pooled(), BATCH, ["snip"], split=images)["snip"]
    assert score.detail == "split must be None for networks with batch normalisation; the network runs one"


def test_a_network_without_layers_keeps_other_scores() -> None:
    class Raw(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Parameter(torch.linspace(-1, 1, 4))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.relu(images.flatten(1)[:, :4] * self.first)

    names = ["snip", "linear_regions"]
    whole, parts = (measure(Raw(), sample_minibatch(4, 8), names, split=split) for split in (None, 2))
    assert whole == parts
    assert [score.ok for score in parts.values()] == [False, True]
