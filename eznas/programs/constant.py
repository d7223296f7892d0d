"""Programs whose value cannot depend on the network, found without evaluating them.

This saves work, and keeps rounding from ranking networks: the mean of seven times 0.1 is not that of eight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from eznas.primitives import NUMBER_KINDS, STATISTICS, Floor, Kind

if TYPE_CHECKING:
    from eznas.programs.tree import Node


_FIXED, _EVEN = "fixed", "even"
"""States of a node: the same value for every unit of every network; a tensor of any shape with equal entries."""

_KNOWN: WeakKeyDictionary[Node, str] = WeakKeyDictionary()


def is_constant(program: Node) -> bool:
    """Whether a program can be shown to have one value, or none, on every network.

    Values of the images alone are the same for every unit, and so are tensors with equal entries. The number of units
    and the shapes of tensors depend on the network: ``sum(mean(image.data))`` is no constant.

    Args:
        program: A root of kind NETWORK.
    """
    first = program
    while first.args and first.args[0].kind in NUMBER_KINDS:  # above the reductions, all must be constant
        first = first.args[0]
    return _is_fixed(first) and _is_fixed(program)


def _is_fixed(root: Node) -> bool:
    state = _KNOWN.get(root)
    if state is not None:
        return state == _FIXED
    stack = [root]
    while stack:  # down to nodes with a known state
        node = stack[-1]
        below = [arg for arg in node.args if arg not in _KNOWN]
        if below:
            stack += below
        else:
            _KNOWN[node] = _state(node)
            stack.pop()
    return _KNOWN[root] == _FIXED


def _state(node: Node) -> str:
    if not node.args:
        of_images = node.kind.floor is Floor.TENSOR and STATISTICS[node.name].of_images_alone
        return _FIXED if node.kind is Kind.LITERAL or of_images else ""
    states = {_KNOWN[arg] for arg in node.args}
    record, below = node.primitive, node.args[0].kind.floor
    if states == {_FIXED} and (below is not Floor.UNIT or record.entrywise or record.ignores_size):
        return _FIXED
    if node.kind.floor is Floor.TENSOR:
        return _EVEN if record.shape_only or ("" not in states and record.entrywise) else ""
    return _FIXED if "" not in states and below is Floor.TENSOR and record.ignores_size else ""
