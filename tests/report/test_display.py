from __future__ import annotations

import io

import pytest
from rich.console import Console

from eznas.report import display
from eznas.report.display import Display


def shown(*, terminal: bool, quiet: bool = False) -> tuple[Display, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, color_system=None)
    return Display(quiet=quiet, console=console), file


def test_a_log_has_few_plain_lines() -> None:
    progress, file = shown(terminal=False)
    with progress:
        progress.message("evolving")
        progress.stage("visiting", 5)
        for _ in range(5):
            progress.advance()
        progress.status("generation 1")
    assert file.getvalue().splitlines() == ["evolving", "visiting: 1/5", "visiting: 5/5"]


def test_a_log_tells_the_time_left() -> None:
    progress, file = shown(terminal=False)
    with progress:
        progress.remaining(600)
        progress.stage("visiting", 5)
        progress.advance()
    assert file.getvalue() == "visiting: 1/5, about 10 min left\n"


def test_a_terminal_has_one_bar_with_stage_and_time_left() -> None:
    progress, file = shown(terminal=True)
    with progress:
        progress.remaining(90)
        progress.stage("visiting", 4)
        progress.advance()
        progress.generation(
            {"generation": 7, "programs_evaluated": 9, "best_tau_train": 0.5, "best_tau_validation": 0.25}
        )
        line = render(progress)
        assert "visiting 1/4" in line
        assert "about 90 s left" in line
        for _ in range(3):
            progress.advance()
        assert "generation 7, 9 programs, tau 0.500 training, 0.250 validation" in render(progress)
        progress.message("a line that stays")
    assert "a line that stays\n" in file.getvalue().replace("\r", "")


def test_the_bar_of_the_whole_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    progress, _ = shown(terminal=True)
    now = progress._begun
    monkeypatch.setattr(display.time, "monotonic", lambda: now + 50)
    progress.remaining(50)
    assert " 50%" in render(progress)
    progress.remaining(500)
    assert " 50%" in render(progress)
    progress.remaining(0)
    assert "100%" in render(progress)


def test_without_an_estimate_the_bar_is_that_of_the_stage() -> None:
    progress, _ = shown(terminal=True)
    with progress:
        progress.stage("visiting", 4)
        progress.advance()
        assert " 25%" in render(progress)


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_shows_nothing(*, terminal: bool) -> None:
    progress, file = shown(terminal=terminal, quiet=True)
    with progress:
        progress.message("evolving")
        progress.stage("visiting", 1)
        progress.advance()
    assert file.getvalue() == ""


def render(progress: Display) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    with console.capture() as capture:
        console.print(progress)
    return capture.get()
