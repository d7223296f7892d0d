"""Commands, options, errors, tables and JSON in a terminal.

Results go to standard output. Errors and progress go to standard error, so that results can be piped.
"""

from __future__ import annotations

import contextlib
import json
import math
import shlex
import signal
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eznas.errors import EznasError, InputError, with_names
from eznas.files import write_output
from eznas.report.html import cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_ARGUMENTS = "eznas.arguments"
_ALIASES = {
    "--benchmark": ("--space", "--search-space"),
    "--space": ("--benchmark", "--search-space"),
    "--samples": ("--n-samples", "--networks"),
    "--proxy": ("--measure",),
}
"""Names that ``--help`` does not list: earlier spellings, EZNAS's, and those of the same concept elsewhere."""
_PIPED_WIDTH = 2000
"""Characters of a line outside a terminal."""
_FOLDED_WIDTH, _PADDING = 16, 3
"""Least width of a column that may be folded, and characters between two columns."""
_HARMLESS = (
    "A worker stopped while some jobs were given",  # its memory grew, and another worker replaces it
    "Failed to kill subprocesses on this platform",  # an interrupt reached the command that lists them
)
"""Warnings of loky that need no attention."""


class _TerminatedError(BaseException):
    """The process received SIGTERM; not an ``Exception``, so that no handler of a network's errors catches it."""


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Raise on SIGTERM, so that clean-up code runs."""
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
    """A click command that prints an error as one sentence on standard error.

    Options may be written with underscores: ``--batch_size`` is ``--batch-size``.

    Exit codes: 0 success, 1 an error of eznas, 2 an input that cannot be used, 130 interrupted, 143 terminated (worker
    processes end too). Any other exception is a bug and shows its traceback.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Keep the arguments for ``command_line``, and read underscores in options as hyphens."""
        typed = list(args)
        extra.setdefault("max_content_width", 100)
        extra.setdefault("token_normalize_func", lambda token: token.replace("_", "-"))
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[_ARGUMENTS] = typed
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and turn its errors into exit codes; errors name flags instead of parameters."""
        try:
            with _terminable(), warnings.catch_warnings():
                for message in _HARMLESS:
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
        """List the options by group, in the order in which groups appear; ``--help`` comes last."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                groups.setdefault(getattr(param, "group", "Options"), []).append(record)
        groups["Options"] = groups.pop("Options")
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)


class Option(click.Option):
    """A click option that ``--help`` lists under a heading, and that is accepted by its aliases too.

    Args:
        group: The heading.
    """

    def __init__(self, *args: Any, group: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser accept the aliases too."""
        listed, self.opts = self.opts, [*self.opts, *_ALIASES.get(self.opts[-1], ())]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts = listed


def command_line(ctx: click.Context) -> str:
    """Return the command line that is running, quoted for a shell."""
    return shlex.join([*ctx.command_path.split(), *ctx.meta[_ARGUMENTS]])


def print_error(message: str) -> None:
    """Print an error in one line."""
    Console(stderr=True).print(Text(f"error: {message}", style="red"), soft_wrap=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers are right-aligned, floats have three decimals, None and NaN are a dash.

    A narrow terminal folds long texts, and never numbers.
    """
    table = Table(box=SIMPLE_HEAD)
    least = 0
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | None) for row in rows)
        longest = max(map(len, [*column.split("\n"), *(cell(row[index]) for row in rows)]))
        folds = not numeric and longest > _FOLDED_WIDTH
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=not folds)
        least += (_FOLDED_WIDTH if folds else longest) + _PADDING
    for row in rows:
        table.add_row(*[Text(cell(value)) for value in row])
    console = Console()
    console.width = max(console.width, least) if console.is_terminal else _PIPED_WIDTH
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(table)


def to_json(value: object) -> str:
    """Write strict JSON: non-finite numbers become null."""
    return json.dumps(_finite(value), indent=2)


def write_json(file: str, value: object) -> None:
    """Write JSON to a file, or to standard output where the file is ``-``."""
    if file == "-":
        click.echo(to_json(value))
    else:
        write_output(Path(file), f"{to_json(value)}\n")


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
