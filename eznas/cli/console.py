"""What people see in a terminal: commands with honest exit codes, errors, tables, progress and JSON.

Results go to standard output; errors and progress go to standard error, so that results can be piped.
"""

from __future__ import annotations

import contextlib
import json
import math
import shlex
import signal
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.status import Status
from rich.table import Table
from rich.text import Text

from eznas import progress
from eznas.errors import EznasError, InputError, with_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from typing_extensions import Self

__all__ = [
    "Command",
    "Lines",
    "Option",
    "Progress",
    "command_line",
    "interval",
    "print_error",
    "print_json",
    "print_table",
    "to_json",
]

_ARGUMENTS = "eznas.arguments"
_WIDE = 2000
"""Characters of a line that is not shown in a terminal."""
_FOLDED, _BETWEEN = 16, 3
"""Characters of a text that is not folded in a table, and from a column to the next at most."""


_NO_TROUBLE = (
    "A worker stopped while some jobs were given",  # its memory has grown, and another has taken its place
    "Failed to kill subprocesses on this platform",  # an interrupt has reached the command that looks for them
)
"""Warnings of loky about what is no trouble."""


class _TerminatedError(BaseException):
    """The process was told to end; no handler of other errors must take it for one of theirs."""


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end what runs as an error does, so that everything is cleared up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> NoReturn:
        raise _TerminatedError

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Command(click.Command):
    """A click command whose errors are one sentence on standard error.

    Exit codes: 0 done, 1 an error of eznas, 2 something that the user gave cannot be used, 130 interrupted, 143 told to
    end, which takes the processes that run networks along. Anything else is a fault of the program and shows its
    traceback.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Keep the arguments as they were given, for ``command_line``."""
        given = list(args)
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[_ARGUMENTS] = given
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and turn its errors into exit codes."""
        try:
            with _terminable(), warnings.catch_warnings():
                for message in _NO_TROUBLE:
                    warnings.filterwarnings("ignore", message=message, category=UserWarning)
                return super().invoke(ctx)
        except EznasError as error:
            flags = {str(param.name): param.opts[-1] for param in self.params if isinstance(param, click.Option)}
            print_error(with_names(error, flags))
            ctx.exit(2 if isinstance(error, InputError) else 1)
        except KeyboardInterrupt:
            print_error("interrupted")
            ctx.exit(130)
        except _TerminatedError:
            print_error("terminated")
            ctx.exit(143)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options, one section a group, in the order in which groups appear."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                groups.setdefault(getattr(param, "group", "Options"), []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)


class Option(click.Option):
    """A click option that ``--help`` lists under a heading."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


def command_line(ctx: click.Context) -> str:
    """Return the command line that runs, as one would type it."""
    return shlex.join([*ctx.command_path.split(), *ctx.meta[_ARGUMENTS]])


def print_error(message: str) -> None:
    """Print an error in one line."""
    Console(stderr=True).print(Text(f"error: {message}", style="red"), soft_wrap=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers are right-aligned, floats have three decimals, None and NaN are a dash.

    In a narrow terminal long texts are folded; numbers never are.
    """
    table = Table(box=SIMPLE_HEAD)
    least = 0
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | None) for row in rows)
        longest = max([len(column), *(len(_cell(row[index])) for row in rows)])
        folds = not numeric and longest > _FOLDED
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=not folds)
        least += (_FOLDED if folds else longest) + _BETWEEN
    for row in rows:
        table.add_row(*[Text(_cell(value)) for value in row])
    console = Console()
    console.width = max(console.width, least) if console.is_terminal else _WIDE
    console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(table)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def interval(low: float | None, high: float | None) -> str:
    """Write an interval as a cell of a table."""
    return "-" if low is None or math.isnan(low) else f"{_cell(low)} to {_cell(high)}"


def to_json(value: object) -> str:
    """Write JSON that every reader takes: numbers that are not finite become null."""
    return json.dumps(_finite(value), indent=2)


def print_json(value: object) -> None:
    """Print JSON to standard output."""
    click.echo(to_json(value))


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value


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


class Progress(progress.Progress):
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
