"""The supernet of NAS-Bench-201: paths, inherited weights, and sums of operations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from eznas.networks.nasbench201 import CellNetwork, SummedNodes
from eznas.networks.nasbench201_supernet import MixedEdge, _use_batch_statistics
from eznas.seeds import python_rng
from eznas.spaces.nasbench201 import OPERATIONS
from eznas.supernet.training import make_supernet

if TYPE_CHECKING:
    from collections.abc import Sequence

NONE, SKIP, CONV1, CONV3, POOL = OPERATIONS
SUPERNET = make_supernet(cells=2, channels=3, classes=4, seed=0).eval()
IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def network_alone(operations: Sequence[str]) -> nn.Module:
    """The network of an architecture with the weights that the supernet has for it, and with batch statistics."""
    network, shared = CellNetwork(operations, cells=2, channels=3, classes=4), SUPERNET.state_dict()
    _use_batch_statistics(network)
    cell = next(module for module in SUPERNET.modules() if isinstance(module, SummedNodes))
    chosen = dict(zip(cell.edges, operations, strict=True))

    def weight(name: str) -> Tensor:
        return shared[re.sub(r"(?<=\.edges\.)(\w+)", lambda edge: f"{edge[1]}.operations.{chosen[edge[1]]}", name)]

    network.load_state_dict({name: weight(name) for name in network.state_dict()})
    return network


@pytest.mark.parametrize("draw", range(6))
def test_a_path_is_the_network_alone_with_the_inherited_weights(draw: int) -> None:
    operations = python_rng(draw, "path").choices(OPERATIONS, k=6)
    alone = network_alone(operations)
    SUPERNET.choose(operations)
    for mode in (True, False):  # batch statistics in both
        assert torch.equal(alone.train(mode)(IMAGES), SUPERNET.train(mode)(IMAGES))
    others = [*operations[:5], CONV1 if operations[5] != CONV1 else CONV3]
    SUPERNET.choose(others)
    assert not torch.equal(alone(IMAGES), SUPERNET(IMAGES))


def test_without_a_choice_an_edge_is_the_sum_of_its_operations() -> None:
    edge = MixedEdge(3)
    x = torch.randn(2, 3, 8, 8)
    terms: list[Tensor] = []
    for name in OPERATIONS:
        edge.chosen = name
        terms.append(edge(x))
    edge.chosen = None
    assert torch.allclose(edge(x), torch.stack(terms).sum(0), atol=1e-6)
    assert torch.equal(terms[0], torch.zeros_like(x))
    assert torch.equal(terms[1], x)


def test_normalisations_use_the_batch_in_evaluation() -> None:
    SUPERNET.choose((CONV3,) * 6)
    whole, part = SUPERNET.eval()(IMAGES), SUPERNET(IMAGES[:3])
    assert not torch.allclose(whole[:3], part)
    assert not [name for name in SUPERNET.state_dict() if "running" in name or "tracked" in name]


def test_all_cells_have_the_six_edges_and_the_choice() -> None:
    SUPERNET.choose((NONE, SKIP, CONV1, CONV3, POOL, NONE))
    cells = [module for module in SUPERNET.modules() if isinstance(module, SummedNodes)]
    assert len(cells) == 6
    for cell in cells:
        chosen = {name: edge.chosen for name, edge in cell.edges.items() if isinstance(edge, MixedEdge)}
        assert chosen == dict(
            zip(("0_1", "0_2", "1_2", "0_3", "1_3", "2_3"), (NONE, SKIP, CONV1, CONV3, POOL, NONE), strict=True)
        )


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    same, other = (make_supernet(cells=2, channels=3, classes=4, seed=seed) for seed in (0, 1))
    weights = [nn.utils.parameters_to_vector(network.parameters()) for network in (SUPERNET, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
