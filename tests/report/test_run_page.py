from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.figure import Figure

import eznas.report.run_page
from eznas.report.evolution import evolution_html
from eznas.report.html import seconds
from eznas.report.run_page import run_page
from eznas.report.run_results import RunResults, verdict_lines
from eznas.report.run_tables import ablation_table, left_out_table, programs_table, tasks_table
from eznas.report.run_text import final_tables
from eznas.report.style import png

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eznas.run import RunDirectory

TASKS = ["nasbench201/cifar10", "nats_sss/cifar10", "transnas_macro/jigsaw"]
VOID = {"meta", "link", "img", "path", "rect", "br"}


class Balanced(HTMLParser):
    """Collects the tags that are open, and the addresses that the page names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Replace every plot by one point, which is faster."""
    point = png(Figure(figsize=(0.1, 0.1)))
    monkeypatch.setattr(eznas.report.run_page, "png", lambda *_: point)
    return point


@pytest.fixture
def one(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> RunResults:
    return RunResults.read(finished_run(tmp_path / "one"))


@pytest.fixture
def three(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> RunResults:
    return RunResults.read(finished_run(tmp_path / "three", TASKS, held_out=TASKS[2:]))


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def test_the_page_is_self_contained_and_well_formed(three: RunResults, undrawn: bytes) -> None:
    names = ("scores", "taus", "pareto", "progress", "program")
    page = Balanced(run_page(three, dict.fromkeys(names, undrawn)))
    assert page.open == []
    assert len(page.addresses) == 1 + 5 + 3  # the icon, the pictures and the scores on each task
    assert all(address.startswith("data:") for address in page.addresses)


def test_the_page_has_a_section_for_each_part_of_the_run(three: RunResults, undrawn: bytes) -> None:
    names = ("scores", "taus", "pareto", "progress", "program")
    page = run_page(three, dict.fromkeys(names, undrawn))
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Tasks",
        "Tau of the best program and of the baselines",
        "Programs and baselines",
        "Scores and accuracies",
        "Tau and cost",
        "Ablation",
        "The best program",
        "Genealogy",
        "Progress",
        "Networks that were left out",
        "Data and conditions",
        "Run",
    ]
    text = text_of(page)
    for line in verdict_lines(three.verdict):
        assert line in text
    for fact in ("eznas evolve --seed 0", "torch 2.9", "broken<1>", "ValueError: no <such> layer", "stopped by"):
        assert fact in text
    assert "<such>" not in page  # escaped


def test_what_was_not_drawn_and_not_found_has_no_section(one: RunResults) -> None:
    summary = {**one.summary, "ablation": []}
    summary["tasks"] = [{**task, "left_out": {}} for task in one.summary["tasks"]]
    bare = replace(one, summary=summary, genealogy={}, logbook=[])
    bare = replace(bare, tasks=tuple(replace(task, facts=summary["tasks"][0]) for task in bare.tasks))
    page = run_page(bare, {})
    assert "<img" not in page
    for title in ("Ablation", "Genealogy", "Progress", "Networks that were left out", "Tau and cost"):
        assert f"<h2>{title}</h2>" not in page
    assert Balanced(page).open == []


def test_the_best_twenty_of_many_baselines_are_shown(one: RunResults) -> None:
    record = next(iter(one.summary["baselines"].values()))
    taus: list[float | None] = [place / 100 for place in range(30)]
    taus[7] = None
    rows = [{**record, "name": f"column{place}", "tau_test": tau} for place, tau in enumerate(taus)]
    baselines = {row["name"]: row for row in rows}
    verdict = {**one.verdict, "tasks": [{**one.verdict["tasks"][0], "baseline": "column7"}]}
    many = replace(one, summary={**one.summary, "baselines": baselines, "verdict": verdict})
    shown = [*(f"column{place}" for place in range(29, 10, -1)), "column7"]
    assert [*many.compared][1:] == shown
    programs = len(one.summary["hall_of_fame"])
    assert [row[0] for row in rows_of(programs_table(many))[1 + programs :]] == shown
    assert [row[0] for row in final_tables(many.summary)[0][1][programs:]] == shown
    note = "20 of 30 baselines are shown: those that decide a verdict, and the others with the highest tau."
    assert note in text_of(run_page(many, {}))
    assert note not in text_of(run_page(one, {}))


def rows_of(table: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [[text_of(cell).strip() for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", row)] for row in rows]


def test_tasks_show_the_verdict_and_the_difference(three: RunResults) -> None:
    header, *rows = rows_of(tasks_table(three))
    assert [row[0] for row in rows] == [*TASKS[:2], f"{TASKS[2]} (held out)"]
    for row, record in zip(rows, three.verdict["tasks"], strict=True):
        shown = dict(zip(header, row, strict=False))
        assert shown["verdict"] == record["verdict"]
        assert shown["difference"] == f"{record['difference']:+.3f}"
        assert shown["networks"] == f"{record['n']} of 40"
        figures = three.best["tasks"][record["name"]]
        assert shown["nDCG"] == f"{figures['ndcg']:.3f}"
        assert shown["top 10 %"] == f"{figures['precision_top10']:.3f}"
        assert shown["equal size"] == f"{figures['tau_equal_size']:.3f}"


def test_programs_stand_above_the_baselines_with_tau_by_task(three: RunResults) -> None:
    header, *rows = rows_of(programs_table(three))
    headings = [task.replace("/", "/ ") for task in TASKS]  # over two lines
    assert header == ["proxy", "nodes", "seconds", "least tau", *headings, "validation", "training", "scored"]
    assert [row[0] for row in rows] == ["rank0", "rank1", "rank2", *three.summary["baselines"]]
    assert rows[0][2:7] == ["0.05", *(f"{tau:.3f}" for tau in (three.best["tau_test"], *taus(three.best)))]
    depth = next(row for row in rows if row[0] == "depth")
    assert depth[1:7] == ["-"] * 6


def taus(record: dict[str, Any]) -> list[float]:
    return [figures["tau"] for figures in record["tasks"].values()]


def test_one_task_shows_its_interval(one: RunResults) -> None:
    header, best, *_ = rows_of(programs_table(one))
    assert header[3:6] == ["tau", "95 %", "rho"]
    assert best[4] == f"{one.best['tau_test_low']:.3f} to {one.best['tau_test_high']:.3f}"
    assert any(line.startswith("Difference in tau to ") for line in verdict_lines(one.verdict))


def test_ablation_is_ordered_by_the_mean_loss(three: RunResults) -> None:
    entries = [
        {"without": "small", "program": "p", "tasks": {task: tau - 0.01 for task, tau in _taus(three).items()}},
        {"without": "none", "program": "p", "tasks": dict.fromkeys(TASKS)},
        {"without": "great", "program": "p", "tasks": {task: tau - 0.3 for task, tau in _taus(three).items()}},
        {"without": "gain", "program": "p", "tasks": {TASKS[0]: _taus(three)[TASKS[0]] + 0.02}},
    ]
    table = ablation_table(replace(three, summary={**three.summary, "ablation": entries}))
    _, *rows = rows_of(table)
    assert [(row[0], row[1]) for row in rows] == [
        ("great", "0.300"), ("small", "0.010"), ("gain", "-0.020"), ("none", "-"),
    ]  # fmt: skip
    assert table.count('class="bar') == 3
    assert table.count("bar gain") == 1


def _taus(run: RunResults) -> dict[str, float]:
    return {task: figures["tau"] for task, figures in run.best["tasks"].items()}


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0123, "0.012"), (1.54, "1.5"), (12.3, "12"), (0.00012, "0.00012")]
)
def test_seconds_have_two_digits(value: float | None, text: str) -> None:
    assert seconds(value) == text


def test_a_notebook_shows_the_short_form(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> None:
    directory = finished_run(tmp_path / "run", TASKS[:2])
    page = evolution_html(directory)
    assert Balanced(page).open == []
    assert "The best program is" in page
    assert page.count('src="data:image/png;base64,') == page.count("src=") == 2
    assert len(page) < 500_000


def test_many_networks_that_were_left_out_are_closed(one: RunResults) -> None:
    def shown(count: int) -> str:
        facts = {**one.tasks[0].facts, "left_out": {"test": {f"a{place}": "why" for place in range(count)}}}
        return left_out_table(replace(one, tasks=(replace(one.tasks[0], facts=facts),)))

    assert shown(0) == ""
    assert "<details>" not in shown(20)
    assert shown(20).count("<tr>") == 21
    assert "<details><summary>21 networks</summary>" in shown(21)
