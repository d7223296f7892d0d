"""Fitness of many programs at once equals a comparison of all pairs of networks, program by program, to the bit."""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.gp.fitness import FitnessCase, FitnessEvaluator
from eznas.programs import apply, literal, parse
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.scoring import Panel

SPECIAL = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 1.0 + 2.0**-52)
ROOT = parse("sum(mean(weight))")


class FixedPanel:
    def __init__(self, scores: NDArray[np.float64], usable: NDArray[np.bool_]) -> None:
        self.programs = [apply("scale", ROOT, literal(place + 2)) for place in range(len(scores))]
        self.values, self.usable, self.table = scores, usable, self

    def scores(self, programs: Sequence[Node]) -> NDArray[np.float64]:
        return self.values[[self.programs.index(program) for program in programs]]


def tau_by_pairs(scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> float:
    if not np.isfinite(scores).all():
        return math.nan
    x, y = (np.sign(np.subtract.outer(values, values)).astype(int) for values in (scores, accuracies))
    pairs = float(np.abs(x).sum() // 2) * float(np.abs(y).sum() // 2)
    return float((x * y).sum() // 2 / np.sqrt(pairs)) if pairs else math.nan


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    programs=st.integers(1, 70),
    networks=st.integers(1, 90),
    levels=st.sampled_from([1, 2, 5, 40, 10**9]),
    special=st.sampled_from([0.0, 0.0, 0.01, 0.3]),
)
def test_fitness_equals_that_by_pairs(seed: int, programs: int, networks: int, levels: int, special: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (programs, networks)) / 7.0 - 1.0
    scores = np.where(rng.random(scores.shape) < special, rng.choice(SPECIAL, scores.shape), scores)
    scores[rng.random(programs) < 0.1] = rng.choice(SPECIAL)  # constants
    scores[rng.random(programs) < 0.2] = 2.0 * scores[0]  # ranks the networks alike
    accuracies = rng.integers(0, rng.choice([1, 3, 10**6]), networks) / 3.0
    training, usable = rng.random(networks) < 0.6, rng.random(networks) < 0.9
    panel = FixedPanel(scores, usable)
    case = FitnessCase(cast("Panel", panel), accuracies, training)
    fitness = FitnessEvaluator([case]).evaluate(panel.programs)
    train, validation = usable & training, usable & ~training
    by_accuracy = np.flatnonzero(train)[np.argsort(accuracies[train], kind="stable")]
    for found, row in zip(fitness, scores, strict=True):
        tau = tau_by_pairs(row[train], accuracies[train])
        if math.isnan(tau):
            status = Status.CONSTANT if np.isfinite(row[train]).all() else Status.NON_FINITE
            assert (found.status, found.key, found.tasks) == (status, b"", ())
            assert math.isnan(found.tau_train)
        else:
            ranks = np.unique(row[by_accuracy] + 0.0, return_inverse=True)[1].astype(np.int8)
            assert (found.status, found.tau_train, found.tasks) == (Status.OK, tau, (tau,))
            assert found.key == blake2b(ranks.tobytes(), digest_size=16).digest()
        held = tau_by_pairs(row[validation], accuracies[validation])
        assert found.tau_validation == held or (math.isnan(found.tau_validation) and math.isnan(held))
