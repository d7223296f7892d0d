"""Trials: draws without leaks, fair comparisons, rows and their summary."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import kendalltau

from eznas.api.predictions import predict
from eznas.cli.main import main
from eznas.errors import InputError
from eznas.predictors import ENCODINGS, PREDICTORS, Curves, make_predictor
from eznas.predictors.defaults import default_predictor
from eznas.predictors.evaluation import EvaluationPlan, PredictorChoice, evaluate_predictors, summarise
from eznas.predictors.evaluation_data import EvaluationData
from eznas.predictors.sampling import draw_trial
from eznas.scoring.executor import LokyExecutor
from eznas.scoring.plugin import use_plugins
from eznas.seeds import python_rng
from eznas.spaces import SPACES
from eznas.status import Status

if TYPE_CHECKING:
    from pathlib import Path

    from eznas.predictors.sampling import Sampling

SPACE = SPACES["nasbench201"]
SAMPLINGS: tuple[Sampling, ...] = ("uniform", "mutation")
CELLS = list(SPACE.architectures() or [])[:400]
ACCURACIES = {cell: 90.0 + cell.count("3x3~") - cell.count("none") + 0.01 * place for place, cell in enumerate(CELLS)}
CURVES = Curves((1, 2, 4), {"validation_accuracy": np.array([[0.3 * a, 0.6 * a, a] for a in ACCURACIES.values()])})
DATA = EvaluationData("nasbench201", ACCURACIES, curves=CURVES)


def plan(*names: str, **changes: Any) -> EvaluationPlan:
    settings: dict[str, Any] = {"train_sizes": (4, 20), "trials": 2, "test": 30, **changes}
    return EvaluationPlan(tuple(map(PredictorChoice.parse, names)), **settings)


def untimed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in rows]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_training_and_test_share_no_function(sampling: Sampling) -> None:
    table = {cell: ACCURACIES.get(cell, 80.0) for cell in SPACE.architectures() or []}
    train, test = draw_trial(SPACE, table, 40, 30, sampling, 7)
    assert (len(set(train)), len(set(test))) == (40, 30)
    assert not {*map(SPACE.canonical, train)} & {*map(SPACE.canonical, test)}
    smaller, same = draw_trial(SPACE, table, 10, 30, sampling, 7)
    assert (smaller, same) == (train[:10], test)
    assert draw_trial(SPACE, table, 40, 30, sampling, 8)[1] != test


def test_mutations_stay_near_good_architectures() -> None:
    table = {cell: float(cell.count("3x3~")) for cell in SPACE.architectures() or []}
    train, test = draw_trial(SPACE, table, 30, 30, "mutation", 0)

    def drawn(seed: int, sampling: Sampling) -> tuple[str, ...]:
        return draw_trial(SPACE, table, 5, 30, sampling, seed)[1]

    means = {
        sampling: np.mean(
            [table[one] for seed in range(8) for one in draw_trial(SPACE, table, 5, 30, sampling, seed)[1]]
        )
        for sampling in SAMPLINGS
    }
    assert means["mutation"] > means["uniform"] + 0.3
    assert all(set(SPACE.neighbours(one)) & set(test) for one in train)


def test_mutations_that_reach_too_few_are_refused() -> None:
    few = dict.fromkeys(CELLS[:12], 1.0)
    with pytest.raises(InputError, match="ask for fewer, or for uniform"):
        draw_trial(SPACE, few, 5, 5, "mutation", 0)


def test_every_predictor_has_the_rows_that_it_depends_on() -> None:
    rows = evaluate_predictors(DATA, plan("bayesian_ridge", "early_stopping_accuracy", epochs=(2, 4)))
    keys = [(row["predictor"], row["train_size"], row["epochs"]) for row in rows if row["trial"] == 0]
    assert keys == [
        ("bayesian_ridge", 4, 0),
        ("bayesian_ridge", 20, 0),
        ("early_stopping_accuracy", 0, 2),
        ("early_stopping_accuracy", 0, 4),
    ]
    whole = [row for row in rows if row["epochs"] == 4]
    assert [row["tau"] for row in whole] == pytest.approx([1, 1])
    assert [row["mae"] for row in whole] == [0, 0]


def test_epochs_that_no_predictor_reads_are_refused() -> None:
    with pytest.raises(InputError, match="epochs must come with a predictor that reads learning curves, got bayesian_"):
        evaluate_predictors(DATA, plan("bayesian_ridge", epochs=(2,)))


def test_sizes_below_the_fewest_are_left_out() -> None:
    rows = evaluate_predictors(DATA, plan("lcsvr@curve+onehot", trials=1))
    assert [row["train_size"] for row in rows] == [20]
    with pytest.raises(InputError, match="must reach 6, the fewest for lcsvr"):
        evaluate_predictors(DATA, plan("lcsvr", train_sizes=(4,)))


def test_processes_do_not_change_the_rows() -> None:
    trials = plan("bayesian_ridge", "svr@graf+onehot", train_sizes=(10,), trials=3)
    serial = evaluate_predictors(DATA, trials)
    assert untimed(evaluate_predictors(DATA, trials, executor=LokyExecutor(2))) == untimed(serial)
    assert [row["trial"] for row in serial] == [0, 0, 1, 1, 2, 2]


def test_spaces_whose_records_cannot_be_sent_are_evaluated_in_processes() -> None:
    space, rng = SPACES["nds_darts"], python_rng(0, "cells")
    cells = [space.sample(rng) for _ in range(40)]
    data = EvaluationData("nds_darts", {cell: float(cell.count("conv")) for cell in cells})
    rows = evaluate_predictors(data, plan("svr", train_sizes=(20,), test=15), executor=LokyExecutor(2))
    assert [row["status"] for row in rows] == ["ok", "ok"]


def test_a_constant_prediction_is_a_status() -> None:
    equal = EvaluationData("nasbench201", dict.fromkeys(CELLS, 90.0) | {CELLS[0]: 91.0})
    rows = evaluate_predictors(equal, plan("random_forest", train_sizes=(5,), trials=1))
    assert rows[0]["status"] == "constant"
    assert rows[0]["tau"] is None
    summary = summarise(rows)[0]
    assert (summary["tau"], summary["undefined"], summary["trials"]) == (None, 1, 1)


def test_the_summary_is_of_the_defined_values() -> None:
    base = {"predictor": "p", "train_size": 5, "epochs": 0, "status": "ok", "detail": "", "n": 4, "failed": 1}
    rows = [{**base, "trial": trial, "tau": tau} for trial, tau in enumerate([0.2, None, 0.6])]
    summary = summarise(rows)[0]
    assert summary["tau"] == pytest.approx(0.4)
    assert summary["tau_sd"] == pytest.approx(0.2 * 2**0.5)
    assert (summary["trials"], summary["undefined"], summary["failed"]) == (3, 1, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_sizes": ()}, "train_sizes must be 1"),
        ({"train_sizes": (0,)}, "train_sizes must be 1"),
        ({"epochs": (0,)}, "epochs must be 1"),
        ({"trials": 0}, "trials must be 1"),
        ({"test": 1}, "test 2 or more"),
    ],
)
def test_plans_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan("svr", **changes)
    with pytest.raises(InputError, match="given once"):
        plan("svr", "svr")
    with pytest.raises(InputError, match="at least one"):
        plan()


def test_curves_must_be_given() -> None:
    with pytest.raises(InputError, match="curves must be given: early_stopping_accuracy needs"):
        evaluate_predictors(EvaluationData("nasbench201", ACCURACIES), plan("early_stopping_accuracy"))


def _table(folder: Path) -> Path:
    file = folder / "table.csv"
    rows = [f"{cell},{0.5 * value},{value}" for cell, value in ACCURACIES.items()]
    rows[3] = f"{CELLS[3]},,{ACCURACIES[CELLS[3]]}"
    file.write_text("\n".join(["architecture,validation_12@3,validation_12", *rows]), encoding="utf-8")
    return file


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    lines = [f"{cell},{cell.count('3x3~')},{place}" for place, cell in enumerate(CELLS)]
    scores.write_text("\n".join(["architecture,convolutions,place", *lines]), encoding="utf-8")
    words = [
        *("predict", "evaluate", "--table", str(_table(tmp_path)), "--target", "validation_12"),
        *("--predictor", "bayesian_ridge@measures", "--predictor", "early_stopping_accuracy", "--scores", str(scores)),
        *("--curve", "validation_accuracy=validation_12", "--epochs", "3,12", "--train-sizes", "10,20"),
        *("--trials", "2", "--test", "20", "--workers", "1"),
    ]
    file = tmp_path / "out.json"
    done = CliRunner().invoke(main, [*words, "--json", str(file)])
    assert done.exit_code == 0, done.output
    assert "means of 2 trials, 20 test architectures" in done.stdout
    assert "note: 1 architectures without a score" in done.stdout
    written = json.loads(file.read_text(encoding="utf-8"))
    facts = written["facts"]
    assert facts["architectures"] == 399
    assert (facts["seed"], len(facts["data"]), {"eznas", "scikit-learn"} <= {*facts["versions"]}) == (0, 64, True)
    assert "predict evaluate" in facts["command"]
    assert [row["epochs"] for row in written["summary"]] == [0, 0, 3, 12]
    assert written["summary"][3]["tau"] == 1
    assert len(written["trials"]) == 8
    piped = CliRunner().invoke(main, [*words, "--json", "-"])
    assert untimed(json.loads(piped.stdout)["trials"]) == untimed(written["trials"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--curve", "validation_12"], "--curve must read METRIC=COLUMN"),
        (["--train-sizes", "5;8"], "whole numbers between commas"),
        (["--predictor", "svr@measures"], "--scores must be given"),
        (["--predictor", "sotl"], "--curve must be given"),
    ],
)
def test_the_command_names_its_flags(tmp_path: Path, words: list[str], message: str) -> None:
    line = ["predict", "evaluate", "--predictor", "svr", "--table", str(_table(tmp_path)), "--target", "validation_12"]
    done = CliRunner().invoke(main, [*line, "--workers", "1", *words])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_a_plugin_brings_a_predictor_and_an_encoding(tmp_path: Path) -> None:
    """Also in worker processes."""
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        """
import numpy as np
from sklearn.linear_model import LinearRegression

from eznas.predictors import register_encoding, register_model
from eznas.predictors.encodings.base import Encoding


@register_encoding
class Lengths(Encoding):
    name = "lengths"
    description = "the length of the string"
    columns = ("length",)

    def __init__(self, inputs):
        pass

    def rows(self, architectures, curves):
        return np.array([[float(len(one))] for one in architectures])


@register_model("least_squares", paper="none", description="linear least squares", encoding="lengths")
def least_squares(seed):
    return LinearRegression()
""",
        encoding="utf-8",
    )
    words = [
        *("predict", "evaluate", "--predictor", "least_squares", "--table", str(_table(tmp_path)), "--plugin"),
        *(str(plugin), "--target", "validation_12", "--train-sizes", "30", "--trials", "2", "--test", "30"),
        *("--workers", "2", "--json", "-"),
    ]
    try:
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
        assert [row["status"] for row in json.loads(done.stdout)["trials"]] == ["ok", "ok"]
    finally:
        use_plugins({})
    assert "least_squares" not in PREDICTORS
    assert "lengths" not in ENCODINGS


def test_predictors_and_encodings_are_listed() -> None:
    done = CliRunner().invoke(main, ["predict", "list"])
    assert done.exit_code == 0
    assert "random_forest" in done.output
    assert "path_without_none" in done.output


def test_the_default_is_by_number_space_and_scores() -> None:
    scores = {"synflow": {"a": 1.0}}
    assert default_predictor(20, SPACE) == ("extra_trees", "graf")
    assert default_predictor(31, SPACE, scores) == ("blended_trees", "graf+measures")
    assert default_predictor(32, SPACE, scores) == ("extra_trees", "graf+measures")
    assert default_predictor(20, SPACES["custom:torch.nn:Linear"]) == ("extra_trees", "words")


def test_the_default_learns_from_words_and_scores() -> None:
    space, cells = SPACES["custom:torch.nn:Linear"], [f"{width},{depth}" for width in range(6) for depth in range(3)]
    scores = {"params": {cell: float(place) for place, cell in enumerate(cells)}}
    name, encoding = default_predictor(len(cells), space, scores)
    predictor = make_predictor(name, space, encoding=encoding, scores=scores)
    assert name == "blended_trees"
    assert predictor.fit(cells, np.arange(len(cells), dtype=float)) is Status.OK
    assert kendalltau(predictor.predict(cells).mean, np.arange(len(cells))).statistic > 0.9


def test_ranking_puts_the_best_first(tmp_path: Path) -> None:
    trained, queried = CELLS[:200], CELLS[200:260]
    table = tmp_path / "trained.csv"
    table.write_text(
        "\n".join(["architecture,validation_12", *(f"{one},{ACCURACIES[one]}" for one in trained)]), encoding="utf-8"
    )
    names = tmp_path / "names.txt"
    names.write_text("\n".join([*queried, "", queried[0]]), encoding="utf-8")
    out = tmp_path / "out.csv"
    words = ["predict", "rank", "--table", str(table), "--target", "validation_12", "--top", "3"]
    done = CliRunner().invoke(main, [*words, "--architectures", str(names), "--csv", str(out)])
    assert done.exit_code == 0, done.output
    assert "extra_trees@graf fitted to 200 accuracies, the best of 60" in done.stdout
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert {row["architecture"] for row in rows} == set(queried)
    means = [float(row["mean"]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert np.corrcoef(means, [ACCURACIES[row["architecture"]] for row in rows])[0, 1] > 0.7
    assert all(float(row["standard_deviation"]) >= 0 for row in rows)
    whole = json.loads(CliRunner().invoke(main, [*words, "--predictor", "bayesian_ridge", "--json", "-"]).stdout)
    assert whole["facts"]["predicted"] == len(whole["ranking"]) == 15_625 - 200
    assert whole["facts"]["predictor"] == "bayesian_ridge"


def test_an_architecture_without_a_score_is_last(tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    lines = [f"{one},{one.count('3x3~') if place != 210 else ''}" for place, one in enumerate(CELLS)]
    scores.write_text("\n".join(["architecture,convolutions", *lines]), encoding="utf-8")
    table = tmp_path / "trained.csv"
    table.write_text(
        "\n".join(["architecture,validation_12", *(f"{one},{ACCURACIES[one]}" for one in CELLS[:200])]),
        encoding="utf-8",
    )
    ranking = predict(
        "svr@measures", architectures=CELLS[205:215], table=table, target="validation_12", scores=scores, seed=1
    )
    assert [row["status"] for row in ranking.rows] == ["ok"] * 9 + ["non_finite"]
    assert ranking.rows[-1]["architecture"] == CELLS[210]
    assert ranking.rows[-1]["mean"] is None


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--architectures", "absent.txt"], 2, "--architectures must be a readable text file"),
        (["--predictor", "sotl"], 2, "curves must be given"),
    ],
)
def test_a_ranking_that_cannot_be_is_an_error(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    line = ["predict", "rank", "--table", str(_table(tmp_path)), "--target", "validation_12", *words]
    done = CliRunner().invoke(main, line)
    assert done.exit_code == code
    assert message in " ".join(done.output.split())
