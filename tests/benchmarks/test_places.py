from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from eznas.benchmarks.places import config_path, find_table, looked_in, places
from eznas.cli.benchmarks import main
from eznas.errors import InputError

if TYPE_CHECKING:
    import os

TABLE = "nats_sss_cifar10.csv"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("EZNAS_DATA", raising=False)
    return tmp_path


def configure(text: str) -> None:
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text(text, encoding="utf-8")


def folder(path: Path) -> Path:
    path.mkdir()
    (path / TABLE).touch()
    return path


def test_the_flag_comes_before_the_variable_before_the_configuration(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag, variable, configured = (folder(home / name) for name in ("flag", "variable", "configured"))
    assert find_table("nats_sss", "cifar10") is None
    configure('data = "~/configured"\n')
    assert find_table("nats_sss", "cifar10") == configured / TABLE
    monkeypatch.setenv("EZNAS_DATA", str(variable))
    assert find_table("nats_sss", "cifar10") == variable / TABLE
    assert find_table("nats_sss", "cifar10", flag) == flag / TABLE
    assert [place.folder for place in places(flag)] == [flag, variable, configured]
    for empty in (flag, variable):
        (empty / TABLE).unlink()
    assert find_table("nats_sss", "cifar10", flag) == configured / TABLE


def test_the_configuration_lies_where_the_variable_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_path() == home / ".config" / "eznas" / "config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "elsewhere"))
    assert config_path() == home / "elsewhere" / "eznas" / "config.toml"


def test_it_is_said_where_was_looked(home: Path) -> None:
    assert looked_in() == f"nowhere: neither EZNAS_DATA nor data in {config_path()} is given"
    configure('data = "~/missing"\n')
    expected = f"{home / 'missing'} (data in {config_path()}, not there)"
    assert looked_in() == expected
    for command in (["list"], ["info", "nats_sss"]):
        result = CliRunner(env={"COLUMNS": "1000"}).invoke(main, command)
        assert result.exit_code == 0, result.output
        assert expected in result.output
    folder(home / "missing")
    assert looked_in() == f"{home / 'missing'} (data in {config_path()})"
    result = CliRunner(env={"COLUMNS": "1000"}).invoke(main, ["info", "nats_sss"])
    assert f"cifar10 ({home / 'missing' / TABLE})" in result.output


def test_a_file_is_no_folder(home: Path) -> None:
    path = home / "table.csv"
    path.touch()
    result = CliRunner(env={"COLUMNS": "1000"}).invoke(main, ["list", "--data", str(path)])
    assert result.exit_code == 0, result.output
    assert f"{path} (given, not a folder)" in result.output


def test_a_folder_that_cannot_be_read_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked, look = home / "locked", Path.stat

    def refuse(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.parent == locked:
            raise PermissionError(13, "Permission denied")
        return look(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setenv("EZNAS_DATA", str(locked))
    result = CliRunner().invoke(main, ["list"])
    assert result.exit_code == 2
    message = f"{locked} (EZNAS_DATA) must be a folder that can be read: Permission denied"
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    monkeypatch.delenv("EZNAS_DATA")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    locked = home / "eznas"
    result = CliRunner().invoke(main, ["list"])
    assert result.exit_code == 2
    assert f"{locked} (the configuration's) must be a folder that can be read: Permission denied" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data = 3\n", "data must be the path of a folder, got 3"),
        ('data = ""\n', "data must be the path of a folder"),
        ('data = "tables"\n', "data must be an absolute path, or begin with ~"),
        ('dta = "/tables"\n', "unknown key 'dta'; did you mean 'data'"),
        ("data = \n", "must be TOML"),
    ],
)
def test_a_faulty_configuration_is_said(home: Path, text: str, message: str) -> None:
    configure(text)
    with pytest.raises(InputError, match=message):
        places()
    result = CliRunner().invoke(main, ["list"])
    assert result.exit_code == 2
    assert "config.toml" in result.stderr


def test_an_empty_configuration_names_no_place(home: Path) -> None:
    configure("")
    assert places() == []


def test_without_a_home_there_is_no_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure('data = "~nobody-is-called-this/tables"\n')
    with pytest.raises(InputError, match="must be a path whose home folder is known, got '~nobody"):
        places()

    def fail() -> Path:
        raise RuntimeError("no home")

    monkeypatch.chdir(home)
    monkeypatch.setattr("pathlib.Path.home", fail)
    assert places() == []
    assert "nowhere" in looked_in()
