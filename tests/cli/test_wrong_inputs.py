"""Paths and names that a newcomer may give by mistake: one sentence on standard error, exit code 2, no traceback."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from eznas.cli.main import main
from eznas.predictors.fits import KeptFit
from eznas.run import RunDirectory
from eznas.search.config import SearchConfig
from eznas.supernet.config import SupernetConfig

if TYPE_CHECKING:
    from pathlib import Path

CELL = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"
SHORT_SEARCH = "--queries 5 --runs 1 --out new"
SHORT_TRIAL = "--trials 1 --train-sizes 8"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an unfinished run of each kind, a fit, and files that hold nothing of use."""
    monkeypatch.chdir(tmp_path)
    options = {
        "evolution": {"benchmark": "nasbench201"},
        "formulas": {"scores": ["scores.csv"]},
        "search": SearchConfig().as_toml(),
        "supernet": SupernetConfig(images="noise").as_toml(),
    }
    for kind, config in options.items():
        RunDirectory.create(tmp_path / "runs" / kind, config, seed=0, command=f"make {kind}").close()
    for name in ("empty.csv", "empty.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / "one.csv").write_text(f"architecture,accuracy\n{CELL},12\n", encoding="utf-8")
    (tmp_path / "object.json").write_text("{}", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    KeptFit("nasbench201", "accuracy", "random_forest", {}, 0, [CELL], [12.0]).save(tmp_path / "fit.json")
    return tmp_path


def sentence(line: str) -> str:
    """Run a command that must fail, and return its sentence."""
    result = CliRunner().invoke(main, shlex.split(line), prog_name="eznas")
    assert result.exit_code == 2, result.output
    return result.stderr.splitlines()[-1]


PROXIES = {
    "runs/none": "'runs/none' must be a measure, a program or an exported file, but there is no such file",
    "empty": "'empty' must be a measure, a program or an exported file, but it is a folder",
    "runs/search": "but it is a run directory; export one of its programs to a file",
    "empty.csv": "but it is a file whose name does not end in .py",
    "''": "'' must be a measure, a program or an exported file, but it is empty",
    "missing.py": "missing.py must be readable: No such file or directory",
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("text", PROXIES)
def test_a_path_that_is_no_proxy_is_named_as_such(text: str) -> None:
    assert PROXIES[text] in sentence(f"score --architecture '{CELL}' --proxy {text}")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", ["verify --proxy", f"search {SHORT_SEARCH} --signal"])
def test_every_command_that_takes_proxies_names_such_a_path(command: str) -> None:
    assert PROXIES["runs/none"] in sentence(f"{command} runs/none")


CASES = {
    "export none": "no run directory 'none' exists; unknown measure 'none'",
    "export runs/none": "no run directory 'runs/none' exists; 'runs/none' must be a measure, a program",
    "export empty.csv": "but it is a file whose name does not end in .py",
    "export ''": "'' must be a measure, a program or an exported file, but it is empty",
    "export runs/search": "runs/search must be the directory of an evolution, but it is that of a search",
    "export runs/supernet": "runs/supernet must be the directory of an evolution, but it is that of a supernet",
    "language 'xyz*'": "no primitive or statistic matches 'xyz*'",
    "report none": "none must be a run directory, but it does not exist",
    "report empty.csv": "empty.csv must be a run directory, but it is a file",
    "report empty": "empty must be a run directory with a manifest.json",
    "report runs": "runs must be a run directory, but it is a folder with run directories in it, such as runs/supernet",
    "report runs/search/config.toml": "but it is a file in one; give runs/search",
    "report fit.json": "but it is a fit; eznas predict predict --fit fit.json uses it",
    "report runs/evolution": "runs/evolution must hold summary.json; if the run was stopped before it wrote the file",
    "report runs/formulas": "runs/formulas must hold summary.json; if",
    "report runs/search": "runs/search must hold results.json; if the run was stopped before it wrote the file",
    "report runs/supernet": "runs/supernet must hold supernet.json; if the run was stopped before it wrote the file",
    "report runs/supernet runs/search": "but runs/supernet is a supernet, runs/search is a search",
    "report runs/supernet --json": "must come with evolutions, without --compare; runs/supernet is a supernet",
    "report runs/evolution --compare runs/formulas": "--compare must come with searches",
    "verify --proxy 'vote(missing.py, naswot)'": "must be measures or programs; got the file 'missing.py'",
    "verify --proxy 'vote(naswot'": "a combination must end with a closing bracket; got 'vote(naswot'",
    "verify --benchmark custom --table one.csv": "--benchmark must be custom:MODULE:CALLABLE, such as",
    "verify --proxy params --unseen-by runs/search": "on networks, but it is that of a search",
    "verify --proxy params --samples 5 --csv one.csv --resume": "one.csv must have one.csv.state.json beside it",
    "search --out empty.csv": "empty.csv must be a folder or a new name, but it is a file",
    "search --resume runs/evolution": "must be the directory of a search, but it is that of an evolution",
    "evolve --resume runs/search": "runs/search must be the directory of an evolution, but it is that of a search",
    "evolve --scores one.csv --out new": "they have no other columns",
    "evolve --scores empty.csv --out new": "must have the columns architecture and accuracy, it has: none",
    "predict supernet --resume runs/search": "must be the directory of a supernet to be resumed so, but it is that",
    "predict supernet --images '' --out new": "the images '' must be a known name or a path that exists",
    f"predict evaluate {SHORT_TRIAL} --predictor measure:naswot": "--scores must be files with the columns naswot",
    "predict predict --fit object.json": "must be a file that eznas predict fit wrote, but it holds something else",
    "predict rank --architectures empty.txt": "--architectures must have an architecture in each line, but empty.txt "
    "has none",
    "predict rank --architectures none.txt": "must be a readable text file, got none.txt: No such file or directory",
    "benchmarks convert nasbench201 empty.txt --out new.csv": "but reading it failed: EOFError",
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("line", CASES)
def test_a_wrong_input_gives_one_sentence(line: str) -> None:
    assert CASES[line] in sentence(line)


def test_a_refused_command_leaves_no_directory(folder: Path) -> None:
    sentence(f"search {SHORT_SEARCH} --signal runs/none")
    assert not (folder / "new").exists()
