from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from eznas.api.verify import Verification, verify
from eznas.cli.verify import main
from eznas.errors import InputError
from eznas.progress import Progress
from eznas.scoring import Proxy
from eznas.seeds import python_rng
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

CONSTANT = "sub(sum(frobenius_norm(weight)), sum(frobenius_norm(weight)))"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = python_rng(0, "test")
    names = dict.fromkeys(SPACES["nasbench201"].sample(rng) for _ in range(8))
    path = tmp_path_factory.mktemp("table") / "accuracies.csv"
    rows = [f"{name},{80 + rng.random() * 14:.2f}" for name in names]
    path.write_text("\n".join(["architecture,accuracy", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def verified(table: Path) -> Verification:
    return verify(["params", "l2_*", CONSTANT], table=table, batch_size=2, workers=1, device="cpu", progress=False)


def test_records_hold_what_the_command_writes(table: Path, tmp_path: Path, verified: Verification) -> None:
    args = ["--proxy", "params", "--proxy", "l2_norm", "--proxy", CONSTANT, "--batch-size", "2", "--workers", "1"]
    scores = tmp_path / "scores.csv"
    result = CliRunner().invoke(main, [*args, "--device", "cpu", "--table", str(table), "--csv", str(scores)])
    assert result.exit_code == 0, result.output
    records = verified.records()
    assert [record["proxy"] for record in records] == ["params", "l2_norm", CONSTANT]
    assert f"{records[0]['tau']:.3f}" in result.stdout
    with scores.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["l2_norm"]) for row in rows] == verified.column("l2_norm").values().tolist()
    assert len({tuple(record) for record in records}) == 1  # the columns of a data frame


def test_it_shows_itself(verified: Verification) -> None:
    assert repr(verified).startswith("<Verification of 8 networks, cifar10 unknown accuracy")
    assert len(repr(verified)) < 300
    page = verified._repr_html_()
    assert page.count("<tr>") == 4
    assert page.count("data:image/png;base64,") == 3
    assert "is constant" in page
    assert f"{verified.column('params').correlation.tau:.3f}" in page


def test_one_proxy_is_plotted(verified: Verification) -> None:
    assert verified.plot("l2_norm").get_suptitle().startswith("l2_norm")
    assert verified.plot().get_suptitle().startswith("params")
    with pytest.raises(InputError, match="did you mean 'params'"):
        verified.plot("param")


def test_proxies_may_be_objects_and_progress_may_be_told(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[str] = []

    class Told(Progress):
        def advance(self) -> None:
            steps.append("step")

    def run(proxies: str | Proxy, progress: bool | Progress) -> list[float]:
        found = verify(
            proxies, table=table, samples=3, batch_size=2, workers=1, device="cpu", progress=progress, seed=5
        )
        return found.columns[0].values().tolist()

    first = run(Proxy.of("params"), Told())
    assert (steps, capsys.readouterr()) == (["step"] * 3, ("", ""))
    assert run("params", progress=False) == first
    assert capsys.readouterr() == ("", "")
    assert run("params", progress=True) == first
    assert "networks: 3/3" in capsys.readouterr().err


def test_scores_are_continued(table: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "scores.csv")
    given = {"table": str(table), "batch_size": 2, "workers": 1, "device": "cpu", "progress": False, "csv": file}
    assert len(verify("params", samples=3, **given).seconds) == 3  # type: ignore[arg-type]
    assert len(verify("params", samples=0, resume=True, **given).seconds) == 5  # type: ignore[arg-type]


def test_errors_name_parameters(table: Path) -> None:
    with pytest.raises(InputError, match=r"^samples must be at most 8, the size of the table, got 9$"):
        verify("params", table=table, samples=9, progress=False)
    with pytest.raises(InputError, match="no measure matches 'zzz\\*'"):
        verify("zzz*", table=table, progress=False)
