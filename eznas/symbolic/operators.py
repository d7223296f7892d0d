"""The primitives of the network floor, with their literals filled in, and the leaves: a number for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from eznas.errors import InputError, unknown
from eznas.primitives import Kind, all_primitives
from eznas.programs import apply, leaf, literal, postorder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from eznas.programs import Node


@dataclass(frozen=True)
class Operator:
    """A primitive of the network floor, with a value of its literal where it has one.

    Args:
        name: The primitive's name.
        arity: One or two arguments.
        literal: The literal behind the arguments; None where there is none.
        function: The primitive's function of tensors.
        commutative: Whether the order of the arguments is free.
        weight: How often it is drawn, relative to the others of its arity.
    """

    name: str
    arity: int
    literal: float | None
    function: Callable[..., Tensor]
    commutative: bool
    weight: float

    @property
    def size(self) -> int:
        """The number of nodes that it adds to its arguments."""
        return 1 if self.literal is None else 2

    def values(self, *args: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return its values for values of its arguments: any shape, the same for all."""
        tensors = [torch.from_numpy(arg) for arg in args]
        with torch.inference_mode():
            result = self.function(*tensors, *(() if self.literal is None else (self.literal,)))
        return result.numpy()

    def node(self, *args: Node) -> Node:
        """Return the tree of it above trees."""
        return apply(self.name, *args, *(() if self.literal is None else (literal(self.literal),)))


class Language:
    """The operators, numbered from 0, and after them the leaves of a table's columns.

    Args:
        columns: Names of the columns.
        programs: Trees that may have further literals; operators with these are never drawn.
    """

    def __init__(self, columns: Sequence[str], programs: Sequence[Node] = ()) -> None:
        drawn = _operators()
        self.operators = (*drawn, *_further_operators(drawn, programs))
        self.leaves = tuple(leaf(f"score.{column}") for column in columns)
        self.leaf_ids = {node: index for index, node in enumerate(self.leaves)}
        self.first_leaf = len(self.operators)
        leaves = len(self.leaves)
        self.arity = np.array([operator.arity for operator in self.operators] + [0] * leaves, np.int8)
        self.size = np.array([operator.size for operator in self.operators] + [1] * leaves, np.int32)
        self.commutative = np.array([operator.commutative for operator in self.operators] + [False] * leaves)
        weights = np.array([operator.weight for operator in self.operators] + [1.0] * leaves)
        self._codes = {(operator.name, operator.literal): code for code, operator in enumerate(self.operators)}
        self._drawn = {arity: np.flatnonzero(self.arity == arity) for arity in range(3)}
        self._shares = {arity: weights[codes] / weights[codes].sum() for arity, codes in self._drawn.items()}

    def code_of(self, tree: Node) -> int:
        """Return the operator at the root of a tree.

        Raises:
            KeyError: It is not of the language.
        """
        return self._codes[tree.name, _literal_of(tree)]

    def check(self, tree: Node) -> None:
        """Check that a tree consists of these operators and leaves.

        Raises:
            InputError: It has another node.
        """
        for node in postorder([tree]):
            if node in self.leaf_ids or node.kind is Kind.LITERAL:
                continue
            if not node.args:
                raise unknown("column", node.name, [known.name for known in self.leaves])
            try:
                self.code_of(node)
            except KeyError:
                literals = [arg.name for arg in node.args if arg.kind is Kind.LITERAL]
                given = f"{node.name} with {literals[0]}" if literals else node.name
                raise InputError(f"{given} is not an operator on numbers of networks that evolution draws") from None

    def draw(self, rng: np.random.Generator, arity: int, count: int) -> NDArray[np.int64]:
        """Draw operators of an arity, or leaves for arity 0, by their weights."""
        return rng.choice(self._drawn[arity], count, p=self._shares[arity])


def _operators() -> list[Operator]:
    operators = []
    for record in all_primitives():
        for signature in record.signatures:
            numbers = signature.args.count(Kind.NETWORK)
            others = [kind for kind in signature.args if kind is not Kind.NETWORK]
            if signature.result is not Kind.NETWORK or numbers not in (1, 2) or others not in ([], [Kind.LITERAL]):
                continue
            choices = record.parameter.choices if record.parameter else (None,)
            operators += [
                Operator(
                    record.name, numbers, choice, record.function, record.commutative, record.draw_weight / len(choices)
                )
                for choice in choices
            ]
    return operators


def _literal_of(tree: Node) -> float | None:
    """Return the literal among the arguments of a tree's root."""
    return next((float(arg.name) for arg in tree.args if arg.kind is Kind.LITERAL), None)


def _further_operators(known: Sequence[Operator], programs: Sequence[Node]) -> list[Operator]:
    """Return the operators of trees that are known with other literals only."""
    by_name = {operator.name: operator for operator in known if operator.literal is not None}
    keys = dict.fromkeys((node.name, _literal_of(node)) for node in postorder(programs) if node.name in by_name)
    for operator in known:
        keys.pop((operator.name, operator.literal), None)
    return [replace(by_name[name], literal=value, weight=0.0) for name, value in keys]
