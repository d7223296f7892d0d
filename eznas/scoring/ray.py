"""Ray's backend for joblib, which says so when a worker dies."""

from __future__ import annotations

from typing import Any

from ray.util.joblib.ray_backend import RayBackend

__all__ = ["PromptRayBackend"]


class PromptRayBackend(RayBackend):  # type: ignore[misc] # Ray may not be installed
    """Ray's own backend, whose results are fetched one after the other.

    Ray's pool may not call back where a worker dies, and joblib would wait for ever; but it raises where one asks.
    """

    supports_retrieve_callback = False

    def retrieve_result(self, out: Any, timeout: float | None = None) -> Any:
        """Return what a task returned, or raise what became of it."""
        return self.retrieve_result_callback(out.get(timeout=timeout))
