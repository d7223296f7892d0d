"""Conformance tests of predictors: subclass ``PredictorSuite`` in a test file.

::

    class TestMine(PredictorSuite):
        def make(self) -> Predictor:
            return MyPredictor(space=SPACES["nasbench201"])
"""

from __future__ import annotations

import abc
import random
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.predictors.curves import METRICS, Curves
from eznas.ranking import correlate
from eznas.seeds import python_rng
from eznas.spaces import SPACES
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eznas.predictors.protocol import Prediction, Predictor

_TRAIN, _TEST, _EPOCHS = 40, 12, 12
_LEAST_TAU = 0.4


class PredictorSuite(abc.ABC):
    """Checks the contract of ``eznas.predictors.protocol`` on 52 cells of NAS-Bench-201 with made-up accuracies.

    The accuracies depend on the operations of a cell, and every learning curve rises to its cell's accuracy.
    """

    @abc.abstractmethod
    def make(self) -> Predictor:
        """Return a new predictor for ``nasbench201``."""

    def test_it_ranks_architectures(self) -> None:
        """Predictions for architectures that the fit did not have rank them; a supernet knows other accuracies."""
        predictor = self._fitted()
        prediction = predictor.predict(_TESTED, _curves(_TESTED))
        _require(set(prediction.statuses) == {Status.OK}, f"every prediction must be ok, got {prediction.statuses}")
        if predictor.needs.supernet:
            return
        tau = correlate(prediction.mean, _accuracies(_TESTED), resamples=0).tau
        _require(tau >= _LEAST_TAU, f"tau must be at least {_LEAST_TAU} on easy data, got {tau:.3f}")

    def test_the_shapes_are_those_of_the_protocol(self) -> None:
        """There is a mean, a status, and a deviation or none, for each architecture."""
        prediction = self._fitted().predict(_TESTED, _curves(_TESTED))
        deviation = prediction.standard_deviation
        _require(prediction.mean.shape == (_TEST,), f"there must be {_TEST} means, got {prediction.mean.shape}")
        _require(len(prediction.statuses) == _TEST, f"there must be {_TEST} statuses, got {len(prediction.statuses)}")
        if deviation is not None:
            _require(deviation.shape == (_TEST,), f"there must be {_TEST} deviations, got {deviation.shape}")
            _require(bool((deviation >= 0).all()), "no standard deviation may be negative or NaN beside a mean")
        _require(len(self._fitted().predict([], _curves([]))) == 0, "no architectures must have no predictions")

    def test_the_same_seed_gives_the_same_predictions(self) -> None:
        """All random draws come from the seed of the fit."""
        first, second = (self._fitted(seed=3).predict(_TESTED, _curves(_TESTED)) for _ in range(2))
        _require(_equal(first, second), "two fits with the same seed must predict the same")

    def test_a_second_fit_forgets_the_first(self) -> None:
        """A fit is that of a new predictor."""
        used = self._fitted()
        half = _TRAINED[_TRAIN // 2 :]
        used.fit(half, _accuracies(half), _curves(half), seed=1)
        fresh = self.make()
        fresh.fit(half, _accuracies(half), _curves(half), seed=1)
        _require(
            _equal(used.predict(_TESTED, _curves(_TESTED)), fresh.predict(_TESTED, _curves(_TESTED))),
            "a predictor that was fitted before must predict as a new one",
        )

    def test_a_prediction_does_not_depend_on_the_others(self) -> None:
        """One architecture alone, and all in another order, have the predictions that they have together."""
        predictor = self._fitted()
        together = predictor.predict(_TESTED, _curves(_TESTED)).mean
        backwards = predictor.predict(_TESTED[::-1], _curves(_TESTED[::-1])).mean[::-1]
        alone = predictor.predict(_TESTED[:1], _curves(_TESTED[:1])).mean
        _require(_close(backwards, together), "the order of the architectures must not matter")
        _require(_close(alone, together[:1]), "a prediction must not depend on the other architectures")

    def test_the_arguments_stay_as_they_are(self) -> None:
        """Neither method changes its arguments."""
        architectures, accuracies, curves = [*_TRAINED], _accuracies(_TRAINED), _curves(_TRAINED)
        predictor = self.make()
        predictor.fit(architectures, accuracies, curves)
        predictor.predict(architectures[:_TEST], curves.rows(range(_TEST)))
        _require(architectures == _TRAINED, "the architectures must not change")
        _require(np.array_equal(accuracies, _accuracies(_TRAINED)), "the accuracies must not change")
        for metric, values in _curves(_TRAINED).values.items():
            _require(np.array_equal(curves.values[metric], values), f"the curves of {metric} must not change")

    def test_global_random_states_stay_as_they_are(self) -> None:
        """Draws come from streams of their own."""
        import torch

        before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - the state itself
        self._fitted().predict(_TESTED, _curves(_TESTED))
        _require(random.getstate() == before[0], "the state of random must not change")
        after = np.random.get_state()  # noqa: NPY002
        same = all(np.array_equal(old, new) for old, new in zip(before[1], after, strict=True))
        _require(same, "the state of numpy.random must not change")
        _require(torch.equal(torch.get_rng_state(), before[2]), "the state of torch must not change")

    def test_missing_labels_are_refused(self) -> None:
        """Neither a prediction before the fit nor a fit to too few architectures gives numbers."""
        predictor = self.make()
        fewest = predictor.needs.labels
        if not fewest:
            return
        _refused(lambda: predictor.predict(_TESTED, _curves(_TESTED)), "a prediction before the fit")
        few = _TRAINED[: fewest - 1]
        _refused(lambda: predictor.fit(few, _accuracies(few), _curves(few)), f"a fit to {len(few)} architectures")
        enough = _TRAINED[:fewest]
        predictor.fit(enough, _accuracies(enough), _curves(enough))
        _require(predictor.status is Status.OK, f"a fit to {fewest} architectures must be ok, got {predictor.detail}")

    def test_missing_curves_are_refused(self) -> None:
        """A predictor of learning curves refuses none, those of another metric, and those that are too short."""
        metric = self.make().needs.curve
        if not metric:
            return
        predictor = self._fitted()
        curves = _curves(_TESTED)
        others = {name: values for name, values in curves.values.items() if name != metric}
        _refused(lambda: predictor.predict(_TESTED), "a prediction without curves")
        _refused(lambda: predictor.predict(_TESTED, Curves(curves.epochs, others)), "a curve of another metric")
        _refused(lambda: predictor.predict(_TESTED[1:], curves), "curves of more architectures")
        if predictor.needs.epochs > 1:
            _refused(lambda: predictor.predict(_TESTED, curves.until(predictor.needs.epochs - 1)), "a short curve")
        _require(
            len(predictor.predict(_TESTED, curves.until(predictor.needs.epochs))) == _TEST,
            f"curves of {predictor.needs.epochs} points must be enough",
        )

    def test_a_broken_curve_costs_itself(self) -> None:
        """An architecture whose curve has no value at a point has a status, and the others keep their predictions."""
        metric = self.make().needs.curve
        if not metric:
            return
        predictor = self._fitted()
        curves = _curves(_TESTED)
        curves.values[metric][3, -1] = np.nan
        broken, whole = predictor.predict(_TESTED, curves), predictor.predict(_TESTED, _curves(_TESTED))
        _require(broken.statuses[3] is not Status.OK, "a prediction from a broken curve must have a status")
        _require(bool(np.isnan(broken.mean[3])), "a prediction from a broken curve must have no value")
        _require(_close(np.delete(broken.mean, 3), np.delete(whole.mean, 3)), "a broken curve must cost only itself")

    def test_equal_accuracies_are_no_failure(self) -> None:
        """Constant accuracies give finite predictions, or a status."""
        predictor = self.make()
        predictor.fit(_TRAINED, np.full(_TRAIN, 90.0), _curves(_TRAINED))
        prediction = predictor.predict(_TESTED, _curves(_TESTED))
        ok = np.array([status is Status.OK for status in prediction.statuses])
        _require(bool((np.isfinite(prediction.mean) == ok).all()), "a prediction must have a value or a status")

    def _fitted(self, seed: int = 0) -> Predictor:
        predictor = self.make()
        status = predictor.fit(_TRAINED, _accuracies(_TRAINED), _curves(_TRAINED), seed=seed)
        _require(status is Status.OK, f"the fit must be ok, got {status}: {predictor.detail}")
        return predictor


def _drawn() -> list[str]:
    space, rng = SPACES["nasbench201"], python_rng(0, "predictor suite")
    drawn: dict[str, None] = {}
    while len(drawn) < _TRAIN + _TEST:
        drawn[space.sample(rng)] = None
    return [*drawn]


def _accuracies(architectures: Sequence[str]) -> NDArray[np.float64]:
    return np.array(
        [
            80.0 + 2 * one.count("3x3~") + one.count("1x1") - 1.5 * one.count("none") + 0.01 * (_number(one) % 10)
            for one in architectures
        ]
    )


def _number(architecture: str) -> int:
    """Return a number that depends on the string alone."""
    return sum(place * ord(letter) for place, letter in enumerate(architecture))


def _curves(architectures: Sequence[str]) -> Curves:
    """Return curves that rise to the accuracies, with small fixed wiggles; losses fall as accuracies rise."""
    epochs = np.arange(1, _EPOCHS + 1)
    final = _accuracies(architectures)[:, None]
    wiggles = np.array([[np.sin(_number(one) + 3 * epoch) for epoch in epochs] for one in architectures])
    accuracy = final * (1 - 0.7 * epochs**-0.8) + 0.05 * wiggles.reshape(len(architectures), _EPOCHS)
    loss = 5 - accuracy / 25
    return Curves(tuple(epochs.tolist()), dict(zip(METRICS, (loss, loss.copy(), accuracy), strict=True)))


_ALL = _drawn()
_TRAINED, _TESTED = _ALL[:_TRAIN], _ALL[_TRAIN:]


def _close(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Compare up to the rounding of matrix products of other shapes."""
    return bool(np.allclose(first, second, rtol=1e-5, atol=1e-5, equal_nan=True))


def _equal(first: Prediction, second: Prediction) -> bool:
    pairs = [(first.mean, second.mean), (first.standard_deviation, second.standard_deviation)]
    return first.statuses == second.statuses and all(
        (one is None and other is None) or (one is not None and other is not None and _close(one, other))
        for one, other in pairs
    )


def _refused(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except InputError:
        return
    raise AssertionError(f"{what} must raise an InputError")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
