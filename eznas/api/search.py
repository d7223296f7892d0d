"""Search architectures from Python."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from eznas.api.run import Run
from eznas.errors import InputError
from eznas.search.config import SearchConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from eznas.progress import Progress
    from eznas.report.search import SearchResults
    from eznas.scoring import Executor

    Callback = Callable[[dict[str, Any]], object]


CHANGEABLE = ("runs", "workers", "memory", "backend", "scheduler")
"""Options that may change when a search is resumed: they do not change its finished runs."""


def search(
    *,
    out: str | Path | None = None,
    config: str | Path | None = None,
    callback: Callback | None = None,
    progress: bool | Progress = True,
    compare: Sequence[SearchRun | Path | str] = (),
    command: str = "eznas.search",
    resume_with: Callable[[Path], str] | None = None,
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
    compared = _opened(compare)  # before a directory is made
    return SearchRun.begin(
        options, out, config, command, compared, callback=callback, progress=progress, how=resume_with
    )


class SearchRun(Run):
    """A search, read from its run directory.

    Args:
        directory: The run directory.
        compared: Searches that tables and plots show beside it; the last is the baseline of the speed-ups.
    """

    _options = SearchConfig
    _changeable = CHANGEABLE
    _results = "results.json"
    _kinds = ("a search",)

    @classmethod
    def open(cls, directory: str | Path, compare: Sequence[SearchRun | Path | str] = ()) -> SearchRun:
        """Read a run directory.

        Raises:
            InputError: It is not the run directory of a search.
        """
        return cls(cls._open_directory(directory), _opened(compare))

    @cached_property
    def results(self) -> SearchResults:
        """The results.

        Raises:
            InputError: The search is not finished.
        """
        from eznas.report.search import read_results

        self._require_finished()
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
        resume_with: Callable[[Path], str] | None = None,
        **options: Any,
    ) -> SearchRun:
        """Do the runs that are missing, and return the search.

        The arguments are those of ``search``; by default the same searches are compared. Of the options only ``runs``,
        ``workers``, ``memory``, ``backend`` and ``scheduler`` may be given; the others stay as they were.

        Raises:
            InputError: Another option is given, the data changed, another process writes the search, or other versions
                of torch or the numerics scored its networks.
        """
        compared = self.compared if compare is None else _opened(compare)
        return self._continue(options, command, compared, callback=callback, progress=progress, how=resume_with)

    def _outcome(self) -> str:
        accuracy = self.summary["accuracy_mean"]
        mean = "" if accuracy is None else f", mean accuracy {accuracy:.2f}"
        return f"{self.results.label}, {len(self.results.runs)} runs{mean}"

    def _compute(self, config: Any, executor: Executor, progress: Progress, callback: Any, *_: Any) -> None:
        from eznas.search.repeats import run_repeats

        progress.message(f"{config.label()} on {config.benchmark}: {config.runs} runs in {self.path}")
        facts = {str(run.path): run.facts for run in self.compared}
        run_repeats(config, self._directory, executor=executor, progress=progress, callback=callback, compare=facts)

    def _repr_html_(self) -> str:
        from eznas.report.search_page import search_html

        return search_html(self.searches) if self.finished else f"<p>{self!r}</p>"


def _opened(compare: Sequence[SearchRun | Path | str]) -> list[SearchRun]:
    runs = [run if isinstance(run, SearchRun) else SearchRun.open(run) for run in compare]
    for run in runs:
        _ = run.results  # an unfinished search is refused before any time is spent
    return runs
