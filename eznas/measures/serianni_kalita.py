"""Proxies of transformers from the pruning of heads and weights, as Serianni and Kalita define them.

References:
    [SK] Serianni, Kalita. Training-free Neural Architecture Search for RNNs and Transformers. ACL 2023.
    [MICHEL] Michel, Levy, Neubig. Are Sixteen Heads Really Better than One? NeurIPS 2019.
    [VOITA] Voita, Talbot, Moiseev, Sennrich, Titov. Analyzing Multi-Head Self-Attention: Specialized Heads Do the Heavy
        Lifting, the Rest Can Be Pruned. ACL 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.measures.tf_tas import nuclear_norm, nuclear_norm_seconds
from eznas.passes.outputs import split_by_image
from eznas.passes.roles import NO_ATTENTION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eznas.passes.roles import Run


_PAPER = "Serianni and Kalita, Training-free NAS for RNNs and Transformers, ACL 2023"
_PROJECTIONS = 3
"""Queries, keys and values."""


@measure_from_passes(
    "roles",
    "role_gradients",
    paper=_PAPER,
    formula="sum of ||W||_* ||dS/dW||_* over the layers of attentions. W is the weight of a layer, S the sum of all "
    "logits, and ||.||_* the nuclear norm",
    seconds=nuclear_norm_seconds,
)
def synaptic_diversity(passes: NetworkPasses) -> float:
    """Return the synaptic diversity of the weights of attention; see ``dss`` for which these are.

    Raises:
        UndefinedError: The network runs no attention.
    """
    pairs = _with_gradients(passes, passes.roles().attention_weights(outputs=True))
    return sum(nuclear_norm(weight) * nuclear_norm(gradient) for weight, gradient in pairs)


@measure_from_passes(
    "roles",
    "role_gradients",
    paper=_PAPER,
    formula="sum of |W dS/dW| over the weights of feed-forward blocks. S is the sum of all logits",
)
def synaptic_saliency(passes: NetworkPasses) -> float:
    """Return the synaptic saliency of the layers with an activation between them, among them gated ones.

    Raises:
        NoUnitsError: The network runs no feed-forward block.
    """
    return _saliency(passes, passes.roles().feed_forward_weights())


@measure_from_passes(
    "roles",
    "role_gradients",
    paper=_PAPER,
    formula="sum of |W dS/dW| over the weights of the projections of attentions. S is the sum of all logits",
)
def head_importance(passes: NetworkPasses) -> float:
    """Return the importance of the heads' weights.

    Raises:
        UndefinedError: The network runs no attention.
    """
    return _saliency(passes, passes.roles().attention_weights(outputs=False))


@measure_from_passes(
    "roles",
    paper=_PAPER,
    formula="3 times the sum of m over attentions. m is the mean of M over samples and over the channels of all three "
    "projections together. M is the greatest value over tokens in one channel of a projection's output, for one "
    "sample. If the projections have equally many channels, 3 m equals the sum of the three means of M, one for each "
    "projection",
    reference="tau .478 on 500 networks of FlexiBERT (GLUE)",
)
def head_confidence(passes: NetworkPasses) -> float:
    """Return the confidence of the projections to queries, keys and values.

    The released code sums the means of three layers of equal width. Three times the mean over all of their channels is
    the same, and holds too where one layer computes queries, keys and values.

    Raises:
        UndefinedError: The network runs no attention, or attention without projections.
    """
    images = len(passes.minibatch)
    attentions = passes.roles().projections
    if not attentions or not all(attentions):
        raise UndefinedError(NO_ATTENTION)
    total = 0.0
    for projections in attentions:
        greatest = [by_sample(run, images).amax(2).mean(0) for run in projections]
        total += _PROJECTIONS * float(torch.cat(greatest).double().mean())
    return total


@measure_from_passes(
    "attentions",
    paper=f"Voita et al., ACL 2019; as a proxy in {_PAPER}",
    formula="sum of m over attentions. m is the mean of M over samples, heads and tokens. M is the greatest number in "
    "the token's row of the attention map",
)
def softmax_confidence(passes: NetworkPasses) -> float:
    """Return the confidence of the heads.

    This is the definition of [VOITA]. The released code of [SK] takes the maximum over heads in place of that over
    keys.

    Raises:
        UndefinedError: The network runs no attention.
    """
    return sum(float(attention.maps.amax(-1).double().mean()) for attention in passes.attentions())


@measure_from_passes(
    "attentions",
    "attention_gradients",
    paper=f"Michel et al., NeurIPS 2019; as a proxy in {_PAPER}",
    formula="sum of |p| over attentions, heads and samples. p is the sum of A dL/dA over tokens and channels, where A "
    "is the output of the head",
)
def attention_importance(passes: NetworkPasses) -> float:
    """Return the change of the loss if a head were removed, to first order, summed over heads.

    With a mean loss, the sum over samples is the expectation of [MICHEL].

    Raises:
        UndefinedError: The network runs no attention.
    """
    pairs = zip(passes.attentions(), passes.attention_gradients(), strict=True)
    return sum(float((value.heads * by.heads).double().sum((2, 3)).abs().sum()) for value, by in pairs)


@measure_from_passes(
    "roles",
    paper=_PAPER,
    formula="sum of m over the activations of feed-forward blocks. m is the mean of D over samples. D is the sum of n "
    "over all ordered pairs of tokens, also of a token with itself. n is the number of channels in which the output of "
    "the activation is above 0 for both tokens or for neither",
)
def activation_distance(passes: NetworkPasses) -> float:
    """Return the agreement of the signs of tokens; the released code reads the first sample alone.

    Raises:
        NoUnitsError: The network runs no feed-forward block.
    """
    images = len(passes.minibatch)
    total = 0.0
    for run in passes.roles().feed_forward_activations():
        positive = by_sample(run, images) > 0
        counts = positive.sum(2).double()  # of each sample and channel
        total += float((counts.square() + (positive.shape[2] - counts).square()).sum(1).mean())
    return total


def by_sample(run: Run, images: int) -> torch.Tensor:
    """Return the output of a run as ``b x c x tokens``.

    Raises:
        UndefinedError: Its first axis is not that of the images.
    """
    out = split_by_image(run.out.channels_first(), images)
    return out.flatten(2) if out.dim() > 2 else out[..., None]  # noqa: PLR2004


def _with_gradients(passes: NetworkPasses, weights: list[torch.Tensor]) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    return zip([weight.detach() for weight in weights], passes.role_gradients(weights), strict=True)


def _saliency(passes: NetworkPasses, weights: list[torch.Tensor]) -> float:
    pairs = _with_gradients(passes, weights)
    return sum(float((weight * gradient).abs().sum(dtype=torch.float64)) for weight, gradient in pairs)
