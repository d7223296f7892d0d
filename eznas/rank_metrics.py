"""Metrics of a ranking that tau over all pairs does not show: architectures of equal size, and the best ones.

References:
    [Järvelin] Järvelin, Kekäläinen. Cumulated Gain-Based Evaluation of IR Techniques. ACM Transactions on Information
    Systems, 2002.
    [Zhang] Zhang et al. Learning to Rank Ace Neural Architectures via Normalized Discounted Cumulative Gain. 2021.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def tau_equal_size(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], sizes: NDArray[np.float64], *, tolerance: float = 0.1
) -> float:
    """Return Kendall's tau-b over the pairs of architectures of about equal size.

    A proxy that only counts parameters has a tau near 0 on these pairs.

    Args:
        scores: ``n`` finite scores.
        accuracies: ``n`` finite accuracies.
        sizes: ``n`` positive sizes, such as numbers of parameters; an architecture without a size (NaN) is in no pair.
        tolerance: A pair counts if the larger size is at most ``1 + tolerance`` times the smaller one.

    Returns:
        Tau; NaN where no such pair differs in score, or none in accuracy.
    """
    order = np.argsort(sizes, kind="stable")
    order = order[np.isfinite(sizes[order])]
    scores, accuracies, sizes = scores[order], accuracies[order], sizes[order]
    ends = np.searchsorted(sizes, sizes * (1 + tolerance), side="right")
    agreement = untied_scores = untied_accuracies = 0.0
    for index, end in enumerate(ends.tolist()):
        by_score = np.sign(scores[index + 1 : end] - scores[index])
        by_accuracy = np.sign(accuracies[index + 1 : end] - accuracies[index])
        agreement += float(by_score @ by_accuracy)
        untied_scores += float(np.count_nonzero(by_score))
        untied_accuracies += float(np.count_nonzero(by_accuracy))
    scale = math.sqrt(untied_scores * untied_accuracies)
    return agreement / scale if scale else math.nan


def precision_at_top(scores: NDArray[np.float64], accuracies: NDArray[np.float64], *, share: float = 0.1) -> float:
    """Return the share of the architectures with the highest scores that are among the most accurate ones.

    Both groups have ``k = ceil(share * n)`` members. All architectures as accurate as the ``k``-th count as its equals.
    Of architectures with equal scores at the edge of the group, the expected share over all orders is taken.

    Args:
        scores: ``n`` finite scores.
        accuracies: ``n`` finite accuracies.
        share: Size of the groups.

    Returns:
        The precision from 0 to 1; NaN where scores or accuracies are constant.
    """
    if _is_constant(scores, accuracies):
        return math.nan
    count = math.ceil(share * len(scores) - 1e-9)
    accurate = accuracies >= np.sort(accuracies)[-count]
    edge = np.sort(scores)[-count]
    above, tied = scores > edge, scores == edge
    places = count - int(above.sum())
    return float((accurate[above].sum() + places * accurate[tied].mean()) / count)


def ndcg(scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> float:
    """Return the normalised discounted cumulative gain of the order by score, which weighs the first places most.

    It is ``sum_i gain_i / log2(1 + i)`` over the places ``i = 1 ... n`` in descending order of the scores, divided by
    the same sum in descending order of the accuracies [Järvelin]; [Zhang] argues for it in architecture search. The
    gain is the accuracy scaled to run from 0 to 1: ``(accuracy - lowest) / (highest - lowest)``. Architectures with
    equal scores share the mean gain of their places.

    Args:
        scores: ``n`` finite scores.
        accuracies: ``n`` finite accuracies.

    Returns:
        A value up to 1; NaN where scores or accuracies are constant.
    """
    if _is_constant(scores, accuracies):
        return math.nan
    gains = (accuracies - accuracies.min()) / np.ptp(accuracies)
    discounts = 1 / np.log2(np.arange(2.0, len(scores) + 2))
    _, groups, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    means = np.bincount(groups, weights=gains) / sizes
    return float(np.repeat(means, sizes) @ discounts / (np.sort(gains)[::-1] @ discounts))


def _is_constant(scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> bool:
    return len(scores) < 2 or 0 in (np.ptp(scores), np.ptp(accuracies))  # noqa: PLR2004 - a pair
