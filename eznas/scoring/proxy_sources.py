"""Texts that stand for proxies: names and patterns of measures, programs, exported files, combinations."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.measures import MEASURES
from eznas.scoring.combination import Combination
from eznas.scoring.matrix import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterable


def resolve_all(proxies: str | Proxy | Combination | Iterable[str | Proxy | Combination]) -> list[Proxy | Combination]:
    """Read proxies and combinations; the text ``all`` or a pattern such as ``syn*`` stands for measures by name.

    Raises:
        InputError: A text is no proxy, or a pattern matches no measure.
    """
    given = [proxies] if isinstance(proxies, str | Proxy | Combination) else proxies
    texts = [name for proxy in given for name in (matching(proxy) if isinstance(proxy, str) else [proxy])]
    return [resolve(proxy) if isinstance(proxy, str) else proxy for proxy in dict.fromkeys(texts)]


def matching(text: str) -> list[str]:
    """Return the measures that a pattern or ``all`` stands for; any other text stands for itself.

    Raises:
        InputError: The pattern matches no measure.
    """
    if text != "all" and ("(" in text or text.endswith(".py") or not set(text) & set("*?[")):
        return [text]
    return [measure.name for measure in MEASURES.matching("*" if text == "all" else text)]


def resolve(text: str) -> Proxy | Combination:
    """Read a proxy, or a combination such as ``vote(synflow, jacob_cov, snip)``, by name or written out.

    Raises:
        InputError: The text is neither.
    """
    return Combination.parse(text) or resolve_proxy(text)


def resolve_proxy(text: str) -> Proxy:
    """Read a proxy.

    Args:
        text: A registered measure's name, a program, or the path of an exported ``.py`` file.

    Raises:
        InputError: The text is none of them.
    """
    path = Path(text)
    if text.endswith(".py"):
        return Proxy.of(read_exported(path), name=path.stem)
    try:
        return Proxy.of(text)
    except InputError as error:
        if not (fault := fault_of_path(text)):
            raise
        raise InputError(f"{text!r} must be a measure, a program or an exported file, but {fault}") from error


def fault_of_path(text: str) -> str:
    """Return why a text that reads like a path is no proxy; nothing for a name or a program."""
    path = Path(text)
    if not text or "(" in text:
        return "" if text else "it is empty"
    if path.is_dir():
        run = (path / "manifest.json").is_file()
        return "it is a run directory; export one of its programs to a file" if run else "it is a folder"
    if path.is_file():
        return "it is a file whose name does not end in .py"
    return "there is no such file" if "/" in text or os.sep in text else ""


def read_exported(path: Path) -> str:
    """Return the ``PROGRAM`` of an exported proxy; the file is read, never executed.

    Raises:
        InputError: The file cannot be read or has no ``PROGRAM``.
    """
    program = _constants(path).get("PROGRAM")
    if not isinstance(program, str):
        raise InputError(f'{path} must hold PROGRAM = "..." as files written by eznas export do')
    return program


def read_noise_seed(path: Path) -> int:
    """Return the ``NOISE_SEED`` of an exported proxy, 0 where it has none; the file is read, never executed.

    Raises:
        InputError: The file cannot be read, or its seed is not an integer.
    """
    seed = _constants(path).get("NOISE_SEED", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InputError(f"{path}: NOISE_SEED must be an integer, got {seed!r}")
    return seed


def _constants(path: Path) -> dict[str, object]:
    """Return the literals that a Python file assigns at its top level, by name; the first assignment counts."""
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} must be readable: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or null bytes
        raise InputError(f"{path} must be a Python file: {error}") from error
    except SyntaxError as error:
        raise InputError(f"{path} must be a Python file: {error.msg} in line {error.lineno}") from error
    literals: dict[str, object] = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    literals.setdefault(target.id, statement.value.value)
    return literals
