"""``eznas.verify``: how well proxies rank the networks of a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eznas.benchmarks.reference import dataset_name, trained_fidelity
from eznas.report import verification as report
from eznas.report.display import open_display
from eznas.report.networks import networks_seen
from eznas.run import RunDirectory
from eznas.scoring import Problem, open_executor
from eznas.scoring import verification as scoring
from eznas.scoring.memory_plan import memory_bound
from eznas.scoring.plugin import load_plugins
from eznas.scoring.proxy_sources import resolve_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from eznas.progress import Progress
    from eznas.scoring import Backend, Proxy
    from eznas.scoring.combination import Combination


DEFAULT_PROXIES = ("eznas_a", "naswot", "params", "flops")
"""What is verified where no proxies are given."""


class Verification(scoring.Verification):
    """Scores and correlations that show themselves; ``pandas.DataFrame`` takes ``records()``."""

    def plot(self, proxy: str | None = None) -> Figure:
        """Plot one proxy's scores against the accuracies, the first proxy's by default.

        Raises:
            InputError: There is no such proxy, or it has fewer than two values.
        """
        return report.plot(self, proxy)

    def _repr_html_(self) -> str:
        return report.to_html(self)


def verify(
    proxies: str | Proxy | Combination | Sequence[str | Proxy | Combination] | None = None,
    *,
    benchmark: str = "nasbench201",
    dataset: str | None = None,
    table: Path | str | None = None,
    target: str | None = None,
    images: str = "digits",
    batch_size: int = 16,
    samples: int | None = None,
    unseen_by: Path | str | None = None,
    seed: int = 1,
    fidelity: str | None = None,
    device: str = "auto",
    workers: int = 0,
    memory: int | str | None = None,
    backend: Backend = "loky",
    scheduler: str | None = None,
    plugin: Path | str | Sequence[Path | str] = (),
    csv: Path | str | None = None,
    resume: bool = False,
    progress: bool | Progress = True,
) -> Verification:
    """Score networks of a benchmark and correlate the scores with their accuracies.

    Args:
        proxies: Names of measures, patterns of names, programs, exported files or combinations, one or several; None
            for ``DEFAULT_PROXIES``.
        benchmark: A name in ``BENCHMARKS``, or ``custom:MODULE:CALLABLE``.
        dataset: Data set of the accuracies; None for the benchmark's first.
        table: Accuracy table to use instead of the benchmark's own.
        target: Column of the table to correlate with; None for its usual one.
        images: ``"digits"``, ``"noise"``, or a path; see ``load_minibatch``.
        batch_size: Number of images.
        samples: Number of networks, drawn at random; 0 for all, None for 200 or all where there are fewer.
        unseen_by: Run directory of an evolution, whose training and validation networks are not drawn.
        seed: Seed of the draw, the initialisations and the images.
        fidelity: Size of the networks; None for the size that the benchmark trained.
        device: ``"auto"`` or a torch device.
        workers: Worker processes; 0 for one per core, or fewer if memory is short.
        memory: Bytes for all processes together, or for each worker of a running cluster, or a text such as ``"4G"``;
            None for what the machine has free.
        backend: ``"loky"`` or ``"dask"``; see ``open_executor``.
        scheduler: Address of a running Dask scheduler.
        plugin: Python files that register measures or primitives of your own, one or several.
        csv: File that receives the scores of each network as soon as they are computed.
        resume: Continue with the scores that ``csv`` holds; networks on which ``memory`` was too little for a proxy are
            scored again.
        progress: Whether to show progress, or the object that is told of it.

    Raises:
        InputError: An argument cannot be used.

    Examples:
        >>> verified = eznas.verify(["params", "naswot"], samples=50)  # doctest: +SKIP
        >>> pandas.DataFrame(verified.records())  # doctest: +SKIP
    """
    load_plugins(plugin)
    resolved = resolve_all(DEFAULT_PROXIES if proxies is None else proxies)
    problem = Problem.load(
        benchmark,
        dataset_name(benchmark, dataset),
        None if table is None else Path(table),
        target,
        images=images,
        batch_size=batch_size,
        seed=seed,
        device=device,
        fidelity=fidelity or trained_fidelity(benchmark),
    )
    bound = memory_bound(memory, workers, scheduler)
    with (
        open_display(progress) as display,
        open_executor(workers, backend, scheduler, memory=bound, progress=display, keep=False) as executor,
    ):
        verified = scoring.verify(
            resolved,
            problem,
            samples=samples,
            unwanted=() if unseen_by is None else networks_seen(RunDirectory(Path(unseen_by)), problem.space.name),
            csv=None if csv is None else Path(csv),
            resume=resume,
            executor=executor,
            progress=display,
        )
    return Verification(**vars(verified))
