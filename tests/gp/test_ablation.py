from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy.stats import kendalltau

pytestmark = pytest.mark.usefixtures("small_networks")
SMALL = {
    "networks": 10,
    "validation_networks": 10,
    "test_networks": 10,
    "full_networks": 0,
    "population": 12,
    "generations": 2,
    "terminals": "measures",
    "terminal_measures": ["params", "flops", "depth"],
    "batch_size": 2,
    "device": "cpu",
    "plugin": str(Path(__file__).with_name("tiny_spaces.py")),
}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_programs_of_a_seed_are_tested_on_the_same_further_networks(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "experiments")
    script = importlib.import_module("ablation")
    monkeypatch.setitem(script.BUDGETS, "networks", SMALL)
    monkeypatch.setitem(script.VARIANTS, "networks", {"all": {}, "no breeding": {"generations": 1}})
    monkeypatch.setattr(script, "TESTED", 12)
    words = ["--table", str(table), "--out", str(tmp_path), "--seeds", "2", "--json", str(tmp_path / "found.json")]

    def ablation() -> None:
        result = CliRunner().invoke(script.main, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output

    ablation()
    found = (tmp_path / "found.json").read_bytes()
    [tested] = (tmp_path / "networks").glob("tested_1_*.csv")
    networks = {row["architecture"]: float(row["accuracy"]) for row in rows(tested)}
    assert len(networks) == 12
    for name, row in json.loads(found)["networks"]["variants"].items():
        run = script.EvolutionRun.open(tmp_path / "networks" / name.replace(" ", "_") / "1")
        seen = {each["architecture"] for each in rows(run.path / "networks.csv") if each["part"] != "test"}
        assert len(seen) == 20
        assert not seen & {*networks}
        scores = [float(each[run.best["program"]]) for each in rows(tested)]
        assert row["taus"][1] == pytest.approx(kendalltau(scores, [*networks.values()]).statistic)
    monkeypatch.setattr("eznas.evolve", lambda **_: pytest.fail("a finished run was run again"))
    ablation()
    assert (tmp_path / "found.json").read_bytes() == found
