from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import kendalltau

from eznas.symbolic import report
from eznas.symbolic.config import ScoresConfig
from eznas.symbolic.hall import Member
from eznas.symbolic.problem import ScoresProblem

if TYPE_CHECKING:
    from pathlib import Path


def test_programs_without_a_part_have_the_taus_of_these_programs(
    score_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_AT_ONCE", 2)
    problem = ScoresProblem.of(ScoresConfig(scores=score_file))
    best = "add(mul(log(score.synflow), score.nwot), power(sub(score.noise, score.nwot), 0.5))"
    rows = report.ScoresReport(problem, 0).ablation(Member(best, 9, 0.5, 0.5))
    assert {"log of score.synflow", "score.noise"} < {row["without"] for row in rows}
    undefined = 0
    for row in rows:
        for test in problem.tasks:
            scores = report.program_scores(problem.table, test.task, row["program"])[test.split.test]
            if np.isfinite(scores).all():
                accuracies = test.task.accuracies[test.split.test]
                assert row["tasks"][test.task.name] == pytest.approx(kendalltau(scores, accuracies).statistic)
            else:
                assert row["tasks"][test.task.name] is None
                undefined += 1
    assert 0 < undefined < len(rows) * len(problem.tasks)
