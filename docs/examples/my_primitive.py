"""A primitive: an operator that programs can use and that evolution draws like any other."""

import torch

from eznas.primitives import TENSOR_KINDS, Kind, primitive, reducing


@primitive(
    *reducing(TENSOR_KINDS, Kind.UNIT), formula="largest |x| divided by the mean |x|", domain="0 where all x are 0"
)
def peak(x):
    """``u x *s`` to ``u``: how far the largest entry stands out."""
    axes = tuple(range(1, x.dim()))
    mean = x.abs().mean(axes)
    return x.abs().amax(axes) / mean.clamp(min=torch.finfo(x.dtype).tiny)
