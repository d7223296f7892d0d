from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.report.display import Display, Lines

if TYPE_CHECKING:
    import pytest


def test_lines_come_at_most_every_few_seconds() -> None:
    times = iter([0.0, 1.0, 4.9, 5.0, 9.0, 20.0, 21.0])
    lines = Lines(every=5.0, clock=lambda: next(times))
    assert [lines.due() for _ in range(7)] == [True, False, False, True, False, True, False]


def test_progress_in_a_log_is_few_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as progress:
        progress.stage("networks", 50)
        for _ in range(50):
            progress.advance()
        progress.message("done [here]")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "networks: 1/50\nnetworks: 50/50\ndone [here]\n"


def test_quiet_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(quiet=True) as progress:
        progress.stage("networks", 1)
        progress.advance()
        progress.status("status")
        progress.message("message")
    assert capsys.readouterr() == ("", "")


def test_progress_in_a_terminal_is_live(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Display() as progress:
        progress.stage("networks", 2)
        progress.advance()
        progress.advance()
        progress.status("generation [1]")
        progress.status("generation [2]")
        progress.message("done")
    captured = capsys.readouterr().err
    assert "networks" in captured
    assert "2/2" in captured
    assert "done" in captured
