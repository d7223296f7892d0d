from __future__ import annotations

import multiprocessing
import sqlite3
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eznas.errors import InputError
from eznas.scoring.vector_store import VectorStore

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["mean(weight)", "l1(norm_out.data)"]
VECTORS = np.array([[1.0, np.nan, -np.inf], [0.1, 2.0, 5e-324]])


def test_what_was_saved_comes_back_to_the_bit_also_from_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.sqlite"
    with VectorStore(path) as store:
        assert store.load("net", TEXTS) is None
        store.save("net", TEXTS, VECTORS)
    with VectorStore(path) as store:
        found = store.load("net", TEXTS[::-1])
        assert found is not None
        assert found.tobytes() == VECTORS[::-1].tobytes()
        assert store.load("other", TEXTS) is None
        assert store.load("net", [*TEXTS, "mean(norm_out.data)"]) is None


def test_saving_again_replaces(tmp_path: Path) -> None:
    with VectorStore(tmp_path / "s") as store:
        store.save("net", TEXTS, VECTORS)
        store.save("net", TEXTS[:1], VECTORS[1:])
        found = store.load("net", TEXTS[:1])
        assert found is not None
        np.testing.assert_array_equal(found, VECTORS[1:])


def test_a_row_that_was_tampered_with_is_unknown(tmp_path: Path) -> None:
    with VectorStore(tmp_path / "s") as store:
        store.save("net", TEXTS, VECTORS)
    connection = sqlite3.connect(tmp_path / "s")
    numbers = np.array([1.0, 1.0, 1.0]).tobytes()
    with connection:
        connection.execute("UPDATE vectors SET numbers = ? WHERE length(numbers) = 24", (numbers,))
    connection.close()
    with VectorStore(tmp_path / "s") as store:
        assert store.load("net", TEXTS) is None


@pytest.mark.parametrize("damage", ["garbage", "truncated"])
def test_a_damaged_file_is_replaced_and_said_once(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s"
    with VectorStore(path) as store:
        for network in range(300):
            store.save(str(network), TEXTS, VECTORS)
    whole = path.read_bytes()
    garbage = whole[:16] + b"\x17" * (len(whole) - 16)
    path.write_bytes(garbage if damage == "garbage" else whole[: len(whole) // 2 + 100])
    said: list[str] = []
    with VectorStore(path, message=said.append) as store:
        for network in range(300):
            found = store.load(str(network), TEXTS)
            assert found is None or found.tobytes() == VECTORS.tobytes()
        store.save("new", TEXTS, VECTORS)
        assert store.load("new", TEXTS) is not None
    assert len(said) == 1
    assert "an empty one takes its place" in said[0]
    assert (tmp_path / "s.damaged").exists()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("architecture,accuracy\n")
    with pytest.raises(
        InputError, match=r"table.csv must be a new file or an SQLite database, got b'architecture,acc'"
    ):
        VectorStore(path)
    assert path.read_text() == "architecture,accuracy\n"
    with pytest.raises(InputError, match="it is a folder; choose a file"):
        VectorStore(tmp_path)


def test_a_place_that_cannot_be_written_costs_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said: list[str] = []
    with VectorStore(tmp_path / "file" / "store", message=said.append) as store:
        store.save("net", TEXTS, VECTORS)
        assert store.load("net", TEXTS) is None
    assert len(said) == 1
    assert "goes on without it" in said[0]


def test_after_a_read_that_failed_it_is_written_on(tmp_path: Path) -> None:
    said: list[str] = []
    with VectorStore(tmp_path / "s", message=said.append) as store:
        assert store._connection is not None
        store._connection.execute("ALTER TABLE vectors RENAME TO elsewhere")
        assert store.load("net", TEXTS) is None
        store._connection.execute("ALTER TABLE elsewhere RENAME TO vectors")
        store.save("net", TEXTS, VECTORS)
        assert store.load("net", TEXTS) is not None
    assert len(said) == 1
    assert "cannot be read" in said[0]


def test_an_error_of_the_caller_does_not_put_the_file_aside(tmp_path: Path) -> None:
    with VectorStore(tmp_path / "s") as store:
        assert store._connection is not None
        store._connection.close()
        with pytest.raises(sqlite3.ProgrammingError):
            store.load("net", TEXTS)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_full_disk_costs_one_message_and_keeps_what_is_there(tmp_path: Path) -> None:
    said: list[str] = []
    with VectorStore(tmp_path / "s", message=said.append) as store:
        store.save("net", TEXTS, VECTORS)
        assert store._connection is not None
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says that the disk is full
        for network in range(200):
            store.save(f"more{network}", TEXTS, np.zeros((2, 100)))
        assert store.load("net", TEXTS) is not None
    assert len(said) == 1
    assert "full" in said[0]


def test_the_limit_holds_and_the_newest_stay(tmp_path: Path) -> None:
    with VectorStore(tmp_path / "s", limit=2**18) as store:
        for network in range(500):
            store.save(str(network), TEXTS, np.full((2, 100), float(network)))
        assert store.load("0", TEXTS) is None
        assert store.load("499", TEXTS) is not None
    assert (tmp_path / "s").stat().st_size < 2**19


def _fill(path: Path, start: int) -> None:
    with VectorStore(path) as store:
        for network in range(start, start + 40):
            store.save(str(network), TEXTS, VECTORS + network)


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fill, args=(tmp_path / "s", start)) for start in (0, 20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    with VectorStore(tmp_path / "s") as store:
        for network in range(60):
            found = store.load(str(network), TEXTS)
            assert found is not None
            np.testing.assert_array_equal(found, VECTORS + network)
