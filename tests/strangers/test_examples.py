"""Each example of ``docs/examples`` in an empty folder outside the checkout, with the commands of its docstring."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.slow


def python(folder: Path, *arguments: str) -> str:
    """Run this interpreter in a folder and return what it prints."""
    finished = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def follow(name: str, folder: Path) -> str:
    """Run the commands of an example's docstring in a folder and return what they print."""
    for file in EXAMPLES.glob(f"{name}.*"):
        shutil.copy(file, folder)
    docstring = ast.get_docstring(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))) or ""
    commands = re.findall(r"^ +eznas (\w+) ((?:.*\\\n)*.*)", docstring, flags=re.MULTILINE)
    assert commands
    return "".join(
        python(folder, "-m", f"eznas.{command}", *shlex.split(arguments.replace("\\\n", " ")), "--device", "cpu")
        for command, arguments in commands
    )


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_a_primitive_is_scored_evolved_and_exported(tmp_path: Path) -> None:
    assert "mean(peak(weight_grad.data))" in follow("my_primitive", tmp_path)
    run = tmp_path / "peak_run"
    assert "peak(" in (run / "checkpoint.json").read_text(encoding="utf-8")
    manifest: dict[str, Any] = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert f"plugin {tmp_path / 'my_primitive.py'}" in manifest["data"]
    assert list((run / "proxies").glob("*.py"))
    resumed = ["-m", "eznas.evolve", "--resume", "peak_run", "--generations", "22"]
    python(tmp_path, *resumed)
    with (tmp_path / "my_primitive.py").open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    with pytest.raises(AssertionError, match=r"the plugin .*my_primitive\.py must be .* that the run began with"):
        python(tmp_path, *resumed)


def test_a_measure_is_scored_and_verified(tmp_path: Path) -> None:
    assert "confidence" in follow("my_measure", tmp_path)
    assert {row["status"] for row in rows(tmp_path / "scores.csv")} == {"ok"}


def test_a_search_space_is_scored_verified_and_searched(tmp_path: Path) -> None:
    assert "widths" in follow("my_space", tmp_path)
    assert len(rows(tmp_path / "scores.csv")) == 36
    python(tmp_path, "-c", "import my_space; from eznas.testing.spaces import check_space as c; c(my_space.Widths())")


def test_a_search_algorithm_searches_and_keeps_the_contract(tmp_path: Path) -> None:
    assert "restarting_climber" in follow("my_algorithm", tmp_path)
    assert (tmp_path / "climbing" / "search.html").exists()
    (tmp_path / "test_contract.py").write_text(
        "import my_algorithm\n"
        "from eznas.search import ALGORITHMS\n"
        "from eznas.testing.searchers import SearcherSuite\n\n\n"
        "class TestContract(SearcherSuite):\n"
        '    algorithm = ALGORITHMS["restarting_climber"]\n',
        encoding="utf-8",
    )
    assert " passed" in python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_contract.py")


@pytest.mark.skipif(
    not all((ROOT / f"eznas/api/{name}.py").exists() for name in ("evolve", "verify", "search")),
    reason="eznas.evolve, verify and search are not functions yet",
)
def test_a_notebook_evolves_verifies_searches_and_measures(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "notebook.ipynb", tmp_path)
    code = (
        "import nbclient, nbformat; notebook = nbformat.read('notebook.ipynb', 4); "
        "nbclient.NotebookClient(notebook, timeout=600).execute(); nbformat.write(notebook, 'executed.ipynb')"
    )
    python(tmp_path, "-c", code)
    executed = json.loads((tmp_path / "executed.ipynb").read_text(encoding="utf-8"))
    shown = {
        "".join(cell["source"]): {kind for output in cell["outputs"] for kind in output.get("data", ())}
        for cell in executed["cells"]
        if cell["cell_type"] == "code"
    }
    for function in ("eznas.evolve(", "eznas.verify(", "eznas.search("):
        [kinds] = [kinds for source, kinds in shown.items() if function in source]
        assert "text/html" in kinds
    assert "image/png" in shown["run.plot()"]
