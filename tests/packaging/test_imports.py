from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import eznas
from eznas.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PRESENT = [name for name in eznas.__all__ if name == "__version__" or find_spec(eznas._MODULES[name])]
HEAVY = ("torch", "numpy", "scipy", "matplotlib", "deap", "sklearn")
SECONDS = 0.5


def fresh(code: str, *args: str) -> str:
    """Run code in a new interpreter and return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *args], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_importing_eznas_is_cheap() -> None:
    code = "import time, sys; import eznas; print(time.process_time()); print(*sys.modules)"
    seconds, modules = fresh(code).splitlines()
    assert float(seconds) < SECONDS  # of this process alone: what else the machine does is left out
    assert not set(HEAVY) & set(modules.split())


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = """
import contextlib, io, sys
from eznas.cli.main import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main(["--help"])
print(*[name for name in sys.modules if name.startswith(("eznas.", "pydantic", "rich"))])
"""
    assert fresh(code).split() == ["eznas.cli", "eznas.cli.main"]


@pytest.mark.parametrize("command", ["", *COMMANDS, "benchmarks convert"])
def test_help_is_cheap(command: str) -> None:
    code = """
import contextlib, io, sys, time
from eznas.cli.main import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main([*sys.argv[1:], "--help"])
print(time.process_time())
print(*sys.modules)
"""
    seconds, modules = fresh(code, *command.split()).splitlines()
    assert float(seconds) < SECONDS
    assert not set(HEAVY) & set(modules.split())


@pytest.mark.parametrize(
    "command",
    [
        *(["-m", f"eznas{door}"] for door in ("", ".evolve", ".verify", ".score", ".search", ".benchmarks", ".export")),
        ["verify_scores.py"],
        *([f"experiments/{name}.py"] for name in ("rows", "tables", "published_scores")),
    ],
    ids="_".join,
)
def test_help_works_at_every_door_without_warnings(command: list[str]) -> None:
    line = [sys.executable, "-W", "error", *command, "--help"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith(f"Usage: python {' '.join(command)} [OPTIONS]")


@pytest.mark.parametrize("name", PRESENT)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(eznas, name) is not None


def test_public_names_are_listed() -> None:
    assert dir(eznas) == sorted(eznas.__all__)
    assert set(eznas.__all__) == {*eznas._MODULES, "__version__"}


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'eznas' has no attribute 'nonsense'"):
        _ = eznas.nonsense


def test_a_test_process_keeps_to_one_thread() -> None:
    import torch

    assert torch.get_num_threads() == 1


CALLABLE_MODULES = ("evolve", "search", "verify")


def test_public_names_do_not_hide_other_modules() -> None:
    modules = {path.stem for path in (ROOT / "eznas").iterdir() if path.suffix in ("", ".py")}
    assert set(eznas.__all__) & modules == set(CALLABLE_MODULES)


@pytest.mark.parametrize("name", CALLABLE_MODULES)
def test_a_module_of_a_functions_name_can_be_called(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"eznas.{name}")
    stub = ModuleType(f"eznas.api.{name}")

    def function(samples: int = 3) -> int:
        return samples + 1

    setattr(stub, name, function)
    monkeypatch.setitem(sys.modules, stub.__name__, stub)
    assert isinstance(module, ModuleType)
    assert callable(module)
    assert module(samples=4) == 5
    assert getattr(eznas, name)(6) == 7
    assert list(inspect.signature(module).parameters) == ["samples"]


def test_a_function_stays_callable_when_its_module_is_imported() -> None:
    code = """
import eznas
function = eznas.verify
import eznas.verify, eznas.search
print(callable(function), callable(eznas.verify), callable(eznas.search), "random" in eznas.search.ALGORITHMS)
"""
    assert fresh(code) == "True True True True\n"


SOURCES = sorted(path for folder in ("eznas", "primitives") for path in (ROOT / folder).rglob("*.py"))


def test_no_module_imports_a_package_primitives_at_the_top_level() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level or (node.module or "").split(".")[0] != "primitives", path
            elif isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] != "primitives" for alias in node.names), path


def flags_in(source: str) -> list[str]:
    """Return the flags in string literals that are no documentation."""
    tree = ast.parse(source)
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    literals = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documentation)
    texts = (node.value for node in literals if isinstance(node.value, str))
    texts = (text for text in texts if not re.search("pip install|dask worker", text))  # flags of other commands
    return [flag for text in texts for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*", text)]


def test_only_the_command_line_names_flags() -> None:
    assert flags_in('"""--doc"""\nx = f\'{y} --flag-name of it, a--b\'') == ["--flag-name"]
    texts = [path for path in SOURCES if path.parent.name != "cli" and path.name != "config.py"]  # help texts
    found = {path.name: flags_in(path.read_text(encoding="utf-8")) for path in texts}
    assert {name: flags for name, flags in found.items() if flags} == {}


def test_a_checkout_named_eznas_does_not_hide_the_package(tmp_path: Path) -> None:
    (tmp_path / "eznas" / "eznas").mkdir(parents=True)  # without __init__.py: a namespace package to Python
    (tmp_path / "script.py").write_text("import eznas; print(eznas.load_minibatch.__name__)", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # as an editable install puts it on the path
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "load_minibatch\n"
    assert 'package-dir = { "" = "." }' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
