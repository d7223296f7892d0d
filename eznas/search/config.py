"""What a search is asked for: the options of the command line, and of a run directory's ``config.toml``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SearchConfig"]


@dataclass(frozen=True)
class SearchConfig:
    """Every option that decides what a search finds; see ``python -m eznas.search --help``.

    Args:
        space: Benchmark or search space.
        dataset: Data set of the accuracies.
        algorithm: Name in ``ALGORITHMS``.
        signal: What the search climbs; several are combined.
        proxy: What guides warm-up and moves; empty for the signal itself.
        combine: How several are combined; see ``eznas.search.combine.RULES``.
        weights: Their weights; empty for equal ones.
        scores: Score files, as ``FILE`` or ``NAME=FILE``.
        against: The second objective; empty for none.
        warmup: Architectures that warm-up scores.
        move: Probability that a move is guided.
        queries: SearchBudget of looks; None for no limit.
        seconds: SearchBudget of seconds.
        epochs: SearchBudget of epochs.
        count_repeats: Whether looking again costs a query.
        table: Path of a table; empty for the embedded one, ``"none"`` for none.
        target: Which accuracy is reported: a column of the table; empty for the usual one.
        pool: See ``SearcherConfig``, as for the next four.
        tournament: See ``SearcherConfig``.
        surrogate: See ``SearcherConfig``.
        encoding: See ``SearcherConfig``.
        eta: See ``SearcherConfig``.
        runs: How many searches, which differ by chance alone.
        seed: Seed of everything.
        images: Images for measures and programs.
        batch_size: How many of them.
        device: Device that networks run on.
        plugin: Python files to load first; see ``eznas.scoring.plugin``.
    """

    space: str = "nasbench201"
    dataset: str = "cifar10"
    algorithm: str = "aging_evolution"
    signal: tuple[str, ...] = ("accuracy",)
    proxy: tuple[str, ...] = ()
    combine: str = "rank"
    weights: tuple[float, ...] = ()
    scores: tuple[str, ...] = ()
    against: str = ""
    warmup: int = 0
    move: float = 0.0
    queries: int | None = 300
    seconds: float | None = None
    epochs: float | None = None
    count_repeats: bool = False
    table: str = ""
    target: str = ""
    pool: int = 0
    tournament: int = 10
    surrogate: str = ""
    encoding: str = "onehot"
    eta: int = 3
    runs: int = 10
    seed: int = 0
    images: str = "digits"
    batch_size: int = 16
    device: str = "auto"
    plugin: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "plugin", tuple(str(Path(file).absolute()) for file in self.plugin))

    @classmethod
    def from_toml(cls, read: Mapping[str, Any], where: str) -> SearchConfig:
        """Rebuild from what ``as_toml`` gave.

        Raises:
            InputError: A key is unknown.
        """
        known = {field.name for field in fields(cls)}
        for key in read:
            if key not in known:
                raise InputError(f"{where}: {unknown('key', key, known)}")
        absent: dict[str, Any] = {"queries": None}
        return cls(**absent | {key: tuple(value) if isinstance(value, list) else value for key, value in read.items()})

    def as_toml(self) -> dict[str, Any]:
        """Return what ``config.toml`` holds: every key that has a value."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if value is not None
        }

    def label(self) -> str:
        """Return the few words that tell this search from others in a table."""
        words = [self.algorithm, f"on {self._named(self.signal)}"]
        if self.warmup or self.move:
            led = [f"warm-up {self.warmup}"] * bool(self.warmup) + [f"move {self.move:g}"] * bool(self.move)
            words.append(f"with {' and '.join(led)}" + (f" by {self._named(self.proxy)}" if self.proxy else ""))
        return " ".join(words)

    def _named(self, names: tuple[str, ...]) -> str:
        return names[0] if len(names) == 1 else f"{self.combine}({', '.join(names)})"
