"""Plots and pages of a run directory, made from its files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eznas.run import RunDirectory

__all__ = ["is_search", "render"]


def is_search(directory: RunDirectory) -> bool:
    """Whether a run directory is that of a search, which has reported its results."""
    return (directory.path / "results.json").is_file()


def render(directory: RunDirectory, message: Callable[[str], None], compare: Sequence[RunDirectory] = ()) -> list[Path]:
    """Write the plots and the page of an evolution, or the page of a search.

    Args:
        directory: A finished run.
        message: Called with a sentence for each file that could not be written.
        compare: Other searches to show on the page; the last one is the baseline.

    Returns:
        The files that were written.

    Raises:
        InputError: A file of the run is missing, or an evolution is to be compared.
    """
    if not compare and not is_search(directory):
        from eznas.report import plots

        return plots.render(directory, message)
    from eznas.config import read_toml
    from eznas.report.search import read_results
    from eznas.report.search_page import search_page

    searches = [read_results(search) for search in (directory, *compare)]
    cost = str(read_toml(directory.path / "config.toml").get("against", ""))
    directory.write_text("search.html", search_page(searches, directory.manifest()["command"], cost))
    return [directory.path / "search.html"]
