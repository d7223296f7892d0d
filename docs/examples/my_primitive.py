r"""A primitive of your own: an operator that programs can use and that evolution draws like any other.

Score an architecture with a program, then evolve programs with it::

    eznas score --plugin my_primitive.py --measure "mean(peak(weight_grad.data))" \
        --architecture "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"
    eznas evolve --plugin my_primitive.py --seed-program "mean(peak(weight_grad.data))" \
        --networks 20 --validation-networks 10 --test-networks 10 --full-networks 0 \
        --library 15 --draws 1 --population 50 --generations 20 --out peak_run
"""

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
