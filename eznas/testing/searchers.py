"""What every search algorithm must do: subclass ``SearcherSuite`` in a test file, and pytest checks it.

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
from eznas.search.protocol import Algorithm, Task
from eznas.search.signals import TabularSignal
from eznas.seeds import python_rng
from eznas.testing.landscapes import Letters

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from eznas.search.loop import Run

__all__ = ["SearcherSuite", "run_search"]

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
    """Run a search on the words of three letters out of three.

    Args:
        algorithm: The algorithm.
        budget: When it ends.
        values: What the signal gives, by word; NaN for a failure, None for the words' heights.
        known: The words that may be proposed.
        proxy: What guides.
        warmup: Words that warm-up scores.
        move: Probability that a move is guided.
        config: Settings; None for a pool of six.
        seed: The seed.
    """
    values = {one: _SPACE.height(one) for one in known} if values is None else values
    seconds = dict.fromkeys(known, 2.0)
    full = TabularSignal("height", values, seconds, epochs=10.0)
    levels = [TabularSignal("height1", values, seconds, epochs=1.0), full] if algorithm.levels else [full]
    against = TabularSignal("cost", {one: float(one.count("c")) for one in known}) if algorithm.costs else None
    domain = Domain(_SPACE, known)
    led = TabularSignal("proxy", proxy, dict.fromkeys(proxy, 0.5)) if proxy is not None else None
    guide = Guide(domain, python_rng(seed, "guide"), led, warmup, move)
    task = Task(
        domain, python_rng(seed, "algorithm"), guide, len(levels), config or SearcherConfig(pool=6, tournament=3)
    )
    return search(algorithm.searcher(task), Objective(levels, against, values), budget, guide, domain.size)


class SearcherSuite:
    """The contract of ``eznas.search.protocol``, checked on small landscapes."""

    algorithm: ClassVar[Algorithm]

    def test_every_proposal_is_in_the_domain(self) -> None:
        """A table that knows a part of the space is never left."""
        half = _ALL[::2]
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY), known=half)
        _require({step.architecture for step in run.steps} <= set(half), "a proposal was outside of the domain")

    def test_the_optimum_of_a_small_space_is_found(self) -> None:
        """With nothing to stop it the search ends, and has found the optimum."""
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY))
        _require(run.ended != "budget", "the search did not end on a space that is exhausted")
        _require(run.steps[-1].best == _SPACE.optimum(), f"the best must be the optimum, got {run.steps[-1].best}")

    def test_no_look_is_paid_for_twice(self) -> None:
        """What was looked at before is told again and costs nothing."""
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY))
        looks = Counter(step.architecture for step in run.steps)
        levels = 2 if self.algorithm.levels else 1
        _require(max(looks.values()) <= levels, f"some word was looked at {max(looks.values())} times")

    def test_the_same_seed_gives_the_same_search(self) -> None:
        """Nothing but the seed decides."""
        runs = [run_search(self.algorithm, SearchBudget(queries=20), seed=seed) for seed in (1, 1, 2)]
        _require(runs[0] == runs[1], "two searches with one seed differ")
        _require(runs[0] != runs[2], "two searches with two seeds are the same")

    def test_a_budget_of_nothing_costs_nothing(self) -> None:
        """Not even warm-up is done."""
        run = run_search(self.algorithm, SearchBudget(queries=0), proxy=dict.fromkeys(_ALL, 1.0), warmup=10)
        _require(not run.steps and not run.scored, f"there must be no look and no score, got {run}")

    def test_a_budget_of_one_is_one_look(self) -> None:
        """The first proposal is enough."""
        run = run_search(self.algorithm, SearchBudget(queries=1))
        _require(len(run.steps) == 1, f"there must be one look, got {len(run.steps)}")
        _require(run.steps[0].best == run.steps[0].architecture, "the only look must be the best")

    def test_a_failure_never_wins(self) -> None:
        """Where the optimum fails, the best of the others is found."""
        failing = {_SPACE.optimum(), "c-b-c"}
        values = {one: math.nan if one in failing else _SPACE.height(one) for one in _ALL}
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY), values=values)
        best = max(set(_ALL) - failing, key=_SPACE.height)
        _require(run.steps[-1].best == best, f"the best must be {best}, got {run.steps[-1].best}")

    def test_failures_alone_have_no_winner(self) -> None:
        """A search on nothing but failures ends, without a best."""
        run = run_search(self.algorithm, SearchBudget(queries=200), values=dict.fromkeys(_ALL, math.nan))
        _require(run.steps[-1].best is None, f"there must be no best, got {run.steps[-1].best}")

    def test_a_space_of_one_is_searched(self) -> None:
        """One look, and the end."""
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY), known=["a-b-c"])
        _require({step.best for step in run.steps} == {"a-b-c"}, "the only word must be the best")

    def test_a_constant_signal_is_searched(self) -> None:
        """No value is better than another."""
        run = run_search(self.algorithm, SearchBudget(queries=20), values=dict.fromkeys(_ALL, 1.0))
        _require(len(run.steps) == 20, f"there must be 20 looks, got {len(run.steps)}")  # noqa: PLR2004 - as above

    def test_warm_up_is_charged_and_helps(self) -> None:
        """Every word is scored once; with a perfect proxy the optimum is found at once."""
        heights = {one: _SPACE.height(one) for one in _ALL}
        run = run_search(self.algorithm, SearchBudget(queries=12), proxy=heights, warmup=1000)
        _require(run.scored == len(_ALL), f"{len(_ALL)} words must be scored, got {run.scored}")
        _require(run.score_seconds == len(_ALL) / 2, f"each score costs half a second, got {run.score_seconds}")
        _require(run.steps[-1].best == _SPACE.optimum(), f"the optimum must be found, got {run.steps[-1].best}")

    def test_a_proxy_that_fails_leads_nowhere(self) -> None:
        """The search goes on as without it."""
        move = 1.0 if self.algorithm.moves else 0.0
        failing = dict.fromkeys(_ALL, math.nan)
        run = run_search(self.algorithm, SearchBudget(queries=_PLENTY), proxy=failing, warmup=10, move=move)
        _require(run.steps[-1].best == _SPACE.optimum(), f"the optimum must be found, got {run.steps[-1].best}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
