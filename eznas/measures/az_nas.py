"""Three proxies of AZ-NAS, which read the outputs of a network's blocks; the fourth, complexity, is ``flops``.

AZ-NAS sums the logarithms of a network's ranks by the four proxies: ``az_nas`` in ``eznas.scoring.combination``.

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
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.sizes import DOUBLE, PRODUCT, singular_values, spectrum
from eznas.seeds import torch_generator

if TYPE_CHECKING:
    from eznas.passes.blocks import Feature
    from eznas.passes.sizes import Sizes


_WIDE = 1024
"""Channels from which matrices of few positions are reduced to these positions; the difference is a rounding."""

_PAPER = "Lee and Ham, AZ-NAS, CVPR 2024"
_REFERENCE = (
    "tau of az_nas, which combines the three az_ measures and flops, .741/.723/.710 on NAS-Bench-201 (CIFAR-10, "
    "CIFAR-100, ImageNet16-120)"
)


def _entropy_seconds(sizes: Sizes) -> float:
    return sum(spectrum(sizes.images * positions, channels) for positions, channels in sizes.features)


def _mapping_seconds(sizes: Sizes) -> float:
    total = 0.0
    for (positions, channels), (later, following) in pairwise(sizes.features):
        rows, gathered = sizes.images * later, channels * positions // max(later, 1)
        side = min(rows, gathered, following)
        total += singular_values(side, max(following, side)) + rows * gathered * following * DOUBLE * PRODUCT
    return total


@measure_from_passes(
    "features",
    paper=_PAPER,
    formula="sum of H over blocks. H, the entropy of a block, is the entropy of v / sum(v). v holds the eigenvalues "
    "of the covariance matrix of the channels in the block's output",
    reference=_REFERENCE,
    seconds=_entropy_seconds,
)
def az_expressivity(passes: NetworkPasses) -> float:
    """Return the summed entropies of the blocks' features over their principal components.

    Raises:
        NoUnitsError: The network has fewer than two blocks.
        UndefinedError: A block's output is constant.
    """
    return sum(_entropies(passes))


@measure_from_passes(
    "features",
    paper=_PAPER,
    formula="least difference for any pair of consecutive blocks: the entropy of the later block minus that of the "
    "earlier block. az_expressivity defines the entropy of a block",
    reference=_REFERENCE,
    seconds=_entropy_seconds,
)
def az_progressivity(passes: NetworkPasses) -> float:
    """Return the least increase of the features' entropy from one block to the next.

    Raises:
        NoUnitsError: The network has fewer than two blocks.
        UndefinedError: A block's output is constant.
    """
    return min(after - before for before, after in pairwise(_entropies(passes)))


@measure_from_passes(
    "features",
    "feature_gradients",
    paper=_PAPER,
    formula="mean of (2 - s - 1/(s + 1e-6)) over all blocks but the first. Random signs take the place of the gradient "
    "at a block's output, and give a gradient at its input. g_out and g_in are vectors of these two gradients at one "
    "position of one image, over the channels. If the output has fewer positions than the input, each position of the "
    "output corresponds to a tile of input pixels, and g_in joins the channels of all pixels of this tile. s is the "
    "greatest singular value of the mean of g_in g_out^T over images and positions",
    reference=_REFERENCE,
    seconds=_mapping_seconds,
)
def az_trainability(passes: NetworkPasses) -> float:
    """Return how well the blocks keep the norm of gradients.

    ``E[g_in g_out^T]`` is the least-squares map from random signs ``g_out``, in place of the gradient of a block's
    output, to the gradient ``g_in`` of its input. Where a block's output is smaller than its input, pixels of the input
    become channels; an input whose size is no multiple is padded with zeros. The signs depend on the seed of the
    minibatch.

    Raises:
        NoUnitsError: The network has fewer than two blocks.
        UndefinedError: A block's output has more positions than its input, or a block returns its input.
    """
    features = _features(passes)
    scores = []
    for index, (earlier, later) in enumerate(pairwise(features)):
        generator = torch_generator(passes.minibatch.seed, "az_nas", index)
        signs = torch.randint(2, later.tensor.shape, generator=generator).to(later.tensor) * 2 - 1
        gradient = passes.feature_gradients(later, earlier, signs)
        if gradient.shape == signs.shape and bool((gradient == signs).all()):
            raise UndefinedError(f"block {index + 2} must change its input; it returns it")
        greatest = _greatest_singular_value(*_positions(earlier, later, gradient, signs))
        scores.append(2 - greatest - 1 / (greatest + 1e-6))
    return sum(scores) / len(scores)


def _features(passes: NetworkPasses) -> list[Feature]:
    features = passes.features()
    if len(features) < 2:  # noqa: PLR2004
        raise NoUnitsError(
            f"the network must run at least two blocks that return maps or tokens; it runs {len(features)}"
        )
    return features


def _entropies(passes: NetworkPasses) -> list[float]:
    return [_entropy(feature.channels_last(feature.tensor).double()) for feature in _features(passes)]


def _entropy(rows: torch.Tensor) -> float:
    """Return the entropy of the normalised eigenvalues of the columns' covariance, ``n x c``."""
    centred = rows - rows.mean(0)
    short = len(rows) < rows.shape[1] >= _WIDE  # the other eigenvalues are 0
    values = torch.linalg.eigvalsh((centred @ centred.T if short else centred.T @ centred) / len(rows)).clamp_min(0)
    if not values.sum() > 0:
        raise UndefinedError("the output of a block must vary; it is constant")
    share = values / values.sum()
    return float(-(share * (share + 1e-8).log()).sum())


def _positions(
    earlier: Feature, later: Feature, gradient: torch.Tensor, signs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both gradients in float64, one row a position: ``n x c_in`` and ``n x c_out``."""
    if signs.dim() > 3 and gradient.shape[2:] != signs.shape[2:]:  # noqa: PLR2004
        (high, wide), (to_high, to_wide) = gradient.shape[2:], signs.shape[2:]
        factor = max(-(-high // to_high), -(-wide // to_wide))
        gradient = functional.pad(gradient, (0, factor * to_wide - wide, 0, factor * to_high - high))
        if factor < 2 or min(factor * to_wide - wide, factor * to_high - high) < 0:  # noqa: PLR2004
            raise UndefinedError("a block's output must not have more positions than its input")
        gradient = functional.pixel_unshuffle(gradient, factor)
    rows, columns = earlier.channels_last(gradient).double(), later.channels_last(signs).double()
    if len(rows) != len(columns):
        raise UndefinedError("consecutive blocks must return equally many tokens")
    return rows, columns


def _greatest_singular_value(rows: torch.Tensor, columns: torch.Tensor) -> float:
    """Return the greatest singular value of the mean over positions of the outer products of two rows."""
    positions, least = len(rows), min(rows.shape[1], columns.shape[1])
    if positions < least and least >= _WIDE:  # triangular factors have the same product up to rotations
        rows, columns = (torch.linalg.qr(matrix.T, mode="r").R.T for matrix in (rows, columns))
    return float(torch.linalg.matrix_norm(rows.T @ columns / positions, 2))
