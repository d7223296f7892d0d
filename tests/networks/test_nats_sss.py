from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from eznas.errors import InputError
from eznas.spaces import SPACES, Fidelity
from eznas.spaces.nats_sss import to_widths

if TYPE_CHECKING:
    from collections.abc import Callable

SPACE = SPACES["nats_sss"]


def parameters_by_hand(widths: tuple[int, ...], classes: int) -> int:
    """Weights and normalisations, added up from the paper's description."""
    first, last = widths[0], widths[-1]
    total = 27 * first + 2 * first + 2 * last + last * classes + classes
    for place, (a, b) in enumerate(zip((first, *widths), widths, strict=False)):
        if place % 2:  # two 3x3 units and a 1x1 shortcut
            total += 9 * a * b + 2 * b + 9 * b * b + 2 * b + a * b
        else:  # two 3x3 units on the input, three on later nodes, a projection of the input where widths differ
            total += 2 * (9 * a * b + 2 * b) + 3 * (9 * b * b + 2 * b) + (a * b + 2 * b) * (a != b)
    return total


@pytest.mark.parametrize(("dataset", "classes"), [("cifar10", 10), ("cifar100", 100)])
def test_parameters_by_hand_are_those_of_the_real_table(real: Callable[[str], Any], dataset: str, classes: int) -> None:
    by_hand = [parameters_by_hand(to_widths(text), classes) for text in SPACE.architectures() or ()]
    assert by_hand == real("nats_sss")[dataset]["params"]


@pytest.mark.parametrize("fidelity", SPACE.fidelities.values(), ids=lambda fidelity: fidelity.name)
def test_networks_have_the_parameters_by_hand(fidelity: Fidelity) -> None:
    for architecture in (SPACE.architectures() or ())[::1021]:
        with torch.device("meta"):
            network = SPACE.build(architecture, fidelity, 10)
        widths = tuple(width * fidelity.channels // 64 for width in to_widths(architecture))
        assert sum(parameter.numel() for parameter in network.parameters()) == parameters_by_hand(widths, 10)


@pytest.mark.parametrize("fidelity", [Fidelity("odd", 1, 64, 18), Fidelity("thin", 1, 12, 16)])
def test_what_cannot_be_built_is_an_error(fidelity: Fidelity) -> None:
    with pytest.raises(InputError, match=r"must (have|be) a multiple"):
        SPACE.build("8:8:8:8:8", fidelity, 10)
