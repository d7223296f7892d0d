from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from eznas import primitives
from eznas.cli.language import main
from eznas.scoring.plugin import use_plugins


def invoke(*args: str) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(main, args)
    assert result.exit_code == 0, result.output
    return result.stdout


def entries(*args: str) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = json.loads(invoke(*args, "--json"))
    return facts


def test_the_catalogue_lists_every_primitive_and_statistic() -> None:
    listed = {line.split()[0] for line in invoke().splitlines() if line.strip()}
    assert {record.name for record in primitives.all_primitives()} | primitives.STATISTICS.keys() <= listed
    assert len(entries()) == len(list(primitives.all_primitives())) + len(primitives.STATISTICS)


def test_one_entry_is_shown_with_all_its_facts() -> None:
    text = invoke("power")
    for fact in ("exponent: -8 to 8", "strictly increasing for 0.25, 0.5, 3", "power(x, 2) = square(x)", "entrywise"):
        assert fact in text
    assert invoke("std").count("primitive std") == 2  # of units and of tensors


def test_json_has_the_facts_of_a_primitive() -> None:
    [eig_ratio] = entries("eig_ratio")
    assert (eig_ratio["price"], eig_ratio["draw weight"]) == (2.0, 0.1)
    assert eig_ratio["arguments"] == "x: any map"
    [log_sum] = entries("log_sum")
    assert log_sum["properties"] == ["orders networks as sum"]


def test_a_statistic_is_found_by_its_older_name_too() -> None:
    [facts] = entries("act_grad.perturbed")
    assert facts["name"] == "norm_out_grad.perturbed"
    assert facts["backward passes"] == ["data", "perturbed"]
    assert facts["needs"] == ["backward", "forward", "noise"]


def test_the_family_of_a_plugins_primitive_is_its_file() -> None:
    plugin = Path(__file__).parents[2] / "docs" / "examples" / "my_primitive.py"
    try:
        [facts] = entries("peak", "--plugin", str(plugin))
    finally:
        use_plugins({})
    assert facts["family"] == "my_primitive"


def test_a_pattern_lists_what_matches() -> None:
    names = [entry["name"] for entry in entries("*_over_space")]
    assert names == ["l2_over_space", "max_over_space", "mean_over_space", "std_over_space", "sum_over_space"]
    assert "effective_rank" not in invoke("weight*")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    for name, nearest in (("sqare", "square"), ("norm_out.dat", "norm_out.data")):
        result = CliRunner().invoke(main, [name])
        assert result.exit_code == 2
        assert f"unknown primitive or statistic {name!r}; did you mean {nearest!r}?" in result.stderr
