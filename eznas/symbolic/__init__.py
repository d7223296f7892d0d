"""Evolution of formulas over tables of scores: no network is run.

Start reading at ``evolution``. A ``graph`` keeps the distinct nodes of all programs with their values on a racing
subset of the architectures; ``variation`` makes thousands of children with array operations; ``racing`` and
``evaluation`` compute their taus, first on the subset, then on all training architectures.
"""

from eznas.symbolic.config import ScoresConfig
from eznas.symbolic.measures import with_measures
from eznas.symbolic.read import read_score_tables
from eznas.symbolic.run import run_scores
from eznas.symbolic.table import ScoreTable, TaskScores

__all__ = ["ScoreTable", "ScoresConfig", "TaskScores", "read_score_tables", "run_scores", "with_measures"]
