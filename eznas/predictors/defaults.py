"""The predictor for a number of trained architectures, where a user names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.predictors.encodings.base import ENCODINGS, EncodingInputs

if TYPE_CHECKING:
    from eznas.predictors.encodings.base import Scores
    from eznas.spaces import SearchSpace

_MANY = 300
"""From this number of architectures on, boosted trees rank better than forests; both are measured on NAS-Bench-201."""


def default_predictor(count: int, space: SearchSpace, scores: Scores | None = None) -> tuple[str, str]:
    """Return the names of a predictor and an encoding that need no optional package.

    Args:
        count: Number of trained architectures.
        space: Their search space.
        scores: Scores by the name of a measure or program; None without any.

    Returns:
        ``extra_trees``, or ``gradient_boosting`` from 300 architectures on; and the first of ``graf``, ``onehot`` and
        ``words`` that the space has, with ``measures`` where there are scores.
    """
    name = "extra_trees" if count < _MANY else "gradient_boosting"
    encoding = next(each for each in ("graf", "onehot", "words") if _exists(each, space))
    return name, f"{encoding}+measures" if scores else encoding


def _exists(encoding: str, space: SearchSpace) -> bool:
    try:
        ENCODINGS[encoding](EncodingInputs(space))
    except InputError:
        return False
    return True
