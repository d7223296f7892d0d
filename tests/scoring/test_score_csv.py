from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from eznas.errors import InputError
from eznas.scoring import ScoreCsv
from eznas.status import Score, Status

NAMES = ["a", "mean(b: c)"]
GOOD = [Score(0.1 + 0.2), Score(-1e-300)]
BAD = [Score(2.5), Score.failed(Status.NON_FINITE, "inf")]


def rows(path: Path, seed: int = 1) -> ScoreCsv:
    return ScoreCsv(path, NAMES, {"seed": seed})


def test_what_was_written_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    assert rows(path).begin(resume=True) == {}
    rows(path).add('{"x":1}', 90.5, GOOD)
    rows(path).add("y", 80.0, BAD)
    done = rows(path).begin(resume=True)
    assert done['{"x":1}'] == GOOD
    assert (done["y"][0], done["y"][1].status) == (Score(2.5), Status.NON_FINITE)
    assert math.isnan(done["y"][1].value)
    assert path.read_text().splitlines()[-1] == "y,80.0,2.5,,mean(b: c): non_finite"


def test_a_line_that_was_cut_off_is_scored_again(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows(path).begin(resume=False)
    rows(path).add("x", 90.5, GOOD)
    rows(path).add("y", 80.0, GOOD)
    path.write_text(path.read_text()[:-4])
    assert list(rows(path).begin(resume=True)) == ["x"]
    rows(path).add("y", 80.0, BAD)
    assert list(rows(path).begin(resume=True)) == ["x", "y"]


def test_without_resume_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.touch()
    assert rows(path).begin(resume=False) == {}
    rows(path).add("x", 90.5, GOOD)
    text = path.read_text()
    with pytest.raises(InputError, match="must be a new file: it has content; choose another file, or resume this one"):
        rows(path).begin(resume=False)
    assert path.read_text() == text


@pytest.mark.parametrize("status", ["okx", ""])
def test_a_damaged_status_is_one_sentence(tmp_path: Path, status: str) -> None:
    path = tmp_path / "x.csv"
    rows(path).begin(resume=False)
    rows(path).add("x", 90.5, GOOD)
    path.write_text(path.read_text().replace(",ok\n", f",{status}\n"))
    with pytest.raises(InputError, match="the row of x must hold scores"):
        rows(path).begin(resume=True)


@pytest.mark.parametrize("room", [0, 1])
def test_a_disk_that_fills_up_while_it_begins_leaves_what_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path = tmp_path / "x.csv"
    left = iter(range(room))

    def full(_: int) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"x\.csv must be a file that can be written: No space left on device"):
        rows(path).begin(resume=False)
    monkeypatch.undo()
    assert rows(path).begin(resume=True) == {}
    rows(path).add("x", 90.5, GOOD)
    assert list(rows(path).begin(resume=True)) == ["x"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_while_it_grows_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.csv").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"x\.csv must be a file that can be written: No space left on device"):
        rows(tmp_path / "x.csv").add("x", 90.5, GOOD)


def test_other_circumstances_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows(path).begin(resume=False)
    with pytest.raises(InputError, match="with seed 1, got 2; give the same"):
        rows(path, seed=2).begin(resume=True)
    with pytest.raises(InputError, match="as it was begun, with proxies"):
        ScoreCsv(path, ["a"], {"seed": 1}).begin(resume=True)
    path.write_text("architecture\n")
    with pytest.raises(InputError, match="must begin with the columns"):
        rows(path).begin(resume=True)
    (tmp_path / "x.csv.state.json").write_text("{")
    with pytest.raises(InputError, match=r"must have x\.csv\.state\.json beside it to be resumed"):
        rows(path).begin(resume=True)


def test_finish_writes_the_order_that_is_given(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    file = rows(path)
    file.begin(resume=False)
    file.add("y", 1.0, GOOD)
    file.finish([("x", 2.0, BAD), ("y", 1.0, GOOD)])
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["architecture", "x", "y"]
    assert json.loads((tmp_path / "x.csv.state.json").read_text()) == {"proxies": NAMES, "seed": 1}
