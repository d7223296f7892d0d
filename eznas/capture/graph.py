"""Walks the autograd graph.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def nodes_behind(*roots: Any, ends: Callable[[Any], bool] = lambda _: False) -> Iterator[Any]:
    """Yield every node of the graph that a backward pass from some of its nodes visits, each once.

    Args:
        roots: The nodes; None is left out.
        ends: Returns whether a node is followed no further.
    """
    stack = list({root: None for root in roots if root is not None})
    seen = set(stack)
    while stack:
        node = stack.pop()
        yield node
        for below, _ in () if ends(node) else node.next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                stack.append(below)
