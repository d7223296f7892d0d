"""Plots and pages of a run directory, made from its files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.config import read_toml, run_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eznas.run import RunDirectory

__all__ = ["render"]


def render(directory: RunDirectory, message: Callable[[str], None], compare: Sequence[RunDirectory] = ()) -> list[Path]:
    """Write the plots and the page of an evolution, the page of a search, or the plot of a supernet.

    Args:
        directory: A finished run.
        message: Called with a sentence for each file that could not be written.
        compare: Other searches to show on the page; the last one is the baseline.

    Returns:
        The files that were written.

    Raises:
        InputError: A file of the run is missing, or an evolution is to be compared.
    """
    options = read_toml(directory.path / "config.toml")
    kind = run_kind(options)
    if kind == "a supernet":
        from eznas.report.supernet import render_supernet

        return render_supernet(directory)
    if kind != "a search" and not compare:
        from eznas.report import plots

        return plots.render(directory, message)
    from eznas.report.search import read_results
    from eznas.report.search_page import search_page

    searches = [read_results(search) for search in (directory, *compare)]
    cost = str(options.get("against", ""))
    directory.write_text("search.html", search_page(searches, directory.manifest()["command"], cost))
    return [directory.path / "search.html"]
