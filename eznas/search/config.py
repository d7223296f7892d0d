"""The options of a search: one source of names, defaults, bounds and help texts."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, model_validator

from eznas.config import EvolveConfig
from eznas.fields import MemorySize, Options, option, parse_duration, several

if TYPE_CHECKING:
    from collections.abc import Sequence


_DEFAULT_QUERIES = 300
_CANDIDATES = "100"


def _absolute(text: str) -> str:
    """Make the path in ``[NAME=]PATH`` absolute if it is a file, so that a run can be resumed from another folder."""
    name, equals, path = text.rpartition("=")
    return f"{name}{equals}{Path(path).absolute()}" if Path(path).is_file() else text


def _split(numbers: object) -> object:
    """Split texts such as ``"0.6,0.4"`` at their commas."""
    texts = [numbers] if isinstance(numbers, str) else numbers
    return [part for text in texts for part in str(text).split(",")] if isinstance(texts, list | tuple) else numbers


def _shared(name: str) -> Any:
    """Return an option that evolutions have too."""
    return copy(EvolveConfig.model_fields[name])


_File = Annotated[str, AfterValidator(_absolute)]
_Files = Annotated[tuple[_File, ...], BeforeValidator(several)]
_Names = Annotated[tuple[str, ...], BeforeValidator(several)]


class SearcherConfig(Options):
    """Settings of the algorithms; each algorithm reads its own."""

    pool: int = option(0, "Search", "N", "Size of the population; 0 for the algorithm's default.", ge=0)
    tournament: int = option(10, "Search", "N", "Architectures that compete to become a parent.", ge=1)
    surrogate: str = option(
        "", "Search", "networks|forest|ridge", "Small model of bananas and npenas.  [default: the algorithm's]"
    )
    encoding: str = option(
        "onehot", "Search", "onehot|path", "Encoding of an architecture for the model of --surrogate."
    )
    predictor: str = option(
        "",
        "Search",
        "NAME[@ENCODING]",
        "Predictor of bananas and npenas in place of --surrogate, such as extra_trees@graf; see eznas predict list.",
    )
    acquisition: str = option(
        "",
        "Search",
        "its|ei|thompson|ucb|mean",
        "How bananas and npenas choose among candidates.  [default: its for bananas, mean for npenas]",
    )
    candidates: str = option(
        _CANDIDATES,
        "Search",
        "N|random:N|all",
        "Architectures that bananas and npenas predict in each round: N that are one edit away from the best so far, N "
        "random ones, or all: one for each function that was not queried yet.",
    )
    eta: int = option(3, "Search", "N", "Promote one in N architectures to the next level of training.", ge=2)


class SearchConfig(SearcherConfig):
    """Every option of ``eznas search``; the field names are the keys of a TOML file."""

    benchmark: str = option(
        "nasbench201",
        "Data",
        "NAME",
        "Benchmark (see eznas benchmarks list), or a search space with --table CSV or --table none.",
    )
    dataset: str = _shared("dataset")
    table: _File = option(
        "",
        "Data",
        "CSV|none",
        "Accuracy table to use instead of the benchmark's own; none to search without accuracies.",
    )
    target: str = option(
        "", "Data", "NAME", "Accuracy to report: the name of a column of the table.  [default: accuracy]"
    )
    scores: _Files = option(
        (),
        "Data",
        "[NAME=]CSV",
        "Precomputed scores; may be repeated. The columns are architecture and one for each proxy, as eznas verify "
        "--csv writes them, or uid, score and time. NAME names the scores of a file with a single column of them.",
    )
    images: str = _shared("images")
    batch_size: int = option(16, "Data", "N", "Number of images in the minibatch.", ge=2)
    algorithm: str = option("aging_evolution", "Search", "NAME", "Search algorithm; see below.")
    signal: _Names = option(
        ("accuracy",),
        "Search",
        "NAME|PROGRAM|FILE.py",
        "Signal to maximise: a column of the table, a name in --scores, a measure, a program or an exported proxy. "
        "It may be repeated; several signals are combined.",
    )
    proxy: _Names = option(
        (),
        "Search",
        "NAME|PROGRAM|FILE.py",
        "Proxy that guides warm-up and moves. It may be repeated; several proxies are combined.  [default: the signal, "
        "if it is no accuracy]",
    )
    combine: Annotated[str, BeforeValidator(lambda name: "min_max" if name == "minmax" else name)] = option(
        "rank", "Search", "rank|min_max|vote", "How to combine several signals or proxies."
    )
    weights: Annotated[tuple[float, ...], BeforeValidator(_split)] = option(
        (), "Search", "X,X,...", "Weights of several signals or proxies that are combined.  [default: equal]"
    )
    against: str = option("", "Search", "NAME", "Second objective of nsga2, to minimise, such as params.")
    warmup: int = option(
        0,
        "Search",
        "N",
        "Number of random architectures that the proxy scores before the search, which then begins with the best ones "
        "instead of random ones.",
        ge=0,
    )
    move: float = option(
        0.0,
        "Search",
        "P",
        "Probability of taking the neighbour with the best proxy score instead of a random one; neighbours are one "
        "edit apart.",
        ge=0,
        le=1,
    )

    queries: int | None = option(
        None, "Budget", "N", "Queries of one run.  [default: 300, unless there is another budget]", ge=0
    )
    seconds: Annotated[float | None, BeforeValidator(parse_duration)] = option(
        None, "Budget", "TIME", "Seconds of training and scoring of one run, such as 90s or 20h.", ge=0
    )
    epochs: float | None = option(None, "Budget", "N", "Epochs of training of one run.", ge=0)
    count_repeats: bool = option(False, "Budget", "", "Count repeated queries of an architecture too.")

    plugin: _Files = option(
        (),
        "Run",
        "FILE",
        "Python file that registers primitives, measures, a search space, an algorithm or a benchmark of your own; may "
        "be given several times. eznas runs this file.",
    )
    runs: int = option(10, "Run", "N", "Number of independent runs, which differ only in their random draws.", ge=1)
    seed: int = _shared("seed")
    workers: int = option(
        0, "Run", "N", "Worker processes, which make the runs or score networks; 0 for one per core.", ge=0
    )
    memory: MemorySize | None = option(
        None,
        "Run",
        "SIZE",
        "Memory of all processes together, or of each worker of a running cluster, such as 800M or 4G. With less "
        "memory, the command takes longer. A score that needs more memory counts as failed.  [default: what the "
        "machine has free]",
    )
    backend: Literal["loky", "dask"] = _shared("backend")
    scheduler: str | None = _shared("scheduler")
    device: str = _shared("device")
    out: Path | None = _shared("out")

    report: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _bounded(cls, data: dict[str, Any]) -> dict[str, Any]:
        budget = any(data.get(name) is not None for name in ("queries", "seconds", "epochs"))
        return data if budget else {**data, "queries": _DEFAULT_QUERIES}

    def _without_effect(self) -> dict[str, str]:
        reasons: dict[str, str] = {}
        if not self.guided:
            reasons["proxy"] = "must come with warmup or move, which it guides"
        if len(self.signal) < 2 and len(self.proxy) < 2:  # noqa: PLR2004 - several
            reason = "must come with several signals or proxies, which it combines"
            reasons |= {"weights": reason, "combine": reason}
        return reasons

    @property
    def guided(self) -> bool:
        """Whether a proxy guides the search."""
        return bool(self.warmup or self.move)

    def label(self) -> str:
        """Return a short name for tables and legends, such as ``random on synflow``."""
        candidates = f"{self.candidates} candidates" if self.candidates != _CANDIDATES else ""
        model = ", ".join(filter(None, (self.predictor, self.acquisition, candidates)))
        words = [self.algorithm, *([f"({model})"] if model else []), f"on {self._combined(self.signal)}"]
        if self.guided:
            ways = [f"warm-up {self.warmup}"] * bool(self.warmup) + [f"move {self.move:g}"] * bool(self.move)
            words.append(f"with {' and '.join(ways)}" + (f" by {self._combined(self.proxy)}" if self.proxy else ""))
        return " ".join(words)

    def _combined(self, names: Sequence[str]) -> str:
        return names[0] if len(names) == 1 else f"{self.combine}({', '.join(names)})"
