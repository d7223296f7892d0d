from __future__ import annotations

import numpy as np
import pytest

from eznas.ranknet import RankNet

RIDGE = 0.05


@pytest.mark.parametrize("terms", [5, 40], ids=["fewer terms than architectures", "more terms"])
def test_the_weights_minimise_the_loss(terms: int) -> None:
    """The gradient of the loss, written out pair by pair, is 0 at the weights."""
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(count, terms)) for count in (9, 12)]
    accuracies = [rng.normal(size=count) for count in (9, 12)]
    shares = [1.0, 3.0]
    found = next(RankNet(values, accuracies, shares, RIDGE).sums(terms))
    assert found.terms.tolist() == list(range(terms))
    centred = [of_task - of_task.mean(axis=0) for of_task in values]
    spread = np.sqrt(np.mean([np.square(of_task).mean(axis=0) for of_task in centred], axis=0))
    weights = found.weights * spread
    gradient = 2 * RIDGE * weights
    for of_task, labels, share in zip(centred, accuracies, shares, strict=True):
        standardised = of_task / spread
        scores = standardised @ weights
        pairs = [(i, j) for i in range(len(labels)) for j in range(len(labels)) if labels[i] > labels[j]]
        for better, worse in pairs:
            wrong = 1 / (1 + np.exp(scores[better] - scores[worse]))
            gradient -= share / sum(shares) / len(pairs) * wrong * (standardised[better] - standardised[worse])
    assert np.abs(weights).max() > 0.1
    np.testing.assert_allclose(gradient, 0, atol=1e-4)


def test_no_sum_is_yielded_without_two_usable_terms() -> None:
    rng = np.random.default_rng(1)
    values = np.stack([rng.normal(size=20), np.ones(20)], axis=1)
    assert list(RankNet([values], [rng.normal(size=20)], [1.0], RIDGE).sums(5)) == []
