from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.errors import InputError
from eznas.run import FORMAT, RunDirectory, default_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE: dict[str, Any] = {"generation": 3, "programs": ["mean(é)"], "best": 0.1 + 0.2}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDirectory]:
    made = RunDirectory.create(tmp_path / "run", {"seed": 7}, seed=7, command="evolve --seed 7", device="cpu")
    with made:
        yield made


def test_a_new_directory_says_where_it_comes_from(run: RunDirectory) -> None:
    manifest = run.manifest()
    assert manifest["format"] == FORMAT
    assert (manifest["seed"], manifest["command"], manifest["device"]) == (7, "evolve --seed 7", "cpu")
    assert set(manifest["versions"]) == {"eznas", "torch", "numpy", "deap", "numerics"}
    assert (run.path / "config.toml").read_text(encoding="utf-8") == "seed = 7\n"


def test_recorded_facts_are_added_to_the_manifest(run: RunDirectory) -> None:
    run.record(device="cuda:0", data={"table": "ab12"})
    assert run.manifest()["device"] == "cuda:0"
    assert run.manifest()["data"] == {"table": "ab12"}
    assert run.manifest()["seed"] == 7


def test_a_directory_with_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(InputError, match="must be new or empty"):
        RunDirectory.create(tmp_path, {}, seed=0, command="")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, {}, seed=0, command="") as run:
        assert run.manifest()["seed"] == 0


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="must be writable: Not a directory"):
        RunDirectory.create(tmp_path / "file" / "run", {}, seed=0, command="")


def test_a_full_disk_is_an_input_error_and_the_old_file_stays(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write_text("summary.json", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        run.write_text("summary.json", "new")
    assert (run.path / "summary.json").read_text(encoding="utf-8") == "old"
    assert not list(run.path.glob(".*.new"))


def test_only_run_directories_are_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be a run directory with a manifest\.json"):
        RunDirectory(tmp_path)


def test_another_format_is_refused(run: RunDirectory) -> None:
    run.record(format=FORMAT + 1)
    with pytest.raises(InputError, match=f"must be a run directory of format {FORMAT}, got format {FORMAT + 1}"):
        RunDirectory(run.path)


def test_two_processes_do_not_write_in_one_directory(run: RunDirectory) -> None:
    held = _resume_elsewhere(run.path)
    assert "is in use by another process" in held.stderr
    RunDirectory(run.path).manifest()  # reading is free
    run.close()
    free = _resume_elsewhere(run.path)
    assert (free.returncode, free.stderr) == (0, "")


def _resume_elsewhere(path: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys, pathlib, eznas.run; eznas.run.RunDirectory.resume(pathlib.Path(sys.argv[1])).close()"
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=root, capture_output=True, text=True, check=False
    )


def test_a_backup_is_the_version_before(run: RunDirectory) -> None:
    for tau in ("0.1", "0.2"):
        run.write_csv("hall_of_fame.csv", ["tau", "program"], [[tau, "add(a, b)"]], backup=True)
    assert run.read_csv("hall_of_fame.csv") == [{"tau": "0.2", "program": "add(a, b)"}]
    (run.path / "hall_of_fame.csv").unlink()
    assert run.read_csv("hall_of_fame.csv") == [{"tau": "0.1", "program": "add(a, b)"}]
    (run.path / "hall_of_fame.csv.bak").unlink()
    with pytest.raises(InputError, match=r"must hold hall_of_fame\.csv"):
        run.read_csv("hall_of_fame.csv")


def test_missing_values_are_written_as_nothing(run: RunDirectory) -> None:
    run.write_csv("logbook.csv", ["a", "b"], [[1, None]])
    assert (run.path / "logbook.csv").read_text(encoding="utf-8") == "a,b\n1,\n"


def test_files_in_folders_are_written(run: RunDirectory) -> None:
    run.write_text("proxies/best.py", "PROGRAM = ''\n")
    assert (run.path / "proxies" / "best.py").is_file()


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_damaged_json_is_an_input_error(run: RunDirectory, content: str) -> None:
    run.write_text("summary.json", content)
    with pytest.raises(InputError, match=r"summary\.json must"):
        run.read_json("summary.json")


def test_the_journal_keeps_its_entries(run: RunDirectory) -> None:
    assert run.journal() == []
    run.append({"event": "start"})
    run.append({"event": "line\nbreak"})
    assert run.journal() == [{"event": "start"}, {"event": "line\nbreak"}]


def test_a_torn_last_line_is_left_out_and_does_not_spoil_the_next(run: RunDirectory) -> None:
    run.append({"event": 1})
    with (run.path / "journal.jsonl").open("ab") as file:
        file.write(b'{"event": 2')
    assert run.journal() == [{"event": 1}]
    run.close()
    with RunDirectory.resume(run.path) as again:
        again.append({"event": 3})
        assert again.journal() == [{"event": 1}, {"event": 3}]


def test_damage_inside_the_journal_is_named(run: RunDirectory) -> None:
    run.append({"event": 1})
    with (run.path / "journal.jsonl").open("ab") as file:
        file.write(b"nonsense\n")
    run.append({"event": 3})
    with pytest.raises(InputError, match=r"journal\.jsonl:2 must be JSON"):
        run.journal()


def test_a_checkpoint_comes_back(run: RunDirectory) -> None:
    assert run.read_checkpoint() is None
    run.write_checkpoint(STATE)
    assert run.read_checkpoint() == STATE
    assert json.loads((run.path / "checkpoint.json").read_text(encoding="utf-8"))["format"] == FORMAT


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_cut_or_changed_checkpoint_is_recognised(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    run = RunDirectory.create(tmp_path_factory.mktemp("run"), {}, seed=0, command="")
    run.write_checkpoint({"generation": 1})
    run.write_checkpoint({"generation": 2, "text": "abcdef"})
    path = run.path / "checkpoint.json"
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 3))
    cut = data.draw(st.booleans())
    path.write_bytes(whole[:place] if cut else whole[:place] + b"~" + whole[place + 1 :])
    assert run.read_checkpoint() == {"generation": 1}
    run.close()


def test_stopping_between_the_two_renames_leaves_the_checkpoint_before(run: RunDirectory) -> None:
    run.write_checkpoint({"generation": 1})
    (run.path / "checkpoint.json").replace(run.path / "checkpoint.json.bak")
    assert run.read_checkpoint() == {"generation": 1}


def test_no_whole_checkpoint_is_an_input_error(run: RunDirectory) -> None:
    run.write_text("checkpoint.json", "{}")
    with pytest.raises(InputError, match="must be undamaged"):
        run.read_checkpoint()


def test_default_directories_do_not_collide(tmp_path: Path) -> None:
    first = default_directory(tmp_path)
    first.mkdir()
    assert default_directory(tmp_path) != first
