"""AZ-NAS's views of a network's blocks; the fourth, complexity, is ``flops``.

Its score of a network among others is the sum of the logarithms of its four ranks: ``eznas.scoring.combination``.

References:
    [AZ] Lee, Ham. AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search. CVPR 2024.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from eznas.capture import NoUnitsError
from eznas.errors import UndefinedError
from eznas.measures import measure_from_passes
from eznas.seeds import torch_generator

if TYPE_CHECKING:
    from torch import Tensor

    from eznas.passes.blocks import Feature
    from eznas.passes.network_passes import NetworkPasses

__all__ = ["az_expressivity", "az_progressivity", "az_trainability"]

_PAPER = "Lee and Ham, AZ-NAS, CVPR 2024"
_REFERENCE = "tau of the four together .741/.723/.710 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)"


@measure_from_passes(
    "features",
    name="az_expressivity",
    paper=_PAPER,
    formula="sum over blocks of the entropy of the shares of the eigenvalues of the channels' covariance",
    reference=_REFERENCE,
)
def az_expressivity(passes: NetworkPasses) -> float:
    """Return how evenly the features of the blocks spread over their principal directions.

    Raises:
        NoUnitsError: The network has fewer than two blocks.
        UndefinedError: What leaves a block is the same everywhere.
    """
    return sum(_entropies(passes))


@measure_from_passes(
    "features",
    name="az_progressivity",
    paper=_PAPER,
    formula="least difference of the entropies of az_expressivity from a block to the next",
    reference=_REFERENCE,
)
def az_progressivity(passes: NetworkPasses) -> float:
    """Return by how much the features of the blocks spread out from one to the next, at the least.

    Raises:
        NoUnitsError: The network has fewer than two blocks.
        UndefinedError: What leaves a block is the same everywhere.
    """
    return min(after - before for before, after in pairwise(_entropies(passes)))


@measure_from_passes(
    "features",
    "feature_gradients",
    name="az_trainability",
    paper=_PAPER,
    formula="mean over blocks of 2 - s - 1/(s + 1e-6), s the greatest singular value of what multiplies random signs "
    "on their way back through a block",
    reference=_REFERENCE,
)
def az_trainability(passes: NetworkPasses) -> float:
    """Return how well the blocks keep the length of gradients.

    Random signs stand for the gradient of a block's output; the matrix that maps them best, by least squares, to the
    gradient of its input is ``E[g_in g_out^T]``. A smaller map's pixels are set beside channels of the larger one,
    which is padded with zeros where its size is no multiple. The signs come from the seed of the minibatch.

    Raises:
        NoUnitsError: The network has fewer than two blocks.
        UndefinedError: A block gives more positions than it gets, or hands its input through unchanged.
    """
    features = _features(passes)
    scores = []
    for index, (earlier, later) in enumerate(pairwise(features)):
        generator = torch_generator(passes.minibatch.seed, "az_nas", index)
        signs = torch.randint(2, later.tensor.shape, generator=generator).to(later.tensor) * 2 - 1
        gradient = passes.feature_gradients(later, earlier, signs)
        if gradient.shape == signs.shape and bool((gradient == signs).all()):
            raise UndefinedError(f"block {index + 2} must change what enters it; it hands it through")
        greatest = float(torch.linalg.matrix_norm(_mapping(earlier, later, gradient, signs), 2))
        scores.append(2 - greatest - 1 / (greatest + 1e-6))
    return sum(scores) / len(scores)


def _features(passes: NetworkPasses) -> list[Feature]:
    features = passes.features()
    if len(features) < 2:  # noqa: PLR2004
        raise NoUnitsError(
            f"the network must run at least two blocks with layers that give maps or tokens; it runs {len(features)}"
        )
    return features


def _entropies(passes: NetworkPasses) -> list[float]:
    return [_entropy(feature.channels_last(feature.tensor).double()) for feature in _features(passes)]


def _entropy(rows: Tensor) -> float:
    """Return the entropy of the shares of the eigenvalues of the columns' covariance, ``n x c``."""
    centred = rows - rows.mean(0)
    values = torch.linalg.eigvalsh(centred.T @ centred / len(rows)).clamp_min(0)
    if not values.sum() > 0:
        raise UndefinedError("what leaves a block must vary; it is the same everywhere")
    share = values / values.sum()
    return float(-(share * (share + 1e-8).log()).sum())


def _mapping(earlier: Feature, later: Feature, gradient: Tensor, signs: Tensor) -> Tensor:
    """Return the mean over positions of the product of both gradients, ``c_in x c_out``, in float64."""
    if signs.dim() > 3 and gradient.shape[2:] != signs.shape[2:]:  # noqa: PLR2004
        (high, wide), (to_high, to_wide) = gradient.shape[2:], signs.shape[2:]
        factor = max(-(-high // to_high), -(-wide // to_wide))
        gradient = functional.pad(gradient, (0, factor * to_wide - wide, 0, factor * to_high - high))
        if factor < 2 or min(factor * to_wide - wide, factor * to_high - high) < 0:  # noqa: PLR2004
            raise UndefinedError("a block must not give larger maps than it gets")
        gradient = functional.pixel_unshuffle(gradient, factor)
    rows, columns = earlier.channels_last(gradient).double(), later.channels_last(signs).double()
    if len(rows) != len(columns):
        raise UndefinedError("consecutive blocks must give equally many tokens")
    return rows.T @ columns / len(columns)
