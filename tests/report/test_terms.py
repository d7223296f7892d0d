from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from eznas.programs import parse
from eznas.programs.sums import weighted_sum
from eznas.report import render
from eznas.report.run_results import RunResults
from eznas.report.style import BLUE
from eznas.report.terms import terms_figure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eznas.run import RunDirectory

TERMS = [
    f"scale(at_most(at_least(sqrt(relu(sum(quantile(weight, 0.{power:02})))), 1.5), 9), {power - 5})"
    for power in range(1, 26)
    if power != 5
]


def with_sum(run: RunResults, taus: list[float | None]) -> RunResults:
    """Return a run whose best program is a sum with these taus without each of its terms."""
    [task] = run.tasks
    terms = [parse(text).args[0] for text in TERMS[: len(taus)]]
    program = weighted_sum(terms, [float(place - 4) or 1.0 for place in range(len(terms))]).text
    parts = [
        {"without": text, "program": "sum(l1(weight))", "tasks": {task.name: tau}}
        for text, tau in zip(TERMS, taus, strict=False)
    ]
    best = {**run.best, "program": program, "tasks": {task.name: {"tau": 0.8}}}
    return replace(run, summary={**run.summary, "best": best, "ablation": parts})


@pytest.fixture
def finished(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> RunDirectory:
    return finished_run(tmp_path / "run")


def test_the_terms_that_cost_most_tau_are_plotted_by_sign(finished: RunDirectory) -> None:
    run = with_sum(RunResults.read(finished), [0.75, None, 0.8, 0.6, 0.79])
    [axes] = terms_figure(run).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"sqrt(sum(quantile(weight, 0.{power:02})))" for power in (4, 1, 6, 3)
    ]
    positive, negative = axes.containers
    assert [bar.get_width() for bar in positive] == pytest.approx([0.01])
    assert [bar.get_width() for bar in negative] == pytest.approx([0.2, 0.05, 0.0])
    assert positive.patches[0].get_facecolor()[:3] == pytest.approx(
        [int(BLUE[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    )
    assert axes.get_title() == "4 of 5 terms of the best program"


def test_at_most_twenty_terms_are_plotted(finished: RunDirectory) -> None:
    [axes] = terms_figure(with_sum(RunResults.read(finished), [0.7] * 24)).axes
    assert len(axes.get_yticks()) == 20


@pytest.mark.parametrize(("count", "plotted"), [(8, False), (9, True)])
def test_the_picture_of_a_long_sum_plots_its_terms(
    finished: RunDirectory, monkeypatch: pytest.MonkeyPatch, count: int, plotted: bool
) -> None:
    plots, seen = importlib.import_module("eznas.report.plots"), []
    run = with_sum(RunResults.read(finished), [0.7] * count)
    monkeypatch.setattr(plots.RunResults, "read", lambda _: run)
    monkeypatch.setattr(plots, "terms_figure", lambda _: seen.append("terms"))
    monkeypatch.setattr(plots, "draw", lambda _, path: path.write_bytes(b"tree"))
    monkeypatch.setattr(plots, "png", lambda *_: b"png")
    monkeypatch.setattr(plots, "evolution_figures", lambda _: {})
    written: Any = render(finished, print)
    assert [path.name for path in written] == ["program.png", "report.html"]
    assert bool(seen) == plotted
