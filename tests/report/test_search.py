from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from eznas.errors import InputError
from eznas.report.page import CSS
from eznas.report.search import SearchResults, read_results, search_rows, search_table
from eznas.report.search_page import curves_figure, front_figure, search_html, search_page
from eznas.run import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path


def curves(label: str, found: list[list[float]], seconds: list[list[float]], **facts: Any) -> SearchResults:
    known = {"label": label, "target": "test accuracy", "best_of_the_space": 95.0, "timed": True, **facts}
    last = [one[-1] for one in found if one]
    summary = {
        "runs": len(found),
        "accuracy_mean": float(np.mean(last)) if last else None,
        "accuracy_std": 0.5,
        "value_mean": None,
        "regret_mean": 1.0,
        "queries_mean": 4.0,
        "seconds_mean": 8.0,
    }
    best = [{"architecture": "<a>", "accuracy": 94.0, "value": 7.0, "cost": None, "runs": 2}] if last else []
    arrays = ([np.array(one) for one in found], [np.array(one) for one in seconds])
    return SearchResults(known, summary, best, [{}] * len(found), *arrays)


SLOW = curves("slow", [[90, 90, 91, 94], [90, 91, 92, 94]], [[2, 4, 6, 8], [2, 4, 6, 8]])
FAST = curves("fast <b>", [[93, 94, 94, 94], [94, 94, 94]], [[3, 4, 5, 6], [3, 4, 5]])


def test_a_run_that_ended_early_keeps_its_best() -> None:
    queries, rows = FAST.by_queries()
    assert queries.tolist() == [1, 2, 3, 4]
    assert rows.tolist() == [[93, 94, 94, 94], [94, 94, 94, 94]]


def test_seconds_begin_when_every_run_has_looked() -> None:
    seconds, rows = FAST.by_seconds()
    assert (seconds[0], seconds[-1]) == (3.0, pytest.approx(6.0))
    assert rows[0, 0] == 93
    assert rows[0, np.searchsorted(seconds, 4.01)] == 94


def test_without_seconds_there_is_no_curve_against_them() -> None:
    assert curves("none", [[90.0]], [[1.0]], timed=False).by_seconds()[0].size == 0
    assert curves("none", [[90.0]], [[0.0]]).by_seconds()[0].size == 0


def test_speed_ups_are_against_the_last_search() -> None:
    fast, slow = search_rows([FAST, SLOW])
    # the slow one's mean is 94 after 4 queries and 8 seconds, the fast one's after 2 queries and 4 seconds
    assert fast[-2:] == [pytest.approx(2.0), pytest.approx(2.0, rel=0.02)]
    assert slow[-2:] == [pytest.approx(1.0), pytest.approx(1.0)]
    assert search_rows([SLOW, curves("never", [[95.0]], [[1.0]])])[0][-2:] == [None, None]
    assert search_rows([SLOW])[0][-2:] == [None, None]


def test_a_run_without_a_find_keeps_the_mean_away() -> None:
    torn = curves("torn", [[np.nan, 94.0], [94.0, 94.0]], [[1, 2], [1, 2]])
    assert search_rows([torn, SLOW])[0][-2] == pytest.approx(2.0)


def test_the_page_is_self_contained_and_escaped() -> None:
    page = search_page([FAST, SLOW], "search --signal 'a<b'")
    assert "fast &lt;b&gt;" in page
    assert "a&lt;b" in page
    assert "<b>" not in page
    assert "http" not in page
    assert page.count("<img") == 2
    assert page.count(CSS) == search_html([FAST]).count(CSS) == 1


def test_curves_show_median_and_quartiles() -> None:
    figure = curves_figure([SLOW], seconds=False)
    assert figure is not None
    [axes] = figure.axes
    assert axes.lines[0].get_ydata() == pytest.approx([90, 90, 91, 94])  # the lower of the middle two
    assert len(axes.collections) == 1
    assert axes.lines[1].get_ydata() == pytest.approx([95, 95])  # the best of the space


def test_a_plot_without_data_is_not_drawn() -> None:
    empty = curves("empty", [[], []], [[], []])
    failed = curves("failed", [[np.nan, np.nan]], [[1, 2]])
    page = search_page([empty, failed], "search")
    assert "<img" not in page
    assert "No plot of seconds: no run has a result." in page
    untimed = search_page([curves("untimed", [[90.0]], [[1.0]], timed=False)], "search")
    assert untimed.count("<img") == 1
    assert "No plot of seconds: the seconds of a query are unknown." in untimed
    assert front_figure([SLOW], "params") is None


def test_the_page_shows_the_best_architectures() -> None:
    assert SLOW.best_table() == (["architecture", "accuracy", "score", "in runs"], [["<a>", 94.0, "7", "2 of 2"]])
    page = search_page([SLOW], "search")
    assert "<td>&lt;a&gt;</td><td>94</td><td>7</td><td>2 of 2</td>" in page
    costs = curves("costs", [[1.0]], [[1.0]], target=None)
    assert "accuracy" not in costs.best_table()[0]


def test_signals_of_any_magnitude_are_readable() -> None:
    search = curves("signal", [[7.2679753e57]], [[1.0]], target=None, best_of_the_space=None)
    assert search_table([search])[1][0][2] == "7.26798e+57"


def test_no_figure_is_a_negative_zero() -> None:
    search = replace(SLOW, summary={**SLOW.summary, "regret_mean": -1e-15})
    assert "-0.00" not in search_page([search], "search")


def test_results_are_read(tmp_path: Path) -> None:
    steps = {
        "best_accuracy": [None, 91.0, 91.0],
        "best_value": [None, 1.0, 1.0],
        "seconds": [1.0, 2.0, 3.0],
        "value": [None, 1.0, 2.0],
        "cost": [5.0, 4.0, 6.0],
    }
    facts = {"label": "mine", "target": "test accuracy", "best_of_the_space": 95.0, "timed": True}
    with RunDirectory.create(tmp_path / "run", {}, seed=0, command="") as directory:
        directory.write_json(
            "results.json", {"facts": facts, "summary": {}, "best": [], "runs": [{"steps": steps}] * 2}
        )
    read = read_results(RunDirectory(tmp_path / "run"))
    assert [one.tolist()[1:] for one in read.found] == [[91, 91]] * 2
    assert read.front == [(4.0, 1.0), (6.0, 2.0)]
    figure = front_figure([read], "params")
    assert figure is not None
    assert figure.axes[0].get_xlabel() == "params"


def test_less_is_better_is_not_upside_down(tmp_path: Path) -> None:
    steps = {
        "best_accuracy": [None, None],
        "best_value": [3.0, 1.0],
        "seconds": [1.0, 2.0],
        "value": [3.0, 1.0],
        "cost": [4.0, 5.0],
    }
    facts = {"label": "mine", "target": None, "best_of_the_space": None, "timed": True, "direction": -1}
    summary = dict.fromkeys(SLOW.summary)
    with RunDirectory.create(tmp_path / "run", {}, seed=0, command="") as directory:
        directory.write_json(
            "results.json", {"facts": facts, "summary": summary, "best": [], "runs": [{"steps": steps}]}
        )
    read = read_results(RunDirectory(tmp_path / "run"))
    assert read.found[0].tolist() == [-3, -1]
    assert read.front == [(4.0, -3.0), (5.0, -1.0)]
    assert read.target == "negative of the signal"
    assert search_rows([read, read])[0][-2] == 1.0


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", {}, seed=0, command="") as directory:
        directory.write_json("results.json", {"runs": []})
        with pytest.raises(InputError, match="must hold the results of a search"):
            read_results(directory)
