"""A problem: a search space, the accuracies of its architectures, and the images that its networks run on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from eznas.benchmarks import load_table
from eznas.benchmarks.reference import trained_fidelity
from eznas.errors import InputError, unknown
from eznas.minibatch import load_minibatch, random_tokens
from eznas.scoring.condition import Condition, resolve_device
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from eznas.benchmarks import AccuracyTable
    from eznas.minibatch import Minibatch
    from eznas.spaces import SearchSpace


@dataclass(frozen=True)
class Problem:
    """What every command assembles first: space, table, minibatch and conditions.

    Args:
        space: The search space.
        table: The accuracies; None where architectures are scored without.
        fidelity: Name of the size at which networks are reported, and for which images are loaded.
        images: See ``load_minibatch``.
        batch_size: Images of the minibatch.
        seed: Seed of the initialisations and the images.
        device: A torch device.
    """

    space: SearchSpace
    table: AccuracyTable | None
    fidelity: str
    images: str
    batch_size: int
    seed: int
    device: str

    @classmethod
    def of(
        cls,
        space: SearchSpace,
        table: AccuracyTable | None,
        *,
        images: str,
        batch_size: int,
        seed: int,
        device: str = "auto",
        fidelity: str | None = None,
    ) -> Problem:
        """Check names and resolve the device; without a ``fidelity`` it is the one that the benchmark trained.

        Raises:
            InputError: The space has no such fidelity, or the device does not exist here.
        """
        fidelity = fidelity or (trained_fidelity(table.benchmark) if table is not None else "full")
        if fidelity not in space.fidelities:
            raise unknown(f"fidelity of {space.name}", fidelity, space.fidelities)
        return cls(space, table, fidelity, images, batch_size, seed, resolve_device(device))

    @classmethod
    def load(
        cls, benchmark: str, dataset: str, table: Path | None = None, target: str | None = None, **options: object
    ) -> Problem:
        """Load the accuracies of a benchmark; see ``load_table`` and ``Problem.of``."""
        accuracies = load_table(benchmark, dataset, table, target)
        return cls.of(SPACES[accuracies.space], accuracies, **options)  # type: ignore[arg-type]

    @cached_property
    def minibatch(self) -> Minibatch:
        """The images, at the size of ``fidelity``, or tokens for networks of text; loaded when they are first read.

        Raises:
            InputError: They cannot be loaded, or the networks of the space do not read them.
        """
        pixels, vocabulary = self.space.fidelities[self.fidelity].pixels, self.space.vocabulary
        if vocabulary and self.images == "noise":
            return random_tokens(self.batch_size, pixels, vocabulary, seed=self.seed)
        minibatch = load_minibatch(self.images, self.batch_size, pixels=pixels, seed=self.seed)
        self._check_inputs(minibatch)
        return minibatch

    def _check_inputs(self, minibatch: Minibatch) -> None:
        """Check that the networks of the space read such inputs; those of a user's own space may read any."""
        vocabulary, inputs = self.space.vocabulary, minibatch.main_input
        if not vocabulary:
            maps = isinstance(minibatch.images, Tensor) and inputs.dim() == 4 and inputs.is_floating_point()  # noqa: PLR2004
            if not maps and not self.space.digest:
                raise InputError(
                    f"images must hold b x c x h x w images for networks of {self.space.name}; {self.images} holds "
                    "other inputs",
                    parameters=("images",),
                )
            return
        least, greatest = (0, 0) if inputs.is_floating_point() else (int(inputs.min()), int(inputs.max()))
        if inputs.is_floating_point() or least < 0 or greatest >= vocabulary:
            held = "images" if inputs.is_floating_point() else f"integers from {least} to {greatest}"
            raise InputError(
                f"networks of {self.space.name} read tokens: images must be noise, for random tokens, or an .npz file "
                f"with an array of integers from 0, below {vocabulary}, and labels; {self.images} holds {held}",
                parameters=("images",),
            )

    def condition(self, fidelity: str | None = None) -> Condition:
        """Return the condition of a fidelity, the problem's own by default."""
        size = self.space.fidelities[fidelity or self.fidelity]
        return Condition.of(self.space.name, size, self.seed, self.minibatch, self.device)

    @property
    def accuracy_table(self) -> AccuracyTable:
        """The table.

        Raises:
            ValueError: The problem has none.
        """
        if self.table is None:
            raise ValueError(f"the problem on {self.space.name} must have a table of accuracies; it has none")
        return self.table

    def accuracies(self, architectures: Sequence[str]) -> NDArray[np.float64]:
        """Return the accuracies of architectures of the table, in percent."""
        table = self.accuracy_table
        accuracy = dict(zip(table.architectures, table.accuracies.tolist(), strict=True))
        return np.array([accuracy[architecture] for architecture in architectures])
