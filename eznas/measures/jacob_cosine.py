"""Cosine similarities of the gradients with respect to the images.

References:
    [COSINE] Celotti, Balafrej, Calvet. Improving Zero-Shot Neural Architecture Search with Parameters Scoring. 2020.
    [SK] Serianni, Kalita. Training-free Neural Architecture Search for RNNs and Transformers. ACL 2023.
"""

from __future__ import annotations

from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses, measure_from_passes

_ROOT = 1 / 20


@measure_from_passes(
    "image_gradients",
    paper="Celotti et al., 2020; with gradients of embeddings in Serianni and Kalita, ACL 2023",
    formula="1 - s / (b^2 - b). s is the sum of |c|^(1/20) over unordered pairs of images. c is the cosine of the "
    "angle between two gradients: those of the sum of all logits with respect to the two images",
)
def jacob_cosine(passes: NetworkPasses) -> float:
    """Return a score that is high if the gradients with respect to different images are orthogonal.

    Where the network takes tokens, the gradients are those of their embeddings.

    Raises:
        UndefinedError: There is one image, or a gradient is zero.
    """
    gradients = passes.image_gradients().double()
    norms = gradients.norm(dim=1, keepdim=True)
    if len(gradients) == 1:
        raise UndefinedError("the minibatch must have two images, whose gradients are compared; it has one")
    if not bool((norms > 0).all()):
        raise UndefinedError("the gradient with respect to each image must not be zero")
    unit = gradients / norms
    cosines = (unit @ unit.T).abs().fill_diagonal_(0)
    images = len(cosines)
    return 1 - float(cosines.pow(_ROOT).sum()) / 2 / (images**2 - images)
