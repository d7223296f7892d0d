"""A task of an evolution: its networks, their accuracies, and the conditions that they run under."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from eznas.scoring import Condition, Problem
    from eznas.tasks import TaskConfig


@dataclass(frozen=True)
class EvolutionTask:
    """One task of a run.

    Args:
        name: The name in reports, such as ``"nasbench201/cifar10"``.
        problem: Space, accuracies and images.
        train: Architectures that fitness is computed on; none for a task that is held out.
        validation: Architectures that choose among the hall of fame; none for a task that is held out.
        test: Architectures for the reported figures only.
        promoted: Training architectures that the last generations are evaluated on at full size too.
        breeding: Conditions of evolution; the worst tau over them is the tau of a program on the task.
        full: The condition of all reported figures: the size that the benchmark trained.
        weight: Weight in a weighted fitness.
    """

    name: str
    problem: Problem
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    promoted: tuple[str, ...]
    breeding: tuple[Condition, ...]
    full: Condition
    weight: float

    @classmethod
    def of(
        cls, options: TaskConfig, problem: Problem, parts: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    ) -> Self:
        """Build the conditions of a task, whose training, validation and test architectures are given.

        Raises:
            InputError: The networks of a part have one accuracy.
        """
        train, validation, test = parts
        names = problem.space.reduced if options.fidelity == "reduced" else (problem.fidelity,)
        conditions = {name: problem.condition(name) for name in (*names, problem.fidelity)}
        breeding, full = tuple(conditions[name] for name in names), conditions[problem.fidelity]
        at_full_size = full.key in {condition.key for condition in breeding}
        promoted = () if at_full_size else train[: options.full_networks]
        named = {"training": train, "promoted training": promoted, "validation": validation, "test": test}
        for name, part in named.items():
            if part and len({*problem.accuracies(part)}) == 1:
                raise InputError(
                    f"the {name} networks must differ in accuracy, got {len(part)} of one accuracy in {options.name}; "
                    "use more"
                )
        return cls(options.name, problem, train, validation, test, promoted, breeding, full, options.weight)

    @property
    def held_out(self) -> bool:
        """Whether programs are tested on the task only."""
        return not self.train

    def cut(self, **parts: Sequence[str]) -> Self:
        """Return the task with fewer networks in some parts."""
        return replace(self, **{name: tuple(part) for name, part in parts.items()})  # type: ignore[arg-type]

    def accuracies(self, architectures: Sequence[str]) -> NDArray[np.float64]:
        """Return the accuracies of some of the architectures, in percent."""
        return self.problem.accuracies(architectures)

    def data(self) -> dict[str, dict[str, str]]:
        """Return the sources and digests of the table and the images, for the manifest."""
        table, minibatch = self.problem.accuracy_table, self.problem.minibatch
        return {
            f"table of {self.name}": {"source": table.source, "sha256": table.digest},
            f"images of {self.name}": {"source": minibatch.source, "sha256": minibatch.digest},
        }

    def facts(self) -> dict[str, Any]:
        """Return the description of the data for the manifest and the summary."""
        table = self.problem.accuracy_table
        return {
            "name": self.name,
            "target": str(table.target),
            "benchmark": table.benchmark,
            "space": table.space,
            "images": self.problem.minibatch.source,
            "conditions": [str(condition) for condition in self.breeding],
            "reported_on": str(self.full),
            "weight": self.weight,
            "held_out": self.held_out,
        }

    def __str__(self) -> str:
        table, minibatch = self.problem.accuracy_table, self.problem.minibatch
        sizes = f"{len(self.train)} training, {len(self.validation)} validation and {len(self.test)} test networks"
        return f"{table.benchmark} ({table.target}), {sizes}, {len(minibatch)} images of {minibatch.source}"
