from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import eznas

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.parametrize(
    "command",
    [
        *("eznas.cli.evolve", "eznas.cli.verify", "eznas.cli.score", "eznas.cli.export"),
        *("eznas.cli.benchmarks", "eznas.cli.search"),
    ],
)
def test_help_is_cheap(command: str) -> None:
    code = """
import contextlib, importlib, io, sys, time
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    importlib.import_module(sys.argv[1]).main(["--help"])
print(time.process_time())
print(*sys.modules)
"""
    seconds, modules = fresh(code, command).splitlines()
    assert float(seconds) < SECONDS
    assert not set(HEAVY) & set(modules.split())


def test_running_a_command_as_a_module_does_not_warn() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "eznas.evolve", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""


@pytest.mark.parametrize("name", eznas.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(eznas, name) is not None


def test_public_names_are_listed() -> None:
    assert dir(eznas) == sorted(eznas.__all__)
    assert len(eznas.__all__) <= 12


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'eznas' has no attribute 'nonsense'"):
        _ = eznas.nonsense


def test_a_test_process_keeps_to_one_thread() -> None:
    import torch

    assert torch.get_num_threads() == 1


def test_public_names_do_not_hide_modules() -> None:
    modules = {path.stem for path in (ROOT / "eznas").iterdir() if path.suffix in ("", ".py")}
    assert not set(eznas.__all__) & modules
