"""Several measures as one score: votes, ranks, scaled sums and logarithms of ranks, with fixed or fitted weights.

A combination scores a set of networks together: a network's score depends on the other networks, except for ``min_max``
with given ranges. Weights and ranges are fitted on training networks only.

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


def _ranks(values: Values) -> Values:
    """Return the ranks of each row of ``m x n``, from 1 for the least; equal values have their mean rank."""
    return np.asarray(rankdata(values, axis=1), dtype=np.float64)


def _log_ranks(values: Values) -> Values:
    """Return the logarithms of ranks over the number of networks."""
    return np.asarray(np.log(_ranks(values) / values.shape[1]))


def _votes(values: Values, weights: Values) -> Values:
    """Return for each network the share of the others that a weighted majority ranks below it; a tie counts half."""
    wins, chunk = [], 256
    for start in range(0, values.shape[1], chunk):
        ballots = np.sign(values[:, start : start + chunk, None] - values[:, None, :])  # m x chunk x n
        wins.append(np.sign(np.tensordot(weights, ballots, 1)).sum(1))
    return np.asarray((np.concatenate(wins) / max(values.shape[1] - 1, 1) + 1) / 2, dtype=np.float64)


_TERMS: dict[str, Callable[[Values], Values]] = {"rank": _ranks, "log_rank": _log_ranks}

METHODS = ("vote", "rank", "log_rank", "min_max")
"""``vote`` scores a network by the share of the other networks that a weighted majority of the measures ranks below it;
``rank`` by the weighted sum of ranks; ``log_rank`` by that of log(rank / n); ``min_max`` by that of values scaled to
the range from 0 to 1."""

_TEXT = re.compile(rf"({'|'.join(METHODS)})\((.*)\)", re.DOTALL)
_TERM = re.compile(r"(-?)\s*(?:((?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)\s*\*)?\s*(.+)", re.DOTALL)


@dataclass(frozen=True)
class Combination:
    """Several measures as one score.

    Args:
        name: Its name in reports.
        method: One of ``METHODS``.
        measures: Names of measures, or programs.
        directions: For each measure, 1 if more is better, -1 if less is better.
        weights: For each measure, a number of at least 0; None for weights of 1.
        ranges: For ``min_max``: for each measure, the values, times its direction, that are scaled to 0 and 1; None for
            the least and greatest value of the networks to score, so that a constant measure adds 0. In a range of one
            value, as of a measure that was constant in training, a measure adds its distance from that value.

    Raises:
        InputError: The method is unknown; the numbers of measures, directions, weights and ranges differ; or the
            weights are negative or all 0.
    """

    name: str
    method: str
    measures: tuple[str, ...]
    directions: tuple[int, ...]
    weights: tuple[float, ...] | None = None
    ranges: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"method must be one of {', '.join(METHODS)}; got {self.method!r}")
        for name in ("directions", "weights", "ranges"):
            entries = getattr(self, name)
            if entries is not None and len(entries) != len(self.measures):
                raise InputError(
                    f"{name} must have one entry for each of {len(self.measures)} measures; got {len(entries)}"
                )
        if self.weights is not None and not (min(self.weights) >= 0 < max(self.weights)):
            raise InputError(f"weights must be at least 0 and must not all be 0; got {self.weights}")

    @classmethod
    def parse(cls, text: str) -> Combination | None:
        """Parse the name of a published combination or an expression; return None if the text is neither.

        An expression is ``METHOD(TERM, ...)``. A term is a measure or program, with ``-`` in front if less is better
        and ``WEIGHT*`` in front for a weight other than 1: ``min_max(0.6*naswot, 0.4*synflow)``.

        Raises:
            InputError: The terms of a method cannot be parsed.
        """
        if text in COMBINATIONS:
            return COMBINATIONS[text]
        written = _TEXT.fullmatch(text.strip())
        if written is None:
            if text.strip().startswith(tuple(f"{method}(" for method in METHODS)):
                raise InputError(f"a combination must end with a closing bracket; got {text!r}")
            return None
        terms = [_TERM.fullmatch(term) for term in _terms_of(written[2])]
        if not all(terms):
            raise InputError(f"a combination must be written like vote(synflow, jacob_cov, snip); got {text!r}")
        groups = [term.groups() for term in terms if term]
        for *_, measure in groups:
            if measure.endswith(".py"):
                raise InputError(f"the terms of a combination must be measures or programs; got the file {measure!r}")
        return cls(
            text,
            written[1],
            tuple(measure for *_, measure in groups),
            tuple(-1 if sign else 1 for sign, *_ in groups),
            tuple(float(weight or 1) for _, weight, _ in groups),
        )

    def __str__(self) -> str:
        weights = self.weights or (1.0,) * len(self.measures)
        terms = (
            f"{'-' if direction < 0 else ''}{'' if weight == 1 else f'{_written(weight)}*'}{measure}"
            for measure, direction, weight in zip(self.measures, self.directions, weights, strict=True)
        )
        return f"{self.method}({', '.join(terms)})"

    def scores(self, values: Values) -> Values:
        """Score a set of networks.

        Args:
            values: ``m x n`` values of the measures, NaN where undefined.

        Returns:
            ``n`` scores; more is better. A network on which a measure is undefined has NaN and does not influence the
            scores of the others.

        Raises:
            InputError: ``values`` does not have one row for each measure.
        """
        values, defined = self._oriented(values)
        scores = np.full(len(defined), np.nan)
        if defined.any():
            weights, values = np.array(self.weights or (1.0,) * len(self.measures)), values[:, defined]
            scores[defined] = _votes(values, weights) if self.method == "vote" else weights @ self._terms(values)
        return scores

    def of(self, scores: Sequence[Mapping[str, Score]]) -> Values:
        """Score networks from the result of ``eznas.measure`` for each."""
        return self.scores(
            np.array([[network[name].value for network in scores] for name in self.measures], dtype=np.float64)
        )

    def fitted(self, values: Values, accuracies: Values) -> Combination:
        """Return the combination with weights, and ranges for ``min_max``, fitted on training networks.

        The weights are the non-negative least-squares fit of the weighted sum of terms, plus a constant, to the ranks
        of the accuracies.

        Args:
            values: ``m x n`` values of the measures on the training networks, NaN where undefined.
            accuracies: Their ``n`` accuracies.

        Raises:
            InputError: The method is ``vote``, fewer than three networks have all values, or no measure increases with
                the accuracy.
        """
        if self.method == "vote":
            raise InputError("weights cannot be fitted for the method 'vote'; pass them")
        values, defined = self._oriented(values)
        if defined.sum() < 3:  # noqa: PLR2004
            raise InputError(f"values must be defined on at least three training networks; got {int(defined.sum())}")
        values = values[:, defined]
        scaled = self
        if self.method == "min_max":
            scaled = replace(self, ranges=tuple((float(row.min()), float(row.max())) for row in values))
        terms, target = scaled._terms(values), rankdata(np.asarray(accuracies)[defined])  # noqa: SLF001 - same class
        centred = terms - terms.mean(1, keepdims=True)
        weights, _ = nnls(centred.T, target - target.mean())
        if not weights.any():
            raise InputError("some measure must increase with the accuracy on the training networks; none does")
        return replace(scaled, weights=tuple((weights / weights.sum()).tolist()))

    def _oriented(self, values: Values) -> tuple[Values, NDArray[np.bool_]]:
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or len(values) != len(self.measures):  # noqa: PLR2004
            raise InputError(f"values must be {len(self.measures)} measures x networks; got the shape {values.shape}")
        defined: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(0))
        return values * np.array(self.directions)[:, None], defined

    def _terms(self, values: Values) -> Values:
        if self.method != "min_max":
            return _TERMS[self.method](values)
        low, high = np.array(self.ranges).T if self.ranges else (values.min(1), values.max(1))
        span = np.where(high > low, high - low, 1.0)  # see ``ranges`` for a span of 0
        return np.asarray((values - low[:, None]) / span[:, None], dtype=np.float64)


def _written(weight: float) -> str:
    """Write a weight as ``parse`` reads it back, to the bit."""
    return repr(float(weight)).removesuffix(".0")


def _terms_of(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    terms, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            terms.append("")
        else:
            terms[-1] += character
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
