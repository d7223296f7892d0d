"""Progress on standard error: live in a terminal, few plain lines elsewhere."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.status import Status
from rich.text import Text

from eznas.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

__all__ = ["Display", "Lines"]


class Lines:
    """Lets a line through at most every few seconds: progress in a log file.

    Args:
        every: Seconds between two lines.
        clock: Tells the time in seconds.
    """

    def __init__(self, every: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._next = -math.inf

    def due(self) -> bool:
        """Whether it is time for a line; if so the next one has to wait."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._every
        return True


class Display(Progress):
    """Shows what goes on: live in a terminal, a line every few seconds in a log; a context manager.

    Args:
        quiet: Whether to show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._shown: Bar | Status | None = None
        self._lines = Lines()
        self._title, self._total, self._done = "", 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._show(None)

    def stage(self, name: str, steps: int) -> None:
        """Begin a stage of ``steps`` steps."""
        self._title, self._total, self._done = name, steps, 0
        if self._quiet or not self._console.is_terminal:
            return
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        bar = Bar(*columns, console=self._console, transient=True)
        bar.add_task(name, total=steps)
        self._show(bar)

    def advance(self) -> None:
        """Say that one step of the stage is done."""
        self._done += 1
        if isinstance(self._shown, Bar):
            self._shown.advance(self._shown.task_ids[0])
        elif not self._console.is_terminal and (self._done == self._total or self._lines.due()):
            self.message(f"{self._title}: {self._done}/{self._total}")

    def status(self, text: str) -> None:
        """Show a line that the next one replaces."""
        if self._quiet:
            return
        if not self._console.is_terminal:
            if self._lines.due():
                self.message(text)
        elif isinstance(self._shown, Status):
            self._shown.update(escape(text))
        else:
            self._show(self._console.status(escape(text)))

    def generation(self, record: Mapping[str, float | int | str]) -> None:
        """Show how far an evolution is."""
        self.status(
            f"generation {record['generation']}, {record['seconds']:.0f} s, "
            f"{record['programs_evaluated']} programs, "
            f"tau {record['best_tau_train']:.3f} training, {record['best_tau_validation']:.3f} validation"
        )

    def message(self, text: str) -> None:
        """Print a line that stays."""
        if not self._quiet:
            self._console.print(Text(text), soft_wrap=True)

    def _show(self, shown: Bar | Status | None) -> None:
        if self._shown is not None:
            self._shown.stop()
        if shown is not None:
            shown.start()
        self._shown = shown
