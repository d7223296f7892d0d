"""Bayesian networks, linear regression and sparse processes against closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eznas.predictors import make_predictor
from eznas.predictors.models.bohamiann import BayesianNetwork, adaptive_sghmc
from eznas.predictors.models.dngo import DeepLinearRegression
from eznas.predictors.models.linear import BayesianLinearRegression
from eznas.predictors.models.sparse_processes import (
    CollapsedProcess,
    Kernel,
    VariationalProcess,
    best_posterior,
    collapsed_bound,
    evidence_bound,
    greatest_variances,
)
from eznas.spaces import SPACES

KERNEL = Kernel(*torch.tensor([2.0, 1.5, 0.3], dtype=torch.float64))


def draw(n: int, seed: int = 0, features: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, features)), rng.normal(size=n)


def covariance(rows: Any, others: Any) -> Any:
    squares = np.sum((rows[:, None] - others[None]) ** 2, axis=2)
    return 2.0 * np.exp(-0.5 * squares / 1.5**2)


def test_one_weight_by_hand() -> None:
    """Prior precision 2, noise of precision 4, x = 1 and 2, y = 1 and 3: precision 2 + 4 * 5, mean 4 * 7 / 22."""
    regression = BayesianLinearRegression(2.0, 4.0, intercept=False)
    rows, labels = np.array([[1.0], [2.0]]), np.array([1.0, 3.0])
    regression.fit(rows, labels)
    mean, deviation = regression.predict(np.array([[3.0]]), return_std=True)
    assert mean == pytest.approx([3 * 28 / 22])
    assert deviation == pytest.approx([math.sqrt(1 / 4 + 9 / 22)])


@pytest.mark.parametrize("intercept", [True, False])
def test_the_evidence_is_the_marginal_likelihood(intercept: bool) -> None:
    rows, labels = draw(6)
    design = np.hstack([rows, np.ones((6, 1))]) if intercept else rows
    marginal = stats.multivariate_normal(np.zeros(6), design @ design.T / 0.7 + np.eye(6) / 5)
    evidence = BayesianLinearRegression(0.7, 5.0, intercept=intercept).log_evidence(rows, labels)
    assert evidence == pytest.approx(marginal.logpdf(labels))


def test_dngo_regresses_on_its_last_hidden_layer() -> None:
    rows, labels = draw(30)
    labels = labels + 2 * rows[:, 0]
    network = DeepLinearRegression(0, epochs=5)
    network.fit(rows, labels)
    hidden = network._network[:-1](torch.tensor(rows, dtype=torch.float32)).detach().double().numpy()
    expected = BayesianLinearRegression(*network.precisions, intercept=False)
    expected.fit(hidden, labels)
    assert network.predict(rows) == pytest.approx(expected.predict(hidden))
    best = expected.log_evidence(hidden, labels)
    for factor in (0.5, 2.0):
        for alpha, beta in ((factor, 1.0), (1.0, factor)):
            other = BayesianLinearRegression(
                alpha * network.precisions[0], beta * network.precisions[1], intercept=False
            )
            assert other.log_evidence(hidden, labels) < best


def test_the_sampler_recovers_a_posterior() -> None:
    """Linear regression with two weights, 4,000 chains at once: the moments are those of the closed form."""
    rows, labels = draw(8, features=2)
    x, y = torch.tensor(rows), torch.tensor(labels)
    weights = torch.zeros((4000, 2), dtype=torch.float64, requires_grad=True)

    def potential() -> torch.Tensor:
        return 0.5 * (2 * (y - weights @ x.T) ** 2).sum() + 0.5 * (weights**2).sum()

    samples = adaptive_sghmc(
        [weights],
        potential,
        steps=300,
        burn_in=60,
        keep_every=240,
        step_size=0.01,
        friction=0.1,
        generator=torch.Generator().manual_seed(0),
    )
    assert len(samples) == 1
    precision = np.eye(2) + 2 * rows.T @ rows
    mean = np.linalg.solve(precision, 2 * rows.T @ labels)
    drawn = samples[0][0].numpy()
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.05)
    assert np.cov(drawn.T) == pytest.approx(np.linalg.inv(precision), abs=0.04)


def test_kept_samples_are_copies_and_as_many_as_steps_say() -> None:
    rows, labels = draw(12)
    network = BayesianNetwork(0, width=4, steps=25, burn_in=5, keep_every=5)
    network.fit(rows, labels)
    assert len(network.samples) == 4
    assert not torch.equal(network.samples[0][0], network.samples[1][0])
    mean, deviation = network.predict(rows, return_std=True)
    outputs = np.array(
        [
            (torch.tensor(rows) @ a + b).tanh().matmul(c).add(d).tanh().matmul(e).add(f).tanh().matmul(g).add(h)[:, 0]
            for a, b, c, d, e, f, g, h, _ in network.samples
        ]
    )
    noise = np.mean([math.exp(float(sample[-1])) for sample in network.samples])
    assert mean == pytest.approx(outputs.mean(axis=0))
    assert deviation == pytest.approx(np.sqrt(outputs.var(axis=0) + noise))


def test_all_points_as_inducing_points_give_the_exact_process() -> None:
    """The bound is the log marginal likelihood, and predictions are those of the process."""
    rows, labels = draw(7)
    x, y = torch.tensor(rows), torch.tensor(labels)
    exact = stats.multivariate_normal(np.zeros(7), covariance(rows, rows) + 0.3 * np.eye(7)).logpdf(labels)
    assert float(collapsed_bound(x, y, x, KERNEL)) == pytest.approx(exact, abs=1e-4)
    process = CollapsedProcess(steps=0, variance=2.0, length=1.5, noise=0.3)
    process.fit(rows, labels)
    queried = draw(4, seed=1)[0]
    mean, deviation = process.predict(queried, return_std=True)
    gains = np.linalg.solve(covariance(rows, rows) + 0.3 * np.eye(7), covariance(rows, queried)).T
    assert mean == pytest.approx(gains @ labels, abs=1e-4)
    variance = 2.3 - np.sum(gains * covariance(queried, rows), axis=1)
    assert deviation == pytest.approx(np.sqrt(variance), abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.integers(0, 1000))
def test_bounds_are_bounds(inducing: int, seed: int) -> None:
    """Fewer inducing points bound the likelihood from below, and so does any other posterior of their values."""
    rows, labels = draw(9, seed)
    x, y, z = torch.tensor(rows), torch.tensor(labels), torch.tensor(draw(inducing, seed + 1)[0])
    exact = stats.multivariate_normal(np.zeros(9), covariance(rows, rows) + 0.3 * np.eye(9)).logpdf(labels)
    bound = float(collapsed_bound(x, y, z, KERNEL))
    assert bound <= exact + 1e-3
    mean, root = best_posterior(x, y, z, KERNEL)
    assert float(evidence_bound(x, y, z, KERNEL, mean, root)) == pytest.approx(bound, abs=1e-6)
    assert float(evidence_bound(x, y, z, KERNEL, mean + 0.1, root)) < bound
    assert float(evidence_bound(x, y, z, KERNEL, mean, 1.1 * root)) < bound


def test_every_parameter_of_a_sparse_process_climbs() -> None:
    """Published code builds its own optimiser and does not use it."""
    rows, labels = draw(20)
    for make in (CollapsedProcess, VariationalProcess):
        processes = [make(steps=steps, inducing=4) for steps in (0, 60)]
        for process in processes:
            process.fit(rows, labels)
        first, last = processes
        assert not torch.equal(first._z, last._z)
        for name in ("variance", "length", "noise"):
            assert getattr(first.kernel, name) != getattr(last.kernel, name)
        x, y = torch.tensor(rows), torch.tensor(labels)
        with torch.no_grad():
            assert last._bound(x, y, last.kernel) > first._bound(x, y, first.kernel) + 0.3


def test_inducing_points_are_distinct_and_far_apart() -> None:
    rows = np.array([[0.0], [0.0], [0.1], [5.0], [5.0]])
    assert greatest_variances(rows, 2, 1.0) == [0, 3]
    assert len(greatest_variances(rows, 10, 1.0)) == 3


def test_a_tuned_width_of_published_models_is_used() -> None:
    cells = (SPACES["nasbench201"].architectures() or [])[:12]
    predictor: Any = make_predictor("dngo", "nasbench201", width=7, epochs=1)
    predictor.fit(cells, [float(place) for place in range(12)])
    assert predictor.regressor._network[0].out_features == 7
