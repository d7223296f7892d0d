"""Minibatches: the images and labels that networks are run on, from a name or a path."""

from __future__ import annotations

from eznas.minibatch.load import SOURCES, load_minibatch
from eznas.minibatch.tokens import random_tokens
from eznas.minibatch.types import Minibatch

__all__ = ["SOURCES", "Minibatch", "load_minibatch", "random_tokens"]
