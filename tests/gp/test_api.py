from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eznas.api.evolve import EvolutionRun, evolve
from eznas.errors import InputError
from eznas.gp import confirmation
from eznas.minibatch import load_minibatch
from eznas.programs import evaluate, parse
from eznas.scoring.plugin import load_plugin, plugin_digests, use_plugins
from eznas.spaces import SPACES, Fidelity

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.usefixtures("small_networks")
SMALL: dict[str, Any] = {
    "networks": 10,
    "validation_networks": 10,
    "test_networks": 10,
    "full_networks": 0,
    "population": 12,
    "generations": 3,
    "library": 8,
    "batch_size": 4,
    "workers": 1,
    "time_budget": "10m",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_networks: None, some_accuracies: str) -> EvolutionRun:
    folder = tmp_path_factory.mktemp("api")
    (folder / "table.csv").write_text(some_accuracies, newline="")
    return evolve(out=folder / "run", progress=False, table=folder / "table.csv", **SMALL)


def test_a_run_shows_itself(run: EvolutionRun) -> None:
    best = run.best
    assert run.finished
    assert repr(run) == f"EvolutionRun({str(run.path)!r}, 3 generations, best tau {best['tau_test']:.3f})"
    page = run._repr_html_()
    assert best["program"].replace(">", "&gt;") in page
    assert "naswot" in page
    assert page.count('src="') == page.count('src="data:image/png;base64,') == 2


def test_tables_are_data_frames(run: EvolutionRun, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    assert run.hall_of_fame["program"][0] == run.best["program"] == run.summary["best"]["program"]
    assert list(run.baselines["name"]) == list(confirmation.BASELINES)
    assert list(run.logbook["generation"]) == [1, 2, 3]
    monkeypatch.setitem(sys.modules, "pandas", None)  # as where it is not installed
    assert run.hall_of_fame[0] == run.best
    assert [row["generation"] for row in run.logbook] == [1, 2, 3]


def test_a_run_is_opened_again(run: EvolutionRun) -> None:
    assert EvolutionRun.open(str(run.path)).best == run.best


def test_programs_score_networks_and_are_exported(run: EvolutionRun, tmp_path: Path) -> None:
    architecture = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    network = SPACES["nasbench201"].build(architecture, Fidelity("full", cells=1, channels=4, pixels=8), 10)
    minibatch = load_minibatch("digits", 4, pixels=8)
    assert [run.score(network, minibatch, 1)] == evaluate([parse(run._record(1)["program"])], network, minibatch)
    assert run.export(tmp_path / "proxy.py") == (tmp_path / "proxy.py").read_text(encoding="utf-8")
    assert run.best["program"] in run.export(format="text")
    assert run.export(rank=1, format="text") == run._record(1)["program"]
    assert run.export(format="dot").startswith("digraph")
    with pytest.raises(InputError, match="rank must be at least 0 and below"):
        run.export(rank=99)
    with pytest.raises(InputError, match="format must be 'python', 'latex', 'dot' or 'text', got 'c'"):
        run.export(format="c")  # type: ignore[arg-type]


def test_a_run_has_plots(run: EvolutionRun) -> None:
    assert len(run.plot().axes) > len(run.plot("progress").axes)
    with pytest.raises(
        InputError, match=r"kind must be one of \['scores', 'taus', 'pareto', 'progress'\] for .*, got 'tau'"
    ):
        run.plot("tau")  # type: ignore[arg-type]


def test_a_callback_ends_a_run_which_is_reported_and_resumed(run: EvolutionRun, tmp_path: Path, listener: Any) -> None:
    records: list[Mapping[str, float | int | str]] = []

    def stop(record: Mapping[str, float | int | str]) -> bool:
        records.append(record)
        return len(records) == 2

    table = run.path.parent / "table.csv"
    stopped = evolve(out=tmp_path / "run", progress=listener, callback=stop, table=table, **SMALL)
    assert (stopped.summary["stopped_by"], [record["generation"] for record in records]) == ("callback", [1, 2])
    assert stopped.best["tau_test"] is not None
    how = f"EvolutionRun.open({str(tmp_path / 'run')!r}).resume()"
    assert f"writing to {tmp_path / 'run'}; resume with: {how}" in listener.messages[0]
    assert listener.messages[-1].endswith(how)
    resumed = stopped.resume(progress=False)
    assert (resumed.path / "hall_of_fame.csv").read_bytes() == (run.path / "hall_of_fame.csv").read_bytes()
    with pytest.raises(InputError, match="population must not be given when a run is resumed") as caught:
        resumed.resume(population=9)
    assert caught.value.parameters == ("population",)


def test_loaded_primitives_belong_to_a_run(run: EvolutionRun, tmp_path: Path) -> None:
    plugin = Path(__file__).parents[2] / "docs" / "examples" / "my_primitive.py"
    before = plugin_digests()
    load_plugin(plugin)
    try:
        with pytest.raises(InputError, match="must not be loaded, since the run began without its primitives"):
            run.resume(progress=False)
        short = {**SMALL, "generations": 1, "table": run.path.parent / "table.csv"}
        beside = evolve(out=tmp_path / "run", progress=False, **short)
    finally:
        use_plugins(before)
    assert beside.resume(progress=False, generations=2).summary["generations"] == 2  # loads the plugin again
    use_plugins(before)


def test_a_run_that_is_not_finished_shows_what_it_has(run: EvolutionRun, tmp_path: Path, listener: Any) -> None:
    class Error(Exception):
        pass

    def fail(record: Mapping[str, float | int | str]) -> None:
        if record["generation"] == 2:
            raise Error

    with pytest.raises(Error):
        evolve(out=tmp_path / "run", progress=listener, callback=fail, table=run.path.parent / "table.csv", **SMALL)
    assert listener.messages[-1].startswith("resume with: EvolutionRun.open(")
    stopped = EvolutionRun.open(tmp_path / "run")
    assert repr(stopped) == f"EvolutionRun({str(stopped.path)!r}, not finished)"
    assert stopped.best["tau_train"] > 0
    assert "not tested yet" in stopped._repr_html_()
    assert "provisional" in stopped.export()
    with (stopped.path / "hall_of_fame.provisional.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert [row[column] for column in ("seconds", "tau_test", "coverage")] == [""] * 3
    with pytest.raises(InputError, match="must be a finished run, but it was stopped before its end; resume it"):
        stopped.baselines  # noqa: B018 - reading it is the test


def test_bad_options_are_one_sentence_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="networks must be greater than or equal to 10, got 3") as caught:
        evolve(out=tmp_path / "run", networks=3)
    assert caught.value.parameters == ("networks",)
    with pytest.raises(InputError, match="unknown option 'netwroks'; did you mean 'networks'"):
        evolve(out=tmp_path / "run", netwroks=3)
    assert not (tmp_path / "run").exists()
