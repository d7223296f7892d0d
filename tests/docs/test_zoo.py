from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from eznas.testing.zoo import NETWORKS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "zoo_page.py"))


def test_the_page_is_that_of_the_facts(script: dict[str, Any]) -> None:
    committed = (DOCS / "zoo.md").read_text(encoding="utf-8")
    assert committed == script["page"](), "run python docs/generate.py and commit docs/zoo.md"
    facts = json.loads(script["FACTS"].read_text(encoding="utf-8"))
    assert set(facts["networks"]) <= {f"{package}/{name}" for package, names in NETWORKS.items() for name in names}
    for name in facts["networks"]:
        assert f"\n| {name} | " in committed
    assert all(name in committed for name in facts["measures"])


def test_a_cell_is_the_reason_without_a_value(script: dict[str, Any]) -> None:
    networks = {
        "a": {"without": {"no": ["m", "n"]}},
        "b": {"without": {"no": ["n"], "never": ["m"]}},
        "c": {"without": {}},
    }
    reasons = script["_reasons"](networks)
    assert reasons == ["no", "never"]
    numbers = {"no": 1, "never": 2}
    assert script["_column"]("m", networks, numbers) == ("1", "2", "")
    assert script["_column"]("n", networks, numbers) == ("1", "1", "")
