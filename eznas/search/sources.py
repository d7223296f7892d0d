"""From a name to its signal: a column of the table, a score file, a measure, a program or an exported proxy."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError, unknown
from eznas.measures import MEASURES
from eznas.scoring.plugin import plugin_digests
from eznas.scoring.proxy_sources import fault_of_path, resolve_proxy
from eznas.search.score_files import read_scores
from eznas.search.signals import ComputedSignal
from eznas.search.table_signals import table_signals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eznas.scoring import Executor, Problem
    from eznas.search.config import SearchConfig
    from eznas.search.score_journal import ScoreJournal
    from eznas.search.signals import Signal, TabularSignal


class SignalSources:
    """The signals of one search by name.

    Args:
        config: The options.
        problem: Space, table and condition.
        executor: Runs the networks.
        journal: Keeps the scores of networks; None to keep none.

    Attributes:
        columns: The signals of the table.
        computed: The signals in use that run networks, by the names in ``config``.

    Raises:
        InputError: A score file cannot be read, or two signals have the same name.
    """

    def __init__(
        self, config: SearchConfig, problem: Problem, executor: Executor, journal: ScoreJournal | None
    ) -> None:
        self.columns: dict[str, TabularSignal] = {}
        self.computed: dict[str, ComputedSignal] = {}
        self._config, self._problem, self._executor, self._journal = config, problem, executor, journal
        self._target = config.target or "accuracy"
        if problem.table is not None:
            self.columns = table_signals(problem.table, self._target)
        self._files: dict[str, TabularSignal] = {}
        self._used: dict[str, TabularSignal] = {}
        self._programs: dict[str, str] = {}
        for source in config.scores:
            name, _, path = source.rpartition("=")
            signals = read_scores(Path(path), problem.space, name)
            for taken in sorted(signals.keys() & (self._files.keys() | self.columns.keys())):
                remedy = "give NAME=FILE" if len(signals) == 1 else "rename the column in the file"
                message = f"scores must have names of their own, {taken!r} in {source} is taken; {remedy}"
                raise InputError(message, parameters=("scores",))
            self._files |= signals

    def signal(self, name: str) -> Signal:
        """Return the signal of a name.

        Raises:
            InputError: There is none.
        """
        if name in self.columns:
            return self.columns[name]
        if name in self._files:
            return self._used.setdefault(name, self._files[name])
        if name not in self.computed:
            self.computed[name] = self._compute(name)
        return self.computed[name]

    def scores(self) -> dict[str, Mapping[str, float]]:
        """Return the scores of all files by name and architecture."""
        return {name: signal.values for name, signal in self._files.items()}

    def use_scores(self) -> None:
        """Take all files for files in use."""
        self._used |= self._files

    def architectures(self) -> list[str] | None:
        """Return the architectures of the table and of every score file in use; None if there are neither."""
        table = self._problem.table
        parts = [*([table.architectures] if table is not None else []), *(file.values for file in self._used.values())]
        if not parts:
            return None
        common = set(parts[0]).intersection(*parts[1:])
        return [architecture for architecture in parts[0] if architecture in common]

    def truth(self) -> Mapping[str, float]:
        """Return the accuracies that are reported."""
        return self.columns[self._target].values if self.columns else {}

    def is_truth(self) -> bool:
        """Whether the search climbs the accuracy that is reported."""
        name, *others = self._config.signal
        return not others and name in self.columns and self.columns[name].values == self.truth()

    def revealing(self) -> list[str]:
        """Return the guides that are the reported accuracy, or an accuracy that the search maximises."""
        config, columns = self._config, self.columns
        return [
            name
            for name in config.proxy or config.signal
            if name in columns and (name in config.signal or columns[name].values == self.truth())
        ]

    def data(self) -> dict[str, Any]:
        """Return the inputs of the runs beside the options: digests of files and images, programs, the device."""
        table, networks = self._problem.table, bool(self.computed)
        return {
            "table": table.source if table is not None else None,
            "table_sha256": table.digest if table is not None else None,
            "scores": {source: _digest(source) for source in self._config.scores},
            "plugins": plugin_digests(),
            "programs": self._programs,
            "images": self._problem.minibatch.digest if networks else None,
            "device": self._problem.device if networks else None,
        }

    def _compute(self, name: str) -> ComputedSignal:
        try:
            proxy = resolve_proxy(name)
        except InputError as error:
            if "(" in name or "." in name or fault_of_path(name):
                raise
            raise unknown("signal", name, [*self.columns, *self._files, *MEASURES]) from error
        self._programs[name] = proxy.program or proxy.measure
        direction = MEASURES[name].direction if name in MEASURES else 1
        signal = ComputedSignal(proxy, self._problem.condition(), self._executor, direction)
        if self._journal is not None:  # under the name in the options: proxies of several files may share a name
            signal.known |= self._journal.scores(name, direction)
            signal.record = partial(self._journal.add, name)
        return signal


def _digest(source: str) -> str:
    return hashlib.sha256(Path(source.rpartition("=")[2]).read_bytes()).hexdigest()
