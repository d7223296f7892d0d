from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.errors import InputError
from eznas.networks.nasbench201 import Cell, CellNetwork, ResidualBlock
from eznas.spaces import SPACES, Fidelity
from eznas.spaces.nasbench201 import OPERATIONS, to_operations

if TYPE_CHECKING:
    from collections.abc import Callable

SPACE = SPACES["nasbench201"]
NONE, SKIP, CONV1, CONV3, POOL = OPERATIONS
FULL = SPACE.fidelities["full"]
TINY = Fidelity("tiny", cells=1, channels=4, pixels=8)
MIXED = (CONV3, SKIP, CONV1, POOL, NONE, CONV3)


def parameters_by_hand(operations: tuple[str, ...], cells: int, channels: int, classes: int) -> int:
    """Weights and normalisations, added up from the paper's description."""
    kernels = [{CONV3: 9, CONV1: 1}.get(operation, 0) for operation in operations]
    total = 3 * 9 * channels + 2 * channels
    for stage in range(3):
        c = channels << stage
        if stage:
            total += 9 * c * c // 2 + 2 * c + 9 * c * c + 2 * c + c * c // 2
        total += cells * sum(kernel * c * c + 2 * c for kernel in kernels if kernel)
    return total + 2 * c + c * classes + classes


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def on_meta(architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
    with torch.device("meta"):
        return SPACE.build(architecture, fidelity, classes)


@pytest.mark.parametrize(("dataset", "classes"), [("cifar10", 10), ("cifar100", 100)])
def test_parameters_by_hand_are_those_of_the_real_table(real: Callable[[str], Any], dataset: str, classes: int) -> None:
    listed = SPACE.architectures() or ()
    by_hand = [parameters_by_hand(to_operations(text), 5, 16, classes) for text in listed]
    assert by_hand == real("nasbench201")[dataset]["params"]


@pytest.mark.parametrize("fidelity", SPACE.fidelities.values(), ids=lambda fidelity: fidelity.name)
def test_networks_have_the_parameters_by_hand(fidelity: Fidelity) -> None:
    listed = SPACE.architectures() or ()
    for index, architecture in enumerate(listed[::521]):
        classes = (10, 100, 120)[index % 3]
        operations = to_operations(architecture)
        expected = parameters_by_hand(operations, fidelity.cells, fidelity.channels, classes)
        assert count(on_meta(architecture, fidelity, classes)) == expected


def plain_unit(x: Tensor, state: dict[str, Tensor], name: str, stride: int = 1) -> Tensor:
    weight = state[f"{name}.conv.weight"]
    out = functional.conv2d(x.relu(), weight, stride=stride, padding=weight.shape[-1] // 2)
    return plain_norm(out, state, f"{name}.norm")


def plain_norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return functional.batch_norm(x, None, None, state[f"{name}.weight"], state[f"{name}.bias"], training=True)


def test_network_is_the_formula_of_the_paper() -> None:
    torch_state = torch.Generator().manual_seed(3)
    network = CellNetwork(MIXED, cells=1, channels=4, classes=5)
    for parameter in network.parameters():
        parameter.data.normal_(generator=torch_state)
    state = {name: value.detach() for name, value in network.named_parameters()}
    x = torch.randn(6, 3, 8, 8, generator=torch_state)

    def cell(x: Tensor, name: str) -> Tensor:  # MIXED
        ones = torch.ones(1, 1, *x.shape[-2:])
        near = functional.conv2d(ones, torch.ones(1, 1, 3, 3), padding=1)
        box = torch.ones(x.shape[1], 1, 3, 3)
        node1 = plain_unit(x, state, f"{name}.edges.0_1")
        node2 = x + plain_unit(node1, state, f"{name}.edges.1_2")
        pooled = functional.conv2d(x, box, padding=1, groups=x.shape[1]) / near
        return pooled + plain_unit(node2, state, f"{name}.edges.2_3")

    def block(x: Tensor, name: str) -> Tensor:
        main = plain_unit(plain_unit(x, state, f"{name}.conv_a", 2), state, f"{name}.conv_b")
        small = (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
        return main + functional.conv2d(small, state[f"{name}.shortcut.conv.weight"])

    y = plain_norm(functional.conv2d(x, state["stem.conv.weight"], padding=1), state, "stem.norm")
    y = cell(block(cell(block(cell(y, "body.0"), "body.1"), "body.2"), "body.3"), "body.4")
    features = plain_norm(y, state, "norm").relu().mean((2, 3))
    expected = features @ state["classifier.weight"].T + state["classifier.bias"]
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-4)


def run_order(network: nn.Module, x: Tensor) -> list[str]:
    order: list[str] = []
    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: order.append(name))
    network(x)
    return order


def test_modules_run_in_the_order_of_registration() -> None:
    network = SPACE.build(
        "|nor_conv_1x1~0|+|none~0|skip_connect~1|+" + "|avg_pool_3x3~0|none~1|nor_conv_3x3~2|", TINY, 2
    )
    leaves = [name for name, module in network.named_modules() if not list(module.children())]
    assert run_order(network, torch.randn(2, 3, 8, 8)) == leaves


def test_edges_run_node_by_node() -> None:
    order = run_order(Cell(MIXED, 4), torch.randn(2, 4, 4, 4))
    edges = list(dict.fromkeys(name.split(".")[1] for name in order))
    assert edges == ["0_1", "0_2", "1_2", "0_3", "1_3", "2_3"]


def test_residual_block_runs_its_shortcut_last() -> None:
    order = run_order(ResidualBlock(2, 4), torch.randn(2, 2, 4, 4))
    assert order[-2:] == ["shortcut.pool", "shortcut.conv"]


def test_nothing_gives_zeros_with_zero_gradients() -> None:
    x = torch.randn(2, 4, 4, 4, requires_grad=True)
    out = Cell((NONE,) * 6, 4)(x)
    out.sum().backward()
    assert not out.any()
    assert x.grad is not None
    assert not x.grad.any()


def test_pixels_must_be_halved_twice() -> None:
    with pytest.raises(InputError, match="multiple of 4 pixels, got 18"):
        SPACE.build((SPACE.architectures() or ())[0], Fidelity("odd", 1, 8, 18), 10)


def test_equal_canonical_forms_compute_the_same() -> None:
    x = torch.randn(3, 4, 4, 4)
    with_skips = Cell((SKIP, NONE, CONV3, SKIP, NONE, SKIP), 4)
    plain = Cell((NONE, NONE, NONE, SKIP, NONE, NONE), 4)
    plain.edges["0_3"] = with_skips.edges["1_2"]
    torch.testing.assert_close(with_skips(x), plain(x) + x)
