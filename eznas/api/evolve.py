"""Evolve zero-cost proxies from Python."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eznas.config import EvolveConfig, build_config, resumed_config
from eznas.errors import InputError
from eznas.progress import Progress
from eznas.run import RunDirectory, default_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.figure import Figure
    from torch import nn

    from eznas.minibatch import Minibatch
    from eznas.status import Score

    Callback = Callable[[Mapping[str, float | int | str]], bool | None]


CHANGEABLE = ("time_budget", "generations", "workers", "memory", "backend", "scheduler")
"""Options that may change when a run is resumed: they bound or speed up a run, and do not change its course."""


def _resume_call(path: Path) -> str:
    return f"EvolutionRun.open({str(path)!r}).resume()"


def evolve(
    *,
    out: str | Path | None = None,
    config: str | Path | None = None,
    callback: Callback | None = None,
    progress: bool | Progress = True,
    command: str = "eznas.evolve",
    resume_with: Callable[[Path], str] = _resume_call,
    **options: Any,
) -> EvolutionRun:
    """Evolve zero-cost proxies on a benchmark's accuracies.

    Plugins that are loaded already take part, and are recorded as the run's own.

    Args:
        out: Run directory to write; by default a new one in ``runs/``.
        config: TOML file with options; ``options`` win over it.
        callback: Called with the logbook's record after each generation. If it returns True or raises
            ``StopIteration``, evolution stops there; the programs found so far are tested and reported.
        progress: True for a bar, False for silence, or where to report progress.
        command: Recorded in the run's manifest as the way it was started.
        resume_with: Returns how to resume the run in a directory, for messages; by default the Python call.
        options: Fields of ``EvolveConfig``, such as ``table``, ``generations`` or ``time_budget``.

    Raises:
        InputError: An option cannot be used, or the time budget is too short for the networks.
        EznasError: No usable program was found.

    Examples:
        >>> run = eznas.evolve(time_budget="10m", seed=1)  # doctest: +SKIP
        >>> run.best["program"]  # doctest: +SKIP
    """
    from eznas.scoring.plugin import plugin_digests

    given = {**options, **({} if out is None else {"out": out})}
    chosen = build_config(EvolveConfig, given, None if config is None else Path(config))
    plugins = dict.fromkeys([*chosen.plugin, *map(Path, plugin_digests())])  # a resume in a new process needs them too
    chosen = chosen.model_copy(update={"plugin": tuple(plugins)})
    directory = RunDirectory.create(
        chosen.out or default_directory(), chosen.as_toml(), seed=chosen.seed, command=command, device=chosen.device
    )
    with directory:
        return _run(chosen, directory, callback, progress, resume_with, resume=False)


class EvolutionRun:
    """A finished or stopped evolution, read from its run directory.

    Args:
        directory: The run directory.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.path = directory.path
        self._directory = directory

    @classmethod
    def open(cls, directory: str | Path) -> EvolutionRun:
        """Read a run directory.

        Raises:
            InputError: It is not a run directory.
        """
        return cls(RunDirectory(Path(directory)))

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

    def plot(self, kind: Literal["scores", "progress"] | None = None) -> Figure:
        """Plot the accuracies against the scores of each proxy, or the best tau of each generation.

        Args:
            kind: ``"scores"`` or ``"progress"``; by default the scores if the run is finished.

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
        """
        from eznas.scoring import Proxy, score_network

        return score_network([Proxy.of(self._record(rank)["program"])], network, minibatch)[0]

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
        from eznas.scoring.network_leaves import written_out

        record, manifest = self._record(rank), self._directory.manifest()
        taus = ("tau_train", "tau_validation", "tau_test")
        facts = ("command", "seed", "target", *(("reported_on",) if self.finished else ()), "versions")
        provenance = {
            **({} if self.finished else {"provisional": True}),
            **{name: record[name] for name in taus if record.get(name) is not None},
            **{name: manifest[name] for name in facts if name in manifest},
            **({"exported_with": command} if command else {}),
        }
        program = parse(record["program"])
        if format == "python":  # whose file computes the measures that are programs itself
            program = written_out(program)
        text = export(program, format, record["name"], provenance, manifest["seed"])
        if path is not None:
            write_output(Path(path), text if text.endswith("\n") else f"{text}\n")
        return text

    def resume(
        self,
        *,
        callback: Callback | None = None,
        progress: bool | Progress = True,
        command: str = "EvolutionRun.resume",
        resume_with: Callable[[Path], str] = _resume_call,
        **options: Any,
    ) -> EvolutionRun:
        """Go on with the run, and return it.

        The arguments are those of ``evolve``. Of the options only ``time_budget``, ``generations``, ``workers``,
        ``memory``, ``backend`` and ``scheduler`` may be given; the others stay as they were.

        Raises:
            InputError: Another option is given, the data or the versions changed, or another process writes the run.
        """
        with RunDirectory.resume(self.path) as directory:  # refuses another format before config.toml is read
            chosen = resumed_config(EvolveConfig, options, self.path, CHANGEABLE)
            directory.append({"event": "command", "command": command})
            return _run(chosen, directory, callback, progress, resume_with, resume=True)

    @property
    def finished(self) -> bool:
        """Whether the programs are tested; such a run can be resumed too, with more time or generations."""
        return (self.path / "summary.json").is_file()

    def __repr__(self) -> str:
        if not self.finished:
            return f"EvolutionRun({str(self.path)!r}, not finished)"
        tau = self.summary["best"]["tau_test"]
        return f"EvolutionRun({str(self.path)!r}, {self.summary['generations']} generations, best tau {tau:.3f})"

    def _repr_html_(self) -> str:
        from eznas.report.evolution import evolution_html

        return evolution_html(self._directory)

    def _records(self) -> list[dict[str, Any]]:
        from eznas.report.evolution import read_hall_of_fame

        return read_hall_of_fame(self._directory)

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

    def _require_finished(self) -> None:
        if not self.finished:
            raise InputError(f"{self.path} must be a finished run, and it was stopped before its end; resume it")


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


def _run(
    config: EvolveConfig,
    directory: RunDirectory,
    callback: Callback | None,
    progress: bool | Progress,
    resume_with: Callable[[Path], str],
    *,
    resume: bool,
) -> EvolutionRun:
    from eznas.gp import run_evolution
    from eznas.report import render
    from eznas.report.display import open_display
    from eznas.scoring import open_executor

    how = resume_with(directory.path)
    with contextlib.ExitStack() as stack:
        shown = stack.enter_context(open_display(progress))
        reporting = shown if callback is None else _WithCallback(shown, callback)
        try:
            executor = stack.enter_context(
                open_executor(config.workers, config.backend, config.scheduler, memory=config.memory, progress=shown)
            )
            if resume:  # the next resume takes these options, now that they are known to work
                directory.write_config(config.as_toml())
            summary = run_evolution(config, directory, executor, reporting, resume=resume, resume_with=how)
        except BaseException as error:
            if isinstance(error, InputError) and not resume:
                directory.discard()
            if directory.path.is_dir():
                shown.message(f"resume with: {how}")
            raise
        if summary["stopped_by"] != "generations":
            shown.message(
                f"stopped by the {'time budget' if summary['stopped_by'] == 'time' else summary['stopped_by']} after "
                f"{summary['generations']} generations; resume with: {how}"
            )
        render(directory, shown.message)
    return EvolutionRun(RunDirectory(directory.path))


def _table(records: list[dict[str, Any]]) -> Any:
    try:
        import pandas as pd
    except ImportError:
        return records
    return pd.DataFrame.from_records(records)
