from __future__ import annotations

import re
from typing import Any

from eznas.report.genealogy import drawing, genealogy_html


def birth(parents: list[str], generation: int, operator: str = "crossover") -> dict[str, Any]:
    return {"operator": operator, "parents": parents, "generation": generation, "tau_train": 0.1 * generation}


FAMILY = {
    "best": birth(["mother", "father"], 3),
    "mother": birth(["grandmother"], 2, "mutation"),
    "father": birth(["grandmother"], 1, "mutation"),
    "grandmother": birth([], 0, "seed"),
}


def boxes(svg: str) -> dict[str, tuple[float, float]]:
    found = re.findall(r'<title>(.*?)</title><rect x="([-\d.]+)" y="([-\d.]+)"', svg)
    return {text: (float(x), float(y)) for text, x, y in found}


def test_parents_stand_below_their_children() -> None:
    svg = drawing(FAMILY, "best")
    placed = boxes(svg)
    assert set(placed) == set(FAMILY)
    for text, record in FAMILY.items():
        for parent in record["parents"]:
            assert placed[parent][1] > placed[text][1]
    assert abs(placed["mother"][0] - placed["father"][0]) >= 236  # they do not overlap
    assert svg.count("<path") == 4
    assert "gen. 2, mutation" in svg


def test_everything_lies_in_the_picture() -> None:
    svg = drawing(FAMILY, "best")
    width, height = map(float, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    for x, y in boxes(svg).values():
        assert 0 <= x <= width - 236
        assert 0 <= y <= height - 46


def test_only_the_nearest_ancestors_are_drawn_and_all_are_listed() -> None:
    family = {f"p{age}": birth([f"p{age + 1}"] if age < 39 else [], 40 - age) for age in range(40)}
    page = genealogy_html(family, "p0")
    assert list(boxes(page)) == [f"p{age}" for age in reversed(range(24))]
    assert "16 more ancestors are not drawn" in page
    assert "All 40 programs" in page
    assert page.count("<tr>") == 41


def test_a_long_program_is_shortened_and_escaped() -> None:
    text = "add(" + "x" * 90 + "<&>)"
    page = genealogy_html({text: birth([], 1, "random")}, text)
    assert "<&>" not in page
    assert "&lt;&amp;&gt;" in page
    assert "<details><summary><code>" in page  # in the table


def test_the_first_birth_stands_for_a_best_program_with_another_text() -> None:
    assert "gen. 3" in genealogy_html(FAMILY, "simplified")
    assert genealogy_html({}, "best") == ""


def test_a_circle_of_parents_is_drawn() -> None:
    family = {"a": birth(["b", "a"], 1), "b": birth(["a"], 1)}
    assert set(boxes(drawing(family, "a"))) == {"a", "b"}
