"""How much the loss would change if each channel were removed, by its Fisher information.

References:
    [FISHER] Theis, Korshunova, Tejani, Huszar. Faster Gaze Prediction with Dense Networks and Fisher Pruning. 2018.
    [BS] Turner, Crowley, O'Boyle, Storkey, Gray. BlockSwap: Fisher-guided Block FunctionalRecorder. ICLR 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from eznas.passes.network_passes import NetworkPasses

__all__ = ["fisher"]


@measure_from_passes(
    "layer_gradients",
    name="fisher",
    paper="Turner et al., BlockSwap, ICLR 2020; as a proxy in Abdelfattah et al., ICLR 2021",
    formula="sum over channels of what leaves a layer, a, of n/2 times the mean over images of (sum over space of "
    "a dL/da)^2, with n weights a channel",
    equivalent="sum(mul(div(numel(weight), add(numel(sum_over_space(mean_over_samples(conv_out.data))), "
    "numel(sum_over_space(mean_over_samples(conv_out.data))))), "
    "sum(mean_over_samples(square(sum_over_space(mul(conv_out.data, conv_out_grad.loss)))))))",
    reference="|rho| .36/.385/.327 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def fisher(passes: NetworkPasses) -> float:
    """Return the Fisher information of the layers' channels, each counted once for each of its weights.

    That is how zero-cost-nas spreads a channel over its parameters. The channels of a linear layer are its last axis,
    whatever stands between that and the images. Where windows or tokens stand in a row on the axis of the images, those
    of an image are its space.

    Raises:
        UndefinedError: A layer's first axis is not that of the images.
    """
    total = 0.0
    for layer in passes.layer_gradients():
        product = layer.out * layer.gradient
        if product.dim() > 2:  # noqa: PLR2004
            product = product.sum(tuple(range(2, product.dim())))
        total += 0.5 * layer.products * float(product.double().square().mean(0).sum())
    return total
