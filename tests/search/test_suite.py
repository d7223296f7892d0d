"""The conformance suite fails for algorithms that break the contract."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from eznas.search.protocol import Algorithm, Proposal, Searcher
from eznas.testing.searchers import SearcherSuite

if TYPE_CHECKING:
    from eznas.search.protocol import SearchContext
    from eznas.search.signals import Observation


class _Forgetful(Searcher):
    def tell(self, proposal: Proposal, observation: Observation) -> None:
        pass


class Outside(_Forgetful):
    def ask(self) -> Proposal:
        return Proposal(self.context.domain.space.sample(self.context.rng))


class Unseeded(_Forgetful):
    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self.chance = random.SystemRandom()

    def ask(self) -> Proposal:
        return Proposal(self.context.domain.sample(self.chance))


class Stubborn(_Forgetful):
    def ask(self) -> Proposal:
        return Proposal("a-b-c")


class Unwarmed(_Forgetful):
    def ask(self) -> Proposal:
        return Proposal(self.context.domain.sample(self.context.rng))


class Hasty(Stubborn):
    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        context.guide.warm()


def suite(searcher: type[Searcher]) -> SearcherSuite:
    made = SearcherSuite()
    made.algorithm = Algorithm("broken", "none", "breaks a rule", searcher)  # type: ignore[misc]
    return made


@pytest.mark.parametrize(
    ("searcher", "check"),
    [
        (Outside, "test_every_proposal_is_in_the_domain"),
        (Unseeded, "test_the_same_seed_gives_the_same_search"),
        (Stubborn, "test_the_optimum_of_a_small_space_is_found"),
        (Stubborn, "test_a_constant_signal_is_searched"),
        (Unwarmed, "test_warm_up_is_charged_and_helps"),
        (Hasty, "test_an_empty_budget_costs_nothing"),
    ],
)
def test_a_broken_rule_is_noticed(searcher: type[Searcher], check: str) -> None:
    with pytest.raises(AssertionError):
        getattr(suite(searcher), check)()
