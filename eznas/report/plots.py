"""Every picture of a run directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.errors import EznasError
from eznas.programs import parse
from eznas.programs.draw import draw
from eznas.report.progress import progress_figure
from eznas.report.scores import scores_figure
from eznas.report.style import png

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eznas.run import RunDirectory


def render(directory: RunDirectory, message: Callable[[str], None]) -> list[Path]:
    """Write ``progress.png``, ``scores.png`` and ``program.png`` of a finished run.

    Args:
        directory: The run.
        message: Called with a sentence for each picture that could not be drawn, such as of too large a program.

    Returns:
        The pictures that were written.

    Raises:
        InputError: A file of the run is missing.
    """
    summary = directory.read_json("summary.json")
    logbook = directory.read_csv("logbook.csv")
    scores = directory.read_csv("test_scores.csv")
    pictures: dict[str, Callable[[Path], None]] = {
        "scores.png": lambda path: directory.write_bytes(path.name, png(scores_figure(scores, summary["target"]))),
        "program.png": lambda path: draw(parse(summary["best"]["program"]), path),
    }
    if logbook:  # empty without a generation
        pictures["progress.png"] = lambda path: directory.write_bytes(path.name, png(progress_figure(logbook)))
    return [
        directory.path / name for name, picture in pictures.items() if _drawn(picture, directory.path / name, message)
    ]


def _drawn(picture: Callable[[Path], None], path: Path, message: Callable[[str], None]) -> bool:
    """Draw a picture and return whether that worked; a failure must not cost the other pictures."""
    try:
        picture(path)
    except (EznasError, OSError, ValueError, MemoryError) as error:  # ValueError: more pixels than a picture can have
        message(f"{path.name} was not drawn: {error}")
        return False
    return True
