"""Facts about primitives and statistics stand on their records, so no other file lists their names."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eznas import primitives
from eznas.capture.statistics import plan_passes

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).resolve().parents[2] / "eznas"
PRIMITIVES = {record.name for record in primitives.all_primitives()}
QUANTITIES = set(primitives.QUANTITIES)
RECORDING = PACKAGE / "capture"
"""Defines what the statistics are, in files that exported proxies carry."""
CHOICES = {"max", "maximum", "min", "minimum"}
"""Functions of torch too, which recording has to know as activations."""


def strings(node: ast.AST) -> list[str]:
    """The strings of a collection literal, or of a text that is split at once."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "split":
        text = node.func.value
        return text.value.split() if isinstance(text, ast.Constant) and isinstance(text.value, str) else []
    elements = getattr(node, "elts", []) if not isinstance(node, ast.Dict) else [*node.keys, *node.values]
    return [one.value for one in elements if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def lists_of(names: set[str], tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """Find collections of strings, at least two and at least half of which are among the names."""
    for node in ast.walk(tree):
        texts = strings(node)
        hits = sorted(names.intersection(texts))
        if len(hits) > 1 and 2 * len(hits) >= len(texts):
            yield getattr(node, "lineno", 0), hits


def comparisons_with(names: set[str], tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """Find comparisons of some ``x.name`` with one of the names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Attribute) and node.left.attr == "name":
            hits = [one.value for one in node.comparators if isinstance(one, ast.Constant) and one.value in names]
            if hits:
                yield node.lineno, hits


@pytest.mark.parametrize(
    ("names", "text", "expected"),
    [
        (PRIMITIVES, 'x = frozenset(["abs", "square"])', [(1, ["abs", "square"])]),
        (PRIMITIVES, 'x = {"log": 1, "other": "exp"}', [(1, ["exp", "log"])]),
        (PRIMITIVES, '\nx = {"ones_like", "numel"}', [(2, ["numel", "ones_like"])]),
        (PRIMITIVES, 'for name in ("mean", "std"):\n    pass', [(1, ["mean", "std"])]),
        (PRIMITIVES, 'x = "mean std max".split()', [(1, ["max", "mean", "std"])]),
        (PRIMITIVES, 'x = ["relu", "gelu", "silu", "sigmoid", "mish"]', []),  # activations of torch
        (PRIMITIVES, 'x = ["mean", "median-of-three"], ["log"]', []),
        (QUANTITIES, 'x = capture(network, ["weight_grad.data", "conv_in.data"])', []),  # reading is no fact
        (QUANTITIES, 'x = {"weight": "W", "conv_in": "Z"}', [(1, ["conv_in", "weight"])]),
    ],
)
def test_planted_lists_are_found(names: set[str], text: str, expected: list[object]) -> None:
    assert list(lists_of(names, ast.parse(text))) == expected


def test_a_planted_comparison_is_found() -> None:
    tree = ast.parse('a = node.name == "log_sum" or kind == "sum" or node.name == "other"')
    assert list(comparisons_with(PRIMITIVES, tree)) == [(1, ["log_sum"])]


def test_no_names_are_listed_outside_the_language() -> None:
    hits = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if PACKAGE / "primitives" in path.parents:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = PRIMITIVES - CHOICES if RECORDING in path.parents else PRIMITIVES | QUANTITIES
        hits += [f"{path}:{line}: {', '.join(found)}" for line, found in lists_of(names, tree)]
        hits += [f"{path}:{line}: {', '.join(found)}" for line, found in comparisons_with(PRIMITIVES, tree)]
    assert hits == []


@pytest.mark.parametrize("name", primitives.STATISTICS)
def test_recording_runs_the_passes_that_the_records_declare(name: str) -> None:
    statistic, plan = primitives.STATISTICS[name], plan_passes([name])
    assert plan.keys() == statistic.forward_passes
    if statistic.is_gradient:
        served = {scenario for scenarios in plan.values() for scenario, quantities in scenarios.items() if quantities}
        assert served == statistic.backward_passes
