"""Entropy of the eigenvalues of the Fisher information matrix.

References:
    [VKDNW] Tybl, Neumann. Training-free Neural Architecture Search through Variance of Knowledge of Deep Network
        Weights. CVPR 2025.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

from eznas.capture import fork_state
from eznas.capture.calls import CallHooks, check_values
from eznas.capture.outputs import checked_logits
from eznas.capture.record import check_graph
from eznas.capture.state import device_of, replaced, running
from eznas.errors import UndefinedError
from eznas.measures import register_measure
from eznas.passes.gradients import differentiate, second_derivatives

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from eznas.capture.call import Call
    from eznas.minibatch import Minibatch
    from eznas.passes.sizes import Sizes


_TENSORS = 128
_MORE = 2
"""A column takes about as long as two rows."""


def _seconds(sizes: Sizes) -> float:
    tensors = min(sizes.tensors, _TENSORS)
    if sizes.classes > _MORE * tensors:  # a column runs through a part of the graph
        return sizes.images * (3 * sizes.forward(1) + tensors * sizes.backward(1) / 2)
    return sizes.images * (sizes.forward(1) + sizes.classes * sizes.backward(1, weights=True))


@register_measure(
    paper="Tybl and Neumann, VKDNW, CVPR 2025",
    formula="t + (entropy of d / sum(d)). t is the number of parameter tensors. d holds the nine deciles of the "
    "eigenvalues of the Fisher information matrix of at most 128 parameters, on images of noise and in evaluation "
    "mode. These parameters are the first entry of each of the first 128 parameter tensors",
    needs=["forward", "backward", "noise", "samples"],
    seconds=_seconds,
    reference="tau .618/.634/.622 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120); .750/.753/.743 for the sum "
    "of the ranks by vkdnw and by four other proxies",
)
def vkdnw(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the paper's single ranking: the number of parameter tensors plus an entropy below 2.2.

    Batch normalisations use their running statistics as in the released code, so those of an untrained network have no
    effect. The released code mixes the probabilities with 5 % of uniform ones for its Cholesky factors; here they are
    the network's own.

    Raises:
        UndefinedError: The network has no parameters, its probabilities do not depend on the parameters that are read,
            or a number is not finite.
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

    The ``w`` are the first numbers of the network's first 128 parameter tensors. Each image runs alone, with a backward
    pass for each class, or for each parameter tensor where there are many more classes.

    Args:
        network: It runs in evaluation mode and is left as it was.
        images: ``b x c x h x w``.
    """
    images = images.to(device_of(network))
    total = torch.zeros((), dtype=torch.float64, device=images.device)
    with fork_state(network), torch.enable_grad():
        network.eval()
        tensors = {id(parameter): parameter.detach().clone().requires_grad_() for parameter in network.parameters()}
        read = list(tensors.values())[:_TENSORS]
        for image in images.to(read[0]):
            with replaced(network, tensors), _Watching() as hooks, running("on one image of noise in evaluation mode"):
                logits = checked_logits(network(image[None]), 1)
            check_graph(logits, hooks)
            if logits.dim() != 2:  # noqa: PLR2004
                raise UndefinedError(f"the network must return images x classes logits; got {tuple(logits.shape)}")
            logits = logits[0]
            probabilities = logits.detach().double().softmax(0)
            rows = _first_derivatives(logits, read).double()
            spread = rows - probabilities @ rows
            total = total + spread.T @ (probabilities[:, None] * spread)
    return total / len(images)


class _Watching(CallHooks):
    """Notes whether layers run without a graph, and leaves normalisations in their mode."""

    def normalisation(self, call: Call) -> Any:
        check_values(call)
        return call.run()


def _first_derivatives(logits: Tensor, tensors: list[Tensor]) -> Tensor:
    """Return the derivatives of each logit with respect to the first number of each tensor: ``classes x t``."""
    if len(logits) > _MORE * len(tensors) and logits.requires_grad:
        with contextlib.suppress(UndefinedError), second_derivatives():  # a function may have none
            return _by_columns(logits, tensors)
    return torch.stack([_firsts(differentiate(logit, tensors), logits) for logit in logits])


def _by_columns(logits: Tensor, tensors: list[Tensor]) -> Tensor:
    """Return the derivatives by one pass a tensor, which is cheaper where there are many more classes.

    ``v J`` is linear in ``v``, so the gradient in ``v`` of its entry for one number is this number's column of ``J``.
    """
    v = torch.zeros_like(logits, requires_grad=True)
    products = differentiate((v * logits).sum(), tensors, create_graph=True)
    columns = [
        None if product is None else differentiate(product.flatten()[0], [v])[0] if product.requires_grad else None
        for product in products
    ]
    return torch.stack([torch.zeros_like(logits) if column is None else column.detach() for column in columns], 1)


def _firsts(gradients: Iterable[Tensor | None], logits: Tensor) -> Tensor:
    firsts = [logits.new_zeros(()) if gradient is None else gradient.flatten()[0] for gradient in gradients]
    return torch.stack(firsts)
