"""How many programs a second are scored from known reductions, tau included: the cheap step of the evolution.

Vectors are made up, with as many numbers as NAS-Bench-201's networks have units; programs are drawn and bred as the
evolution does it, a generation after the other, so that each brings terms that were known before and new ones. Every
process runs the same load on one thread, as islands would; the rate is that of all together.

    python perf/upper.py [--workers 2] [--networks 400] [--json FILE]
"""

from __future__ import annotations

import random
import time

import numpy as np
import torch

from eznas.config import EvolveConfig
from eznas.fitness import Exam, Examiner
from eznas.gp.grammar import random_program, random_reduction
from eznas.gp.population import Breeder
from eznas.minibatch import load_minibatch
from eznas.scoring import Condition, Panel
from eznas.scoring.panel import Vectors
from eznas.spaces import SPACES

_REDUCTIONS = 80
_VALIDATION = 40


def made_up(networks: int, seed: int) -> tuple[Panel, list[object]]:
    """Return a panel whose vectors are drawn at random, and its reductions."""
    space, rng = SPACES["nasbench201"], random.Random(seed)
    condition = Condition.of(space.name, space.fidelities["reduced_wide"], seed, load_minibatch("digits", 16))
    architectures = [space.sample(rng) for _ in range(networks)]
    panel = Panel(condition, architectures)
    reductions = list(dict.fromkeys(random_reduction(rng, 2) for _ in range(_REDUCTIONS)))
    numbers = np.random.default_rng(seed)
    units = [max(1, 3 * one.count("conv")) for one in architectures]
    panel.learn(reductions, [Vectors(count, numbers.random((len(reductions), count)) + 0.1) for count in units])
    return panel, reductions


def rate(networks: int, generations: int, seed: int) -> tuple[int, float, float]:
    """Return the programs judged, the seconds that took, and those of the scores alone."""
    torch.set_num_threads(1)
    panel, reductions = made_up(networks + _VALIDATION, seed)
    accuracies = np.random.default_rng(seed + 1).random(networks + _VALIDATION)
    examiner = Examiner([Exam.of(panel, accuracies[:networks], accuracies[networks:])])
    breeder, rng = Breeder(examiner, EvolveConfig()), random.Random(seed)
    drawn = [random_program(rng, rng.randint(0, 2), reductions) for _ in range(200)]
    population = breeder.individuals(list(dict.fromkeys(drawn)))
    judged, seconds = 0, 0.0
    for _ in range(generations):
        offspring = breeder.offspring(rng, population, 200, reductions)
        begun = time.process_time()
        bred = breeder.individuals(offspring)
        seconds += time.process_time() - begun
        judged += len(offspring)
        population = breeder.survivors(rng, [*population, *bred], 200)
    return judged, seconds, 0.0
