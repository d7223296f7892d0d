"""``eznas.search``: search architectures on a table or on networks, and results that show themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.config import build_config
from eznas.errors import InputError
from eznas.report.display import Display
from eznas.report.search import read_results
from eznas.report.search_page import curves_figure, search_html, search_page
from eznas.run import RunDirectory, default_directory
from eznas.scoring import open_executor
from eznas.scoring.plugin import load_plugin
from eznas.search.config import SearchConfig
from eznas.search.repeats import run_repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from eznas.progress import Progress
    from eznas.report.search import SearchResults

    Callback = Callable[[dict[str, Any]], object]

__all__ = ["SearchRun", "resume_search", "search", "start_search"]

_RESUMABLE = ("runs", "workers", "backend", "scheduler")
"""Options that may change when a search is resumed: they do not change its finished runs."""


class SearchRun:
    """A finished search, which shows itself in notebooks.

    Args:
        directory: The run directory.
        results: Its results.
        compared: The searches that tables and plots show beside it; the last is the baseline of the speed-ups.
    """

    def __init__(self, directory: Path, results: SearchResults, compared: Sequence[SearchRun] = ()) -> None:
        self.directory = directory
        self.results = results
        self.compared = tuple(compared)

    @classmethod
    def open(cls, directory: Path | str, compare: Sequence[SearchRun | Path | str] = ()) -> SearchRun:
        """Read the results in a run directory.

        Raises:
            InputError: It holds no results of a search.
        """
        return cls(Path(directory), read_results(RunDirectory(Path(directory))), _opened(compare))

    @property
    def best(self) -> list[dict[str, Any]]:
        """The best architectures of all runs, with ``accuracy``, ``score``, and the number of ``runs`` that queried it.

        ``pandas.DataFrame`` takes this list.
        """
        return [
            {
                "architecture": entry["architecture"],
                "accuracy": entry["accuracy"],
                "score": entry["value"],
                "runs": entry["runs"],
            }
            for entry in self.results.best
        ]

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
        figure = curves_figure(self.searches, seconds=seconds)
        if figure is None:
            raise InputError("there must be a run with a result, and known seconds for seconds=True, to plot; got none")
        return figure

    def resume(
        self,
        *,
        progress: bool | Progress = True,
        callback: Callback | None = None,
        compare: Sequence[SearchRun | Path | str] | None = None,
        **options: Any,
    ) -> SearchRun:
        """Complete the runs in the directory; do more of them with ``runs=N``. See ``search``.

        Raises:
            InputError: An option other than ``runs``, ``workers``, ``backend`` or ``scheduler`` is given.
        """
        return resume_search(
            self.directory,
            options,
            command=_call("resume", options),
            progress=progress,
            callback=callback,
            compare=self.compared if compare is None else compare,
        )

    def __repr__(self) -> str:
        best = self.best[:1]
        accuracy = self.results.summary["accuracy_mean"]
        found = f", mean accuracy {accuracy:.2f}" if accuracy is not None else ""
        first = f", best {best[0]['architecture']}" if best else ""
        return f"<SearchRun {self.results.label}: {len(self.results.runs)} runs{found}{first}, in {self.directory}>"

    def _repr_html_(self) -> str:
        return search_html(self.searches)


def search(
    *,
    out: Path | str | None = None,
    progress: bool | Progress = True,
    callback: Callback | None = None,
    compare: Sequence[SearchRun | Path | str] = (),
    **options: Any,
) -> SearchRun:
    """Search architectures, in several runs that differ in their random draws only.

    Args:
        out: A new run directory; None for one in ``runs/``.
        progress: Whether to show progress, or the object to report it to.
        callback: Is called with the record of each run as it ends.
        compare: Other searches of the same space and target, to show beside this one; the last is the baseline of the
            speed-ups.
        options: Fields of ``SearchConfig``, such as ``space``, ``algorithm``, ``signal``, ``proxy``, ``warmup``,
            ``queries``, ``runs``, ``seed`` and ``workers``; the same as those of ``eznas search``.

    Returns:
        The search: ``best``, ``summary``, ``runs``, ``plot()``, ``resume()``.

    Raises:
        InputError: An option is unknown or cannot be used.

    Example:
        >>> plain = eznas.search(algorithm="random", queries=50, runs=3)  # doctest: +SKIP
        >>> plain.best[0]["architecture"]  # doctest: +SKIP
    """
    given = options if out is None else {**options, "out": Path(out)}
    config = build_config(SearchConfig, given)
    return start_search(
        config, command=_call("eznas.search", given), progress=progress, callback=callback, compare=compare
    )


def start_search(
    config: SearchConfig,
    *,
    command: str,
    progress: bool | Progress = True,
    callback: Callback | None = None,
    compare: Sequence[SearchRun | Path | str] = (),
) -> SearchRun:
    """Do a search in a new run directory; see ``search``.

    Args:
        config: The options.
        command: The call or command line, for the run directory.
        progress: See ``search``, as for the next two.
        callback: Likewise.
        compare: Likewise.
    """
    compared = _opened(compare)  # before a directory is made
    path = config.out or default_directory()
    with RunDirectory.create(
        path, config.as_toml(), seed=config.seed, command=command, device=config.device
    ) as directory:
        try:
            return _run(config, directory, command, progress, callback, compared)
        except InputError:
            directory.discard()
            raise


def resume_search(
    path: Path,
    options: Mapping[str, Any],
    *,
    command: str,
    progress: bool | Progress = True,
    callback: Callback | None = None,
    compare: Sequence[SearchRun | Path | str] = (),
) -> SearchRun:
    """Complete the runs of a run directory; see ``SearchRun.resume`` and ``start_search``."""
    for name in options:
        if name not in _RESUMABLE:
            message = f"{name} must not change when a search is resumed, which takes it from {path}"
            raise InputError(message, parameters=(name,))
    compared = _opened(compare)
    if "backend" in options:
        options = {"scheduler": None, **options}  # the scheduler of another backend does not fit
    with RunDirectory.resume(path) as directory:
        directory.append({"event": "command", "command": command})
        config = build_config(SearchConfig, options, path / "config.toml")
        return _run(config, directory, command, progress, callback, compared)


def _run(
    config: SearchConfig,
    directory: RunDirectory,
    command: str,
    progress: bool | Progress,
    callback: Callback | None,
    compared: Sequence[SearchRun],
) -> SearchRun:
    for file in config.plugin:
        load_plugin(file)
    with (
        Display.of(progress) as display,
        open_executor(config.workers, config.backend, config.scheduler, progress=display) as executor,
    ):
        display.message(
            f"{config.space}: {config.label()}, {config.runs} runs in {directory.path}, resumable from there"
        )
        run_repeats(
            config,
            directory,
            executor=executor,
            progress=display,
            callback=callback or (lambda _record: None),
            compare={str(run.directory): run.facts for run in compared},
        )
    run = SearchRun(directory.path, read_results(directory), compared)
    directory.write_text("search.html", search_page(run.searches, command, config.against))
    return run


def _opened(compare: Sequence[SearchRun | Path | str]) -> list[SearchRun]:
    return [run if isinstance(run, SearchRun) else SearchRun.open(run) for run in compare]


def _call(function: str, options: Mapping[str, Any]) -> str:
    return f"{function}({', '.join(f'{name}={value!r}' for name, value in options.items())})"
