"""Progress on standard error: one live bar in a terminal, few plain lines in a log or a notebook."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eznas.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from typing_extensions import Self


_LOG_SECONDS = 10.0
"""Seconds between two lines of a log."""

_BAR_WIDTH = 30


def open_display(progress: bool | Progress) -> AbstractContextManager[Progress]:
    """Return a display for True, one that shows nothing for False, or the object itself, for a ``with`` block."""
    return Display(quiet=not progress) if isinstance(progress, bool) else contextlib.nullcontext(progress)


class Display(Progress):
    """Shows a computation; a context manager.

    A terminal has one bar for the whole computation, with the time left, the stage and the last status. Where the
    computation never estimates its remaining time, the bar is that of the stage.

    Args:
        quiet: Whether to show nothing.
        console: Where to show it; standard error by default.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._quiet = quiet
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._next_line = -math.inf
        self._stage, self._steps, self._done, self._status = "", 0, 0, ""
        self._begun, self._end = time.monotonic(), math.nan
        self._fraction = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def stage(self, name: str, steps: int) -> None:
        """Begin a stage of ``steps`` steps."""
        self._stage, self._steps, self._done, self._status = name, steps, 0, ""
        self._show()

    def advance(self) -> None:
        """Complete one step of the stage."""
        self._done += 1
        if not self._show() and (self._done == self._steps or self._is_line_due()):
            self.message(f"{self._stage}: {self._done}/{self._steps}{self._left()}")

    def status(self, text: str) -> None:
        """Show a line that the next status replaces."""
        self._status = text
        if not self._show() and self._is_line_due():
            self.message(f"{text}{self._left()}")

    def remaining(self, seconds: float) -> None:
        """Estimate the seconds until the whole computation ends."""
        self._end = time.monotonic() + seconds

    def generation(self, record: Mapping[str, float | int | str]) -> None:
        """Show the generation and the best tau of an evolution."""
        self.status(
            f"generation {record['generation']}, {record['programs_evaluated']} programs, "
            f"tau {record['best_tau_train']:.3f} training, {record['best_tau_validation']:.3f} validation"
        )

    def message(self, text: str) -> None:
        """Show a line that stays."""
        if not self._quiet:
            self._console.print(Text(text), soft_wrap=True)

    def _show(self) -> bool:
        """Show the live bar, and return whether there is one."""
        if self._live is None and self._console.is_terminal and not self._quiet:
            self._live = Live(self, console=self._console, transient=True, refresh_per_second=4)
            self._live.start()
        return self._live is not None

    def _is_line_due(self) -> bool:
        """Return whether it is time for a line of a log; if so, the next line has to wait."""
        now = time.monotonic()
        due = now >= self._next_line
        if due:
            self._next_line = now + _LOG_SECONDS
        return due

    def _left(self) -> str:
        seconds = self._end - time.monotonic()
        if not seconds > 0:  # also where the end is not known
            return ""
        return f", about {seconds:.0f} s left" if seconds < 100 else f", about {seconds / 60:.0f} min left"  # noqa: PLR2004

    def __rich__(self) -> Table:
        """Return the line that a terminal shows."""
        if math.isnan(self._end):
            self._fraction = self._done / self._steps if self._steps else 0.0
        else:  # never back, whatever the new estimate
            spent = time.monotonic() - self._begun
            self._fraction = max(self._fraction, spent / max(spent, self._end - self._begun))
        counted = f"{self._stage} {self._done}/{self._steps}" if self._done < self._steps else ""
        line = Table.grid(padding=(0, 1))
        line.add_row(
            ProgressBar(total=1.0, completed=self._fraction, width=_BAR_WIDTH),
            Text(f"{self._fraction:.0%}{self._left()}"),
            Text(counted or self._status or self._stage, overflow="ellipsis", no_wrap=True, style="dim"),
        )
        return line
