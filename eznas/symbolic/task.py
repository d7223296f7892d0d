"""A task with the parts that it is split into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eznas.symbolic.split import Split
    from eznas.symbolic.table import TaskScores


@dataclass(frozen=True)
class SplitTask:
    """A task with its parts.

    Args:
        task: The task.
        split: Its parts.
        held_out: Whether selection never sees it.
        weight: Its weight in the fitness.
    """

    task: TaskScores
    split: Split
    held_out: bool
    weight: float

    def facts(self, target: str) -> dict[str, Any]:
        """Return the description of a task for ``summary.json``."""
        reasons: dict[str, int] = {}
        for reason in self.task.left_out.values():
            reasons[reason] = reasons.get(reason, 0) + 1
        sizes = {"train": len(self.split.train), "full_size": 0, "validation": len(self.split.validation)}
        return {
            "name": self.task.name,
            "target": target,
            "benchmark": self.task.name.partition("/")[0],
            "space": self.task.name.partition("/")[0],
            "images": "none",
            "conditions": [],
            "reported_on": "scores of the file",
            "weight": self.weight,
            "held_out": self.held_out,
            "networks": {**sizes, "test": len(self.split.test)},
            "left_out": {"train": {}, "validation": {}, "test": {}},
            "missing": reasons,
        }
