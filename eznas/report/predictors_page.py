"""An evaluation of predictors as one self-contained page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from eznas.report.html import cell, html_table
from eznas.report.page import code, definitions, page, picture, section, wide
from eznas.report.predictors import (
    COLUMNS,
    calibration_rows,
    heading,
    plane_figure,
    plane_rows,
    rank_rows,
    table_rows,
    taus_figure,
)
from eznas.report.style import png

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.predictors.evaluation_data import Row

_CALIBRATION = (
    "Share of the accuracies inside the central 50, 80 and 95 % of the predicted normal distributions. A share below "
    "the percentage means that the stated standard deviations are too small."
)
_PLANE = (
    "Seconds before the first prediction: training of the architectures, scores, and the fit. Seconds of a prediction: "
    "the beginning of a training, scores, and the predictor. The colour is that of the predictor with the highest tau "
    "among those that cost at most so many seconds of each. The table lists the predictors that no cheaper one beats."
)
_NO_PLANE = (
    "There is no plane of costs, because the table does not state the seconds of trainings, or no tau is defined."
)


def evaluation_page(facts: Mapping[str, Any], summary: Sequence[Row], command: str) -> str:
    """Return the page.

    Args:
        facts: The data and the protocol.
        summary: Means and standard deviations over trials.
        command: The command line.
    """
    taus, plane = taus_figure(summary), plane_figure(summary)
    calibration = calibration_rows(summary)
    texts = {name: _text(value) for name, value in facts.items()}
    sections = [
        "<h1>Comparison of predictors</h1>",
        f"<p>{html.escape(heading(facts))}</p>",
        section(
            "Tau",
            picture("tau", None if taus is None else png(taus)),
            wide(html_table(COLUMNS, table_rows(summary), _cell)),
        ),
        section("Other metrics", wide(html_table(*rank_rows(summary), _cell))),
        section("Calibration", wide(html_table(*calibration, _cell)) if calibration[1] else "", note=_CALIBRATION),
        section(
            "Best predictor by cost",
            picture("plane of costs", None if plane is None else png(plane)),
            f"<p>{_NO_PLANE}</p>" if plane is None else wide(html_table(*plane_rows(summary), _cell)),
            note="" if plane is None else _PLANE,
        ),
        section("Facts", definitions({**texts, "command": code(command, 400)})),
    ]
    return page("eznas: comparison of predictors", "\n".join(part for part in sections if part))


def _cell(value: object) -> str:
    """Write a number with four digits, since seconds span many orders of magnitude."""
    return f"{value:.4g}" if isinstance(value, float) else cell(value)


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = [f"{name} {text}" for name, text in value.items()]
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
