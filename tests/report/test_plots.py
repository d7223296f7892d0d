from __future__ import annotations

import importlib
import struct
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.stats import kendalltau

from eznas.errors import InputError
from eznas.report import render
from eznas.report.progress import progress_figure
from eznas.report.run_results import RunResults, TaskResults
from eznas.report.scores import best_scores_figure, scores_figure
from eznas.report.style import png
from eznas.report.tau_plots import front, pareto_figure, taus_figure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eznas.run import RunDirectory


def logbook(generations: int) -> list[dict[str, str]]:
    return [
        {
            "generation": str(index + 1),
            "seconds": str(2.5 * index),
            "programs_evaluated": str(200 * (index + 1)),
            "best_tau_train": str(0.8 - 0.3 / (index + 1)),
            "best_tau_validation": "" if index == 0 else str(0.7 - 0.2 / (index + 1)),
        }
        for index in range(generations)
    ]


COLUMNS = {"best": 1.0, "params": 3.0, "flops": 3.0, "naswot": 2.0, "eznas_a": 2.0}


def task(target: str = "cifar10 test accuracy, 200 epochs", **facts: Any) -> TaskResults:
    rng = np.random.default_rng(0)
    accuracies = np.append(90 + 3 * rng.random(38), [10.0, 20.0])
    scores = {name: accuracies + scale * rng.standard_normal(40) for name, scale in COLUMNS.items()}
    scores["naswot"][3] = np.nan
    facts = {"target": target, "held_out": False, **facts}
    return TaskResults("nasbench201/cifar10", facts, tuple(f"a{i}" for i in range(40)), accuracies, scores)


@pytest.fixture
def finished(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> RunDirectory:
    return finished_run(tmp_path / "run")


def size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


FILES = ["pareto.png", "program.png", "progress.png", "report.html", "scores.png", "taus.png"]


def names(paths: list[Path]) -> list[str]:
    return sorted(path.name for path in paths)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every plot by one point, which is faster."""
    point = png(Figure(figsize=(0.1, 0.1)))
    monkeypatch.setattr(importlib.import_module("eznas.report.plots"), "png", lambda *_: point)


def test_a_finished_run_has_pictures_and_a_page(finished: RunDirectory) -> None:
    before = "matplotlib.pyplot" in sys.modules
    assert names(render(finished, print)) == FILES
    assert size(finished.path / "progress.png") == (1280, 880)  # 6.4 x 4.4 inches at 200 dpi
    assert min(size(finished.path / "program.png")) > 100
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_a_run_without_a_generation_has_no_progress(undrawn: None, finished: RunDirectory) -> None:
    finished.write_csv("logbook.csv", ["generation"], [])
    assert names(render(finished, print)) == [name for name in FILES if name != "progress.png"]


def test_an_unfinished_run_is_an_input_error(finished: RunDirectory) -> None:
    (finished.path / "summary.json").unlink()
    with pytest.raises(InputError, match=r"must hold summary\.json"):
        render(finished, print)


def test_a_program_that_is_too_large_for_a_picture_is_left_out(
    undrawn: None, finished: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("eznas.programs.draw"), "_LARGEST", 2)
    messages: list[str] = []
    assert names(render(finished, messages.append)) == [name for name in FILES if name != "program.png"]
    assert len(messages) == 1
    assert messages[0].startswith("program.png was not written: a picture shows at most 2 distinct nodes")


def test_a_picture_that_cannot_be_written_leaves_the_others(undrawn: None, finished: RunDirectory) -> None:
    (finished.path / "scores.png").mkdir()
    (finished.path / "report.html").mkdir()
    messages: list[str] = []
    assert names(render(finished, messages.append)) == ["pareto.png", "program.png", "progress.png", "taus.png"]
    assert [message.partition(" ")[0] for message in messages] == ["scores.png", "report.html"]


def test_progress_shows_what_the_logbook_says() -> None:
    taus, counts = progress_figure(logbook(10)).axes
    training, validation = taus.get_lines()
    assert np.asarray(training.get_xdata()).tolist() == list(range(1, 11))
    assert np.asarray(training.get_ydata())[-1] == pytest.approx(0.77)
    assert np.isnan(np.asarray(validation.get_ydata())[0])
    assert validation.get_label() == "validation networks (0.680)"
    assert np.asarray(counts.get_lines()[0].get_ydata())[-1] == 2000


def test_a_line_stands_where_full_size_begins() -> None:
    rows = [{**row, "full_size": str(int(int(row["generation"]) > 6))} for row in logbook(10)]
    taus, counts = progress_figure(rows).axes
    for axes in (taus, counts):
        assert [6.5, 6.5] in [np.asarray(line.get_xdata()).tolist() for line in axes.get_lines()]
    assert [text.get_text() for text in taus.texts] == ["full size"]


def test_one_generation_is_a_point() -> None:
    taus, _ = progress_figure(logbook(1)).axes
    assert taus.get_lines()[0].get_marker() == "o"


def titles(figure: Figure) -> dict[str, str]:
    return {panel.get_title().split()[0]: panel.get_title() for panel in figure.axes if panel.get_visible()}


def test_titles_give_the_tau_of_the_networks_that_have_a_score() -> None:
    shown = task()
    figure = scores_figure(shown)
    assert list(titles(figure)) == list(COLUMNS)
    for name, scores in shown.scores.items():
        finite = np.isfinite(scores)
        tau = kendalltau(scores[finite], shown.accuracies[finite]).statistic
        assert titles(figure)[name] == f"{name}   τ = {tau:.3f}"
    remarks = {panel.get_title().split()[0]: panel.texts[0].get_text() for panel in figure.axes[:5]}
    assert "1 without a score" in remarks["naswot"]
    assert "without a score" not in remarks["best"]
    assert remarks["best"].startswith("2 below")
    assert remarks["best"].endswith(" %")
    assert figure.get_supylabel() == "cifar10 test accuracy in percent"


def test_ranks_lie_on_the_x_axis() -> None:
    figure = scores_figure(task())
    shown = np.concatenate([np.asarray(points.get_offsets())[:, 0] for points in figure.axes[0].collections])
    assert sorted(shown) == list(range(1, 41))


def test_constant_scores_have_no_tau() -> None:
    constant = TaskResults("t", {"target": "t"}, tuple("abcde"), 80 + np.arange(5.0), {"best": np.ones(5)})
    assert scores_figure(constant).axes[0].get_title() == "best   no τ"


def test_the_best_program_is_shown_on_each_task() -> None:
    figure = best_scores_figure([task(), task(held_out=True)])
    colours = [panel.collections[0].get_facecolor()[0].tolist() for panel in figure.axes]  # type: ignore[attr-defined]
    assert [panel.get_title().partition("\n")[0] for panel in figure.axes] == ["nasbench201/cifar10"] * 2
    assert colours[0] != colours[1]


def test_bars_show_tau_and_interval_of_each_proxy_on_each_task(
    tmp_path: Path, finished_run: Callable[..., RunDirectory]
) -> None:
    run = RunResults.read(finished_run(tmp_path / "run", ["nasbench201/cifar10", "nats_sss/cifar10"]))
    figure = taus_figure(run)
    assert [panel.get_title() for panel in figure.axes] == ["nasbench201/cifar10", "nats_sss/cifar10"]
    for panel, name in zip(figure.axes, ("nasbench201/cifar10", "nats_sss/cifar10"), strict=True):
        records = [record["tasks"][name] for record in run.compared.values()]
        known = [record for record in records if record["tau"] is not None]
        widths = [bar.get_width() for bar in panel.patches]  # type: ignore[attr-defined]
        assert widths == [record["tau"] for record in known]
        intervals = [np.asarray(line.get_xdata()).tolist() for line in panel.get_lines()[1:]]
        assert intervals == [[record["tau_low"], record["tau_high"]] for record in known]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(run.compared)
    assert "no tau" in [text.get_text() for text in figure.axes[0].texts]  # depth is constant


@pytest.mark.parametrize(
    ("points", "kept"),
    [
        ([(1.0, 0.5), (2.0, 0.6), (3.0, 0.6), (0.5, 0.1)], [3, 0, 1]),
        ([(1.0, 0.5), (1.0, 0.7)], [1]),
        ([(1.0, 0.5), (1.0, 0.5)], [0]),
        ([], []),
    ],
)
def test_the_front_by_hand(points: list[tuple[float, float]], kept: list[int]) -> None:
    assert front(points) == kept


@given(st.lists(st.tuples(st.integers(0, 5).map(float), st.integers(0, 5).map(float)), max_size=9))
def test_the_front_holds_the_points_that_nothing_betters(points: list[tuple[float, float]]) -> None:
    def bettered(cost: float, tau: float) -> bool:
        return any(c <= cost and t >= tau and (c, t) != (cost, tau) for c, t in points)

    assert {points[place] for place in front(points)} == {point for point in points if not bettered(*point)}


def test_tau_is_plotted_against_seconds_and_nodes(finished: RunDirectory) -> None:
    figure = pareto_figure(RunResults.read(finished))
    assert figure is not None
    by_seconds, by_nodes = figure.axes
    assert by_seconds.get_xlabel() == "seconds a network"
    # 3 programs and the baselines with a tau and seconds: all but depth
    assert len(by_seconds.get_lines()) == 1 + 3 + 8
    assert len(by_nodes.get_lines()) == 1 + 3


def test_without_a_tau_there_is_no_front(finished: RunDirectory) -> None:
    run = RunResults.read(finished)
    hall = [{**row, "tau_test": None} for row in run.summary["hall_of_fame"]]
    assert pareto_figure(replace(run, summary={**run.summary, "hall_of_fame": hall})) is None
