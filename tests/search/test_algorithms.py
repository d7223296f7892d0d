from __future__ import annotations

import math

import numpy as np
import pytest

from eznas.errors import InputError
from eznas.predictors.encodings.words import GrowingEncoder, paths
from eznas.search.algorithms.reinforce import Reinforce
from eznas.search.config import SearcherConfig
from eznas.search.domain import Domain
from eznas.search.guide import Guide
from eznas.search.loop import Objective, SearchBudget, search
from eznas.search.protocol import ALGORITHMS, Proposal, SearchContext
from eznas.search.signals import Observation, TabularSignal
from eznas.search.surrogate import SURROGATES
from eznas.seeds import numpy_rng, python_rng
from eznas.testing.landscapes import Letters
from eznas.testing.searchers import run_search

WIDE = Letters(places=6, letters=4)
HEIGHTS = {one: WIDE.height(one) for one in WIDE.architectures()}
TOP = WIDE.height(WIDE.optimum())


def found(name: str, queries: int, seed: int = 0, config: SearcherConfig | None = None) -> float:
    """The best of 4,096 words that a search finds, as a share of the optimum."""
    domain = Domain(WIDE, HEIGHTS)
    guide = Guide(domain, python_rng(seed, "guide"))
    context = SearchContext(domain, python_rng(seed, "algorithm"), guide, 1, config or SearcherConfig())
    objective = Objective([TabularSignal("height", HEIGHTS)], None, {})
    run = search(ALGORITHMS[name].searcher(context), objective, SearchBudget(queries=queries), guide, domain.size)
    assert run.steps[-1].best_value is not None
    return run.steps[-1].best_value / TOP


@pytest.mark.parametrize("name", ["aging_evolution", "local_search", "hill_climbing", "reinforce", "npenas"])
def test_a_smooth_landscape_is_climbed(name: str) -> None:
    assert np.mean([found(name, 250, seed) for seed in range(3)]) > 0.97
    assert np.mean([found("random", 250, seed) for seed in range(3)]) < 0.95


@pytest.mark.parametrize("surrogate", ["ridge", "forest", "networks"])
def test_bananas_climbs_with_every_surrogate(surrogate: str) -> None:
    assert found("bananas", 60, config=SearcherConfig(surrogate=surrogate)) > 0.9


def test_hill_climbing_looks_at_all_neighbours_before_it_steps() -> None:
    steps = run_search(ALGORITHMS["hill_climbing"], SearchBudget(queries=27)).steps
    space = Letters(3, 3)
    first = steps[0].architecture
    near = space.neighbours(first)
    assert {step.architecture for step in steps[1 : 1 + len(near)]} == set(near)


def test_evolution_begins_with_the_best_of_the_warm_up() -> None:
    space = Letters(3, 3)
    heights = {one: space.height(one) for one in space.architectures()}
    steps = run_search(ALGORITHMS["aging_evolution"], SearchBudget(queries=6), proxy=heights, warmup=500).steps
    assert [step.architecture for step in steps] == sorted(heights, key=space.height, reverse=True)[:6]


def test_the_oldest_dies() -> None:
    domain = Domain(Letters(3, 3))
    config = SearcherConfig(pool=2, tournament=2)
    context = SearchContext(domain, python_rng(0), Guide(domain, python_rng(1)), 1, config)
    searcher = ALGORITHMS["aging_evolution"].searcher(context)
    for architecture, value in (("a-a-a", 9.0), ("c-c-c", 1.0), ("b-b-b", 0.0)):
        searcher.ask()
        searcher.tell(Proposal(architecture), Observation(score=None, fitness=value))  # type: ignore[arg-type]
    children = {proposal.architecture for _ in range(50) if (proposal := searcher.ask())}
    assert children <= set(domain.neighbours("c-c-c"))  # a-a-a was better, and is dead


def test_successive_halving_promotes_one_in_three() -> None:
    steps = run_search(ALGORITHMS["successive_halving"], SearchBudget(queries=12), config=SearcherConfig(pool=9)).steps
    assert np.diff([0.0, *(step.epochs for step in steps)]).tolist() == [1.0] * 9 + [10.0] * 3
    first = sorted(steps[:9], key=lambda step: -(step.value or 0))[:3]
    assert [step.architecture for step in steps[9:]] == [step.architecture for step in first]


def test_hyperband_begins_at_each_level_in_turn() -> None:
    steps = run_search(ALGORITHMS["hyperband"], SearchBudget(queries=16), config=SearcherConfig(pool=9)).steps
    assert np.diff([0.0, *(step.epochs for step in steps)]).tolist() == [1.0] * 9 + [10.0] * 3 + [10.0] * 3 + [1.0]


def test_nsga2_finds_the_front() -> None:
    run = run_search(ALGORITHMS["nsga2"], SearchBudget(queries=10_000))
    looks = {(step.cost, step.value) for step in run.steps}
    space = Letters(3, 3)
    best = {
        count: max(space.height(one) for one in space.architectures() if one.count("c") == count) for count in range(4)
    }
    assert {(float(count), height) for count, height in best.items()} <= looks


def test_the_controller_moves_towards_what_gave_more() -> None:
    domain = Domain(Letters(2, 2))
    searcher = Reinforce(SearchContext(domain, python_rng(0), Guide(domain, python_rng(1))))
    searcher.ask()
    for architecture, value in (("a-a", 0.0), ("b-b", 1.0), ("a-a", 0.0), ("b-b", 1.0)):
        searcher.tell(Proposal(architecture), Observation(score=None, fitness=value))  # type: ignore[arg-type]
    before = dict(searcher._logits)
    assert [searcher._choices[place] for place in before] == [["a", "b"], ["a", "b"]]
    assert all(logits[1] > logits[0] for logits in before.values())
    searcher.tell(Proposal("a-b"), Observation(score=None, fitness=-math.inf))  # type: ignore[arg-type]
    assert all(np.array_equal(before[place], logits) for place, logits in searcher._logits.items())


def test_paths_of_a_cell() -> None:
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
    assert paths(cell) == (">avg_pool_3x3", ">nor_conv_3x3>skip_connect>nor_conv_1x1")


def test_a_path_encoding_needs_a_cell() -> None:
    with pytest.raises(InputError, match="needs cells in the format of nasbench201"):
        GrowingEncoder("path").rows(["a-b-c"])
    with pytest.raises(InputError, match="did you mean 'path'"):
        GrowingEncoder("paths")


def test_one_hot_rows_tell_places_apart() -> None:
    rows = GrowingEncoder("onehot").rows(["a-b", "b-b", "b-a"])
    assert rows.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize("name", SURROGATES)
def test_surrogates_learn_a_line(name: str) -> None:
    rng = numpy_rng(0, "surrogate")
    features = rng.integers(0, 2, (200, 5)).astype(np.float64)
    fitness = 90.0 + features @ np.array([3.0, 2.0, 1.0, 0.0, 0.0])
    model = SURROGATES[name]()
    model.fit(features[:150], fitness[:150], seed=2**40)
    mean, deviation = model.predict(features[150:])
    assert np.abs(mean - fitness[150:]).max() < 1.0
    assert (deviation >= 0).all()
