from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import eznas
from eznas.scoring.combination import Combination

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("*.cff"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".ci/*")])
FIRST = 'python -m venv .venv && .venv/bin/pip install ".[nasbench201]" && .venv/bin/python -m eznas.evolve'
SECOND = 'python -m venv .venv && .venv/bin/pip install -e ".[dev]" && .venv/bin/python -m pytest -n 2'


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_blocks(text: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_quick_start_is_two_commands() -> None:
    blocks = [block.strip() for block in code_blocks(read("README.md"))]
    assert [block for block in blocks if ".venv" in block] == [FIRST, SECOND]


def test_ci_runs_the_second_command_as_the_readme_gives_it() -> None:
    script = read(".ci/run")
    [found] = re.findall(r"\$\((grep .* README\.md)\)", script)
    line = subprocess.run(shlex.split(found), cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    assert line == SECOND
    assert "set -euo pipefail" in script


@pytest.mark.parametrize("check", ["ruff check", "ruff format --check", "mypy", "lint-imports"])
def test_ci_and_contributing_name_the_same_checks(check: str) -> None:
    assert f".venv/bin/{check}" in read(".ci/run")
    assert f".venv/bin/{check}" in read("CONTRIBUTING.md")


def test_contributing_gives_the_readmes_command() -> None:
    assert SECOND in read("CONTRIBUTING.md")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_no_path_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("#!/usr/bin/env", "")
    found = re.findall(r"(?<![\w.])/(?:home|root|tmp|work|mnt|usr|opt|Users)\b\S*", text)
    assert found == []


def test_what_contributing_says_to_read_exists() -> None:
    named = re.findall(r"`((?:eznas|primitives)/[\w./]+)`", read("CONTRIBUTING.md"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_options_in_documents_exist(document: str) -> None:
    golden = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/cli/golden").glob("*.txt"))
    lines = [line for block in code_blocks(read(document)) for line in block.splitlines()]
    ours = [line for line in lines if "eznas." in line or "verify_scores" in line]
    options = {option for line in ours for option in re.findall(r"(?<=\s)--[\w-]+", line)}
    assert {option for option in options if not re.search(rf"^  {option}\b", golden, flags=re.MULTILINE)} == set()


def test_python_in_the_readme_compiles() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", read("README.md"), flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_versions_agree() -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert f"version: {version}\n" in read("CITATION.cff")


def test_the_licence_is_the_whole_one() -> None:
    text = read("LICENSE")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text) > 11_000


def test_the_changelog_has_an_unreleased_part() -> None:
    assert re.search(r"^## \[Unreleased\]$", read("CHANGELOG.md"), flags=re.MULTILINE)


def test_programs_in_documents_parse() -> None:
    documents = [ROOT / "README.md", *(ROOT / "tests/cli/golden").glob("*.txt")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in documents)
    programs = re.findall(r'(?<=")\w+\([\w.(), ]+\)(?=")|^\w+\([\w.(), ]+\)$', text, flags=re.MULTILINE)
    assert len(programs) >= 4
    for program in programs:
        if Combination.parse(program) is None:
            assert eznas.parse(program).text == program
