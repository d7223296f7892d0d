"""The experiments with predictors: figures beside published ones, and paired comparisons."""

from __future__ import annotations

import csv
import json
import math
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def table(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("predictor_table")


@pytest.fixture
def sampling(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("predictor_sampling")


@pytest.fixture
def evolved(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("predict_evolved")


def test_published_figures_are_linear_in_the_logarithm_of_the_size(table: ModuleType) -> None:
    assert table.published_at("nasbench101", "seminas", 24) == pytest.approx(0.395)
    assert table.published_at("nasbench101", "seminas", (24 * 71) ** 0.5) == pytest.approx((0.395 + 0.51) / 2)
    assert table.published_at("nasbench101", "seminas", 4) is None
    assert table.published_at("nasbench101", "svr", 24) is None


def test_the_table_has_published_figures_below_and_says_what_is_missing(table: ModuleType) -> None:
    row = {"train_size": 24, "epochs": 0, "tau": 0.4, "tau_sd": 0.01}
    seminas = {"space": "nasbench101", "predictor": "seminas", "status": "ok", "trials": 3, "rows": [row]}
    missing = {"space": "nasbench101", "predictor": "xgboost", "status": "install it", "trials": 3, "rows": []}
    lines = table.markdown([seminas, missing]).splitlines()
    assert "| seminas | 3 | - | - | - | 0.400 (0.010) | - | - | - | - |" in lines
    assert "| seminas, published | | 0.220 | 0.272 | 0.335 | 0.395 | 0.454 | 0.510 | 0.565 | 0.605 |" in lines
    assert any(line.startswith("| xgboost | install it |") for line in lines)
    assert any(line.startswith("- oneshot, rsws: ") for line in lines)


def test_every_registered_predictor_is_in_the_table_or_named_below_it(table: ModuleType) -> None:
    from eznas.predictors import PREDICTORS

    named = {name.partition("@")[0].partition(":")[0] for _, name in table.entries()}
    excused = {word for names in table.NOT_EVALUATED for word in names.replace(",", " ").split()}
    assert {*PREDICTORS} - named - excused == set()


def test_processor_seconds_add_up_over_commands(table: ModuleType) -> None:
    record = {"status": "ok", "processor_seconds": 1.5}
    continued = table.add_seconds(record, {"status": "ok", "processor_seconds": 2.0})
    assert continued["processor_seconds"] == 3.5
    assert table.add_seconds(record, {}) == record
    written = table.facts([continued, {"status": "install it"}, record])
    assert (written["processor_seconds"], written["sizes"][-1]) == (5.0, 205)


def test_records_that_another_command_adds_meanwhile_are_kept(
    table: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def record(space: str, name: str) -> dict[str, object]:
        return {"space": space, "predictor": name, "status": "ok", "trials": 1, "processor_seconds": 1.0, "rows": []}

    def evaluated(folder: Path, space: str, name: str, *_: int) -> dict[str, object]:
        if space == "nasbench201":
            text = json.dumps({"records": [record("nasbench201", "gp")]})
            (folder / "predictor_table.json").write_text(text, encoding="utf-8")
        return record(space, name)

    monkeypatch.setattr(table, "prepare", lambda *_: None)
    monkeypatch.setattr(table, "evaluated", evaluated)
    CliRunner().invoke(table.main, [str(tmp_path), str(tmp_path), "--only", "svr"], catch_exceptions=False)
    written = json.loads((tmp_path / "predictor_table.json").read_text(encoding="utf-8"))["records"]
    assert [(one["space"], one["predictor"]) for one in written] == [
        ("nasbench201", "gp"),
        ("nasbench201", "svr"),
        ("nasbench101", "svr"),
    ]


def test_the_interval_of_a_gain_is_students(evolved: ModuleType) -> None:
    found = evolved.paired(np.array([[0.5, 0.6], [0.5, 0.8], [0.4, 0.4]]))
    half = stats.t.ppf(0.975, 2) * np.std([0.1, 0.3, 0.0], ddof=1) / 3**0.5
    assert found == {
        "published": 0.4667,
        "both": 0.6,
        "gain": 0.1333,
        "low": round(0.4 / 3 - half, 4),
        "high": round(0.4 / 3 + half, 4),
    }


def test_files_of_scores_are_joined_on_common_networks(evolved: ModuleType, tmp_path: Path) -> None:
    texts = {
        "a": "architecture,params\nx,1\ny,2\nz,3\n",
        "b": "architecture,accuracy,program,status\nz,90,7,ok\nx,80,8,ok\n",
        "c": "architecture,program,program_seconds\nx,5,0.1\ny,4,0.1\nz,6,0.1\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    files = evolved.joined(
        tmp_path / "a", [tmp_path / "b", tmp_path / "c"], tmp_path / "published", tmp_path / "programs"
    )
    read = [list(csv.reader(path.read_text().splitlines())) for path in files]
    assert read == [
        [["architecture", "params"], ["x", "1"], ["z", "3"]],
        [["architecture", "program", "program#1"], ["x", "8", "5"], ["z", "7", "6"]],
    ]


UNPRUNED = (
    "0100000/0000001/0001000/0000000/0000000/0000000/0000000 "
    "input,conv3x3-bn-relu,conv1x1-bn-relu,maxpool3x3,conv3x3-bn-relu,conv3x3-bn-relu,output"
)
"""The edges 0>1 and 1>6, and 2>3, which is on no path from input to output."""


def test_unpruned_rows_have_what_is_on_no_path(sampling: ModuleType) -> None:
    from eznas.predictors.encodings.base import ENCODINGS, EncodingInputs

    [row] = sampling.unpruned_rows([UNPRUNED])
    assert len(row) == 21 + 15
    assert np.flatnonzero(row).tolist() == [0, 10, 11, 21, 21 + 4, 21 + 8, 21 + 9, 21 + 12]
    pruned = sampling.SPACE.parse(UNPRUNED)
    assert pruned == "010/001/000 input,conv3x3-bn-relu,output"
    [row] = ENCODINGS["onehot"](EncodingInputs(sampling.SPACE)).rows([pruned], None)
    assert np.flatnonzero(row).tolist() == [0, 10, 21]


def test_a_failed_fit_has_no_tau(sampling: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def fit(self, *_: object) -> None:
            raise RuntimeError("the predictions must differ")

    monkeypatch.setattr(sampling, "SIZES", (4,))
    way = sampling.Way("table", regressors={"mlp": lambda _: Failing()})
    drawn = [(UNPRUNED, UNPRUNED, float(place)) for place in range(sampling.TEST + 4)]
    assert sampling.fit_trial(way, drawn, 0) == {"mlp": [None]}
    assert sampling.fit_trial(way, drawn, 0, ["nao"]) == {}


def test_nao_reads_tokens_and_those_of_the_whole_matrix(sampling: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[float]] = []

    class Reading(sampling.SequenceRows):  # type: ignore[misc, name-defined]
        def fit(self, rows: np.ndarray, labels: np.ndarray) -> None:
            read.append(rows[0].tolist())
            super().fit(rows, labels)

    monkeypatch.setattr(sampling, "SIZES", (4,))
    edge = "01/00 input,output"
    drawn = [(edge if place % 2 else UNPRUNED, "", float(place % 2)) for place in range(sampling.TEST + 4)]
    for unpruned in (False, True):
        way = sampling.Way("table", unpruned, regressors={"nao": Reading})
        [tau] = sampling.fit_trial(way, drawn, 0)["nao"]
        assert abs(tau) == pytest.approx(1)  # two cells with an accuracy each
    # by vertex: 2 for an edge from an earlier one and 1 for none, then its operation from 3; 0 where there is no vertex
    assert (read[0][:5], read[0][-7:]) == ([2, 3, 1, 1, 0], [1, 2, 1, 1, 1, 1, 6])
    assert (read[1][:9], read[1][-7:]) == ([2, 3, 1, 1, 4, 1, 1, 2, 5], [1, 2, 1, 1, 1, 1, 6])


def test_random_matrices_have_half_of_the_edges(sampling: ModuleType) -> None:
    rng = random.Random(0)
    rows = sampling.unpruned_rows([sampling.random_matrix(rng) for _ in range(2000)])
    assert rows[:, :21].mean(axis=0) == pytest.approx(0.5, abs=0.06)
    assert rows[:, 21:].mean(axis=0) == pytest.approx(1 / 3, abs=0.06)


def test_the_pool_has_the_matrices_of_known_cells(sampling: ModuleType) -> None:
    only = "01/00 input,output"
    pool = sampling.random_pool({only: 90.0}, 1000)
    assert (pool["draws"], pool["distinct"], len(pool["matrices"])) == (1000, 1, sampling.MOST)
    assert 0.6 < pool["cells"] / 1000 < 0.85
    assert 0.05 < pool["known"] / pool["cells"] < 0.2
    assert {cell for _, cell in pool["matrices"]} == {only}
    assert {sampling.SPACE.parse(matrix) for matrix, _ in pool["matrices"]} == {only}


def test_a_trial_has_no_cell_twice_unless_asked_for(sampling: ModuleType) -> None:
    from eznas.errors import InputError

    sample = [("a", "x", 1.0), ("b", "x", 2.0), ("c", "y", 3.0)]
    seen = set()
    for seed in range(20):
        drawn = sampling.draw(sample, 2, random.Random(seed), repeated=False)
        assert {cell for _, cell, _ in drawn} == {"x", "y"}
        seen |= {name for name, _, _ in drawn}
    assert seen == {"a", "b", "c"}
    assert sorted(sampling.draw(sample, 3, random.Random(0), repeated=True)) == sample
    with pytest.raises(InputError, match="must have 3 architectures, got 2"):
        sampling.draw(sample, 3, random.Random(0), repeated=False)


def test_the_summary_leaves_undefined_taus_out(sampling: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "WAYS", {"table": sampling.Way("table")})
    trials = [{"table": {"mlp": [tau, 0.5, 0.5, 0.5]}} for tau in (0.1, None, 0.4, 0.1)]
    first, *_, last = sampling.summary(trials)
    assert first == {
        "predictor": "mlp",
        "way": "table",
        "train_size": 24,
        "tau": 0.2,
        "tau_se": 0.1,
        "undefined": 1,
        "published": 0.08,
    }
    assert (last["train_size"], last["tau_se"], last["undefined"]) == (205, 0.0, 0)


def test_the_published_evidence_has_a_norm_as_misfit(script: Callable[[str], ModuleType]) -> None:
    loss = script("predictor_published_models").published_loss
    # With both precisions 4, the posterior of one weight has the precision 8 and the mean 4 * 3 / 8.
    evidence = math.log(4) - 0.5 * math.log(2 * math.pi) - 2 * 1.5 - 2 * 1.5**2 - 0.5 * math.log(8)
    prior = 2 * stats.norm.pdf(math.log(4))
    assert loss(np.log([4, 1 / 4]), np.ones((1, 1)), np.array([3.0])) == pytest.approx(-evidence - prior)


def test_the_published_perceptrons_start_as_xaviers(script: Callable[[str], ModuleType]) -> None:
    network = script("predictor_published_models").PublishedPerceptrons(3)._build(36, 3)
    linear = network[::2]
    assert [layer.weight.shape for layer in (linear[0], linear[-1])] == [(20, 36), (1, 20)]
    for layer in linear:
        bound = math.sqrt(6 / sum(layer.weight.shape))
        assert 0.5 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert not layer.bias.any()
