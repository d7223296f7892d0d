"""The end of a run: the hall of fame is scored at full size, ordered on validation and reported on test networks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.programs import parse, simplify_exact
from eznas.ranking import Correlation, correlate
from eznas.scoring import Proxy, ScoreMatrix, score_networks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.gp.individual import Individual
    from eznas.gp.problem import EvolutionProblem
    from eznas.progress import Progress
    from eznas.scoring import Executor, Panel


BASELINES = ("params", "flops", "naswot", "eznas_a")
"""Measures that every run is compared with."""


@dataclass(frozen=True)
class Row:
    """One proxy of the final comparison.

    Args:
        name: ``"rank0"``, ``"rank1"`` ... for evolved programs, or a baseline's name.
        program: Its text; empty for a measure that is a function.
        complexity: Number of nodes; 0 for such a measure.
        tau_train: The fitness before parsimony; NaN for a baseline.
        validation: Correlation on the validation networks at full size; None for a baseline.
        test: Correlation on the test networks at full size.
        coverage: Share of the test networks on which it has a value.
        statuses: The number of test networks by status.
    """

    name: str
    program: str
    complexity: int
    tau_train: float
    validation: Correlation | None
    test: Correlation
    coverage: float
    statuses: dict[str, int]


@dataclass(frozen=True)
class Finished:
    """The final comparison.

    Args:
        evolved: The evolved programs, the best on the validation networks first.
        baselines: The hand-written and published measures.
        test_scores: For each name, ``n`` scores on the test networks, NaN where there is none.
    """

    evolved: tuple[Row, ...]
    baselines: tuple[Row, ...]
    test_scores: dict[str, NDArray[np.float64]]


def finish(
    problem: EvolutionProblem,
    candidates: Sequence[Individual],
    panel: Panel | None,
    seed: int,
    executor: Executor,
    progress: Progress,
) -> Finished:
    """Order candidates by the validation networks at full size; report them and the baselines on the test networks.

    Args:
        problem: The networks and conditions.
        candidates: Members of the hall of fame.
        panel: The panel at full size, which knows the candidates' reductions and whose last networks are the validation
            networks; None without a promotion.
        seed: Seed of the bootstrap.
        executor: Runs the networks.
        progress: Advances after each network.
    """
    proxies = [
        Proxy(f"candidate{index}", simplify_exact(candidate.program).text) for index, candidate in enumerate(candidates)
    ]
    if panel is None:
        progress.stage(f"choosing among {len(proxies)} programs at full size", len(problem.validation))
        values = score_networks(proxies, problem.full, problem.validation, executor, progress).values()
    else:
        values = panel.table.scores([candidate.program for candidate in candidates])[:, -len(problem.validation) :]
    held = [_correlate(row, problem.accuracies(problem.validation), seed) for row in values]
    order = sorted(range(len(proxies)), key=lambda index: _choice(held[index], candidates[index].program.size))
    compared = [dataclasses.replace(proxies[index], name=f"rank{rank}") for rank, index in enumerate(order)]
    compared += [Proxy.of(name) for name in BASELINES]
    progress.stage(f"testing {len(order)} programs and {len(BASELINES)} baselines at full size", len(problem.test))
    matrix = score_networks(compared, problem.full, problem.test, executor, progress)
    return Finished(
        evolved=tuple(
            _row(problem, matrix, rank, candidates[index].tau_train, held[index], seed)
            for rank, index in enumerate(order)
        ),
        baselines=tuple(
            _row(problem, matrix, index, float("nan"), None, seed) for index in range(len(order), len(compared))
        ),
        test_scores={proxy.name: row for proxy, row in zip(compared, matrix.values(), strict=True)},
    )


def _choice(held: Correlation, size: int) -> tuple[int, float, int]:
    """Order by the number of validation networks scored, then by tau on them, then by simplicity."""
    return (-held.n, -held.tau if np.isfinite(held.tau) else np.inf, size)


def _row(
    problem: EvolutionProblem, matrix: ScoreMatrix, index: int, tau_train: float, held: Correlation | None, seed: int
) -> Row:
    proxy, values = matrix.proxies[index], matrix.values()[index]
    return Row(
        name=proxy.name,
        program=proxy.program,
        complexity=parse(proxy.program).size if proxy.program else 0,
        tau_train=tau_train,
        validation=held,
        test=_correlate(values, problem.accuracies(problem.test), seed),
        coverage=float(np.isfinite(values).mean()),
        statuses={status.value: count for status, count in sorted(matrix.statuses(index).items(), key=str)},
    )


def _correlate(scores: NDArray[np.float64], accuracies: NDArray[np.float64], seed: int) -> Correlation:
    finite = np.isfinite(scores)
    return correlate(scores[finite], accuracies[finite], seed=seed)
