"""The problem of an evolution: networks to breed, choose and report on, and the conditions that they run under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.benchmarks import sample_splits
from eznas.errors import InputError
from eznas.scoring import Condition, Problem

if TYPE_CHECKING:
    from eznas.config import EvolveConfig

__all__ = ["EvolutionProblem"]


@dataclass(frozen=True)
class EvolutionProblem:
    """What a run is about.

    Args:
        problem: Space, accuracies and images.
        train: Architectures that fitness is computed on.
        validation: Architectures that choose the hall of fame.
        test: Architectures that are reported only.
        promoted: The training architectures that the last generations are judged on at full size too.
        breeding: Conditions of evolution; the worst of them decides what a program is worth.
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
        """Load and draw everything that a configuration names.

        Raises:
            InputError: Something it names does not exist or cannot be used.
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
        promoted = train[: config.full_networks] if config.fidelity == "reduced" else ()
        parts = {"training": train, "promoted training": promoted, "validation": validation, "test": test}
        for name, part in parts.items():
            if part and len({*problem.accuracies(part)}) == 1:
                raise InputError(
                    f"the {name} networks must differ in accuracy, got {len(part)} of one accuracy; ask for more"
                )
        names = problem.space.reduced if config.fidelity == "reduced" else (problem.fidelity,)
        conditions = {name: problem.condition(name) for name in (*names, problem.fidelity)}
        breeding = tuple(conditions[name] for name in names)
        return cls(problem, train, validation, test, promoted, breeding, conditions[problem.fidelity])
