"""Options of a search that do not fit together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eznas.errors import InputError
from eznas.search.problem import make_problem
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from eznas.search.config import SearchConfig

ALL = list(SPACES["nasbench201"].architectures() or ())[:60]


def replace(config: SearchConfig, **changes: Any) -> SearchConfig:
    return config.model_copy(update=changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "evolution"}, "unknown search algorithm 'evolution'; did you mean"),
        ({"signal": ("valid13",)}, "unknown signal 'valid13'; did you mean 'valid12'"),
        ({"signal": ("sum(nothing)",)}, "nothing"),
        ({"signal": ()}, "signal must name at least one"),
        (
            {"algorithm": "hyperband", "signal": ("accuracy",)},
            "signal must be a column that the table also holds after fewer .* for hyperband",
        ),
        (
            {"algorithm": "hyperband", "signal": ("fifty",)},
            "signal must be a column that the table also holds after fewer .* for hyperband",
        ),
        ({"algorithm": "nsga2"}, "against must name a second objective for nsga2"),
        ({"against": "params"}, "against must come with nsga2, got 'params' with local_search"),
        ({"algorithm": "random", "move": 0.5}, "move must come with one of aging_evolution.*; random has no moves"),
        ({"warmup": 5}, "proxy must name a guide for warmup and move .* do not count as queries; got valid12"),
        ({"move": 0.5}, "proxy must name a guide for warmup and move .* do not count as queries; got valid12"),
        ({"warmup": 5, "proxy": ("valid12",)}, "proxy must name a guide .* got valid12"),
        ({"signal": ("params",), "warmup": 5, "proxy": ("accuracy",)}, "proxy must name a guide .* got accuracy"),
        ({"surrogate": "forrest"}, "did you mean 'forest'"),
        ({"signal": ("params",), "epochs": 3.0}, "epochs must come with a signal that is trained"),
        ({"signal": ("fifty",), "seconds": 3.0}, "seconds must come with a signal whose seconds are known"),
        (
            {"signal": ("holed",), "scores": ("HOLED",), "seconds": 3.0},
            "seconds must come with a signal whose seconds are known; 2 of 50 architectures have none for holed; add",
        ),
        (
            {"proxy": ("fifty",), "warmup": 5, "seconds": 3.0},
            "seconds must come with a proxy whose seconds are known; those of fifty are not; add a column NAME_seconds",
        ),
        (
            {"algorithm": "nsga2", "against": "fifty", "seconds": 3.0},
            "seconds must come with a second objective whose seconds are known; those of fifty are not",
        ),
        (
            {"proxy": ("fifty", "params"), "move": 0.5, "weights": (1.0, 2.0, 3.0)},
            "weights must be one number per signal",
        ),
        ({"surrogate": "ridge"}, "surrogate must come with bananas or npenas, got algorithm local_search"),
        ({"encoding": "path"}, "encoding must come with bananas or npenas, got algorithm local_search"),
        ({"queries": None}, "a budget must have queries, seconds or epochs"),
        ({"benchmark": "nasbench102"}, "did you mean 'nasbench[12]01'"),
        ({"table": "none", "target": "valid12"}, "target must be a column of a table, got 'valid12' and no table"),
        ({"scores": ("TWICE", "TWICE")}, "'fifty' in .* is taken; give NAME=FILE"),
        ({"scores": ("BOTH", "BOTH")}, "'one' in .* is taken; rename the column in the file"),
        ({"signal": ("valid12", "params"), "combine": "mean"}, "unknown rule to combine signals 'mean'"),
    ],
)
def test_what_does_not_fit_is_refused(
    options: SearchConfig, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    holed = [f"{one},{place},{'' if place in (7, 9) else place}" for place, one in enumerate(ALL[:50])]
    files = {"TWICE": options.scores[0], "HOLED": str(tmp_path / "holed.csv"), "BOTH": str(tmp_path / "both.csv")}
    for name, header in (("HOLED", "architecture,holed,seconds"), ("BOTH", "architecture,one,two")):
        Path(files[name]).write_text("\n".join([header, *holed, ""]), encoding="utf-8")
    if changes.get("scores"):
        changes = {**changes, "scores": tuple(files[name] for name in changes["scores"])}
    with pytest.raises(InputError, match=message):
        make_problem(replace(options, **changes))


def test_files_that_do_not_belong_together_are_refused(options: SearchConfig, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    missing = next(one for one in SPACES["nasbench201"].architectures() or () if one not in ALL)
    other.write_text(f"architecture,other\n{missing},1\n", encoding="utf-8")
    with pytest.raises(InputError, match="no architecture has both an accuracy and a score"):
        make_problem(replace(options, signal=("other",), scores=(str(other),)))
