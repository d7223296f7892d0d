"""Fisher information of the channels: an estimate of the change of the loss if a channel were removed.

References:
    [FISHER] Theis, Korshunova, Tejani, Huszar. Faster Gaze Prediction with Dense Networks and Fisher Pruning. 2018.
    [BS] Turner, Crowley, O'Boyle, Storkey, Gray. BlockSwap: Fisher-guided Block Substitution for Network Compression
        on a Budget. ICLR 2020.
    [ZC] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021.
"""

from __future__ import annotations

from eznas.measures import NetworkPasses, measure_from_passes


@measure_from_passes(
    "layer_gradients",
    paper="Turner et al., BlockSwap, ICLR 2020; as a proxy in Abdelfattah et al., ICLR 2021",
    formula="sum of n m / 2 over layers and channels. n is the number of weights of the channel; m is the mean over "
    "images of (sum of a dL/da over space)^2, where a is the layer's output in this channel",
    equivalent="sum(mul(div(numel(weight), add(numel(sum_over_space(mean_over_samples(conv_out.data))), "
    "numel(sum_over_space(mean_over_samples(conv_out.data))))), "
    "sum(mean_over_samples(square(sum_over_space(mul(conv_out.data, conv_out_grad.loss)))))))",
    reference="|rho| .36/.385/.327 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def fisher(passes: NetworkPasses) -> float:
    """Return the Fisher information of the layers' channels, each counted once for each of its weights as in [ZC].

    The channels of a linear layer are the last axis of its output; all axes between images and channels are its space.
    Where windows or tokens of an image are consecutive on the first axis, they are its space too.

    Raises:
        UndefinedError: A layer's first axis is not that of the images.
    """
    total = 0.0
    for layer in passes.layer_gradients():
        product = layer.out * layer.gradient
        if product.dim() > 2:  # noqa: PLR2004
            product = product.sum(tuple(range(2, product.dim())))
        total += 0.5 * layer.fan_in * float(product.double().square().mean(0).sum())
    return total
