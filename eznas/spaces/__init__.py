"""Search spaces: strings in, networks out. Importing them does not import torch."""

from __future__ import annotations

from eznas.spaces.base import Fidelity, SearchSpace
from eznas.spaces.registry import SPACES

__all__ = ["SPACES", "Fidelity", "SearchSpace"]
