from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from eznas.cli.benchmarks import main as benchmarks
from eznas.cli.console import Option
from eznas.cli.main import COMMANDS, main
from eznas.cli.predict import main as predict
from eznas.config import EvolveConfig

GROUPS = {"benchmarks": benchmarks.commands, "predict": predict.commands}
GOLDEN = Path(__file__).parent / "golden"
PATHS = [
    (),
    *((name,) for name in COMMANDS),
    *((group, name) for group, commands in GROUPS.items() for name in commands),
]
"""The words of every command after ``eznas``."""
OLD_SPELLINGS = [
    *[("verify", f"--{name}", f"--{name.replace('_', '-')}") for name in ("batch_size", "nds_space")],
    *[("evolve", name, "--benchmark") for name in ("--space", "--search_space")],
    *[("verify", name, "--benchmark") for name in ("--search_space", "--search-space", "--space")],
    *[("verify", name, "--samples") for name in ("--n_samples", "--n-samples", "--networks")],
    *[("verify", "--measure", "--proxy"), ("score", "--measure", "--proxy"), ("score", "--batch_size", "--batch-size")],
    *[("score", name, "--space") for name in ("--search_space", "--benchmark")],
    *[("evolve", f"--{name}", f"--{name.replace('_', '-')}") for name in EvolveConfig.model_fields if "_" in name],
    *[("search", name, "--benchmark") for name in ("--space", "--search_space")],
    *[("search", name, name.replace("_", "-")) for name in ("--batch_size", "--count_repeats")],
    *[("benchmarks info", "--left_out", "--left-out"), ("benchmarks convert", "--every_epoch", "--every-epoch")],
    ("benchmarks check", "--networks", "--samples"),
]


def command(path: tuple[str, ...]) -> click.Command:
    found: click.Command = main
    for word in path:
        assert isinstance(found, click.Group)
        child = found.get_command(click.Context(found), word)
        assert child is not None
        found = child
    return found


def help_of(path: tuple[str, ...]) -> str:
    result = CliRunner().invoke(main, [*path, "--help"], prog_name="eznas", terminal_width=100)
    assert result.exit_code == 0, result.output
    return result.output


def options_of(path: tuple[str, ...]) -> dict[str, click.Option]:
    return {name: param for param in command(path).params if isinstance(param, click.Option) for name in param.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_short_help_is_that_of_the_command(name: str) -> None:
    assert command((name,)).get_short_help_str(limit=1000) == COMMANDS[name]


@pytest.mark.parametrize("path", PATHS, ids="_".join)
def test_help_is_golden(path: tuple[str, ...]) -> None:
    file = GOLDEN / f"{'_'.join(path) or 'eznas'}.txt"
    if os.environ.get("EZNAS_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(help_of(path), encoding="utf-8")
    assert help_of(path) == file.read_text(encoding="utf-8")


def test_golden_files_belong_to_commands() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == {"_".join(path) or "eznas" for path in PATHS}


@pytest.mark.parametrize("path", [path for path in PATHS if len(path) < 2], ids="_".join)
def test_examples_in_help_are_command_lines_that_exist(path: tuple[str, ...]) -> None:
    lines = re.findall(r"^ +(?:python -m )?(eznas[ .].*)$", help_of(path).partition("Examples:")[2], re.MULTILINE)
    assert len(lines) >= 2
    for line in (line.replace("eznas.", "eznas ", 1) for line in lines):
        words = line.partition(" | ")[0].split()[1:]
        child = tuple(words[:2]) if words[0] in GROUPS else (words[0],)
        used = set(re.findall(r"(?<=\s)--?[a-z][\w-]*", line.partition(" | ")[0]))
        assert used <= set(options_of(child)), line


def test_the_group_lists_each_command_in_one_whole_line() -> None:
    listed = help_of(()).partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("..") for line in listed), listed


@pytest.mark.parametrize(("words", "old", "new"), OLD_SPELLINGS)
def test_old_spellings_are_accepted_and_not_listed(words: str, old: str, new: str) -> None:
    path = tuple(words.split())
    param = options_of(path)[new]
    assert old not in help_of(path).split()
    values = {"NAME": "x", "N": "7", "X": "1", "TIME": "9s", "SIZE": "4G"}
    given = [] if param.is_flag else [values.get(str(param.metavar), "reduced")]
    needed = {"benchmarks info": ["n"], "benchmarks convert": ["n", "f", "--out", "o"]}.get(words, [])

    def read(option: str) -> Any:
        with command(path).make_context("eznas", [*needed, option, *given]) as context:
            return context.params

    assert read(old) == read(new) != command(path).make_context("eznas", list(needed)).params


def test_all_options_are_spelled_with_hyphens() -> None:
    assert not [name for path in PATHS for name in options_of(path) if "_" in name]


def test_one_option_takes_the_same_thing_in_every_command() -> None:
    names = ("benchmark", "images", "batch-size", "device", "backend", "scheduler", "target", "workers", "dataset")
    for name in (f"--{name}" for name in names):
        metavars = {options_of(path)[name].metavar for path in PATHS if name in options_of(path)}
        assert len(metavars) == 1, name


def test_options_with_a_heading_are_listed_under_it() -> None:
    @click.command(cls=type(command(("verify",))))
    @click.option("--own", cls=Option, group="Mine")
    @click.option("--proxy", cls=Option, group="Mine")
    def other(own: str, proxy: str) -> None:
        click.echo(proxy)

    shown = CliRunner().invoke(other, ["--help"]).output
    assert "Mine:\n  --own TEXT" in shown
    assert "--measure" not in shown
    for name in ("--proxy", "--measure"):
        assert CliRunner().invoke(other, [name, "x"]).output == "x\n"


def test_every_field_of_the_configuration_is_an_option() -> None:
    flags = {
        f"--{'no-' if field.default is True else ''}{name.replace('_', '-')}"
        for name, field in EvolveConfig.model_fields.items()
    }
    assert flags <= set(options_of(("evolve",)))


def test_an_unknown_option_is_exit_code_2() -> None:
    result = CliRunner().invoke(main, ["evolve", "--networs", "3"])
    assert (result.exit_code, "--networks" in result.output) == (2, True)


def test_an_unknown_command_is_exit_code_2() -> None:
    result = CliRunner().invoke(main, ["evolv"])
    assert (result.exit_code, "evolv" in result.output) == (2, True)


def test_the_version_is_printed() -> None:
    import eznas

    assert CliRunner().invoke(main, ["--version"]).output == f"eznas {eznas.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str) -> None:
    result = CliRunner(env={"_EZNAS_COMPLETE": f"{shell}_source"}).invoke(main, [], prog_name="eznas")
    assert "_EZNAS_COMPLETE=" in result.output
    assert "_EZNAS_COMPLETE=bash_source" in help_of(())


@pytest.mark.parametrize(
    ("typed", "expected"), [("eznas ver", {"verify"}), ("eznas score --pi", {"--pixels"}), ("eznas score --mea", set())]
)
def test_commands_and_options_are_completed(typed: str, expected: set[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    result = CliRunner(env={"_EZNAS_COMPLETE": "bash_complete", **words}).invoke(main, [], prog_name="eznas")
    assert {line.partition(",")[2] for line in result.output.splitlines() if line} == expected
