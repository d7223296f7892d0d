"""Evaluations that resume, their costs, the plane of costs and the page."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from eznas.api.predict import evaluate
from eznas.api.predictor_data import read_data
from eznas.benchmarks.csv import read_table
from eznas.cli.main import main
from eznas.errors import InputError
from eznas.predictors import Curves, make_predictor
from eznas.predictors.costs import query_cost, training_cost
from eznas.predictors.evaluation import EvaluationPlan, PredictorChoice, evaluate_predictors, summarise
from eznas.predictors.evaluation_data import EvaluationData
from eznas.predictors.plane import best_by_cost, best_within, with_costs
from eznas.predictors.trial_csv import COLUMNS, TrialCsv
from eznas.report.predictors import calibration_rows, plane_figure, plane_rows, taus_figure
from eznas.report.predictors_page import evaluation_page
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

    from eznas.predictors.evaluation_data import Row

CELLS = list(SPACES["nasbench201"].architectures() or [])[:200]
ACCURACIES = {cell: 90.0 + cell.count("3x3~") - cell.count("none") + 0.01 * place for place, cell in enumerate(CELLS)}
VALUES = np.array([*ACCURACIES.values()])
TOGETHER = dict.fromkeys(CELLS, 2.0)
DATA = EvaluationData(
    "nasbench201",
    ACCURACIES,
    {name: {cell: float(cell.count(name)) for cell in CELLS} for name in ("1x1", "skip", "none")},
    Curves((1, 4, 10), {"validation_accuracy": np.stack([0.3 * VALUES, 0.6 * VALUES, VALUES], axis=1)}),
    {cell: 100.0 + place for place, cell in enumerate(CELLS)},
    {"1x1": TOGETHER, "skip": TOGETHER, "none": dict.fromkeys(CELLS, 0.5)},
)
PLAN = EvaluationPlan(
    tuple(map(PredictorChoice.parse, ("bayesian_ridge", "early_stopping_accuracy"))),
    (5, 20),
    (1, 10),
    trials=3,
    test=20,
)


def untimed(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in rows]


def test_a_resumed_evaluation_is_an_uninterrupted_one(tmp_path: Path) -> None:
    """Stopped in the middle of a trial's rows, and with another number of trials."""
    file = tmp_path / "trials.csv"
    state = {"data": DATA.digest}
    whole = evaluate_predictors(DATA, PLAN)
    first = evaluate_predictors(DATA, replace(PLAN, trials=2), csv=TrialCsv(file, state))
    kept = file.read_text(encoding="utf-8").splitlines(keepends=True)
    assert kept[0] == ",".join(COLUMNS) + "\n"
    file.write_text("".join(kept[:7]) + kept[7][:20], encoding="utf-8")  # trial 1 has 2 of its 4 rows
    resumed = evaluate_predictors(DATA, PLAN, csv=TrialCsv(file, state), resume=True)
    assert untimed(resumed) == untimed(whole)
    assert resumed[:4] == first[:4]  # also their seconds: they were read
    assert untimed(first) == untimed(whole)[:8]
    again = evaluate_predictors(DATA, PLAN, csv=TrialCsv(file, state), resume=True)
    assert again == resumed
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1 + 12
    fewer = evaluate_predictors(DATA, replace(PLAN, trials=1), csv=TrialCsv(file, state), resume=True)
    assert fewer == resumed[:4]
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1 + 12


def test_other_data_are_not_resumed(tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    small = replace(PLAN, trials=1)
    evaluate_predictors(DATA, small, csv=TrialCsv(file, {"data": DATA.digest}))
    with pytest.raises(InputError, match="must be a new file"):
        evaluate_predictors(DATA, small, csv=TrialCsv(file, {"data": DATA.digest}))
    changes: list[dict[str, Any]] = [
        {"accuracies": {**ACCURACIES, CELLS[0]: 1.0}},
        {"scores": {**DATA.scores, "skip": TOGETHER}},
        {"curves": None},
        {"seconds": TOGETHER},
        {"score_seconds": {**DATA.score_seconds, "none": TOGETHER}},
        {"space": "nasbench101"},
    ]
    for change in changes:
        other = replace(DATA, **change)
        with pytest.raises(InputError, match="must be resumed as it was begun, with data"):
            evaluate_predictors(DATA, small, csv=TrialCsv(file, {"data": other.digest}), resume=True)


def test_costs_are_those_of_the_table() -> None:
    """Cells 0 and 1 took 100 and 101 seconds to train; three scores took 2, 2 together and .5."""
    two = CELLS[:2]
    early = make_predictor("early_stopping_accuracy")
    assert training_cost(early, DATA, two) == 0
    assert query_cost(early, DATA, two, (1, 4)) == pytest.approx(100.5 * 4 / 10)
    forest = make_predictor("random_forest", "nasbench201", encoding="onehot+measures", scores=DATA.scores)
    assert training_cost(forest, DATA, two) == pytest.approx(201 + 2 * 2.5)
    assert query_cost(forest, DATA, two, ()) == pytest.approx(2.5)
    ridge = make_predictor("bayesian_ridge", "nasbench201")
    assert training_cost(ridge, DATA, two) == 201
    assert query_cost(ridge, DATA, two, ()) == 0
    single = make_predictor("measure:none", scores=DATA.scores)
    assert (training_cost(single, DATA, two), query_cost(single, DATA, two, ())) == (0, 0.5)
    unknown = replace(DATA, seconds={}, score_seconds={})
    assert training_cost(ridge, unknown, two) is None
    assert query_cost(ridge, unknown, two, ()) == 0
    assert query_cost(early, unknown, two, (1,)) is None
    assert query_cost(single, unknown, two, ()) is None


def test_an_empty_cell_of_seconds_is_an_unknown_cost(tmp_path: Path) -> None:
    accuracies = (f"{one},{90 + place}" for place, one in enumerate(CELLS[:3]))
    (tmp_path / "table.csv").write_text("\n".join(["architecture,accuracy", *accuracies, ""]))
    rows = (f"{one},{place},{place or ''}" for place, one in enumerate(CELLS[:3]))
    (tmp_path / "scores.csv").write_text("\n".join(["architecture,one,seconds", *rows, ""]))
    table = read_table(tmp_path / "table.csv", benchmark="nasbench201", space=SPACES["nasbench201"], dataset="cifar10")
    data, _ = read_data(table, tmp_path / "scores.csv")
    single = make_predictor("measure:one", scores=data.scores)
    assert query_cost(single, data, CELLS[1:3], ()) == 1.5
    assert query_cost(single, data, CELLS[:3], ()) is None


def test_rows_hold_the_whole_costs() -> None:
    row = evaluate_predictors(DATA, replace(PLAN, trials=1))[0]
    assert row["initialisation_seconds"] > 500 + row["fit_seconds"]
    assert row["query_seconds"] == row["predict_seconds"]
    unknown = evaluate_predictors(replace(DATA, seconds={}), replace(PLAN, trials=1))
    assert [row["initialisation_seconds"] is None for row in unknown] == [True, True, False, False]
    assert [row["query_seconds"] is None for row in unknown] == [False, False, True, True]
    assert summarise(unknown)[0]["initialisation_seconds"] is None


def cost(name: str, initialisation: float | None, query: float, tau: float | None) -> Row:
    return {"predictor": name, "train_size": 5, "epochs": 0, "tau": tau,
            "initialisation_seconds": initialisation, "query_seconds": query}  # fmt: skip


def test_the_plane_by_hand() -> None:
    rows = [cost("a", 0, 1, 0.3), cost("b", 10, 1, 0.5), cost("c", 10, 2, 0.4), cost("d", 0, 9, 0.6),
            cost("e", None, 0, 0.9), cost("f", 0, 0, None)]  # fmt: skip
    assert [row["predictor"] for row in with_costs(rows)] == ["a", "b", "c", "d"]
    assert [row["predictor"] for row in best_by_cost(rows)] == ["a", "d", "b"]
    known = with_costs(rows)
    assert best_within(known, 5, 5) is rows[0]
    assert best_within(known, 10, 5) is rows[1]
    assert best_within(known, 10, 9) is rows[3]
    assert best_within(known, 100, 0.5) is None
    assert plane_rows(rows)[1] == [["a", 5, None, 0, 1, 0.3], ["d", 5, None, 0, 9, 0.6], ["b", 5, None, 10, 1, 0.5]]
    assert plane_figure(rows) is not None
    assert plane_figure(rows[4:]) is None


def test_the_page_holds_tables_and_plots() -> None:
    summary = summarise(evaluate_predictors(DATA, replace(PLAN, trials=2)))
    facts = {"space": "s", "target": "t", "trials": 2, "test": 20, "sampling": "uniform", "predictors": ["a<b", "c"]}
    page = evaluation_page(facts, summary, "eznas predict evaluate")
    assert page.count("<img") == 2
    assert "a&lt;b, c" in page
    assert "Best predictor by cost" in page
    assert 'src="data:image/png' in page
    assert "http" not in page
    stated = calibration_rows(summary)[1]
    assert [row[0] for row in stated] == ["bayesian_ridge"] * 2
    timeless = [{**row, "initialisation_seconds": None} for row in summary]
    assert "does not state the seconds" in evaluation_page(facts, timeless, "")
    assert taus_figure([row for row in summary if row["train_size"] == 5]) is None


def _table(folder: Path) -> Path:
    file = folder / "table.csv"
    rows = [f"{cell},{value},{DATA.seconds[cell]}" for cell, value in ACCURACIES.items()]
    file.write_text("\n".join(["architecture,validation_12,train_seconds_12", *rows]), encoding="utf-8")
    return file


def test_the_command_resumes_tunes_and_writes_a_page(tmp_path: Path) -> None:
    rows, page, out = tmp_path / "trials.csv", tmp_path / "page.html", tmp_path / "out.json"
    words = [
        *("predict", "evaluate", "--table", str(_table(tmp_path)), "--target", "validation_12", "--test", "20"),
        *("--predictor", "random_forest", "--predictor", "bayesian_ridge", "--tune", "2", "--train-sizes", "5,12"),
        *("--workers", "1"),
        *("--csv", str(rows), "--html", str(page), "--json", str(out), "--sampling", "uniform"),
    ]
    first = CliRunner().invoke(main, [*words, "--trials", "1"])
    assert first.exit_code == 0, first.output
    assert "random_forest tuned by 2" in first.stdout
    assert "not tuned, since they have no ranges of hyper-parameters: bayesian_ridge" in first.stdout
    before = json.loads(out.read_text(encoding="utf-8"))["trials"]
    again = CliRunner().invoke(main, [*words, "--trials", "2"])
    assert again.exit_code == 2
    assert "must be a new file" in again.output
    more = CliRunner().invoke(main, [*words, "--trials", "2", "--resume"])
    assert more.exit_code == 0, more.output
    trials = json.loads(out.read_text(encoding="utf-8"))["trials"]
    assert trials[:4] == before
    assert len(trials) == 8
    assert trials[0]["initialisation_seconds"] > 500
    assert "plane of costs" in page.read_text(encoding="utf-8")
    other = CliRunner().invoke(main, [*words, "--trials", "2", "--resume", "--seed", "3"])
    assert other.exit_code == 2
    assert "must be resumed as it was begun, with seed" in other.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "--resume must come with --csv"),
        (["--tune", "3"], "--tune must come with a predictor that has ranges"),
        (["--seconds", "absent"], "unknown column of seconds 'absent'"),
        (["--csv", "same", "--html", "same"], "must be different files"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, words: list[str], message: str) -> None:
    line = ["predict", "evaluate", "--predictor", "svr", "--table", str(_table(tmp_path)), "--target", "validation_12"]
    done = CliRunner().invoke(main, [*line, *words])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_trials_resume_from_python(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {
        "table": _table(tmp_path), "target": "validation_12", "train_sizes": (5,), "test": 20, "workers": 1,
        "csv": tmp_path / "rows.csv", "progress": False,
    }  # fmt: skip
    evaluate("svr", trials=1, **arguments)
    assert len(evaluate("svr", trials=2, resume=True, **arguments).rows) == 2
