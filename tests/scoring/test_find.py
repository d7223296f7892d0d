from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.errors import InputError
from eznas.measures import find_measures
from eznas.minibatch import Minibatch
from eznas.scoring.find import ZERO_COST_NAS
from eznas.scoring.score_many import measure
from eznas.testing.measures import network_state
from eznas.testing.networks import PIXELS, classifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGES = torch.randn((12, 3, PIXELS, PIXELS), generator=torch.Generator().manual_seed(3))
LABELS = torch.tensor([1, 0, 1, 2, 0, 2, 1, 0, 2, 1, 0, 2])


class Loader:
    """Gives four batches of three images, as a DataLoader does."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, 12, 3):
            yield IMAGES[start : start + 3], LABELS[start : start + 3]


def expected(images: Tensor, labels: Tensor) -> dict[str, float]:
    scores = measure(classifier("cells"), Minibatch(images, labels, 10, "test"), ZERO_COST_NAS)
    return {name: score.value for name, score in scores.items()}


def test_random_loading_joins_the_first_batches() -> None:
    network = classifier("cells")
    before = network_state(network)
    found = find_measures(network, Loader(), ("random", 2, 10), "cpu")
    assert found == expected(IMAGES[:6], LABELS[:6])
    assert tuple(found) == ZERO_COST_NAS
    assert network_state(network) == before


def test_grasp_loading_takes_images_by_class() -> None:
    found = find_measures(classifier("cells"), Loader(), ("grasp", 2, 3), torch.device("cpu"))
    chosen = [1, 4, 0, 2, 3, 5]  # the first two of each class, class by class
    assert found == expected(IMAGES[chosen], LABELS[chosen])


def test_another_loss_and_other_names() -> None:
    def doubled(logits: Tensor, labels: Tensor) -> Tensor:
        return 2 * functional.cross_entropy(logits, labels)

    names = ["snip", "l2_norm", "params"]
    once = find_measures(classifier("cells"), Loader(), ("random", 1, 10), "cpu", measure_names=names)
    twice = find_measures(classifier("cells"), Loader(), ("random", 1, 10), "cpu", doubled, names)
    assert list(once) == names
    assert twice["snip"] == pytest.approx(2 * once["snip"])
    assert twice["l2_norm"] == once["l2_norm"]


def test_given_values_are_summed() -> None:
    arrays: dict[str, float | Sequence[Tensor]] = {"snip": [torch.ones(2, 3), torch.tensor([4.0])], "jacob_cov": -2.5}
    found = find_measures(nn.Identity(), Loader(), ("random", 1, 10), "cpu", measures_arr=arrays)
    assert found == {"snip": 10, "jacob_cov": -2.5}


def test_undefined_is_nan_and_a_failure_is_raised() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10))
    with torch.no_grad():
        network[2].weight.zero_()  # type: ignore[operator]
    found = find_measures(network, Loader(), ("random", 1, 10), "cpu", measure_names=["jacob_cov"])
    assert math.isnan(found["jacob_cov"])
    with pytest.raises(RuntimeError, match="snip: "):
        find_measures(nn.Linear(2, 2), Loader(), ("random", 1, 10), "cpu", measure_names=["snip"])


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (("fancy", 1, 3), "must begin with 'random' or 'grasp'"),
        (("random", 5, 3), "must yield 5 batches; it yields 4"),
        (("grasp", 5, 3), "must yield 5 images of each of 3 classes"),
        (("grasp", 4, 2), "labels must be from 0 to 1; got 2"),
    ],
)
def test_invalid_loaders_raise(info: tuple[str, int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_measures(classifier("cells"), Loader(), info, "cpu")
