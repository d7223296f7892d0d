"""Counts of the pairs in the wrong order, for many rows of ranks at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


_MOST_BITS = 8
"""Binary logarithm of the most columns of a block, whose pairs are counted in 8 bits."""


class Inversions:
    """Counts in rows of ranks the pairs of columns whose later one has the smaller rank.

    The columns are cut into blocks. Pairs in one block are compared. Pairs of two blocks are counted along the sorted
    row: for each rank, the smaller ranks in later blocks. One sum of 64-bit integers counts these for several blocks,
    each in its own bits. Up to about 1,500 columns one sum is enough; the time grows with the square of the number of
    columns from about 8,000 on.

    Args:
        n: The number of columns.
    """

    def __init__(self, n: int) -> None:
        width = max(1, n.bit_length())  # of a count
        counts = 63 // width  # in an integer
        self._bits = next(bits for bits in range(1, _MOST_BITS + 1) if bits == _MOST_BITS or (n - 1) >> bits <= counts)
        self._mask = (1 << width) - 1
        block = np.arange(n) >> self._bits
        self._sums: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for first in range(0, (n - 1) >> self._bits, counts):
            # What a column adds, one to the count of each block before its own; and where its own block's count begins.
            ones = np.zeros(n, np.int64)
            for place in range(counts):
                ones |= (block > first + place).astype(np.int64) << width * place
            own = np.where((block >= first) & (block < first + counts), width * (block - first), 63)
            self._sums.append((ones, own))

    def count(self, ranks: NDArray[np.integer[Any]], places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the counts of ``p x n`` ranks, given the columns in the order of the ranks."""
        total = self._in_blocks(ranks)
        for ones, own in self._sums:
            before = np.cumsum(np.take(ones, places, mode="clip"), axis=1)
            before >>= np.take(own, places, mode="clip")
            before &= self._mask
            total += before.sum(axis=1)
        return total

    def _in_blocks(self, ranks: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        rows, n = ranks.shape
        size = 1 << self._bits
        blocks = -(-n // size)
        columns = np.full((blocks * size, rows), n, int_type(n))  # behind the last column, where no pair counts
        columns[:n] = ranks.T
        # Columns at one place of their blocks lie together, so that a comparison reads and writes without gaps.
        aligned = np.ascontiguousarray(columns.reshape(blocks, size, rows).swapaxes(0, 1)).reshape(size, -1)
        counts = np.zeros(aligned.shape, np.uint8)
        smaller = np.empty(aligned.shape, np.bool_)
        for distance in range(1, size):
            np.less(aligned[distance:], aligned[:-distance], out=smaller[distance:])
            counts[distance:] += smaller[distance:].view(np.uint8)
        total: NDArray[np.int64] = counts.sum(axis=0, dtype=np.int64).reshape(blocks, rows).sum(axis=0)
        return total


def int_type(greatest: int) -> type[np.signedinteger[Any]]:
    """Return the smallest type of integers up to a number."""
    return next(kind for kind in (np.int8, np.int16, np.int32) if greatest <= np.iinfo(kind).max)
