"""The quick start and the tutorials, each in an empty folder outside the checkout, on smaller networks."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import nbformat
import pytest

from eznas.config import EvolveConfig, build_config

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FAST = """\
import dataclasses, os, re
from torch import nn
from eznas.gp import confirmation, time_plan
from eznas.networks.nasbench201 import ReLUConvBN
from eznas.spaces import SPACES

def chain(space, architecture, fidelity, classes):
    kernels = map(int, re.findall(r"nor_conv_([0-9])", space.parse(architecture)))
    layers = [nn.Conv2d(3, 8, 3, padding=1), *[ReLUConvBN(8, 8, kernel) for kernel in kernels], nn.BatchNorm2d(8)]
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))

os.sched_getaffinity = lambda process: {0}
for name in ("nasbench201", "nats_sss"):
    sizes = SPACES[name].fidelities.items()
    small = {key: dataclasses.replace(size, cells=1, channels=8, pixels=8) for key, size in sizes}
    type(SPACES[name]).fidelities = small
type(SPACES["nasbench201"]).build = chain
confirmation.BASELINES = confirmation.MEASURED = time_plan.MEASURED = ("params", "naswot")
confirmation._COMBINED = {}
"""
"""Small networks, two baselines, and no worker processes, each of which takes seconds to import torch."""

START = f"""\
import pytest
from eznas.cli.main import main

{FAST}
def eznas_command(*words):
    assert not main.main(words, "eznas", standalone_mode=False), words

"""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be forked"),
]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and code of the blocks of a page that include no file."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def statements(page: Path, folder: Path) -> Iterator[str]:
    """Write the files that a page shows, and yield its commands and its code as Python, in the order of the page."""
    for language, code in blocks(page):
        if file := re.match(r"# (\w+\.(?:py|toml))\n", code):
            (folder / file[1]).write_text(code, encoding="utf-8")
        elif language == "python":
            yield code
        elif language == "sh":
            for line in code.replace("\\\n", " ").splitlines():
                match shlex.split(line):
                    case [".venv/bin/eznas", *words]:
                        yield f"eznas_command(*{words})"
                    case [".venv/bin/python", "-m", "pytest", *words]:
                        yield f"assert not pytest.main({['-p', 'no:cacheprovider', *words]})"


def python(folder: Path, *arguments: str) -> str:
    """Run this interpreter in a folder and return what it prints."""
    process = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, f"{process.stdout}\n{process.stderr}"
    return process.stdout


class Sessions:
    """The process that runs sessions: it has loaded the package, which takes seconds."""

    process: ClassVar[subprocess.Popen[str]]

    @classmethod
    def answer(cls) -> str:
        assert cls.process.stdout is not None
        return cls.process.stdout.readline().rstrip("\n")

    @classmethod
    def run(cls, script: Path, output: Path) -> int:
        assert cls.process.stdin is not None
        cls.process.stdin.write(f"{script}\t{output}\n")
        cls.process.stdin.flush()
        return int(cls.answer())


@pytest.fixture(scope="module", autouse=True)
def sessions() -> Iterator[None]:
    command = [sys.executable, str(Path(__file__).with_name("sessions.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as Sessions.process:
        assert Sessions.answer() == "ready"
        yield


def session(folder: Path, code: str) -> str:
    """Run code in a session and return what it prints."""
    script, output, body = folder / "session.py", folder / "session.txt", textwrap.indent(code, "    ")
    script.write_text(f'{START}\nif __name__ == "__main__":\n{body}\n', encoding="utf-8")
    status, printed = Sessions.run(script, output), output.read_text(encoding="utf-8")
    assert status == 0, printed
    return printed


def follow(name: str, folder: Path) -> str:
    """Run a page in one session and return what it prints."""
    page = DOCS / name
    text = page.read_text(encoding="utf-8")
    for example in re.findall(r"\(\.\./(examples/[\w.]+)\)", text):
        shutil.copy(DOCS / example, folder)
        assert example.endswith(".csv") or f'--8<-- "docs/{example}"\n' in text
    return session(folder, "\n".join(statements(page, folder)))


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_the_quick_start_runs(tmp_path: Path) -> None:
    assert "naswot" in follow("index.md", tmp_path)


def test_a_run_is_read_and_resumed(tmp_path: Path) -> None:
    follow("tutorials/reading_a_run.md", tmp_path)
    generations = [row["generation"] for row in rows(tmp_path / "runs" / "tour" / "logbook.csv")]
    assert generations == [str(number) for number in range(1, len(generations) + 1)]


def test_formulas_are_evolved_over_a_table_of_scores(tmp_path: Path) -> None:
    assert re.search(r"measure\.\w+.* without a measure: \(\)", follow("tutorials/score_table.md", tmp_path))
    summary = json.loads((tmp_path / "runs" / "scores" / "summary.json").read_text(encoding="utf-8"))
    assert [task["held_out"] for task in summary["tasks"]] == [False, True]
    assert summary["best"]["tasks"]["second"]["tau"] > 0.7


def test_a_primitive_is_scored_evolved_and_exported(tmp_path: Path) -> None:
    assert "mean(peak(weight_grad.data))" in follow("tutorials/own_primitive.md", tmp_path)
    run = tmp_path / "peak_run"
    assert "peak(" in (run / "checkpoint.json").read_text(encoding="utf-8")
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert f"plugin {tmp_path / 'my_primitive.py'}" in manifest["data"]
    assert list((run / "proxies").glob("*.py"))
    resume = "eznas_command('evolve', '--resume', 'peak_run', '--generations', '12')"
    session(tmp_path, resume)
    with (tmp_path / "my_primitive.py").open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    with pytest.raises(AssertionError, match=r"the plugin .*my_primitive\.py must be .* that the run began with"):
        session(tmp_path, resume)


def test_a_measure_is_scored_and_verified(tmp_path: Path) -> None:
    assert "confidence" in follow("tutorials/own_measure.md", tmp_path)
    assert {row["status"] for row in rows(tmp_path / "scores.csv")} == {"ok"}


def test_a_search_space_is_scored_verified_and_searched(tmp_path: Path) -> None:
    assert "widths" in follow("tutorials/own_space.md", tmp_path)
    assert len(rows(tmp_path / "scores.csv")) == 36
    assert (tmp_path / "toy_run" / "summary.json").exists()
    assert (tmp_path / "widths_search" / "results.json").exists()


def test_a_proxy_is_evolved_on_two_spaces_and_verified_on_a_third(tmp_path: Path) -> None:
    assert "On widths/toy, which was held out" in follow("tutorials/several_spaces.md", tmp_path)
    summary = json.loads((tmp_path / "runs" / "several" / "summary.json").read_text(encoding="utf-8"))
    names = [(task["name"], task["held_out"]) for task in summary["tasks"]]
    assert names == [("nasbench201/cifar10", False), ("nats_sss/cifar10", False), ("widths/toy", True)]
    assert len(rows(tmp_path / "general_scores.csv")) == 36
    config = build_config(EvolveConfig, {}, tmp_path / "several_spaces.toml")
    assert [task.name for task in config.tasks() + config.held_out_tasks()] == [name for name, _ in names]
    assert [task.networks for task in config.tasks()] == [60, 20]


def test_a_search_algorithm_searches_and_keeps_the_contract(tmp_path: Path) -> None:
    output = follow("tutorials/own_algorithm.md", tmp_path)
    assert "restarting_climber" in output
    assert " passed" in output
    assert (tmp_path / "climbing" / "search.html").exists()


def test_language_models_are_scored_and_verified(tmp_path: Path) -> None:
    output = follow("tutorials/transformers.md", tmp_path)
    scored = dict(re.findall(r"^ *(\w+) ([-+.\de]+)$", output, flags=re.MULTILINE))
    assert len(scored) == 18
    assert float(scored["head_confidence"]) > 0
    records = json.loads((tmp_path / "bert.json").read_text(encoding="utf-8"))["scores"]
    values = {record["proxy"]: record["score"] for record in records if record["status"] == "ok"}
    assert len(values) >= 35
    assert {"evolved_nb201", "dss", "attention_importance"} <= set(values)
    assert len(rows(tmp_path / "scores.csv")) == 6


def test_a_notebook_evolves_verifies_searches_and_measures(tmp_path: Path) -> None:
    """Execute the Python of the page as the cells of a notebook, and look at the kinds of their outputs."""
    codes = [code for language, code in blocks(DOCS / "tutorials" / "notebook.md") if language == "python"]
    cells = [nbformat.v4.new_code_cell(code) for code in (FAST, *codes)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebook.ipynb")
    code = (
        "import nbclient, nbformat; notebook = nbformat.read('notebook.ipynb', 4); "
        "nbclient.NotebookClient(notebook, timeout=600).execute(); nbformat.write(notebook, 'executed.ipynb')"
    )
    python(tmp_path, "-c", code)
    shown = {
        cell["source"].split("(")[0].splitlines()[-1]: {
            kind for output in cell["outputs"] for kind in output.get("data", ())
        }
        for cell in nbformat.read(tmp_path / "executed.ipynb", 4)["cells"]
    }
    for cell in ("run = eznas.evolve", "verification = eznas.verify", "search = eznas.search"):
        assert "text/html" in shown[cell]
    assert "image/png" in shown["run.plot"]
