"""Train a supernet from Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.config import build_config, resumed_config
from eznas.errors import InputError
from eznas.run import RunDirectory, default_directory
from eznas.supernet.config import SupernetConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eznas.progress import Progress


@dataclass(frozen=True, eq=False)
class SupernetRun:
    """A trained supernet's run directory.

    Args:
        path: The directory; ``make_predictor("rsws", supernet=path)`` reads it.
        results: The content of ``supernet.json``.
    """

    path: Path
    results: dict[str, Any]

    @classmethod
    def open(cls, directory: Path | str) -> SupernetRun:
        """Read a run directory.

        Raises:
            InputError: It is not that of a supernet, or the training is not finished.
        """
        opened = RunDirectory(Path(directory))
        return cls(opened.path, opened.read_json("supernet.json"))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Taus of ``accuracy``, ``loss`` and ``params`` at each evaluated epoch; ``pandas.DataFrame`` takes it."""
        return [
            {"epoch": evaluation["epoch"], "score": score, **taus}
            for evaluation in self.results["evaluations"]
            for score, taus in evaluation["taus"].items()
        ]

    def plot(self) -> Figure:
        """Plot tau against epochs, beside that of the number of parameters.

        Raises:
            InputError: No architectures were compared.
        """
        from eznas.report.supernet import supernet_figure

        if not self.results["evaluations"]:
            raise InputError(f"{self.path} must hold comparisons with a table to plot them; train it with a table")
        return supernet_figure(self.results)


def train_supernet(
    *,
    out: Path | str | None = None,
    config: Path | str | None = None,
    progress: bool | Progress = True,
    command: str = "train_supernet",
    **options: Any,
) -> SupernetRun:
    """Train a supernet of NAS-Bench-201 at reduced size, and compare it with a table.

    Args:
        out: Run directory to write; by default a new one in ``runs/``.
        config: TOML file with options; ``options`` win over it.
        progress: Whether to show progress, or the object that is told of it.
        command: Recorded in the manifest as the way the training was started.
        options: Fields of ``SupernetConfig``, such as ``method``, ``images`` or ``epochs``.

    Raises:
        InputError: An option cannot be used.
        EznasError: The training diverged.
    """
    given = options if out is None else {**options, "out": out}
    chosen = build_config(SupernetConfig, given, None if config is None else Path(config))
    path = chosen.out or default_directory()
    with RunDirectory.create(
        path, chosen.as_toml(), seed=chosen.seed, command=command, device=chosen.device
    ) as directory:
        try:
            return _train(chosen, directory, progress)
        except InputError:
            directory.discard()
            raise


def resume_supernet(path: Path | str, *, progress: bool | Progress = True) -> SupernetRun:
    """Continue a training that was stopped; the supernet is the one of a training without a stop, to the bit.

    Args:
        path: The run directory.
        progress: Whether to show progress, or the object that is told of it.

    Raises:
        InputError: It is no directory of a supernet; the images or the table have changed; or epochs are left and the
            versions of torch or the numerics have changed.
    """
    with RunDirectory.resume(Path(path)) as directory:
        return _train(resumed_config(SupernetConfig, {}, Path(path), ()), directory, progress)


def _train(config: SupernetConfig, directory: RunDirectory, progress: bool | Progress) -> SupernetRun:
    from eznas.report.display import open_display
    from eznas.report.supernet import render_supernet
    from eznas.supernet.run import train

    with open_display(progress) as display:
        run = SupernetRun(directory.path, train(config, directory, display))
    render_supernet(directory)
    return run
