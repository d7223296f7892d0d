"""Conformance tests of search algorithms: subclass ``SearcherSuite`` in a test file.

::

    class TestMine(SearcherSuite):
        algorithm = ALGORITHMS["mine"]
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from eznas.search.config import SearcherConfig
from eznas.search.domain import Domain
from eznas.search.guide import Guide
from eznas.search.loop import Objective, SearchBudget, search
from eznas.search.protocol import Algorithm, SearchContext
from eznas.search.signals import TabularSignal
from eznas.seeds import python_rng
from eznas.testing.landscapes import Letters

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from eznas.search.loop import Run


_SPACE = Letters(places=3, letters=3)
_ALL = _SPACE.architectures()
_PLENTY = 10_000


def run_search(
    algorithm: Algorithm,
    budget: SearchBudget,
    *,
    values: Mapping[str, float] | None = None,
    known: Collection[str] = _ALL,
    proxy: Mapping[str, float] | None = None,
    warmup: int = 0,
    move: float = 0.0,
    config: SearcherConfig | None = None,
    seed: int = 0,
) -> Run:
    """Run a search on the words of three letters from an alphabet of three.

    Args:
        algorithm: The algorithm.
        budget: When it ends.
        values: Values of the signal by word; NaN for a failure, None for the heights of the words.
        known: The words that may be proposed.
        proxy: Values of the guiding proxy; None for no guidance.
        warmup: Number of words that warm-up scores.
        move: Probability that a move is guided.
        config: The settings; None for a pool of six.
        seed: The seed.
    """
    values = {one: _SPACE.height(one) for one in known} if values is None else values
    seconds = dict.fromkeys(known, 2.0)
    full = TabularSignal("height", values, seconds, epochs=10.0)
    levels = [TabularSignal("height1", values, seconds, epochs=1.0), full] if algorithm.levels else [full]
    against = TabularSignal("cost", {one: float(one.count("c")) for one in known}) if algorithm.costs else None
    domain = Domain(_SPACE, known)
    guiding = TabularSignal("proxy", proxy, dict.fromkeys(proxy, 0.5)) if proxy is not None else None
    guide = Guide(domain, python_rng(seed, "guide"), guiding, warmup, move)
    context = SearchContext(
        domain, python_rng(seed, "algorithm"), guide, len(levels), config or SearcherConfig(pool=6, tournament=3)
    )
    return search(algorithm.searcher(context), Objective(levels, against, values), budget, guide, domain.size)


class SearcherSuite:
    """Checks the contract of ``eznas.search.protocol`` on small landscapes."""

    algorithm: ClassVar[Algorithm]

    def test_every_proposal_is_in_the_domain(self) -> None:
        """A search stays in the part of the space that a table holds."""
        half = _ALL[::2]
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY), known=half)
        _require({step.architecture for step in run.steps} <= set(half), "every proposal must be in the domain")

    def test_the_optimum_of_a_small_space_is_found(self) -> None:
        """A search without a limit ends, and finds the optimum."""
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY))
        _require(run.ended != "budget", "the search must end when the space is exhausted")
        _require(run.steps[-1].best == _SPACE.optimum(), f"the best must be the optimum, got {run.steps[-1].best}")

    def test_a_repeated_query_is_free(self) -> None:
        """A repeated query is told again and not charged."""
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY))
        queries = Counter(step.architecture for step in run.steps)
        levels = 2 if self.algorithm.levels else 1
        _require(max(queries.values()) <= levels, f"some word was charged {max(queries.values())} times")

    def test_the_same_seed_gives_the_same_search(self) -> None:
        """All random draws come from the context."""
        runs = [run_search(self.algorithm, SearchBudget(queries=20), seed=seed) for seed in (1, 1, 2)]
        _require(runs[0] == runs[1], "two searches with the same seed must be equal")
        _require(runs[0] != runs[2], "two searches with different seeds must differ")

    def test_an_empty_budget_costs_nothing(self) -> None:
        """Not even the warm-up runs."""
        run = run_search(self.algorithm, SearchBudget(queries=0), proxy=dict.fromkeys(_ALL, 1.0), warmup=10)
        _require(not run.steps and not run.scored, f"there must be no query and no score, got {run}")

    def test_a_budget_of_one_is_one_query(self) -> None:
        """The first proposal is the result."""
        run = run_search(self.algorithm, SearchBudget(queries=1))
        _require(len(run.steps) == 1, f"there must be one query, got {len(run.steps)}")
        _require(run.steps[0].best == run.steps[0].architecture, "the only query must be the best")

    def test_a_failure_never_wins(self) -> None:
        """If the optimum fails, the search finds the best of the others."""
        failing = {_SPACE.optimum(), "c-b-c"}
        values = {one: math.nan if one in failing else _SPACE.height(one) for one in _ALL}
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY), values=values)
        best = max(set(_ALL) - failing, key=_SPACE.height)
        _require(run.steps[-1].best == best, f"the best must be {best}, got {run.steps[-1].best}")

    def test_failures_alone_have_no_winner(self) -> None:
        """A search on failures alone ends without a best."""
        run = run_search(self.algorithm, SearchBudget(queries=200), values=dict.fromkeys(_ALL, math.nan))
        _require(run.steps[-1].best is None, f"there must be no best, got {run.steps[-1].best}")

    def test_a_space_of_one_is_searched(self) -> None:
        """The search ends after one query."""
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY), known=["a-b-c"])
        _require({step.best for step in run.steps} == {"a-b-c"}, "the only word must be the best")

    def test_a_constant_signal_is_searched(self) -> None:
        """The search spends its budget although no value is better than another."""
        run = run_search(self.algorithm, SearchBudget(queries=20), values=dict.fromkeys(_ALL, 1.0))
        _require(len(run.steps) == 20, f"there must be 20 queries, got {len(run.steps)}")  # noqa: PLR2004 - as above

    def test_warm_up_is_charged_and_helps(self) -> None:
        """Each word is scored once; with a perfect proxy the search finds the optimum at once."""
        heights = {one: _SPACE.height(one) for one in _ALL}
        run = run_search(self.algorithm, SearchBudget(queries=12), proxy=heights, warmup=1000)
        _require(run.scored == len(_ALL), f"{len(_ALL)} words must be scored, got {run.scored}")
        _require(run.score_seconds == len(_ALL) / 2, f"each score costs half a second, got {run.score_seconds}")
        _require(run.steps[-1].best == _SPACE.optimum(), f"the optimum must be found, got {run.steps[-1].best}")

    def test_a_failing_proxy_does_no_harm(self) -> None:
        """The search finds the optimum without its guidance."""
        move = 1.0 if self.algorithm.moves else 0.0
        failing = dict.fromkeys(_ALL, math.nan)
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY), proxy=failing, warmup=10, move=move)
        _require(run.steps[-1].best == _SPACE.optimum(), f"the optimum must be found, got {run.steps[-1].best}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
