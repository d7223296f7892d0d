"""Differences of the images' ReLU patterns.

References:
    [NASWOT] Mellor, Turner, Storkey, Crowley. Neural Architecture Search without Training. ICML 2021.
"""

from __future__ import annotations

import torch

from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.recorder import PIECEWISE_LINEAR

_RELUS = frozenset((
    "clamp", "clamp_min", "clip", "hardtanh", "leaky_relu", "prelu", "relu", "relu6", "rrelu", "threshold",
    PIECEWISE_LINEAR,
))  # fmt: skip


@measure_from_passes(
    "patterns",
    "logits",
    paper="Mellor et al., Neural Architecture Search without Training, ICML 2021",
    formula="log |det K|. K[i, j] is the number of entries, in the inputs of all ReLUs together, that are above 0 for "
    "both images i and j or for neither",
    reference="tau .557/.579/.573 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def naswot(passes: NetworkPasses) -> float:
    """Return the log-determinant of the kernel of agreeing signs.

    ``K[i, j]`` is the number of elements, over the inputs of all ReLUs including leaky and clipped ones, that are
    positive for both images ``i`` and ``j`` or for neither. As in the released code, only ReLUs that the output depends
    on count. The score is ``-inf`` if two images have the same signs, or if there is no ReLU.

    Raises:
        CaptureError: The network does not return logits.
    """
    logits = passes.logits()
    kernel = torch.zeros(len(logits), len(logits), dtype=torch.float64, device=logits.device)
    for activation, positive in passes.patterns():
        if activation in _RELUS:
            kernel += _agreement(positive.float())
    return float(torch.linalg.slogdet(kernel).logabsdet)


def _agreement(positive: torch.Tensor) -> torch.Tensor:
    """Return the number of elements in which two images agree: ``b x b`` from ``b x n`` zeros and ones."""
    counts = positive.sum(1)  # whole numbers, which float32 holds exactly below 2**24
    return positive.shape[1] - counts[:, None] - counts[None, :] + 2 * positive @ positive.T
