"""The leaves of the network floor that programs of a run may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.programs import leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eznas.gp.schedule import Schedule
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.scoring import Panel


class NetworkLeaves:
    """Measures and features of the network that are computed on every network.

    Args:
        names: Names such as ``"measure.synflow"`` and ``"graf.count_conv_3x3"``.
        schedule: Bounds the time of panels.
        progress: Advances after each network.

    Attributes:
        nodes: The leaves that have a value on every usable network so far.
    """

    def __init__(self, names: Sequence[str], schedule: Schedule, progress: Progress) -> None:
        self.nodes: list[Node] = []
        self._names, self._schedule, self._progress = list(names), schedule, progress

    def compute(self, panels: Iterable[Panel], least: int) -> None:
        """Compute the leaves on the networks of panels; those without a value on a usable network are left out.

        Args:
            panels: The panels.
            least: The number of first networks of each that run in any case.
        """
        for panel in panels if self._names else ():
            self._progress.stage(f"computing {len(self._names)} measures", len(panel.architectures))
            deadline = self._schedule.deadline(panel)
            finite = panel.extend_leaves(self._names, self._progress, deadline=deadline, least=least)
            for name in [name for name, flag in zip(self._names, finite, strict=True) if not flag]:
                failures = panel.leaf_failures.get(name, {})
                network, reason = next(iter(failures.items()), ("a network", "it is not finite"))
                self._progress.message(f"{name} has no value on {network} and is left out: {reason}")
                self._names.remove(name)
        self.nodes = [leaf(name) for name in self._names]
