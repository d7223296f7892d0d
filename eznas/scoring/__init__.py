"""Scoring: proxies on networks under declared conditions, in parallel over networks."""

from eznas.scoring.backends import Backend, local_executor, open_executor
from eznas.scoring.captures import Captures
from eznas.scoring.combination import Combination
from eznas.scoring.condition import Condition, resolve_device
from eznas.scoring.executor import SERIAL, Executor, core_count
from eznas.scoring.matrix import Proxy, ScoreMatrix, score_network, score_networks
from eznas.scoring.memory_plan import MemoryPlan
from eznas.scoring.panel import Panel
from eznas.scoring.problem import Problem
from eznas.scoring.score_csv import ScoreCsv
from eznas.scoring.vector_table import VectorTable
from eznas.scoring.verification import Verification, verify

__all__ = [
    "SERIAL",
    "Backend",
    "Captures",
    "Combination",
    "Condition",
    "Executor",
    "MemoryPlan",
    "Panel",
    "Problem",
    "Proxy",
    "ScoreCsv",
    "ScoreMatrix",
    "VectorTable",
    "Verification",
    "core_count",
    "local_executor",
    "open_executor",
    "resolve_device",
    "score_network",
    "score_networks",
    "verify",
]
