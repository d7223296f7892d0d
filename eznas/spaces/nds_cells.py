"""The cell spaces of NDS: NASNet, AmoebaNet, PNAS, ENAS and DARTS, with width and depth, for CIFAR and ImageNet.

An architecture is the json of a run's ``net``: ``{"depth":20,"genotype":{...},"width":32}``, sorted and without
spaces. The auxiliary head (``aux``) is left out. See ``eznas.spaces.genotype`` for genotypes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name
from eznas.spaces.genotype import Genotype, GenotypeRules, dump, load
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from torch import nn


WIDTHS = (16, 24, 32)
"""The drawn widths."""

DEPTHS = (4, 8, 12, 16, 20)
"""The drawn numbers of cells."""

_LEAST_DEPTH = 3

DARTS_OPERATIONS = (
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3",
    "dil_conv_5x5",
)  # fmt: skip
"""The operations of DARTS, in its order."""

_NASNET = (
    "skip_connect", "conv_3x1_1x3", "conv_7x1_1x7", "dil_conv_3x3", "avg_pool_3x3", "max_pool_3x3", "max_pool_5x5",
    "max_pool_7x7", "conv_1x1", "conv_3x3", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7",
)  # fmt: skip
_AMOEBA = (
    "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "avg_pool_3x3", "max_pool_3x3",
    "dil_sep_conv_3x3", "conv_7x1_1x7",
)  # fmt: skip
_PNAS = (
    "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "conv_7x1_1x7", "skip_connect", "avg_pool_3x3", "max_pool_3x3",
    "dil_conv_3x3",
)  # fmt: skip
_ENAS = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")


class NdsCells(SearchSpace):
    """A cell space of NDS; an edit is another operation, input, width or depth.

    A fidelity's ``cells`` and ``channels`` are those of the deepest and of the widest drawn network; the others shrink
    in proportion, down to 3 cells and 4 channels.

    Args:
        rules: The cells of the space.
        large: Whether the networks are those for ImageNet.
    """

    paper = "Radosavovic et al. On Network Design Spaces for Visual Recognition. ICCV 2019. arXiv:1905.13214"
    reduced = ("reduced_wide", "reduced_narrow")
    name: str  # type: ignore[misc]  # an instance for each space
    fidelities: Mapping[str, Fidelity]  # type: ignore[misc]

    def __init__(self, rules: GenotypeRules, *, large: bool) -> None:
        self.name = rules.space
        self.rules = rules
        self.large = large
        full, small = (224, 64) if large else (32, 16)
        self.fidelities = by_name(
            Fidelity("full", cells=DEPTHS[-1], channels=WIDTHS[-1], pixels=full),
            Fidelity("reduced_wide", cells=DEPTHS[-1] // 2, channels=WIDTHS[-1], pixels=small, batch=4),
            Fidelity("reduced_narrow", cells=DEPTHS[-1] // 2, channels=WIDTHS[-1] // 2, pixels=small, batch=8),
        )

    def parse(self, text: str) -> str:
        """Return the official json; order, white space and further keys of ``net`` are ignored."""
        return _format(*self._read(text))

    def canonical(self, architecture: str) -> str:
        """Return the architecture with the two terms of each node in order.

        Other cells that compute the same function, such as renumbered ones, keep different forms.
        """
        genotype, width, depth = self._read(architecture)
        return _format(self.rules.canonical(genotype), width, depth)

    def sample(self, rng: random.Random) -> str:
        """Draw operations, inputs, width and depth uniformly."""
        return _format(self.rules.sample(rng), rng.choice(WIDTHS), rng.choice(DEPTHS))

    def neighbours(self, architecture: str) -> list[str]:
        """Return the architectures with another operation, input, width or depth, in that order."""
        genotype, width, depth = self._read(architecture)
        edited = [_format(other, width, depth) for other in self.rules.neighbours(genotype)]
        edited += [_format(genotype, other, depth) for other in WIDTHS if other != width]
        edited += [_format(genotype, width, other) for other in DEPTHS if other != depth]
        return edited

    def features(self, architecture: str) -> dict[str, float]:
        """Return the width, the depth, and the features of both cells; see ``GenotypeRules.features``."""
        genotype, width, depth = self._read(architecture)
        return {"width": float(width), "depth": float(depth), **self.rules.features(genotype)}

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network without auxiliary head and drop-path."""
        from eznas.networks.nasnet import CellNetwork

        divisor = 32 if self.large else 4
        self.check_pixels(fidelity, divisor)
        genotype, width, depth = self._read(architecture)
        return CellNetwork(
            (genotype.normal, genotype.normal_concat),
            (genotype.reduce, genotype.reduce_concat),
            width=max(4, 2 * round(width * fidelity.channels / WIDTHS[-1] / 2)),
            depth=max(_LEAST_DEPTH, math.ceil(depth * fidelity.cells / DEPTHS[-1])),
            classes=classes,
            large=self.large,
        )

    def _read(self, text: str) -> tuple[Genotype, int, int]:
        net = load(text, f"an architecture of {self.name}")
        width, depth, genotype = (net.get(name) for name in ("width", "depth", "genotype"))
        if type(width) is not int or width < 2 or width % 2:  # noqa: PLR2004
            raise InputError(f"width of an architecture of {self.name} must be an even number, got {width!r:.80}")
        if type(depth) is not int or depth < _LEAST_DEPTH:
            raise InputError(
                f"depth of an architecture of {self.name} must be at least {_LEAST_DEPTH}, got {depth!r:.80}"
            )
        if not isinstance(genotype, dict):
            raise InputError(f"genotype of an architecture of {self.name} must be an object, got {genotype!r:.80}")
        return self.rules.read(genotype), width, depth


def _format(genotype: Genotype, width: int, depth: int) -> str:
    return dump({"depth": depth, "genotype": genotype.as_json(), "width": width})


for _large in (False, True):
    _in = "_in" if _large else ""
    for _rules in (
        GenotypeRules(f"nds_darts{_in}", DARTS_OPERATIONS, nodes=4, loose=False, distinct=True),
        GenotypeRules(f"nds_nasnet{_in}", _NASNET, nodes=5, loose=True),
        GenotypeRules(f"nds_amoeba{_in}", _AMOEBA, nodes=5, loose=True),
        GenotypeRules(f"nds_pnas{_in}", _PNAS, nodes=5, loose=False),
        GenotypeRules(f"nds_enas{_in}", _ENAS, nodes=5, loose=True),
    ):
        SPACES.register(NdsCells(_rules, large=_large))
