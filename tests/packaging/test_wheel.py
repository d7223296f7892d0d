"""A wheel, installed in an environment of its own, runs the commands outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"
SCORE = f"score --batch-size 4 --device cpu --architecture {ARCHITECTURE} --proxy"
OWN = "--benchmark custom:my_networks:build --dataset toy --table my_space.csv --networks 16 --validation-networks 10"
SMALL = "--test-networks 10 --library 8 --draws 1 --population 10 --generations 2 --workers 1 --time-budget 2m"
COMMANDS = (
    f"{SCORE} naswot",
    "verify --samples 5 --proxy params --proxy naswot --batch-size 4 --workers 2 --device cpu",
    "export sum(mean(weight_grad.data)) --out proxy.py",
    f"{SCORE} proxy.py",
    f"evolve {OWN} {SMALL} --out run",
    "report run",
    "export run --format latex",
    "search --queries 5 --runs 1 --out search",
    "predict list",
    "benchmarks list",
    "language effective_rank",
)
SESSION = """
import json, sys
import eznas
from eznas.cli.main import main

if __name__ == "__main__":
    print(eznas.__file__, eznas.__version__)
    for line in json.loads(sys.argv[1]):
        assert not main.main(line.split(), "eznas", standalone_mode=False), line
"""

pytestmark = pytest.mark.slow


def run(folder: Path, *command: str) -> str:
    """Run a command outside the checkout, without a way to its code, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # not the checkout, where a build leaves files that later builds take in
    for name in ("eznas", "primitives"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", str(source)]
    run(folder, sys.executable, "-m", "pip", *build)
    [wheel] = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_package_with_its_primitives_and_types_and_nothing_else(wheel: Path) -> None:
    files = set(zipfile.ZipFile(wheel).namelist())
    modules = [file.relative_to(ROOT).as_posix() for file in (ROOT / "primitives").glob("*.py")]
    assert {f"eznas/{name}" for name in [*modules, "py.typed"]} <= files
    assert {name.partition("/")[0] for name in files} == {"eznas", f"eznas-{wheel.name.split('-')[1]}.dist-info"}


def test_the_installed_wheel_runs_every_command(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=os.name != "nt")
    paths = sysconfig.get_paths("venv", vars={"base": str(environment), "platbase": str(environment)})
    interpreter = str(Path(paths["scripts"]) / "python")
    pip = ["-m", "pip", "--quiet", "--python", interpreter]
    run(tmp_path, sys.executable, *pip, "install", "--no-deps", "--no-index", str(wheel))
    dependencies = Path(sysconfig.get_path("purelib"))
    (Path(paths["purelib"]) / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")

    for example in ("my_networks.py", "my_space.csv"):
        shutil.copy(ROOT / "docs" / "examples" / example, tmp_path)
    (tmp_path / "session.py").write_text(SESSION, encoding="utf-8")
    first, *printed = run(tmp_path, interpreter, "session.py", json.dumps(COMMANDS)).splitlines()
    place, version = first.split()
    assert Path(place).is_relative_to(environment)
    assert version == wheel.name.split("-")[1]
    for word in ("naswot", "proxy", "rank0", "aging_evolution", "random_forest", "effective_rank"):
        assert any(word in line for line in printed), word
    for file in ("proxy.py", "run/hall_of_fame.csv", "run/report.html", "search/search.html"):
        assert (tmp_path / file).exists()
    assert version in run(tmp_path, str(Path(paths["scripts"]) / "eznas"), "--version")
