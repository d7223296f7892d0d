"""What command lines take for a proxy: a name, a program's text, or a file that eznas exported."""

from __future__ import annotations

import ast
from pathlib import Path

from eznas.errors import InputError
from eznas.scoring import Proxy
from eznas.scoring.combination import Combination

__all__ = ["read_exported", "read_noise_seed", "resolve", "resolve_proxy"]


def resolve(text: str) -> Proxy | Combination:
    """Read a proxy, or a combination such as ``vote(synflow, jacob_cov, snip)``, by its name or written out.

    Raises:
        InputError: It is none.
    """
    return Combination.parse(text) or resolve_proxy(text)


def resolve_proxy(text: str) -> Proxy:
    """Read what a command line was given for a proxy.

    Args:
        text: A registered measure's name, a program, or the path of an exported ``.py`` file.

    Raises:
        InputError: It is none of them.
    """
    if not text.endswith(".py"):
        return Proxy.of(text)
    path = Path(text)
    return Proxy.of(read_exported(path), name=path.stem)


def read_exported(path: Path) -> str:
    """Return the ``PROGRAM`` of an exported proxy; the file is read, never run.

    Raises:
        InputError: The file cannot be read or has no such text.
    """
    program = _constants(path).get("PROGRAM")
    if not isinstance(program, str):
        raise InputError(f'{path} must hold PROGRAM = "..." as the files of eznas.cli.export do')
    return program


def read_noise_seed(path: Path) -> int:
    """Return the ``NOISE_SEED`` of an exported proxy, 0 where it has none; the file is read, never run.

    Raises:
        InputError: The file cannot be read, or its seed is no whole number.
    """
    seed = _constants(path).get("NOISE_SEED", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InputError(f"{path}: NOISE_SEED must be a whole number, got {seed!r}")
    return seed


def _constants(path: Path) -> dict[str, object]:
    """Return what a Python file assigns literally, by name; the first assignment of a name counts."""
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} must be readable: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or null bytes
        raise InputError(f"{path} must be a Python file: {error}") from error
    except SyntaxError as error:
        raise InputError(f"{path} must be a Python file: {error.msg} in line {error.lineno}") from error
    found: dict[str, object] = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, statement.value.value)
    return found
