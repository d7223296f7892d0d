"""The parameters that a network's layers use as weights, also where a layer computes its weight from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from eznas.capture.graph import nodes_behind
from eznas.capture.record import flattened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eznas.capture.call import Call


_WEIGHTS = {
    "conv1d": 1, "conv2d": 1, "conv3d": 1, "conv_transpose1d": 1, "conv_transpose2d": 1, "conv_transpose3d": 1,
    "linear": 1, "bilinear": 2,
}  # fmt: skip
"""The positions of the weights among the arguments of layers; each is followed by the bias."""

_SCALES = {
    "batch_norm": 3, "instance_norm": 3, "layer_norm": 2, "group_norm": 2, "rms_norm": 2, "prelu": 1, "embedding": 1,
    "embedding_bag": 1,
}  # fmt: skip
"""The positions of the weights of normalisations, embeddings and PReLU."""

_PRODUCTS = frozenset((
    "addbmm", "addmm", "addmv", "baddbmm", "bmm", "chain_matmul", "einsum", "inner", "matmul", "mm", "multi_dot", "mv",
    "tensordot", "__matmul__", "__rmatmul__",
))  # fmt: skip

_HIDING = frozenset((
    "gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh",
    "rnn_tanh_cell",
))  # fmt: skip
"""Functions of torch that run layers inside."""

_MATRIX = 2
"""Axes of a matrix."""

_LOOKUPS = ("EmbeddingBackward", "GatherBackward", "IndexBackward", "IndexSelectBackward")
"""Nodes of the graph that look up rows of a table."""


class WeightFinder:
    """Finds the parameters that the layers of a forward pass use as weights.

    Where a layer computes its weight from parameters, such as a masked or a normalised weight, the graph leads to them;
    so the parameters must require gradients. A matrix product of parameters with other tensors is a layer too.

    Args:
        parameters: The parameters of the network.

    Attributes:
        weights: The weights of layers, by identity, in the order of execution: parameters, and trainable tensors that
            are not registered as parameters.
        biases: The biases of layers that are parameters, by identity.
        scales: The weights of normalisations, embeddings and PReLU, by identity.
        hidden: The parameters of layers that torch runs inside one function, and that function's name, by identity.
        products: The parameters in matrix products, by identity.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self.weights: dict[int, Tensor] = {}
        self.biases: dict[int, Tensor] = {}
        self.scales: dict[int, Tensor] = {}
        self.hidden: dict[int, tuple[Tensor, str]] = {}
        self.products: dict[int, Tensor] = {}
        self._parameters = {id(parameter): parameter for parameter in parameters}
        self._ends: set[Any] = set()  # the nodes of the graph that compute outputs of layers

    def note(self, call: Call, out: Any) -> None:
        """Note the parameters of a call.

        Args:
            call: A call that has run, with the arguments with which the network made it.
            out: Its result.
        """
        if call.name in _SCALES:
            self.add_scale(_argument(call, _SCALES[call.name], "weight"))
        elif self._is_layer(call):
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, Tensor) and tensor.grad_fn is not None:
                    self._ends.add(tensor.grad_fn)

    def all_weights(self, of_modules: Iterable[Tensor] = (), *, first: Iterable[Tensor] = ()) -> list[Tensor]:
        """Return the weights of layers, each once.

        Args:
            of_modules: Weights of modules that are layers; they come after those of layers that ran.
            first: Weights that come first.
        """
        hidden = [parameter for parameter, _ in self.hidden.values()]
        weights: dict[int, Tensor] = {}
        for weight in (*first, *self.weights.values(), *of_modules, *hidden):
            weights.setdefault(id(weight), weight)
        return list(weights.values())

    def named_weights(self) -> list[Tensor]:
        """Return the parameters that are weights of layers, normalisations, embeddings and PReLU, each once.

        They come in the order of the network's parameters; weights that are no parameters come last.
        """
        found = {**self.weights, **self.scales, **{key: parameter for key, (parameter, _) in self.hidden.items()}}
        order = {key: place for place, key in enumerate(self._parameters)}
        return [found[key] for key in sorted(found, key=lambda key: order.get(key, len(order)))]

    def _is_layer(self, call: Call) -> bool:
        """Return whether a call runs a layer, and note its parameters."""
        name = call.name
        if name in _WEIGHTS:
            leaves = self._add_weight(_argument(call, _WEIGHTS[name], "weight"))
            if name == "bilinear":  # which is no layer of one input, so that its output is not recorded
                self.hidden.update((id(leaf), (leaf, name)) for leaf in leaves)
            bias = _argument(call, _WEIGHTS[name] + 1, "bias")
            if id(bias) in self._parameters:
                self.biases[id(bias)] = bias
            return True
        if name in _HIDING:
            for tensor in flattened(call.args, call.kwargs):
                if id(tensor) in self._parameters and _is_matrix(tensor):
                    self.hidden[id(tensor)] = tensor, name
            return True
        return name in _PRODUCTS and self._add_factors(call.args, call.kwargs)

    def is_scaled(self, call: Call) -> bool:
        """Return whether a normalisation has a weight or a bias of its own."""
        place = _SCALES[call.name]
        biased = call.name != "rms_norm" and _argument(call, place + 1, "bias") is not None
        return biased or _argument(call, place, "weight") is not None

    def add_scale(self, weight: Tensor | None) -> None:
        """Add the parameters behind the weight of a normalisation, an embedding or PReLU."""
        if weight is not None:
            leaves, _ = self.origins(weight)
            self.scales.update((id(leaf), leaf) for leaf in leaves)

    def _add_weight(self, weight: Tensor) -> list[Tensor]:
        """Add the tensors behind a weight, and return them."""
        leaves, computed = self.origins(weight)
        alone = [weight] if weight.requires_grad and not computed else []  # constant kernels are no weights
        for leaf in leaves or alone:
            self.weights.setdefault(id(leaf), leaf)
        return leaves or alone

    def _add_factors(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Add the matrices of a product that are parameters or computed from parameters alone."""
        found = False
        for tensor in flattened(args, kwargs):
            if isinstance(tensor, Tensor) and _is_matrix(tensor):
                leaves, computed = self.origins(tensor)
                if not computed:
                    for leaf in leaves:
                        self.weights.setdefault(id(leaf), leaf)
                        if not _is_lookup(tensor, leaf):
                            self.products[id(leaf)] = leaf
                    found |= bool(leaves)
        return found

    def origins(self, tensor: Tensor) -> tuple[list[Tensor], bool]:
        """Return the parameters from which a tensor is computed, and whether it also depends on other tensors.

        Outputs of layers are other tensors, and the parameters behind them are not followed.
        """
        for whole in (tensor, tensor._base):  # noqa: SLF001 - torch has no other name for the tensor of a view
            if id(whole) in self._parameters:
                return [self._parameters[id(whole)]], False
        leaves: dict[int, Tensor] = {}
        computed = False
        nodes = [tensor.grad_fn] if tensor.grad_fn is not None else []
        seen = set(nodes)
        while nodes:
            node = nodes.pop()
            leaf = getattr(node, "variable", None)
            if node in self._ends or (leaf is not None and id(leaf) not in self._parameters):
                computed = True
            elif leaf is not None:
                leaves[id(leaf)] = leaf
            else:
                following = [below for below, _ in node.next_functions if below is not None and below not in seen]
                seen.update(following)
                nodes += following[::-1]
        return list(leaves.values()), computed


def _argument(call: Call, position: int, name: str) -> Any:
    return call.args[position] if len(call.args) > position else call.kwargs.get(name)


def _is_lookup(tensor: Tensor, table: Tensor) -> bool:
    """Return whether a tensor holds several matrices whose rows are looked up in a table, such as positions of pairs.

    A matrix for each token or pair of tokens is no layer, which multiplies all tokens by one.
    """
    if table.dim() != _MATRIX or tensor.dim() <= _MATRIX:
        return False
    return any(node.name().startswith(_LOOKUPS) for node in nodes_behind(tensor.grad_fn))


def _is_matrix(tensor: Tensor) -> bool:
    return tensor.dim() > 1
