"""From a configuration to networks, accuracies and conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.benchmarks import AccuracyTable, load_table, sample_splits
from eznas.benchmarks.reference import trained_fidelity
from eznas.errors import InputError
from eznas.minibatch import Minibatch, load_minibatch
from eznas.scoring import Condition, resolve_device
from eznas.spaces import SPACES, SearchSpace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eznas.config import EvolveConfig

__all__ = ["EvolutionProblem"]


@dataclass(frozen=True)
class EvolutionProblem:
    """What a run is about.

    Args:
        table: The accuracies.
        space: The search space.
        minibatch: The images, at full size.
        device: A torch device.
        train: Architectures that fitness is computed on.
        validation: Architectures that choose the hall of fame.
        test: Architectures that are reported only.
        promoted: The training architectures that the last generations are judged on at full size too.
        breeding: Conditions of evolution; a program is worth what the worst of them says.
        full: The condition of everything that is reported: the size that the benchmark trained.
    """

    table: AccuracyTable
    space: SearchSpace
    minibatch: Minibatch
    device: str
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
        device = resolve_device(config.device)
        table = load_table(config.benchmark, config.dataset, config.table, config.target)
        space = SPACES[table.space]
        sizes = (config.networks, config.validation_networks, config.test_networks)
        train, validation, test = sample_splits(table, sizes, config.seed, space)
        promoted = train[: config.full_networks] if config.fidelity == "reduced" else ()
        parts = {"training": train, "promoted training": promoted, "validation": validation, "test": test}
        for name, part in parts.items():
            if part and len({*_accuracies(table, part)}) == 1:
                raise InputError(
                    f"the {name} networks must differ in accuracy, got {len(part)} of one accuracy; ask for more"
                )
        trained = trained_fidelity(config.benchmark)
        pixels = space.fidelities[trained].pixels
        minibatch = load_minibatch(config.images, config.batch_size, pixels=pixels, seed=config.seed)
        names = space.reduced if config.fidelity == "reduced" else (trained,)
        conditions = {
            name: Condition.of(space.name, space.fidelities[name], config.seed, minibatch, device)
            for name in (*names, trained)
        }
        return cls(
            table,
            space,
            minibatch,
            device,
            train,
            validation,
            test,
            promoted,
            tuple(conditions[name] for name in names),
            conditions[trained],
        )

    def accuracies(self, architectures: tuple[str, ...]) -> NDArray[np.float64]:
        """Return the accuracies of architectures, in percent."""
        return _accuracies(self.table, architectures)


def _accuracies(table: AccuracyTable, architectures: tuple[str, ...]) -> NDArray[np.float64]:
    place = {architecture: index for index, architecture in enumerate(table.architectures)}
    return table.accuracies[[place[architecture] for architecture in architectures]]
