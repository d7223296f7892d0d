"""Verification: how well proxies, and combinations of them, order the architectures of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError
from eznas.progress import SILENT, Progress
from eznas.ranking import Correlation, correlate
from eznas.run import versions
from eznas.scoring.combination import Combination
from eznas.scoring.executor import SERIAL, Executor
from eznas.scoring.matrix import Proxy, score_networks
from eznas.scoring.plugin import plugin_digests
from eznas.scoring.score_csv import ScoreCsv
from eznas.seeds import python_rng
from eznas.spaces import SPACES
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from eznas.benchmarks import AccuracyTable
    from eznas.scoring.condition import Condition
    from eznas.scoring.problem import Problem

__all__ = ["Column", "Verification", "draw", "verify"]

NETWORKS = 200
"""Architectures that are drawn unless another number is given."""


@dataclass(frozen=True)
class Column:
    """One proxy or combination on every architecture.

    Args:
        proxy: Which.
        scores: ``n`` scores.
        correlation: Of those that have a value, with their accuracies.
    """

    proxy: Proxy | Combination
    scores: tuple[Score, ...]
    correlation: Correlation

    def values(self) -> NDArray[np.float64]:
        """Return ``n`` values, NaN where a status says why there is none."""
        return np.array([score.value for score in self.scores], dtype=np.float64)

    @property
    def failed(self) -> int:
        """How many architectures have no value."""
        return len(self.scores) - self.correlation.n

    @property
    def constant(self) -> bool:
        """Whether all values are the same, which is no ranking."""
        values = [score.value for score in self.scores if score.ok]
        return len(values) > 1 and len(set(values)) == 1

    def statuses(self) -> dict[str, int]:
        """Count the statuses."""
        found = [Status.CONSTANT if score.ok and self.constant else score.status for score in self.scores]
        return {status.value: found.count(status) for status in dict.fromkeys(found)}


@dataclass(frozen=True)
class Verification:
    """What was scored, and what came out.

    Args:
        table: The accuracies.
        condition: How the networks were built and run.
        architectures: ``n`` of the table's.
        accuracies: Theirs.
        columns: One a proxy or combination, in the order given.
        seconds: For each network that was scored now, the seconds that building and scoring it took.
    """

    table: AccuracyTable
    condition: Condition
    architectures: tuple[str, ...]
    accuracies: NDArray[np.float64]
    columns: tuple[Column, ...]
    seconds: tuple[float, ...]

    def first_failure(self, column: Column) -> str:
        """Return the first architecture that a column has no value on, and why; empty where that is not known."""
        for architecture, score in zip(self.architectures, column.scores, strict=True):
            if not score.ok and score.detail:
                return f"{architecture}: {score.detail:.300}"
        return ""

    def records(self, command: str) -> list[dict[str, Any]]:
        """Return one object a column, with all that its figures depend on."""
        return [
            {
                "proxy": column.proxy.name,
                "program": column.proxy.program if isinstance(column.proxy, Proxy) else "",
                "combination": str(column.proxy) if isinstance(column.proxy, Combination) else "",
                "search_space": self.table.space,
                "dataset": self.table.target.dataset,
                "target": str(self.table.target),
                "n_networks": len(self.architectures),
                "n_failed": column.failed,
                "statuses": column.statuses(),
                "first_failure": self.first_failure(column),
                "tau": column.correlation.tau,
                "tau_low": column.correlation.tau_low,
                "tau_high": column.correlation.tau_high,
                "rho": column.correlation.rho,
                "pearson": column.correlation.pearson,
                "seconds": sum(self.seconds) if self.seconds else None,
                "n_scored_now": len(self.seconds),
                "images": self.condition.minibatch.source,
                "batch_size": len(self.condition.minibatch.labels),
                "seed": self.condition.seed,
                "device": self.condition.device,
                "condition": str(self.condition),
                "table": self.table.source,
                "table_sha256": self.table.digest,
                "versions": versions(),
                "command": command,
            }
            for column in self.columns
        ]


def draw(table: AccuracyTable, count: int | None, seed: int) -> list[str]:
    """Draw architectures of a table, in its order.

    Args:
        table: The table.
        count: How many, two at least; 0 for all, None for ``NETWORKS`` or all where there are fewer.
        seed: Of the draw.

    Raises:
        InputError: The table has fewer, or it is one, which cannot be ranked.
    """
    if count is None:
        count = min(NETWORKS, len(table))
    elif count == 1:
        raise InputError("--n_samples must be 0 for all or at least 2, as one network is no ranking; got 1")
    elif count > len(table):
        raise InputError(f"--n_samples must be at most {len(table)}, the size of the table, got {count}")
    chosen = sorted(python_rng(seed, "verify").sample(range(len(table)), count)) if count else range(len(table))
    return [table.architectures[index] for index in chosen]


def verify(
    proxies: Sequence[Proxy | Combination],
    problem: Problem,
    *,
    n_samples: int | None = None,
    csv_file: Path | None = None,
    resume: bool = False,
    executor: Executor = SERIAL,
    progress: Progress = SILENT,
) -> Verification:
    """Score architectures and correlate the scores with their accuracies.

    A combination scores the architectures among each other, from the scores of the proxies that it is made of.

    Args:
        proxies: What to compute.
        problem: The accuracies, and the networks; its seed is also that of the draw and the bootstrap.
        n_samples: See ``draw``.
        csv_file: File for the scores of every architecture, as ``ScoreCsv`` describes it: those of the proxies, and
            of what combinations are made of.
        resume: Whether to go on with it.
        executor: Runs the networks.
        progress: Advances after each network.

    Raises:
        InputError: Something given cannot be used.
    """
    table, condition, seed = problem.accuracy_table, problem.condition(), problem.seed
    architectures = draw(table, n_samples, seed)
    accuracy = dict(zip(table.architectures, table.accuracies.tolist(), strict=True))
    accuracies = np.array([accuracy[architecture] for architecture in architectures])
    made_of = _made_of(proxies)
    rows = (
        None
        if csv_file is None
        else ScoreCsv(csv_file, list(made_of), _state(list(made_of.values()), condition, table))
    )
    done = {} if rows is None else rows.begin(resume=resume)
    missing = [architecture for architecture in architectures if architecture not in done]

    def keep(architecture: str, scores: Sequence[Score]) -> None:
        if rows is not None:
            rows.add(architecture, accuracy[architecture], scores)

    progress.stage("networks", len(missing))
    matrix = score_networks(list(made_of.values()), condition, missing, executor, progress, keep)
    done |= {one: list(scores) for one, scores in zip(missing, zip(*matrix.scores, strict=True), strict=True)}
    if rows is not None:
        rows.finish([(one, accuracy[one], done[one]) for one in table.architectures if one in done])
    scores = {name: tuple(done[one][row] for one in architectures) for row, name in enumerate(made_of)}
    columns = []
    for proxy in proxies:
        column = _combined(proxy, scores) if isinstance(proxy, Combination) else scores[proxy.name]
        values = np.array([score.value for score in column])
        finite = np.isfinite(values)
        columns.append(Column(proxy, column, correlate(values[finite], accuracies[finite], seed=seed)))
    return Verification(table, condition, tuple(architectures), accuracies, tuple(columns), matrix.seconds)


def _made_of(proxies: Sequence[Proxy | Combination]) -> dict[str, Proxy]:
    """Return by name what is scored on networks: the proxies, and what combinations are made of."""
    found: dict[str, Proxy] = {}
    for one in proxies:
        for proxy in map(Proxy.of, one.measures) if isinstance(one, Combination) else [one]:
            if found.setdefault(proxy.name, proxy) != proxy:
                raise InputError(f"two different proxies are called {proxy.name!r}; rename one of the files")
    return found


def _combined(combination: Combination, scores: dict[str, tuple[Score, ...]]) -> tuple[Score, ...]:
    """Combine the scores of what a combination is made of; where one has no value, its failure is the outcome."""
    rows = [scores[Proxy.of(text).name] for text in combination.measures]
    values = combination.scores(np.array([[score.value for score in row] for row in rows]))
    failures = [next((score for score in column if not score.ok), None) for column in zip(*rows, strict=True)]
    return tuple(failure or Score.of(value) for failure, value in zip(failures, values.tolist(), strict=True))


def _state(proxies: Sequence[Proxy], condition: Condition, table: AccuracyTable) -> dict[str, Any]:
    foreign = [*filter(None, [SPACES[condition.space].digest]), *(digest[:16] for digest in plugin_digests().values())]
    return {
        **({"code of builder and plugins": foreign} if foreign else {}),
        "programs": [proxy.program or proxy.measure for proxy in proxies],
        "space": condition.space,
        "condition": str(condition),
        "images": condition.minibatch.digest,
        "device": condition.device,
        "table": table.digest,
        "target": str(table.target),
    }
