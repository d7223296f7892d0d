from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from scipy.stats import kendalltau

from eznas.cli.verify import main
from eznas.errors import InputError
from eznas.seeds import python_rng
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = python_rng(0, "test")
    names = dict.fromkeys(SPACES["nasbench201"].sample(rng) for _ in range(12))
    path = tmp_path_factory.mktemp("table") / "accuracies.csv"
    rows = [f"{name},{80 + rng.random() * 14:.2f}" for name in names]
    path.write_text("\n".join(["architecture,accuracy", *rows]) + "\n", encoding="utf-8")
    return path


def invoke(*args: str) -> Result:
    given = ["--batch-size", "4", "--workers", "1", "--device", "cpu", *args]
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, given, prog_name="python verify_scores.py")


def records(table: Path, folder: Path, *args: str) -> list[dict[str, Any]]:
    result = invoke("--table", str(table), "--json", str(folder / "out.json"), *args)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    return found


def test_json_and_csv_agree(table: Path, tmp_path: Path) -> None:
    args = ("--proxy", "params", "--proxy", "sum(frobenius_norm(weight))", "--samples", "6", "--csv")
    found = records(table, tmp_path, *args, str(tmp_path / "scores.csv"))
    with (tmp_path / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert [record["proxy"] for record in found] == list(rows[0])[2:-1]
    assert {row["status"] for row in rows} == {"ok"}
    accuracies = [float(row["accuracy"]) for row in rows]
    for record in found:
        scores = [float(row[record["proxy"]]) for row in rows]
        assert record["tau"] == pytest.approx(kendalltau(scores, accuracies).statistic)
        assert record["tau_low"] <= record["tau"] <= record["tau_high"]
        assert (record["n_networks"], record["n_failed"], record["statuses"]) == (6, 0, {"ok": 6})


def test_measures_are_words_of_programs(table: Path, tmp_path: Path) -> None:
    proxies = ("params", "neg(log(measure.params))", "add(graf.count_conv_3x3, graf.count_conv_1x1)")
    found = records(table, tmp_path, *(word for proxy in proxies for word in ("--proxy", proxy)))
    assert [record["n_failed"] for record in found] == [0, 0, 0]
    assert found[1]["tau"] == pytest.approx(-found[0]["tau"])


def test_json_says_what_was_done(table: Path, tmp_path: Path) -> None:
    [record] = records(table, tmp_path, "--proxy", "params", "--samples", "3", "--seed", "5")
    keys = {"proxy", "search_space", "dataset", "target", "n_networks", "n_failed", "tau", "tau_low", "tau_high"}
    assert keys | {"rho", "pearson", "seconds", "versions", "table_sha256"} <= set(record)
    assert (record["search_space"], record["dataset"]) == ("nasbench201", "cifar10")
    assert (record["seed"], record["batch_size"], record["device"]) == (5, 4, "cpu")
    assert "digits" in record["images"]
    assert record["command"].startswith("python verify_scores.py --batch-size 4 --workers 1 --device cpu --table")


def test_the_same_seed_draws_the_same_networks(table: Path, tmp_path: Path) -> None:
    drawn = []
    for seed in ("1", "1", "2"):
        scores = tmp_path / f"{len(drawn)}.csv"
        records(table, tmp_path, "--proxy", "params", "--samples", "4", "--csv", str(scores), "--seed", seed)
        drawn.append(scores.read_text(encoding="utf-8"))
    assert drawn[0] == drawn[1] != drawn[2]


def test_outputs_and_the_table_must_be_different_files(table: Path, tmp_path: Path) -> None:
    before = table.read_text(encoding="utf-8")
    for args in (
        ("--csv", str(table)),
        ("--json", str(table)),
        ("--csv", str(tmp_path / "o"), "--json", f"{tmp_path}/o"),
    ):
        result = invoke("--table", str(table), "--proxy", "params", *args)
        assert (result.exit_code, "must be different files" in result.stderr) == (2, True)
    assert table.read_text(encoding="utf-8") == before


def test_one_network_is_no_ranking(table: Path) -> None:
    result = invoke("--table", str(table), "--proxy", "params", "--samples", "1")
    assert (result.exit_code, "at least 2" in result.stderr) == (2, True)


def test_zero_samples_are_all(table: Path, tmp_path: Path) -> None:
    [record] = records(table, tmp_path, "--proxy", "params", "--samples", "0")
    assert record["n_networks"] == len(table.read_text(encoding="utf-8").splitlines()) - 1


def test_a_constant_proxy_has_that_status_and_no_tau(table: Path, tmp_path: Path) -> None:
    constant = "sub(sum(frobenius_norm(weight)), sum(frobenius_norm(weight)))"
    [record] = records(table, tmp_path, "--proxy", constant, "--samples", "3")
    assert (record["tau"], record["statuses"], record["n_failed"]) == (None, {"constant": 3}, 0)
    result = invoke("--table", str(table), "--proxy", constant, "--samples", "3")
    assert "is constant: it has the same value on every network" in result.stdout


def test_the_table_is_printed_though_a_file_cannot_be_written(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise InputError("the disk is full")

    monkeypatch.setattr("eznas.cli.console.write_output", full)
    path = str(tmp_path / "x.json")
    result = invoke("--table", str(table), "--proxy", "params", "--samples", "3", "--json", path)
    assert result.exit_code == 2
    assert [line for line in result.stdout.splitlines() if "params" in line]


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_a_file_that_cannot_be_written_costs_no_scoring(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("eznas.api.verify.verify", pytest.fail)
    result = invoke("--table", str(table), option, str(tmp_path))
    assert result.exit_code == 2
    assert f"{tmp_path} must be a file that can be written" in result.stderr


def test_the_table_is_printed_with_target_and_images(table: Path) -> None:
    result = invoke("--table", str(table), "--proxy", "params", "--samples", "3")
    assert "cifar10" in result.stdout
    assert "3 networks" in result.stdout
    assert "images of" in result.stdout
    assert [line for line in result.stdout.splitlines() if "params" in line]


def test_quiet_prints_nothing(table: Path) -> None:
    result = invoke("--table", str(table), "--proxy", "params", "--samples", "3", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_a_proxy_without_any_value_is_exit_code_1(table: Path) -> None:
    program = "sum(frobenius_norm(log(mul(sign(weight), sign(reciprocal(relu(lt0(abs(weight)))))))))"
    result = invoke("--table", str(table), "--proxy", program, "--samples", "3")
    assert result.exit_code == 1, result.output
    assert "has no value on any network" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--benchmark", "NATSBanch"), "unknown benchmark 'natsbanch'; did you mean"),
        (("--benchmark", "NDS", "--nds-space", "cells"), "unknown benchmark 'nds_cells'; did you mean"),
        (("--benchmark", "custom"), "--benchmark must be custom:MODULE:CALLABLE, such as custom:mypackage"),
        (("--builder", "x:y"), "--builder must be given with --benchmark custom and only there"),
        (("--resume",), "--resume must come with --csv"),
        (("--nds-space", "DARTS"), "--nds-space must be given with --benchmark NDS and only there"),
        (("--proxy", "nazwot"), "unknown measure 'nazwot'; did you mean 'naswot'?"),
        (("--proxy", "abs(measure.nazwot)"), "unknown measure 'nazwot'; did you mean 'naswot'?"),
        (("--samples", "99"), "--samples must be at most 12, the size of the table, got 99"),
        (("--images", "nowhere.npz"), "nowhere.npz"),
        (("--memory", "much"), "--memory must be a size of at least 512M, such as 4G, got 'much'"),
        (("--device", "warp"), "--device must be auto or a device that works here"),
        (
            ("--json", "missing/folder/x.json", "--samples", "2", "--proxy", "params"),
            "missing/folder must be a folder that exists",
        ),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(table: Path, args: tuple[str, ...], message: str) -> None:
    result = invoke("--table", str(table), *args)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")


def test_combinations_and_pictures(table: Path, tmp_path: Path) -> None:
    combination = "log_rank(params, -l2_norm)"
    args = ("--proxy", "params", "--proxy", combination, "--samples", "4", "--plots", str(tmp_path / "new" / "plots"))
    found = records(table, tmp_path, *args, "--fidelity", "reduced_deep")
    assert [record["combination"] for record in found] == ["", combination]
    assert found[0]["condition"].startswith("reduced_deep, seed 1, ")
    drawn = sorted(path.name for path in (tmp_path / "new" / "plots").iterdir())
    assert drawn == ["log_rank_params_-l2_norm.png", "params.png"]


def test_a_folder_that_cannot_be_made_costs_no_scoring(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eznas.api.verify.verify", pytest.fail)
    result = invoke("--table", str(table), "--plots", str(table / "plots"))
    assert (result.exit_code, "must be a folder that can be made" in result.stderr) == (2, True)


NOTHING = "sum(frobenius_norm(log(mul(sign(weight), sign(reciprocal(relu(lt0(abs(weight)))))))))"


def test_a_default_proxy_may_be_undefined_on_every_network(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eznas.api.verify.DEFAULT_PROXIES", ("params", NOTHING))
    result = invoke("--table", str(table), "--samples", "3")
    assert (result.exit_code, f"{NOTHING} has no value on any network" in result.stdout) == (0, True)
    monkeypatch.setattr("eznas.api.verify.DEFAULT_PROXIES", (NOTHING,))
    assert invoke("--table", str(table), "--samples", "3").exit_code == 1


def test_an_exported_file_that_is_asked_for_must_have_a_value(table: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing.py").write_text(f"PROGRAM = {NOTHING!r}\n", encoding="utf-8")
    result = invoke("--table", str(table), "--samples", "3", "--proxy", "params", "--proxy", f"{tmp_path}/nothing.py")
    assert (result.exit_code, "nothing has no value on any network: " in result.stderr) == (1, True)


def test_a_pattern_stands_for_measures(table: Path, tmp_path: Path) -> None:
    found = records(table, tmp_path, "--samples", "2", "--proxy", "param*", "--proxy", "params", "--proxy", "l2_*")
    assert [record["proxy"] for record in found] == ["params", "l2_norm"]


def test_json_goes_to_standard_output_without_a_file(table: Path) -> None:
    result = invoke("--table", str(table), "--samples", "3", "--proxy", "params", "--json")
    [record] = json.loads(result.stdout)
    assert (record["proxy"], record["n_networks"]) == ("params", 3)
