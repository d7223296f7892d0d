"""Fits that are kept in files, and predictions with them."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.ensemble import RandomForestRegressor

import eznas
from eznas.api.predictions import fit, predict_with
from eznas.cli.main import main
from eznas.errors import InputError
from eznas.predictors.fits import KeptFit
from eznas.predictors.models.omni import _RANGES
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

CELLS = list(SPACES["nasbench201"].architectures() or [])[:150]
ACCURACY = {cell: 90.0 + cell.count("3x3~") - cell.count("none") + 0.001 * place for place, cell in enumerate(CELLS)}
TRAINED, QUERIED = CELLS[:60], CELLS[60:80]


def write(file: Path, header: str, lines: list[str]) -> Path:
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "trained.csv", "architecture,accuracy", [f"{one},{ACCURACY[one]}" for one in TRAINED])


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    return write(tmp_path / "scores.csv", "architecture,synflow", [f"{one},{one.count('3x3~')}" for one in CELLS])


def means(ranking: Any) -> dict[str, float]:
    return {row["architecture"]: row["mean"] for row in ranking.rows}


@pytest.mark.parametrize("predictor", [None, "random_forest@onehot+measures", "bohamiann", "measure:synflow"])
def test_a_kept_fit_predicts_what_the_fit_does(
    table: Path, scores: Path, tmp_path: Path, predictor: str | None
) -> None:
    file = tmp_path / "fit.json"
    arguments: dict[str, Any] = {"table": table, "scores": scores, "seed": 4}
    fit(predictor, **arguments).save(file)
    ranking = predict_with(file, architectures=QUERIED, scores=scores)
    assert ranking.facts["reproduced"] is True
    assert means(ranking) == means(eznas.predict(predictor, architectures=QUERIED, **arguments))
    assert set(json.loads(file.read_text(encoding="utf-8"))["scores"]) <= {"synflow"}


def test_a_search_is_not_repeated(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = fit("random_forest", table=table, tune=2, seed=1)
    assert kept.predictor == "random_forest"
    expected = means(eznas.predict("random_forest", architectures=QUERIED, table=table, tune=2, seed=1))
    monkeypatch.setattr("eznas.predictors.tuned.TunedPredictor.__init__", None)
    assert means(predict_with(kept, architectures=QUERIED)) == expected


@pytest.mark.parametrize("best", [0, 1])
def test_the_search_of_omni_is_not_repeated(table: Path, monkeypatch: pytest.MonkeyPatch, best: int) -> None:
    """Whether its defaults are the best, or a draw."""

    def forest(seed: int, n_estimators: int = 3, **_: Any) -> RandomForestRegressor:
        return RandomForestRegressor(1 + n_estimators % 5, random_state=seed)

    searches: list[Any] = []

    def score(*arguments: Any) -> float:
        searches.append(arguments)
        return float(len(searches) > 3 * best)  # of equal scores the first is chosen

    monkeypatch.setattr("eznas.predictors.models.omni.ngboost", forest)
    monkeypatch.setattr("eznas.predictors.tuned.TunedPredictor._tau", score)
    kept = fit("omni@onehot", table=table, seed=1)
    assert len(searches) == 35 * 3
    assert set(kept.settings) == ({"draws"} if best == 0 else {"draws", *_RANGES})
    searches.clear()
    assert predict_with(kept, architectures=QUERIED).facts["reproduced"] is True
    assert searches == []


def test_a_fit_that_is_not_reproduced_is_stated(table: Path, tmp_path: Path) -> None:
    file = tmp_path / "fit.json"
    fit("bayesian_ridge", table=table).save(file)
    changed = json.loads(file.read_text(encoding="utf-8"))
    changed["expected"][0] += 1e-3
    file.write_text(json.dumps(changed), encoding="utf-8")
    assert predict_with(file, architectures=QUERIED).facts["reproduced"] is False
    done = CliRunner().invoke(main, ["predict", "predict", "--fit", str(file), "--top", "2"])
    assert done.exit_code == 0, done.output
    assert "does not reproduce the first one" in done.stderr


def test_learning_curves_come_from_a_table(tmp_path: Path) -> None:
    header = "architecture,validation_12@1,validation_12@4,validation_12@8"
    begun = write(
        tmp_path / "begun.csv",
        header,
        [f"{one},{0.3 * ACCURACY[one]},{0.5 * ACCURACY[one]},{0.8 * ACCURACY[one]}" for one in QUERIED],
    )
    trained = write(
        tmp_path / "trained.csv",
        f"{header},validation_12",
        [f"{one},{0.3 * ACCURACY[one]},{0.5 * ACCURACY[one]},{0.8 * ACCURACY[one]},{ACCURACY[one]}" for one in TRAINED],
    )
    curves = {"validation_accuracy": "validation_12"}
    kept = fit("bayesian_ridge@curve", table=trained, target="validation_12", curves=curves, epoch=8)
    assert kept.epochs == [1, 4, 8]
    ranking = predict_with(kept, table=begun)
    assert {row["architecture"] for row in ranking.rows} == set(QUERIED)
    assert [ACCURACY[row["architecture"]] for row in ranking.rows] == sorted(
        (ACCURACY[one] for one in QUERIED), reverse=True
    )
    assert len(predict_with(kept, table=begun, architectures=QUERIED[:3]).rows) == 3
    with pytest.raises(InputError, match="table must have every architecture"):
        predict_with(kept, table=begun, architectures=CELLS[-2:])
    with pytest.raises(InputError, match="curves must be given to predict"):
        predict_with(kept, architectures=QUERIED)
    short = write(tmp_path / "short.csv", "architecture,validation_12@8", [f"{one},{ACCURACY[one]}" for one in QUERIED])
    with pytest.raises(InputError, match="table must have the column validation_12@1"):
        predict_with(kept, table=short)


def test_an_epoch_needs_curves_that_are_read(table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="epoch must come with curves, which end there, got 8 and no curves; give"):
        fit("random_forest", table=table, epoch=8)
    lines = [f"{one},{ACCURACY[one] / 2},{ACCURACY[one]}" for one in TRAINED]
    trained = write(tmp_path / "curves.csv", "architecture,validation_12@8,validation_12", lines)
    curves = {"validation_accuracy": "validation_12"}
    with pytest.raises(InputError, match="epoch must come with a predictor that reads learning curves, got random_f"):
        fit("random_forest", table=trained, target="validation_12", curves=curves, epoch=8)
    done = CliRunner().invoke(
        main, ["predict", "fit", "--table", str(table), "--epoch", "8", "--out", str(tmp_path / "fit.json")]
    )
    assert (done.exit_code, "--epoch must come with --curve, which end there" in done.stderr) == (2, True)


def test_architectures_without_a_score_are_left_out_and_stated(table: Path, tmp_path: Path) -> None:
    lines = [f"{one},{'' if place < 2 else place % 7}" for place, one in enumerate(CELLS)]
    scores = write(tmp_path / "scores.csv", "architecture,synflow", lines)
    ranking = eznas.predict("random_forest", table=table, scores=scores)
    assert (ranking.facts["trained"], ranking.facts["left_out"]) == (58, 2)
    assert {row["architecture"] for row in ranking.rows} == set(SPACES["nasbench201"].architectures() or ()) - {
        *TRAINED
    }
    note = "note: 2 architectures without a score or a point of a curve were left out"
    words = ["--predictor", "random_forest", "--table", str(table), "--scores", str(scores)]
    for command in (["fit", "--out", str(tmp_path / "fit.json")], ["rank", "--csv", str(tmp_path / "ranking.csv")]):
        done = CliRunner().invoke(main, ["predict", *command, *words])
        assert done.exit_code == 0, done.output
        assert note in done.stdout
    kept = KeptFit.load(tmp_path / "fit.json")
    assert len(kept.left_out) == 2
    assert {row["architecture"] for row in predict_with(kept, scores=scores).rows} == {
        row["architecture"] for row in ranking.rows
    }


def test_what_a_fit_reads_must_be_given(table: Path, scores: Path, tmp_path: Path) -> None:
    kept = fit("svr@measures", table=table, scores=scores)
    other = write(tmp_path / "other.csv", "architecture,zen", [f"{one},1" for one in CELLS])
    with pytest.raises(InputError, match="scores must have a column synflow"):
        predict_with(kept, architectures=QUERIED, scores=other)
    with pytest.raises(InputError, match="scores must be given: svr@measures reads synflow"):
        predict_with(kept, architectures=QUERIED)
    with pytest.raises(InputError, match="table must be left out: svr@measures reads no learning curve"):
        predict_with(kept, table=table, scores=scores)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "that eznas predict fit wrote"), ("[1]", "predict fit wrote"), ('{"format": 9}', "of format 2")],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "fit.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        KeptFit.load(file)
    with pytest.raises(InputError, match="must be a readable fit"):
        KeptFit.load(tmp_path / "absent.json")


@pytest.mark.parametrize("read", ["--scores", "--architectures", "--plugin"])
@pytest.mark.parametrize("written", ["--csv", "--json"])
def test_files_that_are_read_are_not_overwritten(scores: Path, read: str, written: str) -> None:
    before = scores.read_text(encoding="utf-8")
    done = CliRunner().invoke(main, ["predict", "rank", read, str(scores), written, str(scores)])
    assert (done.exit_code, "must be different files" in done.stderr) == (2, True)
    assert scores.read_text(encoding="utf-8") == before


def test_the_commands(table: Path, scores: Path, tmp_path: Path) -> None:
    out, ranking = tmp_path / "fit.json", tmp_path / "ranking.csv"
    words = ["predict", "fit", "--table", str(table), "--scores", str(scores), "--out", str(out)]
    done = CliRunner().invoke(main, [*words, "--predictor", "random_forest@measures", "--tune", "2"])
    assert done.exit_code == 0, done.output
    assert "random_forest@measures fitted to 60 accuracies" in done.stdout
    names = write(tmp_path / "names.txt", QUERIED[0], QUERIED[1:])
    words = ["predict", "predict", "--fit", str(out), "--scores", str(scores), "--architectures", str(names)]
    done = CliRunner().invoke(main, [*words, "--csv", str(ranking)])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(ranking.read_text(encoding="utf-8").splitlines()))
    assert {row["architecture"] for row in rows} == set(QUERIED)
    expected = means(predict_with(out, architectures=QUERIED, scores=scores))
    assert [float(row["mean"]) for row in rows] == sorted(expected.values(), reverse=True)
    assert np.ptp([*expected.values()]) > 0
