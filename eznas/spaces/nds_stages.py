"""The stage spaces of NDS: ResNet, ResNeXt-A, ResNeXt-B and Vanilla, for CIFAR and ImageNet.

An architecture is the json of a run's ``net``: depths ``ds``, widths ``ws`` and strides ``ss`` of the stages, the
``block_type``, and for bottlenecks their width as a multiple of ``ws`` (``bms``) and the number of groups
(``groups``). Accepted are also the files' names: ``bot_muls`` and ``num_gs``, or ``gws``, the channels of a group.

``num_gs`` are numbers of groups, and not widths of a group: the first release of pycls (October 2019), with which these
networks were trained, hands them to the convolution as its groups. Widths of a group (``gws``) came in March 2020; the
public code of zero-cost proxies was written for that later pycls and takes ``num_gs`` for them, so its ResNeXts are
other networks than those that were trained. For CIFAR the stem is that of pycls's own configurations for this work
(``R-56_nds``, ``V-56_nds``): a 3x3 unit of 16 channels. What stem the networks for ImageNet had is not published; that
of the public code is built, and ``python -m eznas.benchmarks check`` says whether the file's parameters agree.

References:
    [NDS] Radosavovic, Johnson, Xie, Lo, Dollar. On Network Design Spaces for Visual Recognition. ICCV 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name
from eznas.spaces.genotype import dump, load
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from torch import nn

__all__ = ["NdsStages", "Stage"]

_BLOCKS = {
    "vanilla_block": "vanilla_block",
    "double_plain_block": "vanilla_block",
    "res_basic_block": "res_basic_block",
    "res_bottleneck_block": "res_bottleneck_block",
}
_BOTTLENECK = "res_bottleneck_block"
_MOST = 4096
"""More blocks or channels than any network of these spaces has by far."""


def _grid(least: int, most: int, count: int) -> tuple[int, ...]:
    """Return numbers at equal ratios from ``least`` to ``most``, rounded; as many as are different."""
    ratio = (most / least) ** (1 / (count - 1))
    return tuple(dict.fromkeys(round(least * ratio**step) for step in range(count)))


@dataclass(frozen=True)
class Stage:
    """Equal blocks.

    Args:
        depth: How many.
        width: Their channels.
        stride: Of the first.
        multiple: Inner channels of a bottleneck, by ``width``.
        groups: Groups of its 3x3 convolution.
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
    """A stage space of [NDS]; an edit is another depth, width, multiple or number of groups of one stage.

    Drawn are numbers at equal ratios between the bounds of [NDS], as many as it says; rounding is ours. A fidelity's
    ``cells`` and ``channels`` are what the deepest and the widest stage are built with; others shrink alike.

    Args:
        name: The space's name.
        block: The block that is drawn.
        depths: The depths of a stage that are drawn.
        widths: The widths.
        groups: The numbers of groups.
        large: Whether images are those of ImageNet.
    """

    paper: ClassVar[str] = (
        "Radosavovic et al. On Network Design Spaces for Visual Recognition. ICCV 2019. arXiv:1905.13214"
    )
    reduced: ClassVar[tuple[str, ...]] = ("reduced_wide", "reduced_narrow")
    name: str  # type: ignore[misc]  # one instance a space
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
        """Return the official json; order, spaces and further keys of ``net`` may differ.

        Raises:
            InputError: It is no architecture of this space.
        """
        return self._format(*self._read(text))

    def sample(self, rng: random.Random) -> str:
        """Draw depth, width, multiple and groups of each stage uniformly from what is possible."""
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
        """Return the architectures of which one stage has another depth, width, multiple or number of groups."""
        block, stages = self._read(architecture)
        return [
            self._format(block, [*stages[:place], other, *stages[place + 1 :]])
            for place, stage in enumerate(stages)
            for other in self._others(stage)
        ]

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network.

        Raises:
            InputError: It is no architecture of this space.
        """
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
        found: dict[str, Any] = {
            "block_type": block,
            "ds": [stage.depth for stage in stages],
            "ws": [stage.width for stage in stages],
            "ss": [stage.stride for stage in stages],
        }
        if block == _BOTTLENECK:
            found["bms"] = [stage.multiple for stage in stages]
            found["groups"] = [stage.groups for stage in stages]
        return dump(found)

    def _read(self, text: str) -> tuple[str, list[Stage]]:
        found = load(text, f"an architecture of {self.name}")
        block = _BLOCKS.get(str(found.get("block_type")))
        if block is None:
            raise InputError(
                f"block_type of {self.name} must be one of {', '.join(_BLOCKS)}, got {found.get('block_type')!r:.80}"
            )
        depths = self._numbers(found, "ds")
        widths, strides = (self._numbers(found, name, len(depths)) for name in ("ws", "ss"))
        stages = [Stage(*row) for row in zip(depths, widths, strides, strict=True)]
        if block == _BOTTLENECK:
            stages = self._bottlenecks(found, stages)
        for stage in stages:
            if not _possible(stage):
                raise InputError(
                    f"the inner channels of a stage of {self.name} must be a multiple of its groups, "
                    f"got {stage.inner} and {stage.groups}"
                )
        return block, stages

    def _bottlenecks(self, found: dict[str, Any], stages: list[Stage]) -> list[Stage]:
        multiples = found.get("bms") or found.get("bot_muls") or [1.0] * len(stages)
        if (
            not isinstance(multiples, list)
            or len(multiples) != len(stages)
            or not all(type(one) in (int, float) and 0 < one <= _MOST for one in multiples)
        ):
            raise InputError(f"bms of {self.name} must be a positive number a stage, got {multiples!r:.80}")
        stages = [replace(stage, multiple=float(one)) for stage, one in zip(stages, multiples, strict=True)]
        for name in ("groups", "num_gs"):
            if found.get(name):
                groups = self._numbers(found, name, len(stages))
                return [replace(stage, groups=one) for stage, one in zip(stages, groups, strict=True)]
        if found.get("gws"):
            sizes = self._numbers(found, "gws", len(stages))
            return [replace(stage, groups=max(1, stage.inner // one)) for stage, one in zip(stages, sizes, strict=True)]
        return stages

    def _numbers(self, found: dict[str, Any], name: str, count: int | None = None) -> list[int]:
        listed = found.get(name)
        if (
            not isinstance(listed, list)
            or not listed
            or (count is not None and len(listed) != count)
            or not all(type(one) is int and 0 < one <= _MOST for one in listed)
        ):
            raise InputError(f"{name} of {self.name} must be a positive whole number a stage, got {listed!r:.80}")
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
