"""Estimates of seconds follow from sizes, and slow measures are left out unless they are asked for by name."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import eznas
from eznas.measures import MEASURES
from eznas.measures.registry import Measure
from eznas.passes.size_pass import sizes_of
from eznas.passes.sizes import CALL, ENTRY, GROUPED_PRODUCT, PRODUCT, WEIGHT
from eznas.scoring.estimates import seconds_of, skipped
from eznas.status import Status
from eznas.testing.measures import network_state, sample_minibatch
from eznas.testing.networks import CLASSIFIERS, PIXELS, classifier

BATCH = sample_minibatch(4, 8)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.deep = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.head = nn.Linear(4 * 64, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.deep(self.conv(x).relu()).flatten(1))
        return out


def test_sizes_by_hand() -> None:
    network = Small()
    sizes = sizes_of(network, BATCH)
    assert (sizes.images, sizes.classes, sizes.tensors) == (4, 10, 6)
    assert sizes.products == 64 * 4 * 27 + 256 * 10
    assert sizes.grouped == 64 * 4 * 9
    assert sizes.weights == sum(parameter.numel() for parameter in network.parameters())
    assert sizes.outputs == ((64, 4), (64, 4), (64, 4), (1, 10))
    assert sizes.patterns == 256
    each = sizes.products * PRODUCT + sizes.grouped * GROUPED_PRODUCT + sizes.entries * ENTRY
    assert sizes.forward(3) == pytest.approx(sizes.calls * CALL + 3 * each + sizes.weights * WEIGHT)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_every_measure_has_an_estimate(kind: str) -> None:
    network = classifier(kind)
    before = network_state(network)
    estimates = eznas.estimate_seconds(network, sample_minibatch(4, PIXELS))
    assert network_state(network) == before
    assert estimates.keys() == MEASURES.keys()
    assert all(0 < estimate < 30 for estimate in estimates.values()), estimates
    assert estimates == eznas.estimate_seconds(network, sample_minibatch(4, PIXELS))


def test_more_images_and_wider_layers_take_longer() -> None:
    names = ["near", "snip", "gradsign", "sum(nuclear_norm(weight))", "evolved_compact"]
    narrow, wide = (nn.Sequential(nn.Flatten(), nn.Linear(192, n), nn.ReLU(), nn.Linear(n, 10)) for n in (64, 2048))
    few = eznas.estimate_seconds(narrow, BATCH, names)
    more = eznas.estimate_seconds(wide, BATCH, names)
    many = eznas.estimate_seconds(wide, sample_minibatch(40, 8), names)
    for name in names:
        assert few[name] < more[name] <= many[name], name
    assert few["sum(nuclear_norm(weight))"] < few["evolved_compact"]


def test_a_program_takes_the_time_of_the_measures_that_it_reads() -> None:
    network = Small()
    program = "add(measure.near, measure.snip)"
    estimates = seconds_of([MEASURES["near"], MEASURES["snip"], Measure("sum", program=program)], network, BATCH)
    assert estimates["sum"] == pytest.approx(estimates["near"] + estimates["snip"])


def test_eigenvalues_of_maps_take_longer_than_determinants() -> None:
    programs = [f"sum(mean({name}(conv_out.data)))" for name in ("det", "sym_eig_ratio", "eig_ratio")]
    det, *ratios = eznas.estimate_seconds(Small(), BATCH, programs).values()
    assert all(ratio > det for ratio in ratios)


def test_slow_measures_are_skipped_unless_they_are_named() -> None:
    network = Small()
    limit = eznas.estimate_seconds(network, BATCH, "snip")["snip"] * 1.001
    scores = eznas.measure(network, BATCH, max_seconds_per_measure=limit)
    estimates = eznas.estimate_seconds(network, BATCH)
    left_out = {name for name, score in scores.items() if score.status is Status.SKIPPED}
    assert left_out == {name for name, estimate in estimates.items() if estimate > limit}
    assert "snip" not in left_out
    assert {"grasp", "vkdnw"} <= left_out
    assert scores["grasp"].detail.startswith(f"estimated {estimates['grasp']:.3g} s, and the limit is {limit:.3g} s")
    assert list(scores) == list(MEASURES)
    assert scores["snip"] == eznas.measure(network, BATCH, "snip")["snip"]
    assert eznas.measure(network, BATCH, ["grasp"], max_seconds_per_measure=limit)["grasp"].ok
    with pytest.raises(ValueError, match="its status is skipped: estimated"):
        float(scores["grasp"])


def test_the_limit_is_for_measures_that_are_not_asked_for() -> None:
    seconds = {"near": 2.0, "snip": 1.0, "zen": None}
    assert set(skipped(seconds, 1.0)) == {"near"}
    assert set(skipped(seconds, 0.5, {"near"})) == {"snip"}
    assert not skipped(seconds, None)
    assert not skipped(seconds, math.inf)


def test_a_network_that_does_not_run_has_no_estimates_and_its_scores_say_why() -> None:
    class Raising(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            raise ValueError("no")

    assert eznas.estimate_seconds(Raising(), BATCH) == {}
    scores = eznas.measure(Raising(), BATCH, max_seconds_per_measure=0.0)
    assert scores["snip"].detail == "ValueError: no"


def test_layers_without_an_equivalent_in_a_program_cost_no_program_its_estimate() -> None:
    network = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.AdaptiveAvgPool1d(10))
    assert eznas.estimate_seconds(network, BATCH, ["eznas_a"])["eznas_a"] > 0


def test_estimates_of_one_image() -> None:
    one = replace(BATCH.take(1), images=torch.zeros(1, 3, 8, 8))
    assert eznas.estimate_seconds(Small(), one, ["near"])["near"] > 0
