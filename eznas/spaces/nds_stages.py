"""The stage spaces of NDS: ResNet, ResNeXt-A, ResNeXt-B and Vanilla, for CIFAR and ImageNet.

An architecture is the json of a run's ``net``: depths ``ds``, widths ``ws`` and strides ``ss`` of the stages, the
``block_type``, and for bottlenecks their width as a multiple of ``ws`` (``bms``) and the number of groups
(``groups``). The files' names are accepted too: ``bot_muls`` and ``num_gs``, or ``gws``, the channels of a group.

``num_gs`` are numbers of groups, not widths of a group: the first release of pycls (October 2019), which trained these
networks, passes them to the convolution as its groups. Widths of a group (``gws``) came in March 2020; the public code
of zero-cost proxies was written for that later pycls, reads ``num_gs`` as widths, and so builds other ResNeXts than the
trained ones. The stem for CIFAR is that of pycls's configurations for this work (``R-56_nds``, ``V-56_nds``): a 3x3
unit of 16 channels. The stem for ImageNet is not published; networks here have that of the public code, and
``eznas benchmarks check`` compares their parameters with the file's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name
from eznas.spaces.genotype import dump, load
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from torch import nn


_BLOCKS = {
    "vanilla_block": "vanilla_block",
    "double_plain_block": "vanilla_block",
    "res_basic_block": "res_basic_block",
    "res_bottleneck_block": "res_bottleneck_block",
}
_BOTTLENECK = "res_bottleneck_block"
_MOST = 4096
"""Far more blocks or channels than any network of these spaces has."""


def _grid(least: int, most: int, count: int) -> tuple[int, ...]:
    """Return ``count`` numbers at equal ratios from ``least`` to ``most``, rounded, without repetitions."""
    ratio = (most / least) ** (1 / (count - 1))
    return tuple(dict.fromkeys(round(least * ratio**step) for step in range(count)))


@dataclass(frozen=True)
class Stage:
    """Equal blocks.

    Args:
        depth: Number of blocks.
        width: Channels of the blocks.
        stride: Stride of the first block.
        multiple: Inner channels of a bottleneck as a multiple of ``width``.
        groups: Groups of a bottleneck's 3x3 convolution.
    """

    depth: int
    width: int
    stride: int
    multiple: float = 1.0
    groups: int = 1

    @property
    def inner(self) -> int:
        """The inner channels of a bottleneck."""
        return round(self.width * self.multiple)


class NdsStages(SearchSpace):
    """A stage space of NDS; an edit is another depth, width, multiple or number of groups of one stage.

    Depths and widths are drawn from numbers at equal ratios between the bounds of NDS, rounded here. A fidelity's
    ``cells`` and ``channels`` are those of the deepest and of the widest stage; the others shrink in proportion.

    Args:
        name: The space's name.
        block: The drawn block.
        depths: The drawn depths of a stage.
        widths: The drawn widths.
        groups: The drawn numbers of groups.
        large: Whether the networks are those for ImageNet.
    """

    paper = "Radosavovic et al. On Network Design Spaces for Visual Recognition. ICCV 2019. arXiv:1905.13214"
    reduced = ("reduced_wide", "reduced_narrow")
    name: str  # type: ignore[misc]  # an instance for each space
    fidelities: Mapping[str, Fidelity]  # type: ignore[misc]

    def __init__(
        self,
        name: str,
        block: str,
        depths: tuple[int, ...],
        widths: tuple[int, ...],
        groups: tuple[int, ...] = (1,),
        *,
        large: bool,
    ) -> None:
        self.name = name
        self.block = block
        self.depths = depths
        self.widths = widths
        self.groups = groups
        self.large = large
        self.multiples = (1.0, 0.5, 0.25) if block == _BOTTLENECK else (1.0,)
        self.strides = (2, 2, 2, 2) if large and block == "vanilla_block" else (1, 2, 2, 2) if large else (1, 2, 2)
        deep, wide = depths[-1], widths[-1]
        full, small = (224, 64) if large else (32, 16)
        self.fidelities = by_name(
            Fidelity("full", cells=deep, channels=wide, pixels=full),
            Fidelity("reduced_wide", cells=math.ceil(deep / 4), channels=wide, pixels=small, batch=8),
            Fidelity("reduced_narrow", cells=math.ceil(deep / 2), channels=wide // 2, pixels=small, batch=8),
        )

    def parse(self, text: str) -> str:
        """Return the official json; order, white space and further keys of ``net`` are ignored."""
        return self._format(*self._read(text))

    def sample(self, rng: random.Random) -> str:
        """Draw depth, width, multiple and groups of each stage uniformly from the possible stages."""
        stages = []
        for stride in self.strides:
            while True:
                stage = Stage(
                    rng.choice(self.depths),
                    rng.choice(self.widths),
                    stride,
                    rng.choice(self.multiples),
                    rng.choice(self.groups),
                )
                if _possible(stage):
                    stages.append(stage)
                    break
        return self._format(self.block, stages)

    def neighbours(self, architecture: str) -> list[str]:
        """Return the architectures with another depth, width, multiple or number of groups of one stage."""
        block, stages = self._read(architecture)
        return [
            self._format(block, [*stages[:place], other, *stages[place + 1 :]])
            for place, stage in enumerate(stages)
            for other in self._others(stage)
        ]

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network."""
        from eznas.networks.anynet import AnyNet

        block, stages = self._read(architecture)
        built = []
        for stage in stages:
            depth = math.ceil(stage.depth * fidelity.cells / self.depths[-1])
            width = max(1, math.ceil(stage.width * fidelity.channels / self.widths[-1]))
            scaled = replace(stage, depth=depth, width=width)
            while not _possible(scaled):
                scaled = replace(scaled, width=scaled.width + 1)
            built.append((depth, scaled.width, scaled.stride, scaled.inner, scaled.groups))
        return AnyNet(block, built, classes=classes, large=self.large)

    def _others(self, stage: Stage) -> list[Stage]:
        others = [replace(stage, depth=depth) for depth in self.depths]
        others += [replace(stage, width=width) for width in self.widths]
        others += [replace(stage, multiple=multiple) for multiple in self.multiples]
        others += [replace(stage, groups=groups) for groups in self.groups]
        return [other for other in others if other != stage and _possible(other)]

    def _format(self, block: str, stages: Sequence[Stage]) -> str:
        net: dict[str, Any] = {
            "block_type": block,
            "ds": [stage.depth for stage in stages],
            "ws": [stage.width for stage in stages],
            "ss": [stage.stride for stage in stages],
        }
        if block == _BOTTLENECK:
            net["bms"] = [stage.multiple for stage in stages]
            net["groups"] = [stage.groups for stage in stages]
        return dump(net)

    def _read(self, text: str) -> tuple[str, list[Stage]]:
        net = load(text, f"an architecture of {self.name}")
        block = _BLOCKS.get(str(net.get("block_type")))
        if block is None:
            raise InputError(
                f"block_type of {self.name} must be one of {', '.join(_BLOCKS)}, got {net.get('block_type')!r:.80}"
            )
        depths = self._numbers(net, "ds")
        widths, strides = (self._numbers(net, name, len(depths)) for name in ("ws", "ss"))
        stages = [Stage(*row) for row in zip(depths, widths, strides, strict=True)]
        if block == _BOTTLENECK:
            stages = self._bottlenecks(net, stages)
        for stage in stages:
            if not _possible(stage):
                raise InputError(
                    f"the inner channels of a stage of {self.name} must be a multiple of its groups, "
                    f"got {stage.inner} and {stage.groups}"
                )
        return block, stages

    def _bottlenecks(self, net: dict[str, Any], stages: list[Stage]) -> list[Stage]:
        multiples = net.get("bms") or net.get("bot_muls") or [1.0] * len(stages)
        if (
            not isinstance(multiples, list)
            or len(multiples) != len(stages)
            or not all(type(multiple) in (int, float) and 0 < multiple <= _MOST for multiple in multiples)
        ):
            raise InputError(f"bms of {self.name} must be a positive number for each stage, got {multiples!r:.80}")
        stages = [replace(stage, multiple=float(each)) for stage, each in zip(stages, multiples, strict=True)]
        for name in ("groups", "num_gs"):
            if net.get(name):
                groups = self._numbers(net, name, len(stages))
                return [replace(stage, groups=count) for stage, count in zip(stages, groups, strict=True)]
        if net.get("gws"):
            sizes = self._numbers(net, "gws", len(stages))
            return [replace(stage, groups=max(1, stage.inner // of)) for stage, of in zip(stages, sizes, strict=True)]
        return stages

    def _numbers(self, net: dict[str, Any], name: str, count: int | None = None) -> list[int]:
        listed = net.get(name)
        if (
            not isinstance(listed, list)
            or not listed
            or (count is not None and len(listed) != count)
            or not all(type(value) is int and 0 < value <= _MOST for value in listed)
        ):
            raise InputError(f"{name} of {self.name} must be a whole number above 0 for each stage, got {listed!r:.80}")
        return listed


def _possible(stage: Stage) -> bool:
    return stage.inner > 0 and stage.inner % stage.groups == 0


_SMALL, _BROAD = _grid(16, 256, 12), _grid(64, 1024, 5)
_LONG, _SHORT = _grid(1, 24, 9), _grid(1, 16, 5)
for _large in (False, True):
    _in = "_in" if _large else ""
    SPACES.register(NdsStages(f"nds_vanilla{_in}", "vanilla_block", _LONG, _SMALL, large=_large))
    SPACES.register(NdsStages(f"nds_resnet{_in}", "res_basic_block", _LONG, _SMALL, large=_large))
    SPACES.register(NdsStages(f"nds_resnext-a{_in}", _BOTTLENECK, _SHORT, _grid(16, 256, 5), (1, 2, 4), large=_large))
    SPACES.register(NdsStages(f"nds_resnext-b{_in}", _BOTTLENECK, _SHORT, _BROAD, (1, 2, 4, 8, 16), large=_large))
