"""Search architectures from Python."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.config import build_config, resumed_config
from eznas.errors import InputError
from eznas.run import RunDirectory, default_directory
from eznas.search.config import SearchConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from eznas.progress import Progress
    from eznas.report.search import SearchResults

    Callback = Callable[[dict[str, Any]], object]


CHANGEABLE = ("runs", "workers", "backend", "scheduler")
"""Options that may change when a search is resumed: they do not change its finished runs."""


def _resume_call(path: Path) -> str:
    return f"SearchRun.open({str(path)!r}).resume()"


def search(
    *,
    out: str | Path | None = None,
    config: str | Path | None = None,
    callback: Callback | None = None,
    progress: bool | Progress = True,
    compare: Sequence[SearchRun | Path | str] = (),
    command: str = "eznas.search",
    resume_with: Callable[[Path], str] = _resume_call,
    **options: Any,
) -> SearchRun:
    """Search architectures, in several runs that differ in their random draws only.

    Plugins that are loaded already take part, and are recorded as the search's own.

    Args:
        out: Run directory to write; by default a new one in ``runs/``.
        config: TOML file with options; ``options`` win over it.
        callback: Called with the record of each run as it ends.
        progress: True for a bar, False for silence, or where to report progress.
        compare: Searches of the same space and target to show beside this one; the last is the baseline.
        command: Recorded in the run's manifest as the way it was started.
        resume_with: Returns how to resume the search in a directory, for messages; by default the Python call.
        options: Fields of ``SearchConfig``, such as ``algorithm``, ``signal``, ``proxy``, ``warmup`` or ``queries``.

    Raises:
        InputError: An option is unknown or cannot be used.

    Examples:
        >>> run = eznas.search(algorithm="random", signal="naswot", queries=50, runs=3)  # doctest: +SKIP
        >>> run.best[0]["architecture"]  # doctest: +SKIP
    """
    from eznas.scoring.plugin import plugin_digests

    given = {**options, **({} if out is None else {"out": out})}
    chosen = build_config(SearchConfig, given, None if config is None else Path(config))
    plugins = dict.fromkeys([*chosen.plugin, *plugin_digests()])  # a resume in a new process needs those loaded too
    chosen = chosen.model_copy(update={"plugin": tuple(plugins)})
    compared = _opened(compare)  # before a directory is made
    directory = RunDirectory.create(
        chosen.out or default_directory(), chosen.as_toml(), seed=chosen.seed, command=command, device=chosen.device
    )
    with directory:
        try:
            return _run(chosen, directory, compared, callback, progress, resume_with(directory.path))
        except InputError:
            directory.discard()
            raise


class SearchRun:
    """A search, read from its run directory.

    Args:
        directory: The run directory.
        compared: Searches that tables and plots show beside it; the last is the baseline of the speed-ups.
    """

    def __init__(self, directory: RunDirectory, compared: Sequence[SearchRun] = ()) -> None:
        self.path = directory.path
        self.compared = tuple(compared)
        self._directory = directory

    @classmethod
    def open(cls, directory: str | Path, compare: Sequence[SearchRun | Path | str] = ()) -> SearchRun:
        """Read a run directory.

        Raises:
            InputError: It is not a run directory.
        """
        return cls(RunDirectory(Path(directory)), _opened(compare))

    @property
    def finished(self) -> bool:
        """Whether all runs are done; such a search can be resumed too, with more runs."""
        return (self.path / "results.json").is_file()

    @cached_property
    def results(self) -> SearchResults:
        """The results.

        Raises:
            InputError: The search is not finished.
        """
        from eznas.report.search import read_results

        if not self.finished:
            raise InputError(f"{self.path} must be a finished search, and it was stopped before its end; resume it")
        return read_results(self._directory)

    @property
    def best(self) -> list[dict[str, Any]]:
        """The best architectures of all runs, with ``accuracy``, ``score``, and the number of ``runs`` that queried it.

        ``pandas.DataFrame`` takes this list.
        """
        names = {"architecture": "architecture", "accuracy": "accuracy", "score": "value", "runs": "runs"}
        return [{name: entry[key] for name, key in names.items()} for entry in self.results.best]

    @property
    def summary(self) -> dict[str, Any]:
        """Means over runs; see ``eznas.search.repeats.summarise``."""
        return dict(self.results.summary)

    @property
    def facts(self) -> dict[str, Any]:
        """Facts about the search, such as its space, target and condition."""
        return dict(self.results.facts)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The record of each run: its best architecture, its costs, and the columns of its ``steps``."""
        return [dict(run) for run in self.results.runs]

    @property
    def searches(self) -> list[SearchResults]:
        """The results of this search, then of those that it is compared with."""
        return [self.results, *(run.results for run in self.compared)]

    def plot(self, *, seconds: bool = False) -> Figure:
        """Plot the best value so far against queries, or against seconds of training and scoring.

        Raises:
            InputError: The seconds are unknown, or no run has a result.
        """
        from eznas.report.search_page import curves_figure

        figure = curves_figure(self.searches, seconds=seconds)
        if figure is None:
            raise InputError(f"{self.path} must have a run with a result, and known seconds for seconds=True, to plot")
        return figure

    def resume(
        self,
        *,
        callback: Callback | None = None,
        progress: bool | Progress = True,
        compare: Sequence[SearchRun | Path | str] | None = None,
        command: str = "SearchRun.resume",
        resume_with: Callable[[Path], str] = _resume_call,
        **options: Any,
    ) -> SearchRun:
        """Do the runs that are missing, and return the search.

        The arguments are those of ``search``; by default the same searches are compared. Of the options only ``runs``,
        ``workers``, ``backend`` and ``scheduler`` may be given; the others stay as they were.

        Raises:
            InputError: Another option is given, the data changed, or another process writes the search.
        """
        compared = self.compared if compare is None else _opened(compare)
        with RunDirectory.resume(self.path) as directory:  # refuses another format before config.toml is read
            chosen = resumed_config(SearchConfig, options, self.path, CHANGEABLE)
            directory.append({"event": "command", "command": command})
            return _run(chosen, directory, compared, callback, progress, resume_with(self.path))

    def __repr__(self) -> str:
        if not self.finished:
            return f"SearchRun({str(self.path)!r}, not finished)"
        accuracy = self.results.summary["accuracy_mean"]
        mean = "" if accuracy is None else f", mean accuracy {accuracy:.2f}"
        return f"SearchRun({str(self.path)!r}, {self.results.label}, {len(self.results.runs)} runs{mean})"

    def _repr_html_(self) -> str:
        from eznas.report.search_page import search_html

        return search_html(self.searches) if self.finished else f"<p>{self!r}</p>"


def _run(
    config: SearchConfig,
    directory: RunDirectory,
    compared: Sequence[SearchRun],
    callback: Callback | None,
    progress: bool | Progress,
    resume: str,
) -> SearchRun:
    from eznas.report import render
    from eznas.report.display import open_display
    from eznas.scoring import open_executor
    from eznas.search.repeats import run_repeats

    with open_display(progress) as display:
        display.message(f"{config.label()} on {config.benchmark}: {config.runs} runs in {directory.path}")
        try:
            with open_executor(config.workers, config.backend, config.scheduler, progress=display) as executor:
                run_repeats(
                    config,
                    directory,
                    executor=executor,
                    progress=display,
                    callback=callback or (lambda _record: None),
                    compare={str(run.path): run.facts for run in compared},
                )
        except BaseException as error:
            if not isinstance(error, InputError):
                display.message(f"resume with: {resume}")
            raise
        render(directory, display.message, [RunDirectory(run.path) for run in compared])
    return SearchRun(RunDirectory(directory.path), compared)


def _opened(compare: Sequence[SearchRun | Path | str]) -> list[SearchRun]:
    runs = [run if isinstance(run, SearchRun) else SearchRun.open(run) for run in compare]
    for run in runs:
        _ = run.results  # an unfinished search is refused before any time is spent
    return runs
