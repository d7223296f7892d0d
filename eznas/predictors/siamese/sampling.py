"""The search of Siamese-NAS: the network chooses the architectures that are trained for its own training (BTS).

Of a budget of ``N`` trained architectures, 3 are kept to choose between the network's last states. Of the others, 30 %
are drawn at random before training. The rest are added in 10 stages of equal size during training: each stage ranks a
random tenth of the space and trains the best. A ranking sorts by the head without a code; the first of it are sorted
again by the head with a code. Without budgeted sampling, all architectures are drawn at random.

References:
    [Siamese] Zhang, Hsieh, Lee, Fan. Siamese-NAS: Using Trained Samples Efficiently to Find Lightweight Neural
        Architecture by Prior Knowledge. 2022.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from eznas.errors import InputError
from eznas.predictors.nets.adam import Adam
from eznas.predictors.nets.training import reproducible
from eznas.predictors.proposals import run_proposals
from eznas.predictors.siamese.training import GraphTensors, predict, train
from eznas.seeds import numpy_rng, torch_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from eznas.predictors.encodings.graphs import Graphs

    Codes = Callable[[Sequence[int]], NDArray[np.float64]]
    """Returns the estimation codes, ``k x c``, of architectures by their places."""

LEAST_BUDGET = 5
"""3 for the last states, and 2 for the first batch."""


@dataclass(frozen=True)
class SiameseSettings:
    """The settings of a search; the defaults are the published ones.

    Args:
        attention: Whether the network has node self-attention (NSAM).
        sampling: Whether the network chooses architectures to train (BTS).
        width: Features of a node.
        batch: Architectures of a batch, drawn with replacement.
        epochs: Epochs of training, each of ``(N - 3) // batch`` steps: 20 % and 50 % with a learning rate of 1e-3, 30 %
            with 1e-4.
        stages: Number of stages of the sampling.
        first: Share of the budget that is drawn at random before training.
        checkpoints: Last states between which the search chooses, each by training the best of its ranking.
        stage_rerank: How many architectures of a ranking in training are sorted again with codes.
        rerank: How many of the final ranking are.
    """

    attention: bool = True
    sampling: bool = True
    width: int = 64
    batch: int = 8
    epochs: int = 200
    stages: int = 10
    first: float = 0.3
    checkpoints: int = 3
    stage_rerank: int = 30
    rerank: int = 60


class SiameseSearch:
    """One search among ``n`` architectures, which are named by their places 0..n-1.

    ``proposals`` yields a place and is sent that architecture's accuracy, so that any loop can drive it::

        search = SiameseSearch(graphs, codes, budget=100, seed=0)
        ranking = search.run(lambda place: accuracies[place])

    Args:
        graphs: The architectures.
        codes: Their estimation codes; None for the head without a code alone. Called only for architectures that are
            trained or sorted again.
        budget: Most architectures to train, ``N``.
        seed: Seed of all draws.
        settings: The settings.
        scale: Accuracies are divided by it; the results must lie in 0..1.

    Attributes:
        accuracies: The accuracy of each place that was trained, in the order of training.
        coded: The places whose code was computed.

    Raises:
        InputError: The budget is below 5 or above the number of architectures. In a search: an accuracy is outside of
            0..``scale``, or a code is not finite.
    """

    def __init__(
        self,
        graphs: Graphs,
        codes: Codes | None = None,
        *,
        budget: int,
        seed: int = 0,
        settings: SiameseSettings | None = None,
        scale: float = 100.0,
    ) -> None:
        if not LEAST_BUDGET <= budget <= len(graphs):
            raise InputError(
                f"budget must be {LEAST_BUDGET} to {len(graphs)}, the number of architectures, got {budget}",
                parameters=("budget",),
            )
        self.settings = settings or SiameseSettings()
        self.accuracies: dict[int, float] = {}
        self.coded: dict[int, NDArray[np.float64]] = {}
        self._graphs, self._codes, self._budget, self._scale = GraphTensors.of(graphs), codes, budget, scale
        self._rng = numpy_rng(seed, "siamese", "architectures")
        self._generator = torch_generator(seed, "siamese", "batches")
        self._active: list[int] = []
        self._seed = seed

    def run(self, train_one: Callable[[int], float]) -> list[int]:
        """Search, with a function that trains an architecture; return all places, the best by the ranking first."""
        return run_proposals(self.proposals(), train_one)

    def proposals(self) -> Generator[int, float, list[int]]:
        """Yield each place to train, never one twice, and at most ``budget``; return the ranking of all places."""
        settings = self.settings
        learning = self._budget - settings.checkpoints
        steps = max(learning // settings.batch, 1)
        start = int(learning * settings.first) if settings.sampling else learning
        start = max(start, 2)  # a batch normalisation needs two
        for place in self._rng.permutation(len(self._graphs.nodes))[:start].tolist():
            yield from self._trained(place)
            self._active.append(place)
        width = 0 if self._codes is None else self._code(self._active).shape[1]
        self._network = self._graphs.network(self._seed, code=width, attention=settings.attention, width=settings.width)
        self._learn(int(settings.epochs * 0.2) * steps, 1e-3)
        yield from self._stages(learning - start, int(settings.epochs * 0.5), steps)
        self._learn(int(settings.epochs * 0.3) * steps, 1e-4)
        yield from self._checkpoints(steps)
        return self.rank(range(len(self._graphs.nodes)), settings.rerank)

    def rank(self, places: Sequence[int], rerank: int) -> list[int]:
        """Return places, the best prediction first; the first ``rerank`` are sorted again by the head with a code."""
        ranking = self._sorted(places)
        if self._codes is None:
            return ranking
        first = ranking[:rerank]
        return self._sorted(first, self._code(first)) + ranking[rerank:]

    def _sorted(self, places: Sequence[int], codes: Tensor | None = None) -> list[int]:
        with reproducible(0):
            predicted = predict(self._network, self._graphs, places, codes)
        return [places[index] for index in np.argsort(-predicted, kind="stable")]

    def _stages(self, rest: int, epochs: int, steps: int) -> Generator[int, float, None]:
        """Train for some epochs, and add ``rest`` architectures at equal distances."""
        stages = self.settings.stages
        optimiser = self._optimiser(1e-3)
        if not self.settings.sampling:
            self._learn(epochs * steps, optimiser=optimiser)
            return
        between = epochs // (stages + 1)
        for count in map(len, np.array_split(np.arange(rest), stages)):
            self._learn(between * steps, optimiser=optimiser)
            if not count:
                continue
            active = {*self._active}
            tenth = self._tenth(count, active)
            ranked = [place for place in self.rank(tenth, self.settings.stage_rerank) if place not in active]
            for place in ranked[:count]:
                yield from self._trained(place)
                self._active.append(place)
        self._learn((epochs - stages * between) * steps, optimiser=optimiser)

    def _checkpoints(self, steps: int) -> Generator[int, float, None]:
        """Train for three epochs more, and keep the state whose first of a ranking is the most accurate."""
        best, state = -np.inf, None
        tenth = self._tenth()
        optimiser = self._optimiser(1e-4)
        for _ in range(self.settings.checkpoints):
            self._learn(steps, optimiser=optimiser)
            place = self.rank(tenth, self.settings.stage_rerank)[0]
            yield from self._trained(place)
            if self.accuracies[place] > best:
                best, state = self.accuracies[place], copy.deepcopy(self._network.state_dict())
        if state is not None:
            self._network.load_state_dict(state)

    def _trained(self, place: int) -> Generator[int, float, None]:
        if place not in self.accuracies:
            accuracy = yield place
            if not 0 <= accuracy / self._scale <= 1:
                raise InputError(
                    f"every accuracy must be in 0 to {self._scale:g}, the scale, got {accuracy}", parameters=("scale",)
                )
            self.accuracies[place] = accuracy

    def _tenth(self, least: int = 0, active: Collection[int] = ()) -> list[int]:
        """Draw a tenth of the places, and more where fewer than ``least`` of them are outside ``active``."""
        count = len(self._graphs.nodes)
        drawn: list[int] = self._rng.permutation(count).tolist()
        size = max(count // self.settings.stages, 1)
        while sum(place not in active for place in drawn[:size]) < least:
            size += 1
        return drawn[:size]

    def _optimiser(self, learning_rate: float) -> Adam:
        return Adam(self._network.parameters(), learning_rate, epsilon=1e-7)

    def _learn(self, steps: int, learning_rate: float = 0.0, optimiser: Adam | None = None) -> None:
        with reproducible(0):  # for one thread; the draws have a stream of their own
            train(self._network, self._batch, steps, optimiser or self._optimiser(learning_rate))

    def _batch(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        drawn = torch.randint(len(self._active), (self.settings.batch,), generator=self._generator).tolist()
        places = [self._active[index] for index in drawn]
        labels = torch.tensor([self.accuracies[place] / self._scale for place in places])
        codes = None if self._codes is None else self._code(places)
        chosen = torch.tensor(places)
        return self._graphs.adjacency[chosen], self._graphs.nodes[chosen], codes, labels

    def _code(self, places: Sequence[int]) -> Tensor:
        assert self._codes is not None  # noqa: S101 - the callers check
        new = [place for place in dict.fromkeys(places) if place not in self.coded]
        if new:
            computed = self._codes(new)
            if not np.isfinite(computed).all():
                raise InputError(
                    "estimation codes must be finite; leave out architectures without one", parameters=("codes",)
                )
            self.coded.update(zip(new, computed, strict=True))
        return torch.tensor(np.array([self.coded[place] for place in places]), dtype=torch.float32)
