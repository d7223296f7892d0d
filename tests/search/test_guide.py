from __future__ import annotations

import math
import random

from eznas.search.domain import Domain
from eznas.search.guide import Guide
from eznas.search.signals import TabularSignal
from eznas.seeds import python_rng
from eznas.testing.landscapes import Letters

SPACE = Letters(places=3, letters=3)
ALL = SPACE.architectures()
HEIGHTS = {one: SPACE.height(one) for one in ALL}
SECONDS = dict.fromkeys(ALL, 0.25)


def guide(values: dict[str, float], *, warmup: int = 0, move: float = 0.0, seed: int = 0) -> Guide:
    return Guide(Domain(SPACE), python_rng(seed, "guide"), TabularSignal("proxy", values, SECONDS), warmup, move)


def test_warm_up_gives_the_best_first() -> None:
    warm = guide(HEIGHTS, warmup=500).warm()
    assert set(warm) == set(ALL)
    assert [HEIGHTS[one] for one in warm] == sorted(HEIGHTS.values(), reverse=True)


def test_warm_up_leaves_failures_out() -> None:
    values = {one: math.nan if one.startswith("c") else height for one, height in HEIGHTS.items()}
    warm = guide(values, warmup=500).warm()
    assert len(warm) == 18
    assert warm[0] == "b-c-c"


def test_every_score_is_charged_once() -> None:
    led = guide(HEIGHTS, warmup=500, move=1.0)
    led.warm()
    led.mutate("a-a-a")
    assert (led.scored, led.seconds) == (27, 27 / 4)


def test_a_short_training_costs_its_epochs() -> None:
    led = Guide(Domain(SPACE), python_rng(0), TabularSignal("valid12", HEIGHTS, epochs=12), 500)
    led.warm()
    assert led.epochs == 27 * 12


def test_a_move_pays_for_all_neighbours() -> None:
    led = guide(HEIGHTS, move=1.0)
    assert led.mutate("a-a-a") == "a-a-c"  # the heaviest place
    assert (led.scored, led.seconds) == (6, 1.5)


def test_a_move_never_takes_a_failure() -> None:
    values = HEIGHTS | {"a-a-c": math.nan, "a-c-a": math.inf}
    assert guide(values, move=1.0).mutate("a-a-a") == "c-a-a"


def test_where_all_fail_the_move_is_random() -> None:
    led = guide(dict.fromkeys(ALL, math.nan), move=1.0)
    assert {led.mutate("a-a-a") for _ in range(100)} == set(SPACE.neighbours("a-a-a"))


def test_moves_are_guided_with_their_probability() -> None:
    led = guide(HEIGHTS, move=0.75)
    share = sum(led.mutate("a-a-a") == "a-a-c" for _ in range(4000)) / 4000
    assert abs(share - (0.75 + 0.25 / 6)) < 0.03


def test_without_a_proxy_nothing_is_scored() -> None:
    led = Guide(Domain(SPACE), python_rng(0), None, 100, 1.0)
    assert led.warm() == []
    assert led.mutate("a-a-a") in SPACE.neighbours("a-a-a")
    assert led.scored == 0


def test_a_domain_that_is_a_part_is_not_left() -> None:
    known = ["a-a-a", "a-a-b", "c-c-c"]
    domain, rng = Domain(SPACE, known), random.Random(0)
    assert domain.neighbours("a-a-a") == ("a-a-b",)
    assert {domain.mutate("a-a-a", rng) for _ in range(20)} == {"a-a-b"}
    assert domain.neighbours("c-c-c") == ()
    assert {domain.mutate("c-c-c", rng) for _ in range(60)} == set(known)  # no neighbour: anywhere
    assert ("b-b-b" in domain, "c-c-c" in domain, domain.size) == (False, True, 3)


def test_what_is_left_is_found() -> None:
    domain, rng = Domain(SPACE), random.Random(0)
    assert domain.fresh(rng, set(ALL) - {"b-c-a"}) == "b-c-a"
    assert domain.fresh(rng, set(ALL)) is None
