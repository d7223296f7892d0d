"""The load that the engines are compared on: a recorded tournament run over programs as EZNAS evolves them.

Programs are trees of all three floors over the reference's 22 statistics, or, as EZNAS evolves them, the mean over
units of one tree of the two lower floors. Their height is 2 to 6 at first and 10 at most. Each generation is ``varOr``
of winners of tournaments of four, crossover and mutation .4 each, and maybe a share of fresh random trees. The
eigenvalues of single maps are left out: they cost so much more than everything else that they alone would be compared.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
import numpy as np

from eznas.gp.grammar import options, terminals
from eznas.primitives import STATISTICS, Kind
from eznas.programs import Node, apply, leaf, preorder, reductions, replace
from eznas.ranking import TauTarget

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.scoring import Panel
    from eznas.spaces import SearchSpace

REFERENCE = tuple(name for name, fact in STATISTICS.items() if fact.reference_index is not None)
"""The statistics of the released EZNAS code."""

_LOWEST, _HIGHEST, _LIMIT = 2, 6, 10
_CROSSOVER, _MUTATION = 0.4, 0.4
_EARLY = 0.25
_SLOW = ("eig_ratio", "sym_eig_ratio")


@dataclass
class Load:
    """A recorded run.

    Args:
        generations: For each generation the individuals to evaluate: all that were varied, equal ones included.
        seconds: Processor seconds that the engine took for each generation.
        scores: What it gave: ``n`` numbers an individual.
    """

    generations: list[list[Node]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    scores: dict[Node, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def individuals(self) -> list[Node]:
        """All individuals of all generations."""
        return [program for generation in self.generations for program in generation]


def sampled(space: SearchSpace, rng: random.Random, count: int) -> list[str]:
    """Draw different architectures, in the order of drawing."""
    listed = space.architectures()
    if listed is not None and count > len(listed):
        raise click.BadParameter(f"{space.name} has {len(listed)} architectures, got {count}")
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        drawn[space.sample(rng)] = None
    return list(drawn)


def record(
    panel: Panel,
    accuracies: NDArray[np.float64],
    rng: random.Random,
    programs: int,
    generations: int,
    *,
    paper: bool,
    fresh: float,
    screen: bool = False,
) -> Load:
    """Evolve programs whose fitness is tau; the engine evaluates them.

    Args:
        panel: The networks.
        accuracies: Theirs.
        rng: Draws everything.
        programs: Individuals of a generation.
        generations: How many.
        paper: Whether a program is a mean over units.
        fresh: Share of every generation that is drawn at random instead of bred.
        screen: Whether what is not finite on the first two networks is left alone on the others: it has no tau anyway.
    """
    load = Load()
    target = TauTarget(accuracies)
    population = [(_random(rng, paper=paper), True) for _ in range(programs)]
    for _ in range(generations):
        chosen = [program for program, _ in population]
        load.generations.append([program for program, varied in population if varied])
        begun = time.process_time()
        panel.extend(reductions(chosen), screen=screen)
        scores = panel.table.scores(chosen)
        load.seconds.append(time.process_time() - begun)
        load.scores |= dict(zip(chosen, scores, strict=True))
        taus = np.nan_to_num(target.taus(scores), nan=-1.0)
        winners = [chosen[max(rng.sample(range(programs), 4), key=lambda one: float(taus[one]))] for _ in chosen]
        drawn = round(fresh * programs)
        population = [_varied(rng, winners, paper=paper) for _ in range(programs - drawn)]
        population += [(_random(rng, paper=paper), True) for _ in range(drawn)]
    return load


def _varied(rng: random.Random, winners: Sequence[Node], *, paper: bool) -> tuple[Node, bool]:
    """Return an offspring and whether it must be evaluated: ``deap.algorithms.varOr`` with one-point crossover.

    As under ``deap.gp.staticLimit``, one that is too high is its parent again, which is evaluated again all the same.
    """
    way, first = rng.random(), rng.choice(winners)
    if way >= _CROSSOVER + _MUTATION:
        return first, False
    places = [
        (index, node) for index, node in enumerate(preorder(first)) if index >= paper and node.kind is not Kind.LITERAL
    ]
    index, old = rng.choice(places)
    if way < _CROSSOVER:
        new = rng.choice([node for node in preorder(rng.choice(winners)) if node.kind is old.kind] or [old])
    else:
        new = _tree(rng, old.kind, rng.randint(0, 2), full=True)
    child = replace(first, index, new)
    return (child if child.height <= _LIMIT else first), True


def _random(rng: random.Random, *, paper: bool) -> Node:
    """Draw a program as ``deap.gp.genHalfAndHalf`` does."""
    height, full = rng.randint(_LOWEST, _HIGHEST), rng.random() < 0.5  # noqa: PLR2004
    if paper:
        return apply("mean", _tree(rng, Kind.UNIT, height - 1, full=full))
    return _tree(rng, Kind.NETWORK, height, full=full)


_LEAST = {Kind.NETWORK: 2, Kind.UNIT: 1, Kind.SAMPLES: 1}
"""Heights of the lowest trees of the kinds without statistics."""


def _tree(rng: random.Random, kind: Kind, depth: int, *, full: bool) -> Node:
    names = [name for name in terminals(kind) if name in REFERENCE]
    if names and (depth <= 0 or (not full and rng.random() < _EARLY)):
        return leaf(rng.choice(names))
    found = [option for option in options(kind) if option.primitive.name not in _SLOW and Kind.IMAGE not in option.args]
    low = [option for option in found if _LEAST.get(option.args[0], 0) < depth]
    if not low:  # down by the shortest way
        low = [option for option in found if option.args[0] is not kind]
    option = rng.choices(low, [option.weight for option in low])[0]
    return option.build(rng, lambda arg: _tree(rng, arg, depth - 1, full=full))


def nodes(programs: Sequence[Node]) -> int:
    """Count operator nodes, each occurrence."""
    return sum(1 for program in programs for node in preorder(program) if node.args)


def distinct_nodes(programs: Sequence[Node]) -> int:
    """Count distinct operator nodes."""
    return len({node for program in programs for node in preorder(program) if node.args})
