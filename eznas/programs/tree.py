"""Programs as immutable, interned, well-typed trees.

Equal subtrees are the same object, so the nodes of a population *are* its directed acyclic graph: a dictionary keyed
by node shares every common subexpression, and equality is identity. A node that does not typecheck cannot be built.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from eznas import primitives
from eznas.errors import InputError, unknown
from eznas.primitives import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eznas.primitives import Primitive


_EXACT = 1e15
"""Whole numbers below this are written without a point."""

NETWORK_LEAVES = {
    "measure": "a measure of the registry",
    "score": "a column of a score file",
    "graf": "a feature of the architecture's graph",
}
"""The sources of leaves of the network floor, by the word in front of the point: ``measure.synflow``."""

_NETWORK_LEAF = re.compile(rf"(?:{'|'.join(NETWORK_LEAVES)})\.[a-z0-9_]+")

_INTERNED: WeakValueDictionary[tuple[object, ...], Node] = WeakValueDictionary()


class Node:
    """One node of a program; made by ``leaf``, ``literal`` and ``apply`` only.

    Attributes:
        name: The name of the primitive, statistic or leaf of the network floor, or a literal's text.
        args: The arguments; empty for a leaf.
        kind: The kind of its value.
        primitive: The record of the primitive; leaves have no such attribute.
        size: Number of nodes in the subtree: primitives, leaves and numbers, each as often as it is written.
        height: Number of edges on the longest way down.
    """

    __slots__ = ("__weakref__", "_text", "args", "height", "kind", "name", "primitive", "size")

    name: str
    args: tuple[Node, ...]
    kind: Kind
    primitive: Primitive
    size: int
    height: int
    _text: str

    def __new__(  # noqa: PYI034 - an interned node
        cls, name: str, args: tuple[Node, ...], kind: Kind, primitive: Primitive | None = None
    ) -> Node:
        """Return the one node of this name and these arguments."""
        key = (name, kind, primitive, *map(id, args))
        interned = _INTERNED.get(key)
        if interned is not None:
            return interned
        node = super().__new__(cls)
        node.name, node.args, node.kind = name, args, kind
        if primitive is not None:
            node.primitive = primitive
        node._text = "" if args else name
        node.size = 1 + sum([arg.size for arg in args])
        node.height = 1 + max([arg.height for arg in args]) if args else 0
        _INTERNED[key] = node
        return node

    @property
    def text(self) -> str:
        """The canonical text of the whole subtree, built on first use, as it can be long."""
        if not self._text:
            self._text = "".join(_pieces(self))
        return self._text

    def __repr__(self) -> str:
        return f"<{self.kind.value} {self.text}>"

    def __str__(self) -> str:
        return self.text


def _pieces(root: Node) -> Iterator[str]:
    stack: list[Node | str] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif item._text:  # noqa: SLF001 - of this module
            yield item._text  # noqa: SLF001
        else:
            yield f"{item.name}("
            stack.append(")")
            for arg in reversed(item.args[1:]):
                stack += (arg, ", ")
            stack.append(item.args[0])


def leaf(name: str) -> Node:
    """Return the node of a leaf.

    Args:
        name: A statistic such as ``"input_grad.data"``, an older name of one, or a leaf of the network floor such as
            ``"measure.synflow"``; whether there is such a measure is checked where its value is looked up.

    Raises:
        InputError: There is no such leaf; the nearest one is named.
    """
    if _NETWORK_LEAF.fullmatch(name):
        return Node(name, (), Kind.NETWORK)
    name = primitives.ALIASES.get(name, name)
    statistic = primitives.STATISTICS.get(name)
    if statistic is None:
        _, point, rest = name.partition(".")
        raise unknown("statistic", name, [*primitives.STATISTICS, *_alike(rest if point else "")])
    return Node(name, (), statistic.kind)


def is_network_leaf(node: Node) -> bool:
    """Whether a node is a leaf of the network floor, such as ``measure.synflow``."""
    return not node.args and node.kind is Kind.NETWORK


def network_leaves(roots: Iterable[Node]) -> list[Node]:
    """Return the distinct leaves of the network floor that programs read, in a fixed order."""
    return [node for node in postorder(roots) if is_network_leaf(node)]


def _alike(rest: str) -> list[str]:
    """Return the leaves of the network floor with this text behind the point."""
    return [name for name in (f"{source}.{rest}" for source in NETWORK_LEAVES) if _NETWORK_LEAF.fullmatch(name)]


def literal(value: float) -> Node:
    """Return the node of a number in program text.

    Raises:
        InputError: The number is not finite.
    """
    if not math.isfinite(value):
        raise InputError(f"a number in a program must be finite, got {value}")
    value = float(value)
    whole = value.is_integer() and abs(value) < _EXACT
    return Node(str(int(value)) if whole else repr(value), (), Kind.LITERAL)


def apply(name: str, *args: Node) -> Node:
    """Return the node of a primitive applied to arguments.

    Raises:
        primitives.KindError: The primitive does not exist or does not take these kinds.
        InputError: A literal lies outside the range of its parameter.
    """
    record, kind = primitives.resolve(name, [arg.kind for arg in args])
    if record.parameter is not None:
        parameter, value = record.parameter, float(args[-1].text)
        if not parameter.low <= value <= parameter.high:
            raise InputError(
                f"the {parameter.name} of {name} must lie between {parameter.low} and {parameter.high}, got {value}"
            )
    return Node(name, args, kind, record)


def preorder(root: Node) -> Iterator[Node]:
    """Iterate over every occurrence of a node, the root first, arguments from left to right."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.args))


def postorder(roots: Iterable[Node]) -> list[Node]:
    """Return every distinct node below the roots once, arguments first, in a fixed order."""
    done: dict[Node, None] = {}
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready:
                done[node] = None
            else:
                stack.append((node, True))
                stack.extend((arg, False) for arg in reversed(node.args))
    return list(done)


def replace(root: Node, index: int, new: Node) -> Node:
    """Return the tree with its ``index``-th node in preorder replaced by ``new``.

    Raises:
        primitives.KindError: ``new`` is of a kind that its parent does not take.
    """
    path: list[tuple[Node, int]] = []
    node = root
    while index:
        index -= 1
        for position, arg in enumerate(node.args):
            if index < arg.size:
                path.append((node, position))
                node = arg
                break
            index -= arg.size
        else:
            raise IndexError("index must lie within the tree")
    for parent, position in reversed(path):
        new = apply(parent.name, *parent.args[:position], new, *parent.args[position + 1 :])
    return new
