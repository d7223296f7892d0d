from __future__ import annotations

import runpy
from pathlib import Path

from eznas.predictors import ENCODINGS, PREDICTORS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_predictors_is_that_of_the_registries() -> None:
    page = runpy.run_path(str(DOCS / "predictors_page.py"))["page"]()
    committed = (DOCS / "predictors.md").read_text(encoding="utf-8")
    assert committed == page, "run python docs/generate.py and commit docs/predictors.md"
    for name in [*PREDICTORS, *ENCODINGS]:
        assert f"\n| {name} | " in committed
