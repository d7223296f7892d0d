"""Searches architectures with any algorithm, signal and guiding proxy.

``loop.py`` runs one search; ``protocol.py`` is the contract of the algorithms, one file each in ``algorithms/``.
"""

import sys

from eznas.callables import CallableModule
from eznas.search.protocol import ALGORITHMS, Algorithm, Proposal, SearchContext, Searcher, register_algorithm

__all__ = ["ALGORITHMS", "Algorithm", "Proposal", "SearchContext", "Searcher", "register_algorithm"]

sys.modules[__name__].__class__ = CallableModule
