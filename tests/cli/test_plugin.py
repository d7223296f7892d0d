"""Measures in a user's own file, from the command lines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from eznas.cli import score, verify
from eznas.errors import InputError
from eznas.measures import MEASURES
from eznas.scoring import plugin
from eznas.scoring.plugin import load_plugin, plugin_of

if TYPE_CHECKING:
    from pathlib import Path

ARCHITECTURES = (
    "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_3x3~2|",
    "|skip_connect~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_1x1~2|",
)
PLUGIN = """
from eznas.measures import register_measure, measure_from_passes

@register_measure(name="own_depth", paper="", formula="modules")
def own_depth(network, minibatch):
    return float(len(list(network.modules())))

@measure_from_passes("weight_gradients", name="own_count", paper="", formula="weights")
def own_count(seen):
    return float(len(seen.weight_gradients()))
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    _ = "snip" in MEASURES  # so that the built-in ones stay
    monkeypatch.setattr(MEASURES, "_records", dict(MEASURES._records))
    monkeypatch.setattr(plugin, "_loaded", {})
    file = tmp_path / "own_measures.py"
    file.write_text(PLUGIN, encoding="utf-8")
    return file


def test_score_takes_measures_of_ones_own(own: Path) -> None:
    args = ["--plugin", str(own), "--measure", "own_depth", "--measure", "own_count", "--batch-size", "2", "--json"]
    result = CliRunner().invoke(score.main, [*args, "--device", "cpu", "--architecture", ARCHITECTURES[0]])
    assert result.exit_code == 0, result.output
    scores: list[dict[str, Any]] = json.loads(result.stdout)["scores"]
    assert [one["proxy"] for one in scores] == ["own_depth", "own_count"]
    assert [one["score"] for one in scores][1] == 38  # stem, 15 cells of 2, 2 blocks of 3, classifier


def test_verify_takes_them_into_its_processes(own: Path, tmp_path: Path) -> None:
    table = tmp_path / "accuracies.csv"
    rows = [f"{name},{90 + index}" for index, name in enumerate(ARCHITECTURES)]
    table.write_text("\n".join(["architecture,accuracy", *rows]) + "\n", encoding="utf-8")
    args = ["--plugin", str(own), "--proxy", "own_count", "--table", str(table), "--csv", str(tmp_path / "out.csv")]
    result = CliRunner().invoke(verify.main, [*args, "--workers", "2", "--batch-size", "2", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split(",")[2:] for line in lines] == [["38.0", "ok"], ["23.0", "ok"]]


def test_a_plugin_loads_once_and_is_remembered(own: Path) -> None:
    assert load_plugin(own) == load_plugin(own) == ("own_count", "own_depth")
    assert plugin_of("own_depth") == str(own.resolve())
    assert plugin_of("snip") == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "must register a measure"),
        ("1 / 0\n", "it raised ZeroDivisionError"),
        ("def (:\n", "it raised SyntaxError"),
        (PLUGIN.replace("own_depth", "snip"), "'snip' is registered already"),
        (None, "must be a Python file that exists"),
    ],
)
def test_what_is_no_plugin(own: Path, text: str | None, message: str) -> None:
    if text is None:
        own.unlink()
    else:
        own.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_plugin(own)
    result = CliRunner().invoke(score.main, ["--plugin", str(own), "--list"])
    assert result.exit_code == 2


@pytest.mark.parametrize("text", [PLUGIN + "\nassert False, 'not yet'\n", "import dataclasses\n"])
def test_a_plugin_that_fails_leaves_no_trace(own: Path, text: str) -> None:
    own.write_text(text, encoding="utf-8")
    measures, modules = dict(MEASURES), set(sys.modules)
    with pytest.raises(InputError):
        load_plugin(own)
    assert dict(MEASURES) == measures
    assert set(sys.modules) == modules
    own.write_text(PLUGIN, encoding="utf-8")
    assert load_plugin(own) == ("own_count", "own_depth")


def test_plugins_of_one_name_do_not_clash(own: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / own.name
    other.parent.mkdir()
    other.write_text(PLUGIN.replace("own_", "other_"), encoding="utf-8")
    assert load_plugin(own) + load_plugin(other) == ("own_count", "own_depth", "other_count", "other_depth")
    modules = {getattr(MEASURES[name].shared, "__module__", "") for name in ("own_count", "other_count")}
    assert len(modules) == 2
    assert modules <= set(sys.modules)
