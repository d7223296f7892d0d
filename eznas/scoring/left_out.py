"""Networks that are left out, and messages that count them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


FAILED = "it failed"
LOST = "it ended its process"
UNDEFINED = "it has too few finite values"
CHANGED = "it changed"
SLOW = "it is too slow"
NOT_REACHED = "it was not reached in time"
"""The kinds of reasons: a reason is the kind, and a colon and the particulars where there are any."""


def left_out_messages(left_out: Mapping[str, str], networks: int, where: object) -> list[str]:
    """Return one sentence for each kind of reason: the number of networks, and the first of them.

    Args:
        left_out: Reasons by architecture, of ``Panel.left_out``.
        networks: The number of all networks.
        where: The condition, or another name of the set of networks.
    """
    kinds: dict[str, list[str]] = {}
    for architecture, reason in left_out.items():
        # a network fails with one exception or another: its name belongs to the kind
        parts = reason.split(": ")
        kinds.setdefault(": ".join(parts[: 2 if parts[0] == FAILED else 1]), []).append(architecture)
    return [
        f"{len(same)} of {networks} networks ({where}) {'is' if len(same) == 1 else 'are'} left out"
        f"{'' if len(same) == 1 else ', the first'}: {same[0]}, because {left_out[same[0]]}"
        for same in kinds.values()
    ]
