"""joblib's backend for Dask, which leaves all work to the cluster and says so when a task is given up."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from joblib._dask import DaskDistributedBackend

from eznas.errors import EznasError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PromptDaskBackend"]


class PromptDaskBackend(DaskDistributedBackend):  # type: ignore[misc] # joblib has no types
    """joblib's own backend, which waits for ever where a task failed without a result.

    joblib expects of every backend that it calls back for each task. That for Dask does so for a task that raised,
    since the exception is its result, but not where Dask itself fails a task, as when its worker died several times.
    """

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Return the cluster's workers, and never 1: joblib would then do the work in this process.

        Raises:
            EznasError: It has none, and none came while we waited.
        """
        try:
            workers: int = super().effective_n_jobs(n_jobs)
        except TimeoutError as error:
            raise EznasError(
                f"the Dask cluster has had no worker for {self.wait_for_workers_timeout:.0f} seconds; start workers, "
                "and go on from what is kept"
            ) from error
        return max(2, workers)

    def submit(self, func: Callable[..., Any], callback: Callable[[Any], None] | None = None) -> Future[Any]:
        """Send a task, and call back also if it comes to nothing."""
        future: Future[Any] = super().submit(func, callback)
        if callback is not None:
            future.add_done_callback(lambda done: callback(done) if done.exception() else None)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return what a task returned, or raise what became of it."""
        if isinstance(out, Future):
            return out.result()
        if isinstance(out, BaseException):  # what Dask says of a task that was cancelled, as when the scheduler ends
            raise out
        return super().retrieve_result_callback(out)
