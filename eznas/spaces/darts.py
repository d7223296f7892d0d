"""The space of DARTS and NAS-Bench-301: two cells of four nodes, in networks of one size.

An architecture is a genotype as json; see ``eznas.spaces.genotype``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.spaces.base import Fidelity, SearchSpace, by_name
from eznas.spaces.genotype import Genotype, GenotypeRules, dump, load
from eznas.spaces.nds_cells import DARTS_OPERATIONS
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random

    from torch import nn


class Darts(SearchSpace):
    """The space of DARTS; an edit is another operation or input on one edge.

    A fidelity's ``cells`` are all cells of the network, its ``channels`` those of a node in the first cells.
    """

    name = "darts"
    paper = "Liu, Simonyan, Yang. DARTS. ICLR 2019. arXiv:1806.09055"
    fidelities = by_name(
        Fidelity("full", cells=20, channels=36, pixels=32),
        Fidelity("nasbench301", cells=8, channels=32, pixels=32),
        Fidelity("reduced_wide", cells=3, channels=32, pixels=16, batch=8),
        Fidelity("reduced_deep", cells=8, channels=12, pixels=16, batch=8),
    )
    reduced = ("reduced_wide", "reduced_deep")
    rules = GenotypeRules("darts", DARTS_OPERATIONS, nodes=4, loose=False, distinct=True)

    def parse(self, text: str) -> str:
        """Return the official json; order and white space are ignored."""
        return dump(self._read(text).as_json())

    def canonical(self, architecture: str) -> str:
        """Return the genotype with the two terms of each node in order.

        Other cells that compute the same function, such as renumbered ones, keep different forms.
        """
        return dump(self.rules.canonical(self._read(architecture)).as_json())

    def sample(self, rng: random.Random) -> str:
        """Draw operations, and two different inputs of each node, uniformly."""
        return dump(self.rules.sample(rng).as_json())

    def neighbours(self, architecture: str) -> list[str]:
        """Return the architectures with another operation or input on one edge, by cell and edge."""
        return [dump(other.as_json()) for other in self.rules.neighbours(self._read(architecture))]

    def features(self, architecture: str) -> dict[str, float]:
        """Return the features of both cells; see ``GenotypeRules.features``."""
        return self.rules.features(self._read(architecture))

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network for CIFAR without auxiliary head and drop-path."""
        from eznas.networks.nasnet import CellNetwork

        self.check_pixels(fidelity, 4)
        genotype = self._read(architecture)
        return CellNetwork(
            (genotype.normal, genotype.normal_concat),
            (genotype.reduce, genotype.reduce_concat),
            width=fidelity.channels,
            depth=fidelity.cells,
            classes=classes,
            large=False,
        )

    def _read(self, text: str) -> Genotype:
        return self.rules.read(load(text, "an architecture of darts"))


SPACES.register(Darts())
