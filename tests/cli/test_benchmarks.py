from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eznas.benchmarks import BENCHMARKS
from eznas.benchmarks.catalog import OfficialFile
from eznas.benchmarks.conversion import check_contents, convert
from eznas.benchmarks.convert.converted import Converted, gather
from eznas.benchmarks.table import Target, column_target
from eznas.cli.benchmarks import main
from eznas.errors import InputError
from eznas.spaces import SPACES

ROOT = Path(__file__).resolve().parents[2]


def invoke(*args: str, data: Path | None = None) -> Result:
    environment = {
        "COLUMNS": "1000",  # so that no path is folded
        "EZNAS_DATA": str(data) if data else None,
    }
    return CliRunner(env=environment).invoke(main, list(args), prog_name="eznas benchmarks")


def test_every_benchmark_is_listed_and_known() -> None:
    listed = invoke("list")
    assert listed.exit_code == 0, listed.output
    for name, info in BENCHMARKS.items():
        assert name in listed.output
        told = invoke("info", name)
        assert told.exit_code == 0, told.output
        assert info.citation in told.output
        assert set(info.best) <= set(info.datasets)
        for columns in info.best.values():
            assert all(column_target(column, "", "") for column in columns)


def test_a_table_in_the_folder_is_found_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "nats_sss_cifar10.csv"
    path.write_text("architecture,accuracy,test_90,params\n8:8:8:8:8,79.79,79.79,11714\n8:8:8:8:16,82.56,82.56,18386\n")
    listed = invoke("list", data=tmp_path).output
    assert f"tables are searched for in: {tmp_path} (EZNAS_DATA)" in listed
    assert str(path) not in listed  # its folder stands above
    assert re.search(r"nats_sss +cifar10, .* 32768 +cifar10 +yes", listed)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert f"cifar10 ({path})" in invoke("list", "--data", str(elsewhere), data=tmp_path).output
    assert str(path) in invoke("info", "nats_sss", "--data", str(tmp_path)).output
    done = invoke("check", "nats_sss", data=tmp_path)
    assert done.exit_code == 0, done.output
    assert "2 of 2 networks built have the table's number of parameters" in done.output
    path.write_text(path.read_text().replace("18386", "18387"))
    wrong = invoke("check", "nats_sss", "--table", str(path))
    assert wrong.exit_code == 1
    assert "8:8:8:8:16 has another number of parameters" in wrong.stderr


@pytest.mark.parametrize(("installed", "how"), [(True, "with pip"), (False, 'not installed: pip install "eznas[zoo]"')])
def test_what_comes_with_pip_is_here_once_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool, how: str
) -> None:
    package = tmp_path / "pytorchcv"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)] if installed else [])
    monkeypatch.delitem(sys.modules, "pytorchcv", raising=False)
    for command in (["list"], ["info", "pytorchcv"]):
        told = invoke(*command)
        assert told.exit_code == 0, told.output
        assert f"cifar10, cifar100, svhn ({how})" in told.output


def test_a_column_that_is_missing_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = BENCHMARKS["nats_sss"]
    monkeypatch.setitem(BENCHMARKS._records, "nats_sss", replace(info, architectures=2))  # type: ignore[attr-defined]
    path = tmp_path / "table.csv"
    path.write_text("architecture,accuracy,test_90\n8:8:8:8:8,79.79,\n8:8:8:8:16,82.56,93.65\n")
    told = invoke("check", "nats_sss", "--table", str(path))
    assert told.exit_code == 0, told.output
    assert "1 architectures have no test_90" in told.output
    path.write_text("architecture,accuracy,test_90\n8:8:8:8:8,79.79,\n8:8:8:8:16,82.56,\n")
    wrong = invoke("check", "nats_sss", "--table", str(path))
    assert wrong.exit_code == 1
    assert "the best test_90 must be 93.65, got nan" in wrong.stderr


def test_params_in_millions_are_compared_where_the_networks_are_these(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    one, two = (SPACES["nasbench201"].architectures() or ())[:2]
    path.write_text(f"architecture,accuracy,params\n{one},79.79,0.129306\n{two},80,0.4\n")
    told = invoke("check", "zc_nasbench201", "--table", str(path))
    assert told.exit_code == 1
    assert "1 of 2 networks built have the table's number of parameters" in told.output
    assert BENCHMARKS["zc_nasbench301"].params_unit == 0


def test_what_cannot_be_used_is_exit_code_2(tmp_path: Path) -> None:
    missing = invoke("convert", "nats_sss", str(tmp_path / "absent"), "-o", str(tmp_path / "x.csv"))
    assert missing.exit_code == 2
    assert "absent must exist; nats_sss is offered at https://" in missing.stderr
    assert invoke("info", "nats_ssss").exit_code == 2
    assert "did you mean 'nats_sss'" in invoke("info", "nats_ssss").stderr


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "nb.pth"
    source.write_bytes(b"no such file: reading it would be another error")
    for out, message in (
        (".", ". must be a file to write, but it is a folder"),
        (str(source / "x.csv"), "must be a folder that exists"),
        (str(tmp_path / ("x" * 300)), "must be a file that can be written: File name too long"),
    ):
        told = invoke("convert", "nasbench201", str(source), "-o", out)
        assert (told.exit_code, told.stderr.count("\n")) == (2, 1), told.output
        assert message in told.stderr

    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    told = invoke("convert", "nasbench201", str(source), "-o", str(tmp_path / "x.csv"))
    assert told.exit_code == 2
    assert "x.csv must be a file that can be written: Permission denied" in told.stderr


def test_a_source_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "nb.pth"
    source.touch()

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"nb\.pth must be a file that can be read: Permission denied"):
        convert(BENCHMARKS["nasbench201"], [source], "cifar10", tmp_path / "x.csv")


def test_a_table_that_exists_is_replaced_only_by_force(tmp_path: Path) -> None:
    source, out = tmp_path / "nas-bench-macro_cifar10.json", tmp_path / "full.csv"
    source.write_text(json.dumps({"00000000": {"test_acc": [90.0]}, "00000001": {"test_acc": [91.0]}}))
    out.write_text("precious")
    arguments = ("convert", "nasbench_macro", str(source), "--partial", "-o", str(out))
    told = invoke(*arguments)
    assert told.exit_code == 2
    assert "full.csv must not exist yet; give another " in told.stderr
    assert out.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    done = invoke(*arguments, "--force")
    assert done.exit_code == 0, done.output
    assert "architecture,accuracy" in out.read_text()


def test_running_it_as_a_module_does_not_warn() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "eznas.benchmarks", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "convert" in done.stdout


def converted(best: float) -> Converted:
    target = Target("cifar10", "test", 90, "one")
    architectures = tuple(SPACES["nats_sss"].architectures() or ())
    return Converted(architectures, gather([{"test_90": best}, *[{"test_90": 1.0}] * 32_767]), "test_90", target)


def test_contents_are_compared_with_what_is_published() -> None:
    info = BENCHMARKS["nats_sss"]
    assert check_contents(info, "cifar10", converted(93.65))[1] == "best test_90 is 93.65, as published"
    with pytest.raises(InputError, match=r"must be 93\.65, got 93\.6000"):
        check_contents(info, "cifar10", converted(93.6))


def test_a_whole_digest_is_compared(tmp_path: Path) -> None:
    info = replace(BENCHMARKS["nats_sss"], files=(OfficialFile("a.pbz2", digest="md5:" + "0" * 32),))
    (tmp_path / "a.pbz2").write_bytes(b"x")
    with pytest.raises(InputError, match="must have the md5 digest 0000"):
        convert(info, [tmp_path / "a.pbz2"], "cifar10", tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("test_200", Target("d", "test", 200, "three")),
        ("validation_12_seed777", Target("d", "validation", 12, "seed 777")),
        ("params", None),
        ("test_best", None),
    ],
)
def test_a_column_says_which_accuracy_it_is(column: str, expected: Target | None) -> None:
    assert column_target(column, "d", "three") == expected


def test_rows_become_columns() -> None:
    columns = gather([{"a": 1.0}, {"b": 2.0, "a": 3.0}])
    assert list(columns) == ["a", "b"]
    assert columns["a"].tolist() == [1, 3]
    assert str(columns["b"].tolist()) == "[nan, 2.0]"
