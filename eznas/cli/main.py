"""The command ``eznas``: a group whose commands are imported when they are used."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "evolve": "Evolve zero-cost proxies on the accuracies of one or several benchmarks.",
    "verify": "Correlate proxies with trained accuracies.",
    "score": "Score an untrained network with zero-cost proxies.",
    "search": "Search for good architectures, with or without zero-cost proxies.",
    "predict": "Fit and compare performance predictors.",
    "benchmarks": "List, convert and check tables of accuracies.",
    "export": "Export a program, or a program of a run directory.",
    "language": "List the primitives and statistics of programs, or print the facts of one.",
    "report": "Write the page of a run again, or compare runs.",
}
"""Modules of ``eznas.cli``, each with its command ``main``, in the order of ``--help``, which imports none of them."""

_EPILOG = """\b
Examples:
  Evolve a proxy for NAS-Bench-201, in less than five minutes:
    eznas evolve --out runs/first
  Compare it with published proxies on networks that its evolution did not use:
    eznas export runs/first --out first.py
    eznas verify --proxy first.py --proxy naswot --proxy params --unseen-by runs/first
  Complete commands and options in bash; in zsh, write zsh_source:
    eval "$(_EZNAS_COMPLETE=bash_source eznas)"
"""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        return importlib.import_module(f"eznas.cli.{cmd_name}").main if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from eznas import __version__

        click.echo(f"eznas {__version__}")
        ctx.exit()


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Print the version."
)
def main() -> None:
    """Discover, compute and evaluate zero-cost proxies for neural architecture search.

    eznas COMMAND --help explains a command.
    """
