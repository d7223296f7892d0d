"""A supernet of NAS-Bench-201: every edge of every cell holds all five operations, and all cells share their weights.

References:
    [OneShot] Bender, Kindermans, Zoph, Vasudevan, Le. Understanding and Simplifying One-Shot Architecture Search. ICML
        2018.
    [RSWS] Li, Talwalkar. Random Search and Reproducibility for Neural Architecture Search. UAI 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from eznas.networks.nasbench201 import OPERATION_MODULES, SummedNodes, skeleton

if TYPE_CHECKING:
    from collections.abc import Sequence

_EDGES = 6


class MixedEdge(nn.Module):
    """All operations of one edge: ``b x c x h x w`` to ``b x c x h x w``.

    Attributes:
        chosen: The operation to run; None for the sum of all.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.operations = nn.ModuleDict({name: make(channels, channels) for name, make in OPERATION_MODULES.items()})
        self.chosen: str | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Run the chosen operation, or all, and add."""
        if self.chosen is not None:
            only: Tensor = self.operations[self.chosen](x)
            return only
        terms: list[Tensor] = [operation(x) for operation in self.operations.values()]
        return sum(terms[1:], terms[0])


class Supernet(nn.Sequential):
    """The network of NAS-Bench-201 with mixed edges: ``b x 3 x h x w`` images to ``b x classes`` logits.

    Batch normalisations have no running statistics: they use those of the batch in training and in evaluation. The
    arguments are those of ``skeleton``.
    """

    def __init__(self, *, cells: int, channels: int, classes: int) -> None:
        super().__init__(skeleton(_mixed_cell, cells, channels, classes))
        _use_batch_statistics(self)

    def choose(self, operations: Sequence[str] | None) -> None:
        """Run one operation on each edge from now on, the same in all cells; None for the sum of all.

        Args:
            operations: The six operations, node by node.
        """
        for cell in self.modules():
            if isinstance(cell, SummedNodes):
                chosen = [None] * _EDGES if operations is None else operations
                for edge, name in zip(cell.edges.values(), chosen, strict=True):
                    assert isinstance(edge, MixedEdge)  # noqa: S101 - so are all edges of these cells
                    edge.chosen = name


def _mixed_cell(channels: int) -> nn.Module:
    return SummedNodes([""] * _EDGES, lambda _name, _source: MixedEdge(channels))


def _use_batch_statistics(network: nn.Module) -> None:
    """Remove the running statistics, so that evaluation uses those of the batch too."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
