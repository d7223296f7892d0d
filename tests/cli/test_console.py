from __future__ import annotations

import json
import math
import os
import signal
import time
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from eznas.cli.console import Command, command_line, print_table, to_json
from eznas.errors import EznasError, InputError
from eznas.files import write_output
from eznas.report.html import interval

if TYPE_CHECKING:
    from pathlib import Path


def failing(error: BaseException) -> click.Command:
    @click.command(cls=Command)
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("[bold] must be x"), 2, "error: [bold] must be x\n"),
        (EznasError("nothing found"), 1, "error: nothing found\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(error: BaseException, code: int, message: str) -> None:
    result = CliRunner().invoke(failing(error), [])
    assert (result.exit_code, result.stderr, result.stdout) == (code, message, "")


def test_long_errors_stay_one_line() -> None:
    message = "a word " * 60
    assert CliRunner().invoke(failing(InputError(message)), []).stderr.count("\n") == 1


def test_faults_of_the_program_are_not_hidden() -> None:
    result = CliRunner().invoke(failing(ZeroDivisionError()), [])
    assert isinstance(result.exception, ZeroDivisionError)


def test_the_command_line_is_told_as_it_was_typed() -> None:
    @click.command(cls=Command)
    @click.option("--program")
    @click.pass_context
    def main(context: click.Context, /, program: str) -> None:
        click.echo(command_line(context))

    result = CliRunner().invoke(main, ["--program", "sum(f(x))"], prog_name="python -m it")
    assert result.stdout == "python -m it --program 'sum(f(x))'\n"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_json_has_no_numbers_that_are_not_finite(value: object) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    read = json.loads(to_json(value), parse_constant=refuse)
    if isinstance(value, float) and not math.isfinite(value):
        assert read is None


def test_json_keeps_everything_else() -> None:
    value = {"a": [1, 0.1, None, "τ"], "b": True}
    assert json.loads(to_json(value)) == value


def test_tables_write_three_decimals_and_a_dash_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("title", ["name", "tau"], [["[a]", 0.12345], ["b", None], ["c", math.nan], ["d", 3]])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[-5:-1] == [["[a]", "0.123"], ["b", "-"], ["c", "-"], ["d", "3"]]


def test_a_command_that_is_told_to_end_says_so() -> None:
    @click.command(cls=Command)
    def command() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except (Exception, SystemExit):  # noqa: BLE001 - as those around networks
            click.echo("taken for a failure")

    before = signal.getsignal(signal.SIGTERM)
    result = CliRunner().invoke(command)
    assert (result.exit_code, result.stdout, result.stderr) == (143, "", "error: terminated\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_numbers_are_whole_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    row = ["a_name_of_some_length" * 5, 0.666, "0.555 to 0.777", 200]
    print_table("title", ["proxy", "tau", "95 %", "scored"], [row])
    out = capsys.readouterr().out
    assert all(text in out for text in ("0.666", "0.555 to 0.777", "200", "scored"))
    assert max(len(Text.from_ansi(line)) for line in out.splitlines()) <= 60


def test_intervals() -> None:
    assert interval(0.1, 0.25) == "0.100 to 0.250"
    assert interval(math.nan, math.nan) == "-"
    assert interval(None, None) == "-"


def test_an_output_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a file that can be written: Is a directory"):
        write_output(tmp_path, "text")


def test_a_file_is_replaced_and_a_link_written_through(tmp_path: Path) -> None:
    file, link, other = tmp_path / "file", tmp_path / "link", tmp_path / "other"
    file.write_text("before", encoding="utf-8")
    other.hardlink_to(file)
    link.symlink_to(file)
    write_output(file, "after")
    assert (file.read_text(encoding="utf-8"), other.read_text(encoding="utf-8")) == ("after", "before")
    write_output(link, "later")
    assert (link.is_symlink(), file.read_text(encoding="utf-8")) == (True, "later")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "other"]
