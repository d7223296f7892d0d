"""What was computed before, kept by content: a cache, never the truth."""

from eznas.store.vectors import VectorStore

__all__ = ["VectorStore"]
