"""The problem of an evolution: its networks, their accuracies, and the conditions that they run under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eznas.benchmarks import sample_splits
from eznas.errors import InputError
from eznas.scoring import Condition, Problem
from eznas.scoring.plugin import plugin_digests

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from eznas.config import EvolveConfig


@dataclass(frozen=True)
class EvolutionProblem:
    """The networks and conditions of a run.

    Args:
        problem: Space, accuracies and images.
        train: Architectures that fitness is computed on.
        validation: Architectures that choose among the hall of fame.
        test: Architectures for the reported figures only.
        promoted: Training architectures that the last generations are evaluated on at full size too.
        breeding: Conditions of evolution; the worst tau over them is a program's fitness.
        full: The condition of all reported figures: the size that the benchmark trained.
    """

    problem: Problem
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    promoted: tuple[str, ...]
    breeding: tuple[Condition, ...]
    full: Condition

    @classmethod
    def of(cls, config: EvolveConfig) -> EvolutionProblem:
        """Load the data that a configuration names, and draw the networks.

        Raises:
            InputError: A name is unknown, or the data cannot be used.
        """
        problem = Problem.load(
            config.benchmark,
            config.dataset,
            config.table,
            config.target,
            images=config.images,
            batch_size=config.batch_size,
            seed=config.seed,
            device=config.device,
        )
        sizes = (config.networks, config.validation_networks, config.test_networks)
        train, validation, test = sample_splits(problem.accuracy_table, sizes, config.seed, problem.space)
        names = problem.space.reduced if config.fidelity == "reduced" else (problem.fidelity,)
        conditions = {name: problem.condition(name) for name in (*names, problem.fidelity)}
        breeding, full = tuple(conditions[name] for name in names), conditions[problem.fidelity]
        promoted = () if full.key in {condition.key for condition in breeding} else train[: config.full_networks]
        parts = {"training": train, "promoted training": promoted, "validation": validation, "test": test}
        for name, part in parts.items():
            if part and len({*problem.accuracies(part)}) == 1:
                raise InputError(
                    f"the {name} networks must differ in accuracy, got {len(part)} of one accuracy; use more"
                )
        return cls(problem, train, validation, test, promoted, breeding, full)

    def accuracies(self, architectures: Sequence[str]) -> NDArray[np.float64]:
        """Return the accuracies of some of the architectures, in percent."""
        return self.problem.accuracies(architectures)

    def facts(self) -> dict[str, Any]:
        """Return the description of the data and the device for the manifest."""
        table, minibatch = self.problem.accuracy_table, self.problem.minibatch
        return {
            "device": self.problem.device,
            "target": str(table.target),
            "conditions": [str(condition) for condition in self.breeding],
            "reported_on": str(self.full),
            "data": {
                "table": {"source": table.source, "sha256": table.digest},
                "images": {"source": minibatch.source, "sha256": minibatch.digest},
                **{f"plugin {path}": {"source": path, "sha256": digest} for path, digest in plugin_digests().items()},
            },
        }

    def summary(self) -> dict[str, Any]:
        """Return the description of the data for ``summary.json``."""
        table, facts = self.problem.accuracy_table, self.facts()
        return {
            "target": facts["target"],
            "benchmark": table.benchmark,
            "space": table.space,
            "images": self.problem.minibatch.source,
            "conditions": facts["conditions"],
            "reported_on": facts["reported_on"],
        }

    def __str__(self) -> str:
        table, minibatch = self.problem.accuracy_table, self.problem.minibatch
        sizes = f"{len(self.train)} training, {len(self.validation)} validation and {len(self.test)} test networks"
        return f"{table.benchmark} ({table.target}), {sizes}, {len(minibatch.labels)} images of {minibatch.source}"
