"""Search spaces: strings in, networks out. Importing them does not import torch."""

from __future__ import annotations

from eznas.spaces.base import SPACES, Fidelity, SearchSpace

__all__ = ["SPACES", "Fidelity", "SearchSpace"]
