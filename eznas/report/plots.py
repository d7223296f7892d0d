"""Every picture of a run directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.programs import parse
from eznas.programs.draw import draw
from eznas.report.progress import progress_figure
from eznas.report.scores import scores_figure
from eznas.report.style import png

if TYPE_CHECKING:
    from pathlib import Path

    from eznas.run import RunDirectory

__all__ = ["render"]


def render(directory: RunDirectory) -> list[Path]:
    """Draw ``progress.png``, ``scores.png`` and ``program.png`` of a finished run.

    Raises:
        InputError: A file of the run is missing.
    """
    summary = directory.read_json("summary.json")
    logbook = directory.read_csv("logbook.csv")
    names = ["scores.png", "program.png"]
    directory.write_bytes("scores.png", png(scores_figure(directory.read_csv("test_scores.csv"), summary["target"])))
    draw(parse(summary["best"]["program"]), directory.path / "program.png")
    if logbook:  # empty where time was up before the first generation
        directory.write_bytes("progress.png", png(progress_figure(logbook)))
        names.append("progress.png")
    return [directory.path / name for name in names]
