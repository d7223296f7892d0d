"""A plugin for tests: spaces whose networks run in a millisecond, also in the processes of an executor.

``nasbench201`` takes the place of the real space: a layer for each operation of an architecture. ``widths`` is a second
space, whose architectures can name a fault of the network, such as ``4-8!raises``, or of one size of it alone, such as
``4-8!kills@full``.
"""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING

import torch
from torch import nn

from eznas.networks.nasbench201 import ReLUConvBN
from eznas.spaces import SPACES, Fidelity, SearchSpace
from eznas.spaces.nasbench201 import NasBench201

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from torch import Tensor

FIDELITIES = {
    "full": Fidelity("full", cells=1, channels=4, pixels=8),
    "reduced_wide": Fidelity("reduced_wide", 1, 4, 8, 3),
}
SLOW_SECONDS = 0.9
_TEST = os.environ.setdefault("TINY_SPACES_TEST", str(os.getpid()))


class Faulty(nn.Module):
    """The identity with a fault."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def forward(self, x: Tensor) -> Tensor:
        if self.fault == "raises" or (self.fault == "kills" and os.getpid() == int(_TEST)):
            raise RuntimeError("this layer is broken")
        if self.fault == "kills":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "slow":
            time.sleep(SLOW_SECONDS)
        return x * torch.nan if self.fault == "nan" else x


def network(layers: Sequence[nn.Module], channels: int, last: int, classes: int) -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
    return nn.Sequential(stem, *layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, classes))


class Chain(NasBench201):
    """The operations of an architecture one behind the other."""

    fidelities = FIDELITIES
    reduced = ("reduced_wide",)

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        channels = fidelity.channels
        kernels = [int(kernel) for kernel in re.findall(r"nor_conv_(\d)", self.parse(architecture))]
        layers = [ReLUConvBN(channels, channels, kernel) for kernel in kernels]
        return network(layers, channels, channels, classes)


class Widths(SearchSpace):
    """A stem and two convolutions of some numbers of channels."""

    name = "widths"
    paper = ""
    fidelities = FIDELITIES
    reduced = ("reduced_wide",)

    def parse(self, text: str) -> str:
        assert re.fullmatch(r"\d+-\d+(!\w+(@\w+)?)?", text)
        return text

    def sample(self, rng: random.Random) -> str:
        return f"{rng.randint(1, 12)}-{rng.randint(1, 12)}"

    def features(self, architecture: str) -> dict[str, float]:
        first, second = self._widths(architecture)
        return {"narrowest": float(min(first, second)), "conv_3x3": 2.0}

    def _widths(self, architecture: str) -> tuple[int, int]:
        first, second = architecture.partition("!")[0].split("-")
        return int(first), int(second)

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        first, second = self._widths(architecture)
        fault, _, where = architecture.partition("!")[2].partition("@")
        layers: list[nn.Module] = [ReLUConvBN(fidelity.channels, first, 3), ReLUConvBN(first, second, 3)]
        if fault and where in ("", fidelity.name):
            layers.insert(0, Faulty(fault))
        return network(layers, fidelity.channels, second, classes)


SPACES.register(Chain(), replace=True)
SPACES.register(Widths())
