"""Plots and pages of a run directory, made from its files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eznas.run import RunDirectory

__all__ = ["render"]


def render(directory: RunDirectory, message: Callable[[str], None], compare: Sequence[RunDirectory] = ()) -> list[Path]:
    """Write the plots of an evolution, or the page of a search.

    Args:
        directory: A finished run.
        message: Called with a sentence for each plot that could not be drawn.
        compare: Other searches to show on the page; the last one is the baseline.

    Returns:
        The files that were written.

    Raises:
        InputError: A file of the run is missing, or an evolution is to be compared.
    """
    if not compare and not (directory.path / "results.json").is_file():
        from eznas.report import plots

        return plots.render(directory, message)
    from eznas.config import read_toml
    from eznas.report.search import read_curves, search_page

    searches = [read_curves(search) for search in (directory, *compare)]
    cost = str(read_toml(directory.path / "config.toml").get("against", ""))
    directory.write_text("search.html", search_page(searches, directory.manifest()["command"], cost))
    return [directory.path / "search.html"]
