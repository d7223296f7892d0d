"""Evolve zero-cost proxies from Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from eznas.api.presets import Preset, preset_options
from eznas.api.run import Run
from eznas.config import EvolveConfig, read_toml
from eznas.errors import InputError
from eznas.progress import Progress
from eznas.symbolic.config import ScoresConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from matplotlib.figure import Figure
    from torch import nn

    from eznas.minibatch import Minibatch
    from eznas.scoring import Executor
    from eznas.status import Score

    Callback = Callable[[Mapping[str, float | int | str]], bool | None]


CHANGEABLE = ("time_budget", "generations", "workers", "memory", "backend", "scheduler")
"""Options that may change when a run is resumed: they bound or speed up a run, and do not change its course."""


def evolve(
    *,
    out: str | Path | None = None,
    config: str | Path | None = None,
    preset: Preset = "quick",
    callback: Callback | None = None,
    progress: bool | Progress = True,
    command: str = "eznas.evolve",
    resume_with: Callable[[Path], str] | None = None,
    **options: Any,
) -> EvolutionRun:
    """Evolve zero-cost proxies on a benchmark's accuracies.

    Plugins that are loaded already take part, and are recorded as the run's own.

    Args:
        out: Run directory to write; by default a new one in ``runs/``.
        config: TOML file with options; ``options`` win over it.
        preset: ``"quick"`` for the defaults, ``"spaces"`` for a task on each accuracy table that is found and sizes for
            hours; on a CPU, spaces whose networks can take minutes are left out. Options and the file win over it.
        callback: Called with the logbook's record after each generation. If it returns True or raises
            ``StopIteration``, evolution stops there; the programs found so far are tested and reported.
        progress: True for a bar, False for silence, or where to report progress.
        command: Recorded in the run's manifest as the way it was started.
        resume_with: Returns how to resume the run in a directory, for messages; by default the Python call.
        options: Fields of ``EvolveConfig``, such as ``table``, ``generations`` or ``time_budget``; with ``scores``, of
            ``ScoresConfig``: formulas are evolved over score files, and no network is run. ``report=False`` omits the
            plots and ``report.html``; ``eznas report DIR`` writes them later.

    Raises:
        InputError: An option cannot be used, or the time budget is too short for the networks.
        EznasError: No usable program was found.

    Examples:
        >>> run = eznas.evolve(time_budget="10m", seed=1)  # doctest: +SKIP
        >>> run.best["program"]  # doctest: +SKIP
    """
    from eznas.report.display import open_display

    given = {**(read_toml(Path(config)) if config is not None else {}), **options}
    with open_display(progress) as display:
        options = {**preset_options(preset, given, display), **options}
    run = _run_class(given)
    return run.begin(options, out, config, command, callback=callback, progress=progress, how=resume_with)


class EvolutionRun(Run):
    """A finished or stopped evolution, read from its run directory.

    Args:
        directory: The run directory.
    """

    _options: ClassVar[Any] = EvolveConfig
    _changeable: ClassVar[Sequence[str]] = CHANGEABLE
    _results = "summary.json"
    _kinds = ("an evolution", "an evolution over score files")

    @classmethod
    def open(cls, directory: str | Path) -> EvolutionRun:
        """Read the run directory of an evolution on networks or over score files.

        Raises:
            InputError: It is not the run directory of an evolution.
        """
        opened = cls._open_directory(directory)
        return _run_class(read_toml(opened.path / "config.toml"))(opened)

    @property
    def summary(self) -> dict[str, Any]:
        """The content of ``summary.json``.

        Raises:
            InputError: The run is not finished.
        """
        self._require_finished()
        return self._directory.read_json("summary.json")

    @property
    def hall_of_fame(self) -> Any:
        """A row for each program, the best first: a pandas ``DataFrame``, or a list of dicts without pandas.

        The rows of a run that is not finished have no test figures.
        """
        return _table(self._records())

    @property
    def best(self) -> dict[str, Any]:
        """The record of the best program."""
        return self._record(0)

    @property
    def baselines(self) -> Any:
        """A row for each baseline, as ``hall_of_fame``."""
        return _table(list(self.summary["baselines"].values()))

    @property
    def logbook(self) -> Any:
        """A row for each generation, as ``hall_of_fame``."""
        from eznas.report.evolution import read_logbook

        return _table(read_logbook(self._directory))

    def plot(self, kind: Literal["scores", "taus", "pareto", "progress"] | None = None) -> Figure:
        """Plot the accuracies against the scores of each proxy, or the best tau of each generation.

        Args:
            kind: ``"scores"``, ``"taus"``, ``"pareto"`` or ``"progress"``; by default the scores of a finished run.

        Raises:
            InputError: The run has no such figures yet.
        """
        from eznas.report.evolution import evolution_figures

        figures = evolution_figures(self._directory)
        name = kind or ("scores" if self.finished else "progress")
        if name not in figures:
            raise InputError(f"kind must be one of {list(figures)} for {self.path}, got {name!r}", parameters=("kind",))
        return figures[name]

    def score(self, network: nn.Module, minibatch: Minibatch, rank: int = 0) -> Score:
        """Score a network with one of the programs.

        Args:
            network: The network; it is left as it was.
            minibatch: Images and labels, on the network's device; see ``load_minibatch``.
            rank: The program's row in the hall of fame.

        Raises:
            InputError: There is no such row, or a program over score files reads a column that is no measure.
        """
        from eznas.scoring import Proxy, score_network

        return score_network([Proxy.of(self._program(rank))], network, minibatch)[0]

    def export(
        self,
        path: str | Path | None = None,
        rank: int = 0,
        format: Literal["python", "latex", "dot", "text"] = "python",  # noqa: A002 - the command's word
        command: str = "",
    ) -> str:
        """Return a program in another form, and write it to a file if ``path`` is given.

        Args:
            path: The file.
            rank: The program's row in the hall of fame.
            format: ``"python"`` for a file that imports torch, and eznas only for measures; ``"latex"``, ``"dot"`` or
                ``"text"``.
            command: Recorded in the Python file as the way it was exported.

        Raises:
            InputError: There is no such row or format, or the file cannot be written.
        """
        from eznas.files import write_output
        from eznas.programs import parse
        from eznas.programs.export import export
        from eznas.programs.export.provenance import provenance
        from eznas.scoring.network_leaves import written_out

        record = self._record(rank)
        run = self._directory.manifest() | (self.summary if self.finished else {})
        facts = provenance(record, run, finished=self.finished) | ({"exported_with": command} if command else {})
        program = parse(record["program"])
        if format == "python":  # whose file computes the measures that are programs itself
            program = written_out(program)
        text = export(program, format, record["name"], facts, run["seed"])
        if path is not None:
            write_output(Path(path), text if text.endswith("\n") else f"{text}\n")
        return text

    def resume(
        self,
        *,
        callback: Callback | None = None,
        progress: bool | Progress = True,
        command: str = "EvolutionRun.resume",
        resume_with: Callable[[Path], str] | None = None,
        **options: Any,
    ) -> EvolutionRun:
        """Go on with the run, and return it.

        The arguments are those of ``evolve``. Of the options only ``time_budget``, ``generations``, ``workers``,
        ``memory``, ``backend`` and ``scheduler`` may be given; the others stay as they were.

        Raises:
            InputError: Another option is given, the data or the versions changed, or another process writes the run.
        """
        return self._continue(options, command, callback=callback, progress=progress, how=resume_with)

    def _outcome(self) -> str:
        tau = self.summary["best"]["tau_test"]
        return f"{self.summary['generations']} generations, best tau {'undefined' if tau is None else f'{tau:.3f}'}"

    def _compute(
        self, config: Any, executor: Executor, progress: Progress, callback: Any, how: str, begun: float, new: bool
    ) -> None:
        if not new:  # the next resume takes these options, now that they are known to work
            self._directory.write_config(config.as_toml())
        reporting = _WithCallback(progress, callback)
        summary = self._evolve(
            config, self._directory, executor, reporting, resume=not new, resume_with=how, begun=begun
        )
        if summary["stopped_by"] not in ("generations", "converged"):
            stopped_by = "time budget" if summary["stopped_by"] == "time" else summary["stopped_by"]
            after = f"{summary['generations']} generations"
            progress.message(f"stopped by the {stopped_by} after {after}; resume with: {how}")

    def _evolve(self, *args: Any, **options: Any) -> dict[str, Any]:
        from eznas.gp import run_evolution

        return run_evolution(*args, **options)

    def _repr_html_(self) -> str:
        from eznas.report.evolution import evolution_html

        return evolution_html(self._directory)

    def _records(self) -> list[dict[str, Any]]:
        from eznas.report.evolution import read_hall_of_fame

        return read_hall_of_fame(self._directory)

    def _program(self, rank: int) -> str:
        """Return the text of a program over networks."""
        return str(self._record(rank)["program"])

    def _record(self, rank: int) -> dict[str, Any]:
        records = self._records()
        if not records:
            raise InputError(f"{self.path} must hold a program, but the run was stopped before it had one")
        if not 0 <= rank < len(records):
            raise InputError(
                f"rank must be at least 0 and below {len(records)}, the number of programs in {self.path}, got {rank}",
                parameters=("rank",),
            )
        return records[rank]


class ScoresRun(EvolutionRun):
    """A finished or stopped evolution over score files; no network was run."""

    _options = ScoresConfig
    _changeable = ("time_budget", "generations", "workers")

    def _program(self, rank: int) -> str:
        from eznas.programs import parse
        from eznas.symbolic.measures import with_measures

        program, missing = with_measures(parse(super()._program(rank)))
        if missing:
            raise InputError(f"a program must read columns that are measures, got {', '.join(missing)}")
        return program.text

    def _evolve(self, *args: Any, **options: Any) -> dict[str, Any]:
        from eznas.symbolic.run import run_scores

        return run_scores(*args, **options)


def _run_class(options: Collection[str]) -> type[EvolutionRun]:
    """Return the class of the run that options make: over score files where ``scores`` is among them."""
    return ScoresRun if "scores" in options else EvolutionRun


class _WithCallback(Progress):
    """Passes everything on, and ends the evolution when the callback says so."""

    def __init__(self, progress: Progress, callback: Callback) -> None:
        self._callback, self._progress = callback, progress
        self.stage, self.advance = progress.stage, progress.advance  # type: ignore[method-assign]
        self.status, self.message = progress.status, progress.message  # type: ignore[method-assign]
        self.remaining = progress.remaining  # type: ignore[method-assign]

    def generation(self, record: Mapping[str, float | int | str]) -> None:
        self._progress.generation(record)
        if self._callback(record):
            raise StopIteration


def _table(records: list[dict[str, Any]]) -> Any:
    try:
        import pandas as pd
    except ImportError:
        return records
    return pd.DataFrame.from_records(records)
