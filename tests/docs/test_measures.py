from __future__ import annotations

import runpy
from pathlib import Path

from eznas.measures import MEASURES

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_measures_is_that_of_the_registry() -> None:
    page = runpy.run_path(str(DOCS / "generate.py"))["page"]()
    committed = (DOCS / "measures.md").read_text(encoding="utf-8")
    assert committed == page, "run python docs/generate.py and commit docs/measures.md"
    for name, record in MEASURES.items():
        row, definition = [line for line in committed.splitlines() if line.startswith(f"| {name} | ")][:2]
        assert ("| less |" in row) == (record.direction < 0)
        assert all(need in row for need in record.needs)
        assert record.paper in definition
