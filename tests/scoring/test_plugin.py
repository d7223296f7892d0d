"""Files that register measures, primitives, spaces and algorithms, in this process and in workers."""

from __future__ import annotations

import functools
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from eznas import primitives
from eznas.cli import score, verify
from eznas.errors import EznasError, InputError
from eznas.measures import MEASURES
from eznas.programs import parse
from eznas.run import NUMERICS
from eznas.scoring import Backend, open_executor
from eznas.scoring.condition import fingerprint
from eznas.scoring.plugin import load_plugin, plugin_digests, use_plugins
from eznas.search import ALGORITHMS
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterator
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
def own_count(passes):
    return float(len(passes.weight_gradients()))
"""
PRIMITIVE = """
from eznas.primitives import Kind, primitive, reducing

@primitive(*reducing([Kind.WEIGHT], Kind.UNIT), formula="1")
def own_one(x):
    return x.new_ones(len(x))
"""
OTHERS = """
from eznas.search import ALGORITHMS, Algorithm
from eznas.search.algorithms.random_search import RandomSearch
from eznas.spaces import SPACES
from eznas.spaces.nats_sss import NatsSss

class OwnSpace(NatsSss):
    name = "own_space"

class OwnSearch(RandomSearch):
    pass

SPACES.register(OwnSpace())
ALGORITHMS.register(Algorithm("own_search", "", "", OwnSearch))
"""
MEASURE_NAMES = {"measure": ("own_count", "own_depth")}
NAMES = {"search space": ("own_space",), "search algorithm": ("own_search",), "primitive": ("own_one",)}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "own.py"
    file.write_text(PLUGIN, encoding="utf-8")
    yield file
    use_plugins({})


def records() -> tuple[dict[str, Any], ...]:
    return dict(MEASURES), dict(SPACES), dict(ALGORITHMS), {one.name: one for one in primitives.all_primitives()}


def seen(searcher: type, name: str) -> tuple[object, ...]:
    """Look everything up where this runs."""
    network = SPACES["own_space"].name, ALGORITHMS["own_search"].searcher is searcher
    return (*network, MEASURES[name].name, parse("sum(own_one(weight))").text)


@pytest.mark.parametrize("backend", ["loky", pytest.param("dask", marks=pytest.mark.slow)])
def test_workers_know_what_a_plugin_registered_before_they_unpickle_work(own: Path, backend: Backend) -> None:
    before = records()
    own.write_text(PLUGIN + PRIMITIVE + OTHERS, encoding="utf-8")
    assert load_plugin(own) == MEASURE_NAMES | NAMES
    function = functools.partial(seen, ALGORITHMS["own_search"].searcher)
    with open_executor(2, backend) as executor:
        results = dict(executor.map(function, ["own_depth", "own_count"]))
        assert results == {
            name: ("own_space", True, name, "sum(own_one(weight))") for name in ("own_depth", "own_count")
        }
        use_plugins({})
        assert records() == before
        for _, forgotten in executor.map(MEASURES.__contains__, ["own_depth", "own_count"]):
            assert not forgotten


def test_score_takes_measures_of_ones_own(own: Path) -> None:
    args = ["--plugin", str(own), "--measure", "own_depth", "--measure", "own_count", "--batch-size", "2", "--json"]
    result = CliRunner().invoke(score.main, [*args, "--device", "cpu", "--architecture", ARCHITECTURES[0]])
    assert result.exit_code == 0, result.output
    scores: list[dict[str, Any]] = json.loads(result.stdout)["scores"]
    assert [one["proxy"] for one in scores] == ["own_depth", "own_count"]
    assert [one["score"] for one in scores][1] == 38  # stem, 15 cells of 2, 2 blocks of 3, classifier


def test_verify_takes_them_into_its_processes_and_resumes_with_the_same_file_only(own: Path, tmp_path: Path) -> None:
    table = tmp_path / "accuracies.csv"
    rows = [f"{name},{90 + index}" for index, name in enumerate(ARCHITECTURES)]
    table.write_text("\n".join(["architecture,accuracy", *rows]) + "\n", encoding="utf-8")
    args = ["--plugin", str(own), "--proxy", "own_count", "--table", str(table), "--csv", str(tmp_path / "out.csv")]
    args += ["--workers", "2", "--batch_size", "2", "--device", "cpu"]
    result = CliRunner().invoke(verify.main, args)
    assert result.exit_code == 0, result.output
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split(",")[2:] for line in lines] == [["38.0", "ok"], ["23.0", "ok"]]
    assert CliRunner().invoke(verify.main, [*args, "--resume"]).exit_code == 0
    own.write_text(PLUGIN + "# edited\n", encoding="utf-8")
    result = CliRunner().invoke(verify.main, [*args, "--resume"])
    assert (result.exit_code, "code of builder and plugins" in result.stderr) == (2, True)


def test_a_file_is_imported_once_and_again_after_a_change(own: Path) -> None:
    assert load_plugin(own) == MEASURE_NAMES
    depth = MEASURES["own_depth"]
    assert load_plugin(own) == MEASURE_NAMES
    assert MEASURES["own_depth"] is depth
    own.write_text(PRIMITIVE.replace("ones", "zeros"), encoding="utf-8")
    assert load_plugin(own) == {"primitive": ("own_one",)}
    assert "own_depth" not in MEASURES
    own.write_text(PRIMITIVE, encoding="utf-8")
    assert load_plugin(own) == {"primitive": ("own_one",)}
    assert len(primitives.overloads("own_one")) == 1


def test_a_replaced_record_comes_back(own: Path) -> None:
    snip = MEASURES["snip"]
    text = "import dataclasses\nfrom eznas.measures import MEASURES\n"
    own.write_text(f"{text}MEASURES.register(dataclasses.replace(MEASURES['snip'], paper='mine'), replace=True)\n")
    assert load_plugin(own) == {"measure": ("snip",)}
    assert MEASURES["snip"].paper == "mine"
    use_plugins({})
    assert MEASURES["snip"] is snip


def test_a_worker_that_reads_another_content_is_refused(own: Path) -> None:
    load_plugin(own)
    digests = plugin_digests()
    assert list(digests) == [str(own.resolve())]
    own.write_text(PLUGIN + "# edited\n", encoding="utf-8")
    use_plugins(digests)  # is loaded already
    use_plugins({})
    with pytest.raises(EznasError, match="must be the same file for all processes"):
        use_plugins(digests)


def test_kept_vectors_depend_on_the_version_of_the_numerics(monkeypatch: pytest.MonkeyPatch) -> None:
    present = fingerprint()
    monkeypatch.setattr("eznas.run.NUMERICS", NUMERICS + 1)
    assert fingerprint() != present


def test_kept_vectors_depend_on_the_plugins_that_register_primitives(own: Path) -> None:
    plain = fingerprint()
    load_plugin(own)
    assert fingerprint() == plain
    own.write_text(PLUGIN + PRIMITIVE, encoding="utf-8")
    load_plugin(own)
    with_primitive = fingerprint()
    own.write_text(PLUGIN + PRIMITIVE + "# edited\n", encoding="utf-8")
    load_plugin(own)
    assert len({plain, with_primitive, fingerprint()}) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "it registers nothing"),
        ("1 / 0\n", "it raised ZeroDivisionError"),
        ("def (:\n", "it raised SyntaxError"),
        (PLUGIN.replace("own_depth", "snip"), "'snip' is registered already"),
        (PRIMITIVE.replace("len(x)", "2 * len(x)"), "it raised ProbeError: own_one"),
        (None, "must be a readable Python file, got"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(own: Path, text: str | None, message: str) -> None:
    if text is None:
        own.unlink()
    else:
        own.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_plugin(own)
    result = CliRunner().invoke(score.main, ["--plugin", str(own), "--list"])
    assert result.exit_code == 2


@pytest.mark.parametrize("text", [PLUGIN + PRIMITIVE + OTHERS + "\nassert False, 'not yet'\n", "import dataclasses\n"])
def test_a_file_that_fails_leaves_no_trace(own: Path, text: str) -> None:
    own.write_text(text, encoding="utf-8")
    before, modules = records(), set(sys.modules)
    with pytest.raises(InputError):
        load_plugin(own)
    assert records() == before
    assert set(sys.modules) == modules
    own.write_text(PLUGIN, encoding="utf-8")
    assert load_plugin(own) == MEASURE_NAMES


def test_files_of_one_name_do_not_clash(own: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / own.name
    other.parent.mkdir()
    other.write_text(PLUGIN.replace("own_", "other_"), encoding="utf-8")
    assert load_plugin(own) == MEASURE_NAMES
    assert load_plugin(other) == {"measure": ("other_count", "other_depth")}
    modules = {getattr(MEASURES[name].from_passes, "__module__", "") for name in ("own_count", "other_count")}
    assert len(modules) == 2
    assert modules <= set(sys.modules)
