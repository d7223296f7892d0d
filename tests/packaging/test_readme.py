from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = ("*.md", "*.cff", "*.yml", "*.yaml", "docs/**/*.md", "docs/**/*.svg", ".ci/*", ".github/**/*.*", ".pre-*")
DOCUMENTS = sorted({path for pattern in (*PATTERNS, "experiments/*.md") for path in ROOT.glob(pattern)})
FIRST = 'python -m venv .venv && .venv/bin/pip install ".[nasbench201]" && .venv/bin/python -m eznas.evolve'
SECOND = 'python -m venv .venv && .venv/bin/pip install -e ".[dev]" && .venv/bin/python -m pytest -n 2'
CHECKS = ["ruff check", "ruff format --check", "mypy", "lint-imports"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_gives_two_commands_in_full() -> None:
    blocks = re.findall(r"^```\w*\n(.*?)\n```", read("README.md"), flags=re.MULTILINE | re.DOTALL)
    assert blocks == [FIRST, SECOND]


def test_the_readme_is_one_screen_with_one_picture_and_one_table() -> None:
    text = read("README.md")
    assert text.count("\n") <= 70
    assert text.count("![") == 1
    assert text.count("\n|---") == 1


def test_the_quick_start_gives_the_readmes_first_command() -> None:
    assert FIRST in read("docs/index.md")


def test_ci_runs_the_second_command_as_the_readme_gives_it() -> None:
    script = read(".ci/run")
    [found] = re.findall(r"\$\((grep .* README\.md)\)", script)
    line = subprocess.run(shlex.split(found), cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    assert line == SECOND
    assert "set -euo pipefail" in script


@pytest.mark.parametrize("file", [".ci/run", "CONTRIBUTING.md", ".github/workflows/checks.yml"])
def test_the_same_checks_are_named_everywhere(file: str) -> None:
    assert [check for check in CHECKS if f".venv/bin/{check}" not in read(file)] == []


def test_contributing_gives_the_readmes_command() -> None:
    assert SECOND in read("CONTRIBUTING.md")


def test_workflows_test_the_oldest_and_the_newest_python() -> None:
    oldest = tomllib.loads(read("pyproject.toml"))["project"]["requires-python"].removeprefix(">=")
    workflow = read(".github/workflows/checks.yml")
    assert f'{{ python: "{oldest}", resolution: lowest-direct,' in workflow
    assert "resolution: highest }" in workflow


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_no_path_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("#!/usr/bin/env", "")
    found = re.findall(r"(?<![\w.])/(?:home|root|tmp|work|mnt|usr|opt|Users)\b\S*", text)
    assert found == []


def test_what_contributing_says_to_read_exists() -> None:
    named = re.findall(r"`((?:eznas|primitives|tests|docs|experiments)/[\w./]*)`", read("CONTRIBUTING.md"))
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_versions_agree() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert f"version: {version}\n" in read("CITATION.cff")


def test_the_licence_is_the_whole_one() -> None:
    text = read("LICENSE")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text) > 11_000


def test_the_changelog_has_an_unreleased_part_by_kind_of_change() -> None:
    text = read("CHANGELOG.md")
    assert re.search(r"^## \[Unreleased\]$", text, flags=re.MULTILINE)
    assert set(re.findall(r"^### (.*)$", text, flags=re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security",
    }  # fmt: skip
