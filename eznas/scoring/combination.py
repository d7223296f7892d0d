"""Several measures as one score: votes, ranks, scaled sums and logarithms of ranks, with fixed or fitted weights.

A combination scores networks among each other: all its methods but the scaled sum over given ranges depend on which
networks stand beside a network. Weights and ranges are fitted on training networks only.

References:
    [ZC] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021. (vote)
    [AZ] Lee, Ham. AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search. CVPR 2024. (log_rank)
    [TENAS] Chen, Gong, Wang. Neural Architecture Search on ImageNet in Four GPU Hours. ICLR 2021. (rank)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls
from scipy.stats import rankdata

from eznas.errors import InputError
from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.status import Score

    Values = NDArray[np.float64]

__all__ = ["COMBINATIONS", "METHODS", "Combination"]


def _ranks(values: Values) -> Values:
    """Return ranks from 1 for the least, equal values sharing the mean of theirs: ``m x n`` to the same."""
    return np.asarray(rankdata(values, axis=1), dtype=np.float64)


def _log_ranks(values: Values) -> Values:
    """Return the logarithms of ranks over the number of networks."""
    return np.asarray(np.log(_ranks(values) / values.shape[1]))


def _votes(values: Values, weights: Values) -> Values:
    """Return for each network the share of the others that a weighted majority ranks below it, ties half."""
    won = []
    for start in range(0, values.shape[1], _CHUNK):
        ballots = np.sign(values[:, start : start + _CHUNK, None] - values[:, None, :])  # m x chunk x n
        won.append(np.sign(np.tensordot(weights, ballots, 1)).sum(1))
    return np.asarray((np.concatenate(won) / max(values.shape[1] - 1, 1) + 1) / 2, dtype=np.float64)


_CHUNK = 256
"""Networks whose votes against all others are counted at once."""

_TERMS: dict[str, Callable[[Values], Values]] = {"rank": _ranks, "log_rank": _log_ranks}

METHODS = ("vote", "rank", "log_rank", "min_max")
"""``vote``: share of the other networks that a weighted majority of the measures ranks below; ``rank``: weighted sum of
ranks; ``log_rank``: weighted sum of log(rank / n); ``min_max``: weighted sum of values scaled to 0 and 1."""

_WRITTEN = re.compile(rf"({'|'.join(METHODS)})\((.*)\)", re.DOTALL)
_TERM = re.compile(r"(-?)\s*(?:(\d+(?:\.\d*)?|\.\d+)\s*\*)?\s*(.+)", re.DOTALL)


@dataclass(frozen=True)
class Combination:
    """Several measures as one score.

    Args:
        name: What reports call it.
        method: One of ``METHODS``.
        measures: Names of measures, or programs.
        directions: For each, 1 where more is better and -1 where less is.
        weights: For each, not negative; None for 1 each.
        ranges: For ``min_max``, for each the values, times its direction, that become 0 and 1; None for the least and
            greatest of the networks at hand, among which a measure that is the same for all adds nothing. Where both
            are one value, as where a measure was constant in training, what is added is the distance from it.

    Raises:
        InputError: The method is unknown, or the numbers of measures, directions, weights and ranges differ.
    """

    name: str
    method: str
    measures: tuple[str, ...]
    directions: tuple[int, ...]
    weights: tuple[float, ...] | None = None
    ranges: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"the method must be one of {', '.join(METHODS)}, got {self.method!r}")
        for given in (self.directions, self.weights, self.ranges):
            if given is not None and len(given) != len(self.measures):
                raise InputError(f"there must be one entry for each of {len(self.measures)} measures, got {len(given)}")
        if self.weights is not None and not (min(self.weights) >= 0 < max(self.weights)):
            raise InputError(f"the weights must not be negative and not all be 0, got {self.weights}")

    @classmethod
    def parse(cls, text: str) -> Combination | None:
        """Read a published combination's name, or one that is written out; None where the text is neither.

        Written out it reads ``METHOD(TERM, ...)``, a term being a measure or program, with ``-`` before it where less
        is better and ``WEIGHT*`` where the weight is not 1: ``min_max(0.6*naswot, 0.4*synflow)``.

        Raises:
            InputError: It is a method with something else in its brackets.
        """
        if text in COMBINATIONS:
            return COMBINATIONS[text]
        written = _WRITTEN.fullmatch(text.strip())
        if written is None:
            return None
        terms = [_TERM.fullmatch(term) for term in _terms_of(written[2])]
        if not all(terms):
            raise InputError(f"a combination must read like vote(synflow, jacob_cov, snip), got {text!r}")
        found = [(term[1], term[2], term[3]) for term in terms if term]
        return cls(
            text,
            written[1],
            tuple(measure for *_, measure in found),
            tuple(-1 if sign else 1 for sign, *_ in found),
            tuple(float(weight or 1) for _, weight, _ in found),
        )

    def __str__(self) -> str:
        weights = self.weights or (1.0,) * len(self.measures)
        terms = (
            f"{'-' if direction < 0 else ''}{'' if weight == 1 else f'{weight:g}*'}{measure}"
            for measure, direction, weight in zip(self.measures, self.directions, weights, strict=True)
        )
        return f"{self.method}({', '.join(terms)})"

    def scores(self, values: Values) -> Values:
        """Score networks among each other.

        Args:
            values: ``m x n`` values of the measures, NaN where undefined.

        Returns:
            ``n`` scores, more being better; NaN for a network on which a measure is undefined, which the others are
            not compared with.

        Raises:
            InputError: There is not one row a measure.
        """
        values, whole = self._oriented(values)
        found = np.full(len(whole), np.nan)
        if not whole.any():
            return found
        weights = np.array(self.weights or (1.0,) * len(self.measures))
        if self.method == "vote":
            found[whole] = _votes(values[:, whole], weights)
        else:
            found[whole] = weights @ self._terms(values[:, whole])
        return found

    def of(self, scores: Sequence[Mapping[str, Score]]) -> Values:
        """Score networks from what ``eznas.measure`` gave for each."""
        return self.scores(np.array([[one[name].value for one in scores] for name in self.measures], dtype=np.float64))

    def fitted(self, values: Values, accuracies: Values) -> Combination:
        """Return the combination with weights, and ranges for ``min_max``, fitted on training networks.

        The weights are those, not negative, whose sum of terms has the least squared distance to the ranks of the
        accuracies, up to a constant.

        Args:
            values: ``m x n`` values of the measures on the training networks, NaN where undefined.
            accuracies: Their ``n`` accuracies.

        Raises:
            InputError: The method is ``vote``, fewer than three networks have all values, or no measure rises with the
                accuracy.
        """
        if self.method == "vote":
            raise InputError("the weights of a vote cannot be fitted; give them")
        values, whole = self._oriented(values)
        if whole.sum() < 3:  # noqa: PLR2004
            raise InputError(f"there must be three training networks with all values, got {int(whole.sum())}")
        values = values[:, whole]
        known = self
        if self.method == "min_max":
            known = replace(self, ranges=tuple((float(row.min()), float(row.max())) for row in values))
        terms, target = known._terms(values), rankdata(np.asarray(accuracies)[whole])  # noqa: SLF001 - its own kind
        centred = terms - terms.mean(1, keepdims=True)
        weights, _ = nnls(centred.T, target - target.mean())
        if not weights.any():
            raise InputError("some measure must rise with the accuracy on the training networks, none does")
        return replace(known, weights=tuple((weights / weights.sum()).tolist()))

    def _oriented(self, values: Values) -> tuple[Values, NDArray[np.bool_]]:
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or len(values) != len(self.measures):  # noqa: PLR2004
            raise InputError(f"the values must be {len(self.measures)} measures x networks, got {values.shape}")
        whole: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(0))
        return values * np.array(self.directions)[:, None], whole

    def _terms(self, values: Values) -> Values:
        if self.method != "min_max":
            return _TERMS[self.method](values)
        low, high = np.array(self.ranges).T if self.ranges else (values.min(1), values.max(1))
        span = np.where(high > low, high - low, 1.0)  # a constant measure adds 0, or its distance from a given range
        return np.asarray((values - low[:, None]) / span[:, None], dtype=np.float64)


def _terms_of(text: str) -> list[str]:
    """Split at the commas that stand in no brackets."""
    terms, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            terms.append("")
        else:
            terms[-1] += letter
    return [term.strip() for term in terms]


COMBINATIONS: Registry[Combination] = Registry("combination", lambda combination: combination.name)
"""Published combinations."""

for _combination in (
    Combination("vote", "vote", ("synflow", "jacob_cov", "snip"), (1, 1, 1)),
    Combination("te_nas", "rank", ("ntk_condition", "linear_regions"), (-1, 1)),
    Combination(
        "az_nas", "log_rank", ("az_expressivity", "az_progressivity", "az_trainability", "flops"), (1, 1, 1, 1)
    ),
    Combination("naswot_synflow", "min_max", ("naswot", "synflow"), (1, 1), (0.6, 0.4)),
):
    COMBINATIONS.register(_combination)
