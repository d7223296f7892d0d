"""The end of a run: the hall of fame at full size, chosen on validation networks, reported on test networks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.programs import complexity, parse, simplify_exact
from eznas.ranking import Correlation, correlate
from eznas.scoring import Proxy, ScoreMatrix, score_networks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.gp.hall_of_fame import HallOfFame
    from eznas.gp.individual import Individual
    from eznas.gp.listener import Listener
    from eznas.gp.setting import Setting
    from eznas.scoring import Budget

__all__ = ["BASELINES", "Finished", "Row", "finish"]

BASELINES = ("params", "flops", "naswot", "eznas_a")
"""Measures that every run is compared with."""


@dataclass(frozen=True)
class Row:
    """One proxy of the final comparison.

    Args:
        name: ``"rank0"``, ``"rank1"`` ... for what was found, or a baseline's name.
        program: Its text; empty for a measure that is a function.
        complexity: Number of nodes; 0 for such a measure.
        tau_train: The fitness before parsimony; NaN for a baseline.
        validation: Correlation on the validation networks at full size.
        test: Correlation on the test networks at full size.
        coverage: Share of the validation and test networks on which it has a value.
        statuses: How often each status came up on them.
    """

    name: str
    program: str
    complexity: int
    tau_train: float
    validation: Correlation
    test: Correlation
    coverage: float
    statuses: dict[str, int]


@dataclass(frozen=True)
class Finished:
    """The final comparison.

    Args:
        found: What was evolved, the best on the validation networks first.
        baselines: The hand-written and published measures.
        test_scores: For each name, ``n`` scores on the test networks, NaN where there is none.
    """

    found: tuple[Row, ...]
    baselines: tuple[Row, ...]
    test_scores: dict[str, NDArray[np.float64]]


def finish(setting: Setting, hall: HallOfFame, count: int, seed: int, budget: Budget, listener: Listener) -> Finished:
    """Score the hall of fame and the baselines on networks of full size.

    Args:
        setting: What the run is about.
        hall: Where the candidates come from.
        count: Most candidates.
        seed: Seed of the bootstrap.
        budget: The workers and their memory.
        listener: Is told of each network.
    """
    candidates = hall.candidates(count)
    found = [Proxy(f"candidate{index}", simplify_exact(one.program).text) for index, one in enumerate(candidates)]
    proxies = [*found, *(Proxy.of(name) for name in BASELINES)]
    architectures = (*setting.validation, *setting.test)
    listener.stage(f"scoring {len(found)} programs and {len(BASELINES)} baselines at full size", len(architectures))
    matrix = score_networks(proxies, setting.full, architectures, budget.workers, listener.advance, memory=budget.visit)
    rows = [_row(setting, matrix, index, candidates, seed) for index in range(len(proxies))]
    order = sorted(range(len(found)), key=lambda index: _choice(rows[index]))
    names = {index: f"rank{rank}" for rank, index in enumerate(order)}
    values = matrix.values()[:, len(setting.validation) :]
    return Finished(
        found=tuple(dataclasses.replace(rows[index], name=names[index]) for index in order),
        baselines=tuple(rows[len(found) :]),
        test_scores={
            names.get(index, rows[index].name): values[index] for index in [*order, *range(len(found), len(rows))]
        },
    )


def _choice(row: Row) -> tuple[int, float, int]:
    """Order rows by the number of validation networks scored, then by tau on them, then by simplicity."""
    tau = row.validation.tau
    return (-row.validation.n, -tau if np.isfinite(tau) else np.inf, row.complexity)


def _row(setting: Setting, matrix: ScoreMatrix, index: int, candidates: Sequence[Individual], seed: int) -> Row:
    proxy, values = matrix.proxies[index], matrix.values()[index]
    split = len(setting.validation)
    return Row(
        name=proxy.name,
        program=proxy.program,
        complexity=complexity(parse(proxy.program)) if proxy.program else 0,
        tau_train=candidates[index].tau_train if index < len(candidates) else float("nan"),
        validation=_correlate(values[:split], setting.accuracies(setting.validation), seed),
        test=_correlate(values[split:], setting.accuracies(setting.test), seed),
        coverage=float(np.isfinite(values).mean()),
        statuses={status.value: count for status, count in sorted(matrix.statuses(index).items(), key=str)},
    )


def _correlate(scores: NDArray[np.float64], accuracies: NDArray[np.float64], seed: int) -> Correlation:
    finite = np.isfinite(scores)
    return correlate(scores[finite], accuracies[finite], seed=seed)
