"""Predictors from learning curves, against published curves and curves whose end is known."""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eznas.errors import InputError
from eznas.predictors import Curves, make_predictor
from eznas.predictors.curve_models import CURVE_MODELS
from eznas.ranking import correlate
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

ROWS = np.array([[3.0, 2.0, 1.5], [4.0, 1.0, 0.5]])


def tau(scores: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return correlate(scores, truth, resamples=0).tau


@pytest.mark.parametrize(
    ("name", "metric", "settings", "expected"),
    [
        ("sotl", "train_loss", {}, [-6.5, -5.5]),
        ("sotl_e", "train_loss", {}, [-1.5, -0.5]),
        ("sotl_e", "train_loss", {"last": 2}, [-3.5, -1.5]),
        ("early_stopping_loss", "validation_loss", {}, [-1.5, -0.5]),
        ("early_stopping_accuracy", "validation_accuracy", {}, [1.5, 0.5]),
    ],
)
def test_the_definitions(name: str, metric: str, settings: dict[str, int], expected: list[float]) -> None:
    prediction = make_predictor(name, **settings).predict(["a", "b"], Curves((1, 2, 3), {metric: ROWS}))
    assert prediction.mean.tolist() == expected
    assert prediction.standard_deviation is None


def test_a_sum_needs_every_epoch() -> None:
    curves = Curves((4, 12, 36), {"train_loss": ROWS})
    with pytest.raises(InputError, match="every epoch from 1"):
        make_predictor("sotl").predict(["a", "b"], curves)
    assert make_predictor("sotl_e").predict(["a", "b"], curves).mean.tolist() == [-1.5, -0.5]
    with pytest.raises(InputError, match="curves of 4 epochs or more"):
        make_predictor("sotl_e", last=4).predict(["a", "b"], curves)
    with pytest.raises(InputError, match="last must be 1"):
        make_predictor("sotl_e", last=0)


PUBLISHED = {
    "sotl": [0.567, 0.640, 0.685, 0.715, 0.745, 0.776, 0.795, 0.819],
    "sotl_e": [0.567, 0.679, 0.739, 0.776, 0.805, 0.833, 0.852, 0.868],
    "early_stopping_loss": [0.577, 0.699, 0.765, 0.802, 0.836, 0.876, 0.910, 0.946],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_taus_on_recurrent_cells(real: Callable[[str], Any], name: str) -> None:
    """The first complete run of each cell of NAS-Bench-NLP on WikiText-2; the target is minus the last loss."""
    table = real("curves/nasbench_nlp_wikitext2")
    runs: dict[str, int] = {}
    for run, (recipe, ok) in enumerate(zip(table["recipe"], table["ok"], strict=True)):
        if ok:
            runs.setdefault(recipe, run)
    losses = {
        metric: np.array([table[column][run] for run in runs.values()])
        for metric, column in (("train_loss", "train"), ("validation_loss", "valid"))
    }
    assert losses["train_loss"].shape == (289, 50)
    curves = Curves(tuple(range(1, 51)), losses)
    final = -losses["validation_loss"][:, -1]
    predictor = make_predictor(name)
    taus = [tau(predictor.predict([*runs], curves.until(epoch)).mean, final) for epoch in (1, 3, 5, 7, 10, 15, 20, 30)]
    assert taus == pytest.approx(PUBLISHED[name], abs=0.001)


@pytest.mark.parametrize(
    ("supernet", "expected"), [("one_shot", (0.484, -0.052, -0.194)), ("few_shot", (0.550, 0.154, 0.005))]
)
def test_taus_of_weight_sharing(
    real: Callable[[str], Any], supernet: str, expected: tuple[float, float, float]
) -> None:
    """All 15,625 cells, then the more accurate half, then the cells from the 80 % quantile on."""
    accuracy = np.array(real("nasbench201")["cifar10"]["test200"])
    shared = np.array(real("nb201_oneshot_fewshot")[supernet])
    best = np.argsort(-accuracy, kind="stable")[: len(accuracy) // 2]
    top = accuracy >= np.quantile(accuracy, 0.8)
    taus = [tau(shared[part], accuracy[part]) for part in (slice(None), best, top)]
    assert taus == pytest.approx(expected, abs=0.00051)


def test_a_curve_and_its_architecture_see_through_a_step_schedule(shared_data: Path) -> None:
    """Deep ResNets on Tiny ImageNet: at epoch 10, tau is at least .80 from 100 labelled curves and five numbers."""
    text = gzip.decompress((shared_data / "curves" / "deep_resnets_tinyimagenet.csv.gz").read_bytes()).decode()
    rows = list(csv.DictReader(text.splitlines()))
    accuracies = np.array([[float(row[f"acc_{epoch}"]) for epoch in range(141)] for row in rows])
    names = [str(place) for place in range(len(rows))]
    numbers = ("num_blocks", "num_filters", "filter_size", "lr", "ss")
    scores = {column: {name: float(row[column]) for name, row in zip(names, rows, strict=True)} for column in numbers}
    curves = Curves(tuple(range(1, 142)), {"validation_accuracy": 100 * accuracies}).until(10)
    order = np.random.default_rng(0).permutation(len(rows))
    train, test = order[:100], order[100:]
    found = {}
    for encoding in ("curve", "curve+measures"):
        predictor = make_predictor("lcsvr", encoding=encoding, scores=scores, draws=60)
        predictor.fit([names[i] for i in train], accuracies[train, -1], curves.rows(train))
        prediction = predictor.predict([names[i] for i in test], curves.rows(test))
        found[encoding] = tau(prediction.mean, accuracies[test, -1])
    assert found["curve+measures"] >= 0.80
    assert found["curve+measures"] > found["curve"] + 0.05


@given(st.sampled_from(CURVE_MODELS), st.floats(0.3, 0.9), st.integers(6, 40))
def test_the_fit_of_a_model_is_no_worse_than_its_start(model: Any, level: float, count: int) -> None:
    epochs = np.arange(1.0, count + 1)
    values = level * (1 - epochs**-0.7)
    fitted = model.fit(epochs, values)
    if fitted is not None:
        start = np.array(model.start)
        errors = [float(np.sum((model.function(p, epochs) - values) ** 2)) for p in (fitted, start)]
        assert errors[0] <= errors[1] + 1e-9


@pytest.mark.parametrize(
    ("name", "parameters", "epoch", "expected"),
    [
        ("log log linear", (0.5, 1.2), 1.0, np.log(1.2)),
        ("log power", (0.9, 0.0, -1.0), 3.0, 0.9 * 3 / 4),
        ("MMF", (0.9, 0.1, 2.0, 0.5), 4.0, 0.9 - 0.8 / 5),
        ("Hill-3", (0.8, 2.0, 3.0), 3.0, 0.4),
        ("Hill-3", (0.8, 2.0, 3.0), 6.0, 0.8 * 36 / 45),
    ],
)
def test_the_formulas(name: str, parameters: tuple[float, ...], epoch: float, expected: float) -> None:
    model = next(model for model in CURVE_MODELS if model.name == name)
    value = model.function(np.array([parameters]), np.array([epoch]))
    assert value.shape == (1, 1)
    assert value[0, 0] == pytest.approx(expected)


def _crossing() -> Curves:
    """A fast start that levels off at 70, and a slow one that rises to 90."""
    epochs = np.arange(1, 31)
    fast = 70 * epochs**2 / (1.5**2 + epochs**2)
    slow = 90 * epochs / (12.0 + epochs)
    noise = 0.2 * np.random.default_rng(0).normal(size=(2, 30))
    return Curves(tuple(epochs.tolist()), {"validation_accuracy": np.stack([fast, slow]) + noise})


@pytest.mark.parametrize(("name", "settings"), [("lce", {}), ("lce_m", {"samples": 200, "burn_in": 100})])
def test_extrapolation_sees_curves_cross(name: str, settings: dict[str, int]) -> None:
    """After 30 epochs the slow curve is still below, and ends at 84.9 after 200.

    Two of the four equal parts of lce cannot level off, so that it is less exact.
    """
    curves = _crossing()
    early = make_predictor("early_stopping_accuracy").predict(["fast", "slow"], curves).mean
    assert early[0] > early[1]
    prediction = make_predictor(name, final_epoch=200, **settings).predict(["fast", "slow"], curves)
    assert prediction.statuses == (Status.OK, Status.OK)
    assert prediction.mean == pytest.approx([70, 84.9], abs=6 if name == "lce" else 3)
    assert prediction.mean[1] > prediction.mean[0] + 5


@pytest.mark.parametrize("name", ["lce", "lce_m"])
def test_a_curve_that_cannot_be_fitted_has_a_status(name: str) -> None:
    """Not the mean of the benchmark plus a random number, as in published code."""
    values = np.array([[150.0, 160.0, 170.0, 175.0, 178.0], [np.nan] * 5])
    curves = Curves((1, 2, 3, 4, 5), {"validation_accuracy": values})
    prediction = make_predictor(name, samples=20, **({"burn_in": 5} if name == "lce_m" else {})).predict(
        ["above 100 %", "none"], curves
    )
    assert prediction.statuses[1] is Status.NON_FINITE
    assert np.isnan(prediction.mean[1])
    if name == "lce_m":
        assert prediction.statuses[0] is Status.NON_FINITE


def test_the_last_epoch_bounds_the_curves() -> None:
    with pytest.raises(InputError, match="up to epoch 20"):
        make_predictor("lce", final_epoch=20).predict(["fast", "slow"], _crossing())
    with pytest.raises(InputError, match="burn_in must be fewer"):
        make_predictor("lce_m", samples=10, burn_in=10)
    with pytest.raises(InputError, match="must be 1 or more"):
        make_predictor("lce", samples=0)


def test_parameters_that_overflow_do_not_end_a_fit() -> None:
    """The search for this curve tries an exponent that divides by zero."""
    [model] = [model for model in CURVE_MODELS if model.name == "log power"]
    epochs = np.arange(1.0, 37.0)
    assert model.fit(epochs, np.full(36, 0.31086544972923164)) is not None
