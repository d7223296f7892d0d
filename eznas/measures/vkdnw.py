"""How evenly a network's data inform about its weights.

References:
    [VKDNW] Tybl, Neumann. Training-free Neural Architecture Search through Variance of Knowledge of Deep Network
        Weights. CVPR 2025.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.capture import preserved
from eznas.capture.preserve import device_of
from eznas.capture.record import checked_logits
from eznas.errors import UndefinedError
from eznas.measures import register_measure

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eznas.minibatch import Minibatch

__all__ = ["fisher_information", "vkdnw"]

_TENSORS = 128


@register_measure(
    name="vkdnw",
    paper="Tybl and Neumann, VKDNW, CVPR 2025",
    formula="number of parameter tensors + entropy of the shares of the nine deciles of the Fisher information's "
    "eigenvalues, in the first number of each of the first 128 tensors, in evaluation mode",
    needs=["forward", "backward", "noise", "samples"],
    reference="tau .618/.634/.622 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120), its rank beside four others' "
    ".750/.753/.743",
)
def vkdnw(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the paper's single ranking: the size of the network and, below 2.2, the evenness of the eigenvalues.

    Batch normalisations use their running statistics as in the released code, so an untrained network's do nothing. The
    probabilities are the network's own, where that code mixes 5 % of uniform ones with them for its Cholesky factors.

    Raises:
        UndefinedError: The network has no parameters, the images inform about none of those that are read, or not all
            is finite.
    """
    tensors = len(list(network.parameters()))
    if not tensors:
        raise UndefinedError("the network must have parameters; it has none")
    information = fisher_information(network, minibatch.noise)
    if not bool(information.isfinite().all()):
        raise UndefinedError("the network's logits and their derivatives must be finite; some are not")
    values = torch.linalg.eigvalsh(information).clamp_min(0)
    deciles = values.quantile(torch.arange(1, 10, dtype=values.dtype, device=values.device) / 10)
    if not bool(deciles.sum() > 0):
        raise UndefinedError("the network's probabilities must change with its weights; they do not")
    return tensors + float(torch.special.entr(deciles / deciles.sum()).sum())


def fisher_information(network: nn.Module, images: Tensor) -> Tensor:
    """Return the mean over images of the covariance of ``d log p_c / dw`` over classes ``c``: ``t x t`` float64.

    The ``w`` are the first number of each of the network's first 128 parameter tensors. Each image runs alone, and for
    each of its classes there is a backward pass.

    Args:
        network: Left as it was found; it runs in evaluation mode.
        images: ``b x c x h x w``.
    """
    images = images.to(device_of(network))
    total = torch.zeros((), dtype=torch.float64, device=images.device)
    with preserved(network), torch.enable_grad():
        network.eval()
        parameters = {name: one.detach().requires_grad_() for name, one in network.named_parameters()}
        read = list(parameters.values())[:_TENSORS]
        for image in images.to(read[0]):
            logits = checked_logits(torch.func.functional_call(network, parameters, (image[None],)), 1)[0]
            probabilities = logits.detach().double().softmax(0)
            rows = torch.stack([_firsts(one, read) for one in logits]).double()
            spread = rows - probabilities @ rows
            total = total + spread.T @ (probabilities[:, None] * spread)
    return total / len(images)


def _firsts(logit: Tensor, read: list[Tensor]) -> Tensor:
    """Return the derivatives of a logit in the first number of each tensor, 0 where it has none."""
    found: tuple[Tensor | None, ...] = (None,) * len(read)
    if logit.requires_grad:
        found = torch.autograd.grad(logit, read, retain_graph=True, allow_unused=True)
    return torch.stack([logit.new_zeros(()) if one is None else one.flatten()[0] for one in found])
