"""A whole run: load, evolve within the budget, confirm at full size, write the run directory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import EznasError, InputError
from eznas.fitness import Examiner
from eznas.gp.finish import BASELINES, finish
from eznas.gp.loop import Evolution
from eznas.gp.results import generation_record, write_logbook, write_provisional_hall, write_results
from eznas.gp.setting import Setting
from eznas.programs import parse
from eznas.scoring import Panel, Proxy, score_networks, worker_count
from eznas.store import VectorStore

if TYPE_CHECKING:
    from eznas.config import EvolveConfig
    from eznas.gp.listener import Listener
    from eznas.run import RunDirectory

__all__ = ["run_evolution"]

CANDIDATES = 6
"""Members of the hall of fame that are scored at full size."""

STORE = "vectors.sqlite"
"""Where a run directory keeps what reductions gave; a cache that can be deleted."""

_CHECKPOINT_SECONDS = 10.0
_SAFETY = 2.0
"""The programs that are confirmed take longer than the baselines that the time is measured with."""


class _Clock:
    """Seconds of the run so far, those before a resume included, against the budget."""

    def __init__(self, budget: float, spent: float) -> None:
        self._start = time.monotonic() - spent
        self._budget = budget

    @property
    def spent(self) -> float:
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        return self._budget - self.spent


def run_evolution(config: EvolveConfig, directory: RunDirectory, *, resume: bool, listener: Listener) -> dict[str, Any]:
    """Evolve proxies and leave a complete run directory.

    The time budget covers everything after the first visit to the networks: evolution stops early enough for the
    confirmation at full size. An interrupt
    (Ctrl-C) during evolution ends it there; what was found so far is confirmed and reported, and the run can still be
    resumed.

    Args:
        config: What to do.
        directory: Where to write.
        resume: Whether to go on from the directory's checkpoint.
        listener: Is told of progress.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: Something in the configuration cannot be used.
        EznasError: Nothing usable was found.
    """
    checkpoint = directory.read_checkpoint() if resume else None
    clock = _Clock(config.time_budget, checkpoint["seconds"] if checkpoint else 0.0)
    setting = Setting.of(config)
    _check_same_data(directory, setting)
    directory.record(**_facts(setting))
    with VectorStore(config.store or directory.path / STORE, message=listener.message) as store:
        evolution = _evolution(config, setting, store, listener)
        reserve = _SAFETY * _seconds_at_full_size(config, setting, listener)
        stopped_by = _Course(config, evolution, directory, clock, reserve, listener).run(checkpoint)
    if not evolution.hall.members:
        raise EznasError("no program ranks the validation networks; use more networks, or another seed")
    finished = finish(setting, evolution.hall, CANDIDATES, config.seed, config.workers, listener)
    return write_results(config, directory, setting, evolution, finished, clock.spent, stopped_by)


def _evolution(config: EvolveConfig, setting: Setting, store: VectorStore, listener: Listener) -> Evolution:
    networks = (*setting.train, *setting.validation)
    panels = [Panel(condition, networks, store) for condition in setting.breeding]
    examiner = Examiner(panels, setting.accuracies(setting.train), setting.accuracies(setting.validation))
    return Evolution(config, examiner, listener)


def _seconds_at_full_size(config: EvolveConfig, setting: Setting, listener: Listener) -> float:
    """Time the baselines on a few networks of full size, the first to warm up, and extrapolate to the confirmation."""
    few = setting.validation[:4]
    listener.stage("timing networks of full size", len(few))
    proxies = [Proxy.of(name) for name in BASELINES]
    matrix = score_networks(proxies, setting.full, few, 1, listener.advance)
    networks = len(setting.validation) + len(setting.test)
    return float(np.mean(matrix.seconds[1:])) * networks / worker_count(config.workers)


class _Course:
    """Runs generations until one of the limits, and keeps the run directory up to date."""

    def __init__(
        self,
        config: EvolveConfig,
        evolution: Evolution,
        directory: RunDirectory,
        clock: _Clock,
        reserve: float,
        listener: Listener,
    ) -> None:
        self._config, self._evolution, self._directory = config, evolution, directory
        self._clock, self._reserve, self._listener = clock, reserve, listener
        self._visit_seconds = 0.0
        self._saved = time.monotonic()

    def run(self, checkpoint: dict[str, Any] | None) -> str:
        """Evolve and say what ended it: ``"generations"``, ``"time"`` or ``"interrupt"``."""
        evolution = self._evolution
        try:
            self._begin(checkpoint)
            while evolution.generation < self._config.generations:
                if not self._time_is_left():
                    self._save()
                    return "time"
                self._step()
        except KeyboardInterrupt:
            if not evolution.hall.members:
                raise
            write_logbook(self._directory, evolution)
            self._listener.message("interrupted: confirming what was found so far; press Ctrl-C again to stop at once")
            return "interrupt"
        self._save()
        return "generations"

    def _begin(self, checkpoint: dict[str, Any] | None) -> None:
        begun = self._clock.spent
        if checkpoint:
            self._evolution.restore(checkpoint)
            self._evolution.logbook.extend(checkpoint["log"])
        else:
            self._evolution.start([parse(text) for text in self._config.seed_program])
        known = len(self._evolution.library.entries)
        self._directory.append({"event": "resumed" if checkpoint else "started", "reductions": known})
        # An expansion draws a quarter of the library; building the networks is what the rest of the time goes to.
        self._visit_seconds = (self._clock.spent - begun) / 2
        self._save()

    def _time_is_left(self) -> bool:
        needed = self._reserve + (self._visit_seconds if self._evolution.expansion_is_due() else 0.0)
        return self._clock.left > needed

    def _step(self) -> None:
        due, begun = self._evolution.expansion_is_due(), self._clock.spent
        self._evolution.step()
        if due:
            self._visit_seconds = self._clock.spent - begun
        record = generation_record(self._evolution, self._clock.spent)
        self._evolution.logbook.record(**record)
        self._listener.generation(record)
        if due or time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
            self._save()

    def _save(self) -> None:
        state = self._evolution.state()
        self._directory.write_checkpoint(
            {**state, "seconds": self._clock.spent, "log": [dict(row) for row in self._evolution.logbook]}
        )
        write_logbook(self._directory, self._evolution)
        write_provisional_hall(self._directory, self._evolution)
        self._directory.append({"event": "saved", "generation": state["generation"], "judged": state["judged"]})
        self._saved = time.monotonic()


def _facts(setting: Setting) -> dict[str, Any]:
    """What the manifest says about the data and the device."""
    return {
        "device": setting.device,
        "target": str(setting.table.target),
        "conditions": [str(condition) for condition in setting.breeding],
        "reported_on": str(setting.full),
        "data": {
            "table": {"source": setting.table.source, "sha256": setting.table.digest},
            "images": {"source": setting.minibatch.source, "sha256": setting.minibatch.digest},
        },
    }


def _check_same_data(directory: RunDirectory, setting: Setting) -> None:
    """Refuse to resume on other data than the run began with.

    Raises:
        InputError: A digest differs from the manifest's.
    """
    before, now = directory.manifest()["data"], _facts(setting)["data"]
    for what, facts in before.items():
        if facts["sha256"] != now[what]["sha256"]:
            raise InputError(
                f"the {what} must be those that the run began with, {facts['source']} with SHA-256 "
                f"{facts['sha256'][:12]}..., got {now[what]['source']} with {now[what]['sha256'][:12]}..."
            )
