from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eznas.errors import InputError
from eznas.scoring.proxy_sources import read_exported, resolve_proxy

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "sum(frobenius_norm(weight_grad.data))"


def test_a_name_is_a_measure() -> None:
    proxy = resolve_proxy("naswot")
    assert (proxy.name, proxy.measure, proxy.program) == ("naswot", "naswot", "")


def test_a_program_is_itself_in_canonical_text() -> None:
    assert resolve_proxy("sum( frobenius_norm(weight_grad.data) )").program == PROGRAM


def test_an_exported_file_is_read_and_never_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f'raise SystemExit("run")\nNAME = "x"\nPROGRAM = "{PROGRAM}"\n', encoding="utf-8")
    proxy = resolve_proxy(str(path))
    assert (proxy.name, proxy.program) == ("mine", PROGRAM)


def test_a_text_in_parts_is_one_constant(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text('PROGRAM = (\n    "sum("\n    "weight)"\n)\n', encoding="utf-8")
    assert read_exported(path) == "sum(weight)"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("NAME = 'x'\n", 'must hold PROGRAM = "..."'),
        ("PROGRAM = 3\n", 'must hold PROGRAM = "..."'),
        ("PROGRAM = open('x').read()\n", 'must hold PROGRAM = "..."'),
        ("def f(:\n", "must be a Python file: .* in line 1"),
        ("a = '\0'\n", "must be a Python file"),
    ],
)
def test_other_files_are_input_errors(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        resolve_proxy(str(path))


def test_bytes_that_are_no_text_are_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(b"PROGRAM = '\xff\xfe'\n")
    with pytest.raises(InputError, match="must be a Python file"):
        read_exported(path)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be readable: No such file"):
        resolve_proxy(str(tmp_path / "missing.py"))
