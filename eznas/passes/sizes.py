"""The sizes of a network's passes, and the seconds that follow from them.

The constants were measured on one core of an Intel Xeon at 2.8 GHz with torch 2.13, on networks from NAS-Bench-201 to
VGG-11. An estimate depends on sizes alone, so it is the same on every machine and at every load.
"""

from __future__ import annotations

from dataclasses import dataclass

Sides = tuple[int, int]
"""Rows and columns of a matrix."""

CALL, BACKWARD_CALL = 60e-6, 15e-6
"""Seconds of an operation of any size: recorded in a forward pass; in a backward pass."""
PRODUCT, GROUPED_PRODUCT = 1 / 30e9, 1 / 3e9
"""Seconds of a multiply-accumulate in float32; in convolutions with several groups."""
ENTRY = 1e-9
"""Seconds to compute an entry of a tensor elementwise, in float32."""
WEIGHT, GRADIENT = 1e-9, 6e-9
"""Seconds to read a weight; to compute its gradient and to read both."""
DOUBLE = 2.0
"""Factor of double precision."""


@dataclass(frozen=True)
class Sizes:
    """What the passes of a network are like.

    Args:
        images: Images of the minibatch.
        calls: Operations of a forward pass.
        products: Multiply-accumulates for an image, those in ``grouped`` left out.
        grouped: Multiply-accumulates for an image in convolutions with several groups.
        entries: Entries of the results of all operations for an image.
        weights: Numbers in all parameters.
        tensors: The number of parameters.
        classes: Logits of an image.
        outputs: Positions of an image, and channels, of each output of a layer, a normalisation or an activation.
        patterns: Entries of the inputs of activations for an image.
        features: Positions of an image, and channels, of each output of a block.
        attention: Rows and columns of each weight of attention.
        hidden: Positions of an image, and channels, of the first layers of feed-forward blocks.
    """

    images: int
    calls: int
    products: float
    grouped: float
    entries: float
    weights: int
    tensors: int
    classes: int
    outputs: tuple[Sides, ...] = ()
    patterns: float = 0
    features: tuple[Sides, ...] = ()
    attention: tuple[Sides, ...] = ()
    hidden: tuple[Sides, ...] = ()

    def forward(self, images: float | None = None, precision: float = 1.0) -> float:
        """Return the seconds of a forward pass.

        Args:
            images: Its images; None for those of the minibatch.
            precision: ``DOUBLE`` in double precision.
        """
        return self.calls * CALL + precision * (self._work(images) + self.weights * WEIGHT)

    def backward(self, images: float | None = None, precision: float = 1.0, *, weights: bool = False) -> float:
        """Return the seconds of a backward pass.

        Args:
            images: See ``forward``.
            precision: See ``forward``.
            weights: Whether it computes the gradients of weights.
        """
        of_weights = self.weights * (GRADIENT if weights else WEIGHT)
        return self.calls * BACKWARD_CALL + precision * (2 * self._work(images) + of_weights)

    def _work(self, images: float | None) -> float:
        each = self.products * PRODUCT + self.grouped * GROUPED_PRODUCT + self.entries * ENTRY
        return each * (self.images if images is None else images)


def eigenvalues(side: int) -> float:
    """Return the seconds of the eigenvalues of a symmetric matrix in double precision."""
    return 3e-5 + 3e-10 * side**3


def singular_values(rows: int, columns: int) -> float:
    """Return the seconds of the singular values of a matrix in double precision."""
    return 3e-5 + 1e-9 * min(rows, columns) ** 2 * max(rows, columns)


def gram(rows: int, columns: int) -> float:
    """Return the seconds of the smaller Gram matrix of a matrix, copied to double precision."""
    return 1e-5 + rows * columns * (4e-9 + DOUBLE * PRODUCT * min(rows, columns))


def spectrum(rows: int, columns: int) -> float:
    """Return the seconds of the singular values of a matrix through its smaller Gram matrix."""
    return gram(rows, columns) + eigenvalues(min(rows, columns))
