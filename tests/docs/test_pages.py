"""Every example of the pages: it runs, or its command and options exist."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import eznas
from eznas.scoring.combination import Combination

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "experiments" / "README.md"])
RUN_AS_THEY_STAND = [DOCS / "index.md", *sorted(DOCS.glob("tutorials/*.md"))]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("scripts", {})
FILE_NAME = re.compile(r"# (\w+\.(?:py|toml))\n")
needs_console_script = pytest.mark.skipif("eznas" not in SCRIPTS, reason="pyproject.toml has no script eznas yet")


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


def console_script() -> click.Group:
    module, _, name = SCRIPTS["eznas"].partition(":")
    group = getattr(importlib.import_module(module), name)
    assert isinstance(group, click.Group)
    return group


def subcommand(words: list[str]) -> tuple[click.Command, list[str]] | None:
    """Return the click command that a line calls, and its arguments; None where it calls no command of eznas."""
    if words[0] in ("eznas", ".venv/bin/eznas"):
        command: click.Command = console_script()
        arguments = words[1:]
    elif words[1:2] == ["verify_scores.py"]:
        command, arguments = console_script(), ["verify", *words[2:]]
    elif words[1:2] == ["-m"] and words[2].startswith("eznas."):
        command, arguments = console_script(), [words[2].removeprefix("eznas."), *words[3:]]
    else:
        return None
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        with click.Context(command) as context:
            child = command.get_command(context, arguments[0])
        assert child is not None, f"there is no command {' '.join(words)}"
        command, arguments = child, arguments[1:]
    return command, arguments


@needs_console_script
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
        if language == "python":
            compile(code, page.name, "exec")


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


@needs_console_script
@pytest.mark.slow
@pytest.mark.parametrize("page", RUN_AS_THEY_STAND, ids=page_id)
def test_the_page_runs_as_it_stands(page: Path, tmp_path: Path) -> None:
    """Write the files that a page shows, run its commands in order, then its Python in one session."""
    session = []
    for language, code in code_blocks(page):
        if FILE_NAME.match(code):
            (tmp_path / FILE_NAME.match(code)[1]).write_text(code, encoding="utf-8")  # type: ignore[index]
        elif language == "python":
            session.append(code)
    module, _, name = SCRIPTS["eznas"].partition(":")
    start = f"import sys; from {module} import {name}; sys.argv[0] = 'eznas'; sys.exit({name}())"
    for words in shell_lines(page):
        if words[0] == ".venv/bin/eznas":
            run([sys.executable, "-c", start, *words[1:]], tmp_path)
        elif words[0] == ".venv/bin/python" and words[1:3] != ["-m", "eznas.evolve"]:
            run([sys.executable, *words[1:]], tmp_path)
    (tmp_path / "session.py").write_text(f'if __name__ == "__main__":\n{indented(session)}', encoding="utf-8")
    run([sys.executable, "session.py"], tmp_path)


def indented(blocks: list[str]) -> str:
    lines = "\n".join(["pass", *blocks]).splitlines()
    return "".join(f"    {line}\n" for line in lines)


def run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, f"{shlex.join(command)}\n{process.stdout}\n{process.stderr}"


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
