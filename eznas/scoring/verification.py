"""Verification: how well proxies, and combinations of them, rank the architectures of a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError, unknown
from eznas.progress import SILENT, Progress
from eznas.ranking import Correlation, correlate
from eznas.run import NUMERICS, versions
from eznas.scoring.combination import Combination
from eznas.scoring.executor import SERIAL, Executor, LokyExecutor
from eznas.scoring.matrix import Proxy, score_networks
from eznas.scoring.plugin import plugin_digests
from eznas.scoring.score_csv import ScoreCsv
from eznas.seeds import python_rng
from eznas.spaces import SPACES
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from eznas.benchmarks import AccuracyTable
    from eznas.scoring.condition import Condition
    from eznas.scoring.problem import Problem


SAMPLES = 200
"""Number of architectures that are drawn by default."""


@dataclass(frozen=True)
class Column:
    """The scores of one proxy or combination.

    Args:
        proxy: The proxy.
        scores: One for each of ``n`` architectures.
        correlation: Of the finite scores with the accuracies.
    """

    proxy: Proxy | Combination
    scores: tuple[Score, ...]
    correlation: Correlation

    def values(self) -> NDArray[np.float64]:
        """Return ``n`` values, NaN where the proxy has none."""
        return np.array([score.value for score in self.scores], dtype=np.float64)

    @property
    def failed(self) -> int:
        """The number of architectures without a value."""
        return len(self.scores) - self.correlation.n

    @property
    def constant(self) -> bool:
        """Whether all values are equal."""
        values = [score.value for score in self.scores if score.ok]
        return len(values) > 1 and len(set(values)) == 1

    def statuses(self) -> dict[str, int]:
        """Count the statuses."""
        constant = self.constant
        counts = Counter(Status.CONSTANT if score.ok and constant else score.status for score in self.scores)
        return {status.value: count for status, count in counts.items()}


@dataclass(frozen=True, repr=False)
class Verification:
    """Scores and correlations of proxies.

    Args:
        table: The accuracies.
        condition: How the networks were built and run.
        architectures: ``n`` architectures of the table.
        accuracies: Their accuracies.
        columns: One for each proxy or combination, in the order given.
        seconds: For each network that was scored by this call, the seconds to build and score it.
    """

    table: AccuracyTable
    condition: Condition
    architectures: tuple[str, ...]
    accuracies: NDArray[np.float64]
    columns: tuple[Column, ...]
    seconds: tuple[float, ...]

    def __repr__(self) -> str:
        taus = [f"{column.proxy.name:.40} {column.correlation.tau:.3f}" for column in self.columns]
        shown = ", ".join([*taus[:4], *(["..."] if len(taus) > 4 else [])])  # noqa: PLR2004
        return f"<{type(self).__name__} of {len(self.architectures)} networks, {self.table.target}: tau {shown}>"

    def column(self, proxy: str | None = None) -> Column:
        """Return the column of a proxy's name, or the first.

        Raises:
            InputError: There is no such column.
        """
        columns = {column.proxy.name: column for column in self.columns}
        name = next(iter(columns)) if proxy is None else proxy
        if name not in columns:
            raise unknown("proxy", name, columns)
        return columns[name]

    def first_failure(self, column: Column) -> str:
        """Return the first architecture on which a column has no value, and the reason; empty where none is known."""
        for architecture, score in zip(self.architectures, column.scores, strict=True):
            if not score.ok and score.detail:
                return f"{architecture}: {score.detail:.300}"
        return ""

    def records(self, command: str = "") -> list[dict[str, Any]]:
        """Return one record for each column: its figures, and everything that they depend on."""
        return [
            {
                "proxy": column.proxy.name,
                "program": column.proxy.program if isinstance(column.proxy, Proxy) else "",
                "combination": str(column.proxy) if isinstance(column.proxy, Combination) else "",
                "ranges": column.proxy.ranges if isinstance(column.proxy, Combination) else None,
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
                "batch_size": len(self.condition.minibatch),
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


def draw(table: AccuracyTable, count: int | None, seed: int, unwanted: Collection[str] = ()) -> list[str]:
    """Draw architectures of a table, in its order.

    Args:
        table: The table.
        count: The number of architectures; 0 for all, None for ``SAMPLES`` or all where there are fewer.
        seed: Seed of the draw.
        unwanted: Architectures that are not drawn, nor others of the same function.

    Raises:
        InputError: The count is 1, or greater than the number of architectures to draw from.
    """
    architectures = table.architectures
    if unwanted:
        canonical = SPACES[table.space].canonical
        functions = set(map(canonical, unwanted))
        architectures = tuple(name for name in architectures if canonical(name) not in functions)
    if count is None:
        count = min(SAMPLES, len(architectures))
    elif count == 1:
        raise InputError("samples must be 0 for all or at least 2, got 1", parameters=("samples",))
    elif count > len(architectures):
        size = "the size of the table" if not unwanted else "the architectures of the table that the run did not use"
        message = f"samples must be at most {len(architectures)}, {size}, got {count}"
        raise InputError(message, parameters=("samples",))
    everything = range(len(architectures))
    chosen = sorted(python_rng(seed, "verify").sample(everything, count)) if count else everything
    return [architectures[index] for index in chosen]


def verify(
    proxies: Sequence[Proxy | Combination],
    problem: Problem,
    *,
    samples: int | None = None,
    unwanted: Collection[str] = (),
    csv: Path | None = None,
    resume: bool = False,
    executor: Executor = SERIAL,
    progress: Progress = SILENT,
) -> Verification:
    """Score architectures and correlate the scores with their accuracies.

    A combination ranks the architectures from the scores of its members.

    Args:
        proxies: The proxies and combinations.
        problem: The accuracies and the networks; its seed is also the seed of the draw and of the bootstrap.
        samples: See ``draw``.
        unwanted: See ``draw``.
        csv: File for the scores of every architecture; see ``ScoreCsv``. For a combination it holds its members.
        resume: Whether to continue with the scores that ``csv`` holds. An architecture on which a proxy was refused
            memory runs again, and keeps its other values. An architecture whose process was killed runs in a process
            of its own, and has no score if that is killed too.
        executor: Runs the networks.
        progress: Advances after each network.

    Raises:
        InputError: An argument cannot be used.
    """
    table, condition, seed = problem.accuracy_table, problem.condition(), problem.seed
    architectures = draw(table, samples, seed, unwanted)
    accuracy = dict(zip(table.architectures, table.accuracies.tolist(), strict=True))
    accuracies = np.array([accuracy[architecture] for architecture in architectures])
    members = _members(proxies)
    rows = None if csv is None else ScoreCsv(csv, list(members), _state(list(members.values()), condition, table))
    done = {} if rows is None else rows.begin(resume=resume)
    refused = {name: done.pop(name) for name in architectures if _refused(done.get(name, ()))}
    missing = [architecture for architecture in architectures if architecture not in done]

    def with_values_before(architecture: str, scores: Sequence[Score]) -> list[Score]:
        before = refused.get(architecture, scores)
        return [old if old.ok else new for old, new in zip(before, scores, strict=True)]

    def keep(architecture: str, scores: Sequence[Score]) -> None:
        if rows is not None:
            rows.add(architecture, accuracy[architecture], with_values_before(architecture, scores))

    progress.stage("networks", len(missing))
    seconds: tuple[float, ...] = ()
    killed = rows.file.marked() if rows is not None and resume else None
    if killed in missing:  # it may end its process again, so a process of its own runs it
        alone = LokyExecutor(2, executor.memory)
        again = score_networks(list(members.values()), condition, [killed], alone, progress, keep)
        missing.remove(killed)
        done[killed], seconds = with_values_before(killed, [row[0] for row in again.scores]), again.seconds
    begin = None if rows is None else rows.file.mark
    try:
        matrix = score_networks(list(members.values()), condition, missing, executor, progress, keep, begin=begin)
    finally:
        if rows is not None:
            rows.file.unmark()
    seconds += matrix.seconds
    scored_now = zip(missing, zip(*matrix.scores, strict=True), strict=True)
    done |= {architecture: with_values_before(architecture, row) for architecture, row in scored_now}
    if rows is not None:
        rows.finish([(name, accuracy[name], done[name]) for name in table.architectures if name in done])
    scores = {name: tuple(done[network][row] for network in architectures) for row, name in enumerate(members)}
    columns = []
    for proxy in proxies:
        column = _combined(proxy, scores) if isinstance(proxy, Combination) else scores[proxy.name]
        values = np.array([score.value for score in column])
        finite = np.isfinite(values)
        columns.append(Column(proxy, column, correlate(values[finite], accuracies[finite], seed=seed)))
    return Verification(table, condition, tuple(architectures), accuracies, tuple(columns), seconds)


def _refused(scores: Sequence[Score]) -> bool:
    """Return whether a proxy was refused memory, so that a larger bound may give it a value."""
    return any(score.status is Status.MEMORY_LIMIT for score in scores)


def _members(proxies: Sequence[Proxy | Combination]) -> dict[str, Proxy]:
    """Return the proxies and the members of combinations, by name."""
    members: dict[str, Proxy] = {}
    for entry in proxies:
        for proxy in map(Proxy.of, entry.measures) if isinstance(entry, Combination) else [entry]:
            if members.setdefault(proxy.name, proxy) != proxy:
                raise InputError(f"two different proxies are called {proxy.name!r}; rename one of the files")
    return members


def _combined(combination: Combination, scores: dict[str, tuple[Score, ...]]) -> tuple[Score, ...]:
    """Combine the members' scores; where a member has no value, its failure is the result."""
    rows = [scores[Proxy.of(text).name] for text in combination.measures]
    values = combination.scores(np.array([[score.value for score in row] for row in rows]))
    failures = [next((score for score in column if not score.ok), None) for column in zip(*rows, strict=True)]
    return tuple(failure or Score.of(value) for failure, value in zip(failures, values.tolist(), strict=True))


def _state(proxies: Sequence[Proxy], condition: Condition, table: AccuracyTable) -> dict[str, Any]:
    foreign = [*filter(None, [SPACES[condition.space].digest]), *(digest[:16] for digest in plugin_digests().values())]
    return {
        **({"code of builder and plugins": foreign} if foreign else {}),
        "programs": [proxy.program or proxy.measure for proxy in proxies],
        "numerics": NUMERICS,
        "space": condition.space,
        "condition": str(condition),
        "images": condition.minibatch.digest,
        "device": condition.device,
        "table": table.digest,
        "target": str(table.target),
    }
