"""Every page: its commands and options exist, its Python compiles, its links resolve. ``test_tutorials`` runs pages."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import eznas
from eznas.cli.main import main
from eznas.scoring.combination import Combination

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "experiments" / "README.md"])


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_blocks(path: Path) -> Iterator[tuple[str, str]]:
    """Yield language and code of every fenced block."""
    fence = re.compile(r"^( *)```(?: \{ \.)?(\w*)[^\n]*\n(.*?)^\1```$", flags=re.MULTILINE | re.DOTALL)
    for indent, language, code in fence.findall(path.read_text(encoding="utf-8")):
        yield language, re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)


def shell_lines(path: Path) -> list[list[str]]:
    """Return the words of every command line in a page, those joined by ``&&`` apart."""
    code = "".join(code for language, code in code_blocks(path) if language in ("sh", "bash", ""))
    commands: list[list[str]] = []
    for line in code.replace("\\\n", " ").splitlines():
        if re.match(r"(\.venv/bin/|python |eznas |bash reproduce)", line):
            words = shlex.split(line, comments=True)
            while "&&" in words:
                commands.append(words[: words.index("&&")])
                words = words[words.index("&&") + 1 :]
            commands.append(words)
    return commands


def subcommand(words: list[str]) -> tuple[click.Command, list[str]] | None:
    """Return the click command that a line calls, and its arguments; None where it calls no command of eznas."""
    if words[0] in ("eznas", ".venv/bin/eznas"):
        command: click.Command = main
        arguments = words[1:]
    elif words[1:2] == ["verify_scores.py"]:
        command, arguments = main, ["verify", *words[2:]]
    elif words[1:2] == ["-m"] and words[2].startswith("eznas."):
        command, arguments = main, [words[2].removeprefix("eznas."), *words[3:]]
    else:
        return None
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        with click.Context(command) as context:
            child = command.get_command(context, arguments[0])
        assert child is not None, f"there is no command {' '.join(words)}"
        command, arguments = child, arguments[1:]
    return command, arguments


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in shell_lines(page):
        called = subcommand(words)
        if called is not None:
            command, arguments = called
            options = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
            given = {word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word)}
            assert given <= options, f"{page.name}: {shlex.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_blocks_compile(page: Path) -> None:
    for language, code in code_blocks(page):
        if language == "python" and not code.startswith("--8<--"):
            compile(code, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_names_that_python_blocks_import_exist(page: Path) -> None:
    for language, code in code_blocks(page):
        tree = ast.parse(code) if language == "python" and not code.startswith("--8<--") else ast.Module([], [])
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "eznas":
                module = importlib.import_module(node.module or "")
                for name in node.names:
                    assert hasattr(module, name.name), f"{page_id(page)}: {node.module} has no {name.name}"


def test_programs_in_pages_and_help_texts_parse() -> None:
    pages = [page for page in PAGES if page.name != "own_primitive.md"]  # its program has a primitive of its own
    texts = [code for page in pages for language, code in code_blocks(page) if language != "python"]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "tests/cli/golden").glob("*.txt")]
    expression = r"\w+\([\w.(), ]+\)"
    programs = re.findall(rf'(?<="){expression}(?=")|^{expression}$', "\n".join(texts), flags=re.MULTILINE)
    assert len(programs) >= 4
    for program in programs:
        if Combination.parse(program) is None:
            assert eznas.parse(program).text == program


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_to_files_resolve(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if target.startswith("https://"):
            continue
        linked = page.parent / path if path else page
        assert linked.exists(), f"{page_id(page)} links to {target}"
        if anchor and linked.name != "api.md":  # its anchors are names of objects; mkdocs --strict checks them
            titles = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}
            assert anchor in slugs, f"{page_id(page)} links to {target}"


def test_every_page_is_in_the_navigation_and_exists() -> None:
    configuration = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"^ +- .*: ([\w/]+\.md)$", configuration, flags=re.MULTILINE))
    assert named == {str(path.relative_to(DOCS)) for path in DOCS.glob("**/*.md")}


def test_the_site_loads_nothing_from_elsewhere() -> None:
    configuration = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "\n  font: false" in configuration
    assert "http" not in configuration


def test_included_files_exist() -> None:
    for page in PAGES:
        for name in re.findall(r'^--8<-- "(.*)"$', page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            assert (ROOT / name).is_file(), f"{page_id(page)} includes {name}"


def test_every_help_text_is_in_the_command_reference() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    for golden in (ROOT / "tests" / "cli" / "golden").glob("*.txt"):
        assert f'--8<-- "tests/cli/golden/{golden.name}"' in page
