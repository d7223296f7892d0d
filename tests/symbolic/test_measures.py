from __future__ import annotations

from eznas.programs import parse
from eznas.symbolic.measures import with_measures


def test_columns_become_measures_where_they_exist() -> None:
    program = parse("add(log(score.synflow), power(mul(score.nwot, score.jacov), 0.5))")
    mapped, missing = with_measures(program)
    assert mapped is parse("add(log(measure.synflow), power(mul(measure.naswot, measure.jacob_cov), 0.5))")
    assert missing == ()


def test_columns_without_a_measure_stay_and_are_named() -> None:
    mapped, missing = with_measures(parse("sub(score.latency, score.params)"))
    assert mapped is parse("sub(score.latency, measure.params)")
    assert missing == ("latency",)
