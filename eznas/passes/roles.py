"""The roles of a network's layers in attention and in feed-forward blocks, found in the graph of a forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eznas.capture import NoUnitsError
from eznas.errors import UndefinedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from eznas.capture.attention import AttentionProduct
    from eznas.passes.outputs import Output


NO_ATTENTION = (
    "the network must have attention whose queries, keys and values are computed by layers; none is found in matmul, "
    "einsum or scaled_dot_product_attention"
)


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a layer or an activation.

    Args:
        weights: The parameters behind the weight of a layer; empty for an activation.
        entering: The node of the graph that computes its input; None where that depends on nothing.
        leaving: The node that computes its output.
        out: Its output.
        widths: The numbers of channels of its input and its output.
    """

    weights: tuple[Tensor, ...]
    entering: Any
    leaving: Any
    out: Output
    widths: tuple[int, int]


@dataclass(frozen=True)
class FeedForward:
    """Two layers with an activation between them.

    Args:
        first: The layers in front of the activations, and those whose outputs the activations gate.
        activations: The activations.
        second: The layer behind them.
    """

    first: tuple[Run, ...]
    activations: tuple[Run, ...]
    second: Run


@dataclass(frozen=True)
class Roles:
    """The roles of layers. A layer has one role, in the order of the fields.

    Args:
        projections: For each attention, the layers whose outputs reach its queries, keys or values through no other
            layer.
        outputs: The layers whose inputs depend on the outputs of an attention through no other layer.
        feed_forwards: The layers with an activation between them.
        others: All other layers that ran.
    """

    projections: tuple[tuple[Run, ...], ...]
    outputs: tuple[Run, ...]
    feed_forwards: tuple[FeedForward, ...]
    others: tuple[Run, ...]

    def attention_weights(self, *, outputs: bool) -> list[Tensor]:
        """Return the weights of the projections, each once, and where asked for those of the layers behind too.

        Raises:
            UndefinedError: The network runs no attention, or attention without projections.
        """
        if not any(self.projections):
            raise UndefinedError(NO_ATTENTION)
        runs = [run for attention in self.projections for run in attention]
        return _weights([*runs, *(self.outputs if outputs else ())])

    def linear_weights(self) -> list[Tensor]:
        """Return the weights of all linear layers and of the projections, each once."""
        projections = [run for attention in self.projections for run in attention]
        blocks = [run for block in self.feed_forwards for run in (*block.first, block.second)]
        linear = [run for run in (*self.outputs, *blocks, *self.others) if run.out.channels_last]
        return _weights([*projections, *linear])

    def feed_forward_weights(self) -> list[Tensor]:
        """Return the weights of the layers of feed-forward blocks, each once.

        Raises:
            NoUnitsError: There is no feed-forward block.
        """
        return _weights(run for block in self._blocks() for run in (*block.first, block.second))

    def feed_forward_activations(self) -> list[Run]:
        """Return the activations of feed-forward blocks, each once.

        Raises:
            NoUnitsError: There is no feed-forward block.
        """
        return list(dict.fromkeys(run for block in self._blocks() for run in block.activations))

    def hidden_layers(self) -> list[Run]:
        """Return the first layers of feed-forward blocks, each once.

        Raises:
            NoUnitsError: There is no feed-forward block.
        """
        return list(dict.fromkeys(run for block in self._blocks() for run in block.first))

    def _blocks(self) -> tuple[FeedForward, ...]:
        if not self.feed_forwards:
            raise NoUnitsError("the network must run two layers with an activation between them; it runs none")
        return self.feed_forwards


def roles_of(layers: Sequence[Run], activations: Sequence[Run], products: Sequence[AttentionProduct]) -> Roles:
    """Return the roles of the layers of a forward pass.

    Args:
        layers: The runs of layers, in the order of execution.
        activations: The runs of activations.
        products: The products of attention maps with values; their gradients must have been asked for.
    """
    of_products = [product.conv_out.edge.node for product in products if product.conv_out.edge is not None]
    ends: dict[Any, Any] = dict.fromkeys(of_products, "attention")
    ends |= {run.leaving: run for run in (*layers, *activations) if run.leaving is not None}
    of_layers, of_activations = set(layers), set(activations)

    projections = tuple(
        tuple(run for run in _nearest([below for below, _ in node.next_functions], ends) if run in of_layers)
        for node in of_products
    )
    taken = {run for attention in projections for run in attention}
    behind = {run: _nearest([run.entering], ends) for run in layers}
    outputs = tuple(run for run in layers if run not in taken and "attention" in behind[run])
    taken |= set(outputs)
    blocks = []
    for second in layers:
        between = tuple(run for run in behind[second] if run in of_activations)
        if second in taken or not between:
            continue
        in_front = [run for activation in between for run in _nearest([activation.entering], ends)]
        gated = [run for run in behind[second] if run in of_layers and run.widths[1] == second.widths[0]]
        first = dict.fromkeys(run for run in (*in_front, *gated) if run in of_layers and run not in taken)
        if first:
            blocks.append(FeedForward(tuple(first), between, second))
    taken |= {run for block in blocks for run in (*block.first, block.second)}
    return Roles(projections, outputs, tuple(blocks), tuple(run for run in layers if run not in taken))


def _weights(runs: Iterable[Run]) -> list[Tensor]:
    weights: dict[int, Tensor] = {}
    for run in runs:
        for weight in run.weights:
            weights.setdefault(id(weight), weight)
    return list(weights.values())


def _nearest(nodes: Iterable[Any], ends: Mapping[Any, Any]) -> list[Any]:
    """Return the ends that a walk back from nodes of the graph reaches first, each once."""
    found: dict[Any, None] = {}
    stack = [node for node in nodes if node is not None]
    seen = set(stack)
    while stack:
        node = stack.pop()
        if node in ends:
            found[ends[node]] = None
            continue
        following = [below for below, _ in node.next_functions if below is not None and below not in seen]
        seen.update(following)
        stack += following
    return list(found)
