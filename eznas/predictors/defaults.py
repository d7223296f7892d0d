"""The predictor for a number of trained architectures, where a user names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.predictors.encodings.base import ENCODINGS, EncodingInputs

if TYPE_CHECKING:
    from eznas.predictors.encodings.base import Scores
    from eznas.spaces import SearchSpace

_FEW = 32
"""Below this number, scores alone rank better than scores and features on NAS-Bench-201, and much worse on
NAS-Bench-101; the mean of both is near the better one on either, with 13 and 11 scores."""


def default_predictor(count: int, space: SearchSpace, scores: Scores | None = None) -> tuple[str, str]:
    """Return the names of a predictor and an encoding that need no optional package.

    Args:
        count: Number of trained architectures.
        space: Their search space.
        scores: Scores by the name of a measure or program; None without any.

    Returns:
        ``extra_trees``, which ranks at least as well as boosted trees from 5 to 3,000 architectures; with scores and
        fewer than 32 architectures ``blended_trees``. The encoding is the first of ``graf``, ``onehot`` and ``words``
        that the space has, with ``measures`` where there are scores.
    """
    encoding = next(each for each in ("graf", "onehot", "words") if _exists(each, space))
    if not scores:
        return "extra_trees", encoding
    return "blended_trees" if count < _FEW else "extra_trees", f"{encoding}+measures"


def _exists(encoding: str, space: SearchSpace) -> bool:
    try:
        ENCODINGS[encoding](EncodingInputs(space))
    except InputError:
        return False
    return True
