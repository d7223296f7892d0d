"""The iterative sampling of BRP-NAS: rounds of training, each with the architectures that the last one put first.

References:
    [BRP-NAS] Dudziak, Chau, Abdelfattah, Lee, Kim, Lane. BRP-NAS: Prediction-based NAS using GCNs. NeurIPS 2020.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.predictors.brp.network import BrpSettings, BrpTrainer
from eznas.predictors.nets.training import reproducible
from eznas.predictors.proposals import run_proposals
from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from eznas.predictors.encodings.graphs import Graphs


class BrpSearch:
    """One search among ``n`` architectures, which are named by their places 0..n-1.

    The budget is divided into equal rounds, the first of which is random. Half of a later round are the first of the
    ranking; the other half are drawn from the best ``1 / 2^i`` in round ``i``. Round ``i`` of ``r`` trains for
    ``i / r`` of the epochs, on from the weights of the round before.

    Args:
        graphs: The architectures.
        budget: Most architectures to train.
        rounds: Number of rounds.
        seed: Seed of all draws.
        settings: The settings of the network.

    Attributes:
        accuracies: The accuracy of each place that was trained, in the order of training.

    Raises:
        InputError: The budget has fewer than two architectures for each round, or more than there are. In a
            search: an accuracy is not finite.
    """

    def __init__(
        self, graphs: Graphs, *, budget: int, rounds: int = 5, seed: int = 0, settings: BrpSettings | None = None
    ) -> None:
        if not 2 * rounds <= budget <= len(graphs):
            raise InputError(
                f"budget must be {2 * rounds} to {len(graphs)}, two architectures a round or more, got {budget}",
                parameters=("budget",),
            )
        self.accuracies: dict[int, float] = {}
        self._count, self._rounds = len(graphs), rounds
        self._sizes = [budget // rounds] * (rounds - 1) + [budget - budget // rounds * (rounds - 1)]
        self._rng = numpy_rng(seed, "brp", "architectures")
        self._trainer = BrpTrainer(graphs, seed, settings or BrpSettings())

    def run(self, train_one: Callable[[int], float]) -> list[int]:
        """Search, with a function that trains an architecture; return all places, the best by the ranking first."""
        return run_proposals(self.proposals(), train_one)

    def proposals(self) -> Generator[int, float, list[int]]:
        """Yield each place to train, never one twice, and ``budget`` in all; return the ranking of all places."""
        for done, size in enumerate(self._sizes):
            for place in self._round(done, size):
                accuracy = yield place
                if not math.isfinite(accuracy):
                    raise InputError(f"every accuracy must be finite, got {accuracy} for place {place}")
                self.accuracies[place] = accuracy
            with reproducible(0):  # for one thread; the draws have a stream of their own
                self._trainer.train([*self.accuracies], [*self.accuracies.values()], share=(done + 1) / self._rounds)
        return self._ranking()

    def _ranking(self) -> list[int]:
        with reproducible(0):
            ranking: list[int] = np.argsort(-self._trainer.order(), kind="stable").tolist()
        return ranking

    def _round(self, done: int, size: int) -> list[int]:
        """Return new places for a round."""
        if not done:
            first: list[int] = self._rng.permutation(self._count)[:size].tolist()
            return first
        ranking = self._ranking()
        new = [place for place in ranking if place not in self.accuracies]
        best = new[: size // 2]
        top = {*ranking[: max(self._count // 2**done, 1)]} - {*best}
        rest = [place for place in new if place in top]
        if len(rest) < size - len(best):  # the part is used up
            rest = new[len(best) :]
        return [*best, *self._rng.permutation(rest)[: size - len(best)].tolist()]
