"""The comparison of a supernet's accuracies with those of a table, beside numbers of parameters."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from eznas.errors import InputError
from eznas.ranking import correlate
from eznas.seeds import python_rng
from eznas.spaces import SPACES
from eznas.spaces.nasbench201 import from_operations, to_operations
from eznas.supernet.trained import inherited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.minibatch import Minibatch
    from eznas.networks.nasbench201_supernet import Supernet

_RESAMPLES = 1000


def compare(
    network: Supernet, architectures: Sequence[str], accuracies: NDArray[np.float64], images: Minibatch
) -> dict[str, Any]:
    """Return the accuracies and losses with inherited weights, and their taus with ``n`` accuracies of a table.

    Returns:
        ``inherited_accuracy`` and ``inherited_loss``, ``n`` numbers each, and ``taus``: by ``accuracy``, ``loss``
        (negated) and ``params``, the record of ``tau_record``.
    """
    pairs = [inherited(network, architecture, images) for architecture in architectures]
    right, losses = [accuracy for accuracy, _ in pairs], [loss for _, loss in pairs]
    scores = {"accuracy": right, "loss": [-loss for loss in losses], "params": parameter_counts(architectures)}
    taus = {name: tau_record(np.array(values, dtype=np.float64), accuracies) for name, values in scores.items()}
    return {"inherited_accuracy": right, "inherited_loss": losses, "taus": taus}


def tau_record(scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> dict[str, float | None]:
    """Return Kendall's tau-b with its 95 % bootstrap interval, and tau among the better half by accuracy."""
    whole = correlate(scores, accuracies, resamples=_RESAMPLES)
    top = np.argsort(-accuracies, kind="stable")[: len(accuracies) // 2]
    half = correlate(scores[top], accuracies[top], resamples=0).tau
    values = {"tau": whole.tau, "tau_low": whole.tau_low, "tau_high": whole.tau_high, "tau_top_half": half}
    return {name: None if math.isnan(value) else float(value) for name, value in values.items()}


def parameter_counts(architectures: Sequence[str]) -> list[int]:
    """Return the number of parameters of each architecture at the benchmark's full size with ten classes."""
    return [_parameters(tuple(sorted(to_operations(architecture)))) for architecture in architectures]


@cache
def _parameters(operations: tuple[str, ...]) -> int:
    """Count them for operations in any order, on which the number does not depend."""
    space = SPACES["nasbench201"]
    with torch.device("meta"):
        network = space.build(from_operations(operations), space.fidelities["full"], 10)
    return sum(parameter.numel() for parameter in network.parameters())


def draw_architectures(listed: Sequence[str], count: int, seed: int) -> list[str]:
    """Draw architectures of a table that compute different functions.

    Raises:
        InputError: There are fewer.
    """
    space = SPACES["nasbench201"]
    drawn: dict[str, str] = {}
    order = list(listed)
    python_rng(seed, "supernet architectures").shuffle(order)
    for architecture in order:
        if len(drawn) == count:
            break
        drawn.setdefault(space.canonical(architecture), architecture)
    if len(drawn) < count:
        raise InputError(
            f"architectures must be at most {len(drawn)}, the number of functions in the table, got {count}",
            parameters=("architectures",),
        )
    return [*drawn.values()]
