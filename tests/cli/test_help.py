from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from eznas.config import EvolveConfig

GOLDEN = Path(__file__).parent / "golden"
COMMANDS = {
    "evolve": "python -m eznas.evolve",
    "verify": "python verify_scores.py",
    "score": "python -m eznas.score",
    "export": "python -m eznas.export",
    "search": "python -m eznas.search",
}
PACKAGES = {"search"}
"""Commands that are a package's ``__main__``."""


def command(name: str) -> click.Command:
    module = f"eznas.{name}.__main__" if name in PACKAGES else f"eznas.{name}"
    found = importlib.import_module(module).main
    assert isinstance(found, click.Command)
    return found


def help_of(name: str) -> str:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(command(name), ["--help"], prog_name=COMMANDS[name])
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_golden(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("EZNAS_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(help_of(name), encoding="utf-8")
    assert help_of(name) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_in_help_use_options_that_exist(name: str) -> None:
    known = {option for param in command(name).params for option in param.opts}
    examples = help_of(name).partition("Examples:")[2]
    lines = [line for line in examples.splitlines() if "python " in line]
    assert lines
    assert {option for line in lines for option in re.findall(r"(?<=\s)--?[a-z][\w-]*", line)} - known <= {
        "-m",
        "-Tpdf",
    }


def test_every_field_of_the_configuration_is_an_option() -> None:
    options = {option for param in command("evolve").params for option in param.opts}
    assert {f"--{name.replace('_', '-')}" for name in EvolveConfig.model_fields} <= options


def test_an_unknown_option_is_exit_code_2() -> None:
    result = CliRunner().invoke(command("evolve"), ["--networs", "3"])
    assert result.exit_code == 2
    assert "--networks" in result.output
