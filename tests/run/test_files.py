from __future__ import annotations

import os
from pathlib import Path

import pytest

from eznas.files import replace_file


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _without_links(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_the_file_exists_at_any_moment_of_a_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    path, replace = tmp_path / "table.csv", Path.replace
    replace_file(path, b"one", backup=True)
    assert _names(tmp_path) == ["table.csv"]

    def watched(self: Path, target: Path) -> Path:
        assert path.read_bytes() == b"one"
        moved = replace(self, target)
        assert path.exists()
        return moved

    if not links:
        monkeypatch.setattr(os, "link", _without_links)
    monkeypatch.setattr(Path, "replace", watched)
    replace_file(path, b"two", backup=True)
    assert (path.read_bytes(), (tmp_path / "table.csv.bak").read_bytes()) == (b"two", b"one")
    assert _names(tmp_path) == ["table.csv", "table.csv.bak"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("last", ["table.csv.bak", "table.csv"])
def test_the_version_before_stays_where_a_rename_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], last: str
) -> None:
    path, replace = tmp_path / "table.csv", Path.replace
    replace_file(path, b"one", backup=True)

    def failing(self: Path, target: Path) -> Path:
        if target.name == last:
            raise error
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        with pytest.raises(error):
            replace_file(path, b"two", backup=True)
    assert path.read_bytes() == b"one"
    assert {*_names(tmp_path)} <= {"table.csv", "table.csv.bak"}
    replace_file(path, b"two", backup=True)
    assert (path.read_bytes(), (tmp_path / "table.csv.bak").read_bytes()) == (b"two", b"one")
    assert _names(tmp_path) == ["table.csv", "table.csv.bak"]


def test_what_a_killed_replacement_left_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"one")
    for name in (".table.csv.new", ".table.csv.bak.new"):
        (tmp_path / name).write_bytes(b"torn")
    replace_file(path, b"two", backup=True)
    assert (path.read_bytes(), (tmp_path / "table.csv.bak").read_bytes()) == (b"two", b"one")
    assert _names(tmp_path) == ["table.csv", "table.csv.bak"]
