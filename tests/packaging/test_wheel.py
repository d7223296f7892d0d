"""A wheel, installed in an environment of its own, runs the commands outside the checkout."""

from __future__ import annotations

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
SMALL = "--networks 20 --validation-networks 10 --test-networks 10 --full-networks 0 --library 10 --draws 1"

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

    def eznas(command: str, *arguments: str) -> str:
        return run(tmp_path, interpreter, "-m", f"eznas.{command}", *arguments)

    place, version = run(tmp_path, interpreter, "-c", "import eznas; print(eznas.__file__, eznas.__version__)").split()
    assert Path(place).is_relative_to(environment)
    assert version == wheel.name.split("-")[1]
    scored = ["--measure", "naswot", "--architecture", ARCHITECTURE, "--device", "cpu"]
    assert "naswot" in eznas("score", *scored)
    assert "params" in eznas("verify", "--n_samples", "5", "--proxy", "params", "--device", "cpu")
    eznas("export", "sum(mean(weight_grad.data))", "-o", "proxy.py")
    assert "proxy" in eznas("score", "--measure", "proxy.py", *scored[2:])
    budget = [*SMALL.split(), "--population", "20", "--generations", "3", "--time-budget", "2m", "--device", "cpu"]
    assert "tau" in eznas("evolve", *budget, "--out", "run")
    assert (tmp_path / "run" / "hall_of_fame.csv").exists()
