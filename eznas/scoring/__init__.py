"""Scoring: proxies on networks under declared conditions, in parallel over networks."""

from eznas.scoring.captures import Captures
from eznas.scoring.cluster import Backend, cluster
from eznas.scoring.condition import Condition, resolve_device
from eznas.scoring.matrix import Proxy, ScoreMatrix, score_network, score_networks
from eznas.scoring.memory_plan import MemoryPlan
from eznas.scoring.panel import Panel
from eznas.scoring.parallel import over_networks, worker_count
from eznas.scoring.score_csv import ScoreCsv
from eznas.scoring.verification import Verification, verify

__all__ = [
    "Backend",
    "Captures",
    "Condition",
    "MemoryPlan",
    "Panel",
    "Proxy",
    "ScoreCsv",
    "ScoreMatrix",
    "Verification",
    "cluster",
    "over_networks",
    "resolve_device",
    "score_network",
    "score_networks",
    "verify",
    "worker_count",
]
