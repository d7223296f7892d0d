"""Lexicase selection: parents that are good on some tasks, not only over all of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.gp.individual import Individual


def lexicase(population: Sequence[Individual], count: int) -> list[Individual]:
    """Select parents by epsilon-lexicase on the tasks.

    For each parent the tasks come in a random order. Of the individuals left, those within epsilon of the best on the
    task stay, until one is left or no task; epsilon is the median absolute deviation of the population's taus on the
    task. The global ``random`` draws, as in DEAP.

    References:
        La Cava, Spector, Danai. Epsilon-Lexicase Selection for Regression. GECCO 2016. (static epsilon)
    """
    taus = np.array([individual.tasks for individual in population])
    epsilon = np.median(np.abs(taus - np.median(taus, axis=0)), axis=0)
    tasks = list(range(taus.shape[1]))
    selected = []
    for _ in range(count):
        left = np.arange(len(population))
        for task in random.sample(tasks, len(tasks)):
            if len(left) == 1:
                break
            column = taus[left, task]
            left = left[column >= column.max() - epsilon[task]]
        selected.append(population[int(left[random.randrange(len(left))])])
    return selected
