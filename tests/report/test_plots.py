from __future__ import annotations

import importlib
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from eznas.errors import InputError
from eznas.report import render
from eznas.report.progress import progress_figure
from eznas.report.scores import scores_figure
from eznas.run import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "sum(frobenius_norm(sigmoid(logdet(sign(input_grad.data)))))"


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


def score_rows() -> list[dict[str, str]]:
    rng = np.random.default_rng(0)
    accuracies = np.append(90 + 3 * rng.random(38), [10.0, 20.0])
    columns = {name: accuracies + scale * rng.standard_normal(40) for name, scale in COLUMNS.items()}
    rows = [
        {"architecture": f"a{i}", "accuracy": str(accuracies[i]), **{n: str(v[i]) for n, v in columns.items()}}
        for i in range(40)
    ]
    rows[3]["naswot"] = ""
    return rows


COLUMNS = {"best": 1.0, "params": 3.0, "flops": 3.0, "naswot": 2.0, "eznas_a": 2.0}


@pytest.fixture
def finished(tmp_path: Path) -> RunDirectory:
    with RunDirectory.create(tmp_path / "run", {}, seed=0, command="") as run:
        summary: dict[str, Any] = {"target": "cifar10 test accuracy, 200 epochs", "best": {"program": PROGRAM}}
        run.write_json("summary.json", summary)
        for name, rows in (("logbook.csv", logbook(30)), ("test_scores.csv", score_rows())):
            run.write_csv(name, list(rows[0]), [list(row.values()) for row in rows])
    return RunDirectory(run.path)


def size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


def test_a_finished_run_has_three_pictures(finished: RunDirectory) -> None:
    names = [path.name for path in render(finished, print)]
    assert sorted(names) == ["program.png", "progress.png", "scores.png"]
    assert size(finished.path / "progress.png") == (1280, 880)  # 6.4 x 4.4 inches at 200 dpi
    assert min(size(finished.path / "program.png")) > 100


def test_pictures_do_not_touch_pyplot(finished: RunDirectory) -> None:
    import sys

    before = "matplotlib.pyplot" in sys.modules
    render(finished, print)
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_a_run_without_a_generation_has_no_progress(finished: RunDirectory) -> None:
    finished.write_csv("logbook.csv", ["generation"], [])
    assert sorted(path.name for path in render(finished, print)) == ["program.png", "scores.png"]


def test_an_unfinished_run_is_an_input_error(finished: RunDirectory) -> None:
    (finished.path / "summary.json").unlink()
    with pytest.raises(InputError, match=r"summary\.json must be readable"):
        render(finished, print)


def test_a_program_that_is_too_large_for_a_picture_is_left_out(
    finished: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("eznas.programs.draw"), "_LARGEST", 2)
    messages: list[str] = []
    assert [path.name for path in render(finished, messages.append)] == ["scores.png", "progress.png"]
    assert len(messages) == 1
    assert messages[0].startswith("program.png was not drawn: a picture shows at most 2 distinct nodes")


def test_a_picture_that_cannot_be_written_leaves_the_others(finished: RunDirectory) -> None:
    (finished.path / "scores.png").mkdir()
    (finished.path / "program.png").mkdir()
    messages: list[str] = []
    assert [path.name for path in render(finished, messages.append)] == ["progress.png"]
    assert [message.partition(" ")[0] for message in messages] == ["scores.png", "program.png"]


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


def test_titles_give_the_tau_of_the_networks_that_have_a_score() -> None:
    rows = score_rows()
    figure = scores_figure(rows, "cifar10 test accuracy, 200 epochs")
    titles = {panel.get_title().split()[0]: panel.get_title() for panel in figure.axes if panel.get_visible()}
    assert list(titles) == list(COLUMNS)
    for name in COLUMNS:
        pairs = [(float(row[name]), float(row["accuracy"])) for row in rows if row[name]]
        tau = kendalltau(*zip(*pairs, strict=True)).statistic
        assert titles[name] == f"{name}   τ = {tau:.3f}"
    remarks = {panel.get_title().split()[0]: panel.texts[0].get_text() for panel in figure.axes[:5]}
    assert "1 without a score" in remarks["naswot"]
    assert "without a score" not in remarks["best"]
    assert remarks["best"].startswith("2 below")
    assert figure.get_supylabel() == "cifar10 test accuracy in percent"


def test_ranks_lie_on_the_x_axis() -> None:
    figure = scores_figure(score_rows(), "t")
    shown = np.concatenate([np.asarray(points.get_offsets())[:, 0] for points in figure.axes[0].collections])
    assert sorted(shown) == list(range(1, 41))


def test_constant_scores_have_no_tau() -> None:
    rows = [{"architecture": f"a{i}", "accuracy": str(80 + i), "best": "1.0"} for i in range(5)]
    assert scores_figure(rows, "t").axes[0].get_title() == "best   no τ"
