"""Predictors with the weights of a supernet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import eznas
from eznas.api.predictions import fit, predict_with
from eznas.errors import InputError
from eznas.predictors import make_predictor
from eznas.predictors.evaluation import EvaluationPlan, PredictorChoice, evaluate_predictors
from eznas.predictors.evaluation_data import EvaluationData
from eznas.spaces import SPACES
from eznas.supernet.trained import read_supernet

if TYPE_CHECKING:
    from pathlib import Path

CELLS = list(SPACES["nasbench201"].architectures() or ())[:60]
ACCURACIES = {one: 90.0 + one.count("3x3~") for one in CELLS}


def test_predictions_are_the_accuracies_with_inherited_weights(supernets: dict[str, Path]) -> None:
    prediction = make_predictor("rsws", "nasbench201", supernet=supernets["rsws"]).predict(CELLS[:5])
    supernet = read_supernet(supernets["rsws"] / "supernet.npz")
    assert prediction.mean.tolist() == [supernet.accuracy(one) for one in CELLS[:5]]
    assert prediction.standard_deviation is None
    assert supernet is read_supernet(supernets["rsws"])  # read once


@pytest.mark.parametrize("name", ["rsws", "oneshot"])
def test_a_missing_supernet_is_refused(name: str) -> None:
    predictor = make_predictor(name, "nasbench201")
    predictor.fit([], [])
    with pytest.raises(InputError, match=f"supernet must be given: {name} evaluates architectures with its weights"):
        predictor.predict(CELLS[:2])


def test_a_supernet_of_the_other_method_is_refused(supernets: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="supernet must be one of oneshot, got one of rsws"):
        make_predictor("oneshot", "nasbench201", supernet=supernets["rsws"])


def test_a_folder_without_a_supernet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a supernet that eznas predict supernet wrote, but there is none"):
        make_predictor("oneshot", "nasbench201", supernet=tmp_path)


def test_changed_images_are_refused(supernets: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import eznas.supernet.trained as module

    load = module.load_images
    monkeypatch.setattr(
        module, "load_images", lambda config, device: load(config.model_copy(update={"seed": 1}), device)
    )
    with pytest.raises(InputError, match="validation images of its training; digits has changed"):
        module.TrainedSupernet(supernets["rsws"] / "supernet.npz")


def test_an_evaluation_takes_a_supernet(supernets: dict[str, Path]) -> None:
    plan = EvaluationPlan((PredictorChoice("rsws"), PredictorChoice("bayesian_ridge")), (10,), trials=2, test=20)
    with pytest.raises(InputError, match="supernet must be given: rsws"):
        evaluate_predictors(EvaluationData("nasbench201", ACCURACIES), plan)
    rows = evaluate_predictors(EvaluationData("nasbench201", ACCURACIES, supernet=str(supernets["rsws"])), plan)
    sizes = [(row["predictor"], row["train_size"]) for row in rows]
    assert sizes == [("rsws", 0), ("bayesian_ridge", 10)] * 2
    of_supernet = [row for row in rows if row["predictor"] == "rsws"]
    assert {row["mae"] is None for row in of_supernet} == {True}  # it only ranks
    assert {row["initialisation_seconds"] for row in of_supernet} == {None}  # those of the training are unknown


def test_a_kept_fit_takes_a_supernet(supernets: dict[str, Path], tmp_path: Path) -> None:
    folder = supernets["oneshot"]
    fit("oneshot", supernet=folder).save(tmp_path / "fit.json")
    ranking = predict_with(tmp_path / "fit.json", architectures=CELLS[:4], supernet=folder)
    assert ranking.facts["reproduced"] is True
    assert ranking.rows == eznas.predict("oneshot", architectures=CELLS[:4], supernet=folder).rows
    with pytest.raises(InputError, match="supernet must be given: oneshot"):
        predict_with(tmp_path / "fit.json", architectures=CELLS[:4])


def test_the_digest_of_an_evaluation_depends_on_the_supernet(supernets: dict[str, Path]) -> None:
    folders = [None, *supernets.values()]
    assert len({EvaluationData("nasbench201", ACCURACIES, supernet=folder).digest for folder in folders}) == 3
