"""Every picture of an evolution's run directory, and its page."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from eznas.errors import EznasError
from eznas.programs import parse
from eznas.programs.draw import draw
from eznas.report.evolution import evolution_figures
from eznas.report.run_page import run_page
from eznas.report.run_results import RunResults
from eznas.report.style import png
from eznas.report.terms import has_terms, terms_figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.run import RunDirectory


def render(directory: RunDirectory, message: Callable[[str], None]) -> list[Path]:
    """Write the pictures of a finished run and ``report.html``, which contains them.

    Args:
        directory: The run.
        message: Called with a sentence for each file that could not be written, such as a picture of too large a
            program.

    Returns:
        The files that were written.

    Raises:
        InputError: A file of the run is missing.
    """
    run = RunResults.read(directory)
    written: list[Path] = []
    pictures: dict[str, bytes] = {}

    def write(name: str, content: Callable[[], bytes]) -> None:
        """Write a file; a failure must not cost the others."""
        try:
            data = content()
            if name.endswith(".png"):
                pictures[name.removesuffix(".png")] = data
            directory.write_bytes(name, data)
        except (
            EznasError,
            OSError,
            ValueError,
            MemoryError,
        ) as error:  # ValueError: more pixels than a picture can have
            message(f"{name} was not written: {error}")
        else:
            written.append(directory.path / name)

    for name, figure in evolution_figures(directory).items():
        write(f"{name}.png", partial(png, figure))
    write("program.png", lambda: _program(run))
    write("report.html", lambda: run_page(run, pictures).encode())
    return written


def _program(run: RunResults) -> bytes:
    """Draw the best program, or plot the terms of a long sum."""
    if has_terms(run):
        return png(terms_figure(run))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "program.png"
        draw(parse(run.best["program"]), path)
        return path.read_bytes()
