from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from eznas.api.search import SearchRun, search
from eznas.errors import InputError
from eznas.progress import Progress
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

ALL = list(SPACES["nasbench201"].architectures() or ())[:40]


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    lines = [f"{one},{90 + index / 10},{index},{index + 5}" for index, one in enumerate(ALL)]
    (tmp_path / "table.csv").write_text("\n".join(["architecture,accuracy,valid12,valid12_seconds", *lines, ""]))
    return {"table": str(tmp_path / "table.csv"), "signal": "valid12", "queries": 8, "workers": 1, "progress": False}


def test_a_search_shows_itself(options: dict[str, Any], tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    run = search(**options, runs=2, out=tmp_path / "run", callback=records.append)
    assert [record["run"] for record in records] == [0, 1]
    frame = pd.DataFrame(run.best)
    assert list(frame.columns) == ["architecture", "accuracy", "score", "runs"]
    queried = {architecture for record in run.runs for architecture in record["steps"]["architecture"]}
    best = max(queried, key=ALL.index)
    assert tuple(frame.iloc[0])[:3] == (best, 90 + ALL.index(best) / 10, ALL.index(best))
    assert repr(run) == (
        f"SearchRun({str(tmp_path / 'run')!r}, aging_evolution on valid12, 2 runs, "
        f"mean accuracy {run.summary['accuracy_mean']:.2f})"
    )
    assert best in run._repr_html_()
    assert run.plot().axes[0].get_xlabel() == "queries"
    assert run.plot(seconds=True).axes[0].get_xscale() == "log"
    assert SearchRun.open(tmp_path / "run").best == run.best


def test_a_search_is_resumed_with_more_runs(options: dict[str, Any], tmp_path: Path) -> None:
    whole = search(**options, runs=3, out=tmp_path / "whole")
    more = search(**options, runs=1, out=tmp_path / "run").resume(runs=3, progress=False)
    assert (more.summary, more.best) == (whole.summary, whole.best)
    with pytest.raises(InputError, match=r"queries must not be given when a run is resumed: .*run keeps its value"):
        more.resume(queries=3)


def test_searches_are_compared(options: dict[str, Any], tmp_path: Path) -> None:
    first = search(**options, runs=2, out=tmp_path / "a")
    second = search(**options, algorithm="random", runs=2, out=tmp_path / "b", compare=[first])
    assert [results.label for results in second.searches] == ["random on valid12", "aging_evolution on valid12"]
    assert "aging_evolution" in (tmp_path / "b" / "search.html").read_text(encoding="utf-8")
    assert len(second.resume(runs=3, progress=False).searches) == 2


def test_options_may_stand_in_a_file(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "search.toml").write_text(f"queries = 3\nruns = 4\ntable = {json.dumps(options.pop('table'))}\n")
    run = search(**{**options, "queries": 5}, config=tmp_path / "search.toml", out=tmp_path / "run")
    assert (run.summary["runs"], run.summary["queries_mean"]) == (4, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"querys": 3}, "unknown option 'querys'; did you mean 'queries'"),
        ({"move": 2}, "move must be less than or equal to 1, got 2"),
        ({"compare": ["NOTHING"]}, "must be a run directory"),
    ],
)
def test_what_cannot_be_used_is_refused_before_a_directory_is_made(
    options: dict[str, Any], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        search(**options, out=tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


class Failing(Progress):
    """Fails at the second step."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.steps = 0

    def message(self, text: str) -> None:
        self.messages.append(text)

    def advance(self) -> None:
        self.steps += 1
        if self.steps == 2:
            raise KeyboardInterrupt


def test_a_stopped_search_says_how_to_resume_it(options: dict[str, Any], tmp_path: Path) -> None:
    progress = Failing()
    with pytest.raises(KeyboardInterrupt):
        search(**{**options, "progress": progress}, runs=3, out=tmp_path / "run")
    call = f"SearchRun.open({str(tmp_path / 'run')!r}).resume()"
    assert progress.messages == [
        f"aging_evolution on valid12 on nasbench201: 3 runs in {tmp_path / 'run'}",
        f"resume with: {call}",
    ]
    stopped = SearchRun.open(tmp_path / "run")
    assert repr(stopped) == f"SearchRun({str(tmp_path / 'run')!r}, not finished)"
    with pytest.raises(InputError, match="must be a finished run, but it was stopped"):
        _ = stopped.best
    assert stopped.resume(progress=False).summary["runs"] == 3
