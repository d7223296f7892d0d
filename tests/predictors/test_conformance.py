"""Every registered predictor keeps the contract."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from eznas.errors import InputError
from eznas.predictors import PREDICTORS, Needs, make_predictor
from eznas.predictors.encodings.base import EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.predictors.models.networks import Perceptron
from eznas.spaces import SPACES
from eznas.status import Status
from eznas.testing.predictors import PredictorSuite

if TYPE_CHECKING:
    from eznas.predictors import Predictor

QUICK: dict[str, dict[str, Any]] = {
    "mlp": {"layers": 2, "epochs": 60, "learning_rate": 0.01},
    "bananas": {"layers": 2, "epochs": 40, "members": 2, "learning_rate": 0.01},
    "bohamiann": {"steps": 40},
    "dngo": {"epochs": 20},
    "sparse_gp": {"steps": 15},
    "variational_sparse_gp": {"steps": 45},
    "omni": {"draws": 2, "n_estimators": 30},
    "lcsvr": {"draws": 15},
    "lce": {"samples": 10},
    "lce_m": {"samples": 12, "burn_in": 6},
    "extra_trees": {"n_estimators": 30},
    "blended_trees": {"n_estimators": 20},
    "random_forest_graf": {"n_estimators": 30},
    "gradient_boosting": {"n_estimators": 100},
    "ngboost": {"n_estimators": 60},
    "xgboost": {"n_estimators": 100},
    "xgboost_slow": {"n_estimators": 100},
    "lightgbm": {"n_estimators": 100},
    "gcn": {"layers": 2, "hidden": 16, "head": 16, "epochs": 15, "batch": 20, "learning_rate": 0.02},
    "bonas": {"layers": 2, "hidden": 16, "epochs": 20, "batch": 20, "learning_rate": 0.02},
    "gates": {"hidden": 16, "embedding": 8, "head": (16,), "epochs": 20, "learning_rate": 0.02},
    "ta_gates": {"hidden": 16, "embedding": 8, "head": (16,), "epochs": 20, "learning_rate": 0.02},
    "omni_seminas": {"hidden": 12, "epochs": 6, "dropout": 0.0, "learning_rate": 0.03, "repeats": 1},
    "siamese_nas": {"width": 8, "epochs": 10},
    "brp_nas": {"layers": 2, "width": 16, "epochs": 5, "batch": 256, "learning_rate": 1e-2},
    "nao": {"hidden": 12, "epochs": 12, "dropout": 0.0, "learning_rate": 0.05},
    "seminas": {"hidden": 12, "epochs": 6, "dropout": 0.0, "learning_rate": 0.03, "repeats": 1},
}


SCORES = {
    "synflow": {
        cell: 9.0 ** cell.count("3x3~") - cell.count("none") for cell in SPACES["nasbench201"].architectures() or []
    }
}
"""Read by the predictors that need scores."""


def _made(name: str, **settings: Any) -> Predictor:
    scores = SCORES if PREDICTORS[name].needs.scores else None
    return make_predictor(name, "nasbench201", scores=scores, **settings)


def _skip_without_its_package(name: str) -> None:
    extra = PREDICTORS[name].extra
    if extra and importlib.util.find_spec(extra) is None:
        pytest.skip(f"the optional package {extra} is not installed")


@pytest.mark.parametrize("name", [*PREDICTORS])
class TestEveryPredictor(PredictorSuite):
    @pytest.fixture(autouse=True)
    def _named(self, name: str, request: pytest.FixtureRequest) -> None:
        _skip_without_its_package(name)
        self.name, self.settings = name, QUICK.get(name, {})
        if PREDICTORS[name].needs.supernet:
            self.settings = {"supernet": request.getfixturevalue("supernets")[name]}

    def make(self) -> Predictor:
        return _made(self.name, **self.settings)


@pytest.mark.parametrize("name", [*PREDICTORS])
def test_the_registry_states_the_needs_of_the_default_encoding(name: str) -> None:
    _skip_without_its_package(name)
    info = PREDICTORS[name]
    assert info.needs == _made(name).needs
    assert info.paper
    assert info.description
    assert info.before
    assert info.query


@pytest.mark.parametrize("name", [*PREDICTORS])
def test_the_description_says_whether_predictions_only_rank(name: str) -> None:
    _skip_without_its_package(name)
    assert ("only rank" in PREDICTORS[name].description) == (not _made(name).in_unit)


def test_needs_read_as_words() -> None:
    assert str(Needs()) == "2 trained architectures"
    assert str(Needs(0)) == "nothing"
    assert str(Needs(unlabelled=True)) == "2 trained architectures, as many untrained architectures"
    assert str(Needs(6, "train_loss", 3, scores=True, features=True, supernet=True)) == (
        "6 trained architectures, curves of train_loss with 3 points, scores, features of the space, a trained supernet"
    )


def test_a_perceptron_trains_on_fewer_architectures_than_a_batch() -> None:
    """The last batch of an epoch is not dropped: with 3 of 7 architectures there are steps."""
    space = SPACES["nasbench201"]
    rows = Encoder("onehot", EncodingInputs(space)).rows(space.architectures()[:3])  # type: ignore[index]
    labels = np.array([-1.0, 0.0, 2.0])
    errors = []
    for epochs in (1, 200):
        perceptron = Perceptron(0, layers=1, epochs=epochs, batch=7, learning_rate=0.01, penalty=0.0)
        perceptron.fit(rows, labels)
        errors.append(abs(perceptron.predict(rows) - labels).mean())
    assert errors[1] < 0.2 < errors[0]


def test_a_perceptron_whose_predictions_are_all_equal_is_a_failed_fit() -> None:
    space = SPACES["nasbench201"]
    architectures = space.architectures()[:8]  # type: ignore[index]
    predictor = make_predictor("mlp", space, layers=20, width=1, epochs=1)  # no unit is ever above 0
    assert predictor.fit(architectures, np.full(8, 0.5)) is Status.OK  # there is nothing to tell apart
    assert predictor.fit(architectures, np.linspace(0.1, 0.9, 8)) is Status.EXCEPTION
    assert predictor.detail == (
        "RuntimeError: the predictions must differ, got the same value for all 8 architectures of the fit; give "
        "another seed"
    )
    assert not np.isfinite(predictor.predict(architectures).mean).any()


def test_gradients_do_not_accumulate() -> None:
    """One epoch of one batch is one step of Adam: no weight moves by more than the learning rate."""
    rows, labels = np.eye(8), np.arange(8.0)
    perceptron = Perceptron(0, layers=1, epochs=3, batch=8, learning_rate=0.01)
    perceptron.fit(rows, labels)
    network = perceptron._build(8, 0)
    optimiser = torch.optim.Adam(network.parameters(), 0.01, betas=(0.9, 0.99))
    x, y = torch.eye(8), torch.arange(8.0)
    for _ in range(3):
        loss = (network(x)[:, 0] - y).abs().mean() + 0.2 * network[-1].weight.abs().mean()
        gradients = torch.autograd.grad(loss, [*network.parameters()])
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()
    expected = network(x)[:, 0].detach().double().numpy()
    assert np.allclose(perceptron.predict(rows), expected, atol=1e-5)


def test_lightgbm_splits_at_its_fewest() -> None:
    """Published settings give one constant below about 14 architectures; here a fit is refused or has splits."""
    _skip_without_its_package("lightgbm")
    cells = (SPACES["nasbench201"].architectures() or [])[:40]
    accuracies = [90.0 + cell.count("3x3~") - cell.count("none") for cell in cells]
    predictor = make_predictor("lightgbm", "nasbench201")
    with pytest.raises(InputError, match="13 trained architectures or more, got 12"):
        predictor.fit(cells[:12], accuracies[:12])
    predictor.fit(cells[:13], accuracies[:13])
    assert np.ptp(predictor.predict(cells[13:]).mean) > 0.1
