"""The configuration of an evolution over a table of scores."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from eznas.fields import Duration, FilePaths, Options, Texts, option


def _weight(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        weight = float(value)
    except ValueError:
        weight = math.nan
    if not name or not 0 < weight < math.inf:
        raise ValueError("must be TASK=X with a positive number, such as nasbench201/cifar10=2")
    return name, weight


def _checked_weights(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        _weight(text)
    return texts


def _sizes(text: str) -> str:
    parse_split(text)
    return text


def parse_split(text: str) -> tuple[float, float, float]:
    """Return the three numbers of ``"0.5/0.2/0.3"`` or ``"300/100/200"``.

    Raises:
        ValueError: The text is not three shares or three numbers.
    """
    try:
        train, validation, test = (float(part) for part in text.split("/"))
    except ValueError:
        train = validation = test = -1.0
    sizes = (train, validation, test)
    shares = min(sizes) > 0 and sum(sizes) <= 1 + 1e-9
    numbers = min(sizes) >= 1 and all(size.is_integer() for size in sizes)
    if not shares and not numbers:
        raise ValueError("must be three shares or three numbers, such as 0.5/0.2/0.3 or 300/100/200")
    return sizes


class ScoresConfig(Options):
    """The options of an evolution over score files; the names of the fields are the keys of a TOML file."""

    scores: FilePaths = option(
        (),
        "Scores",
        "FILE",
        "File of scores to evolve over, without networks; may be given several times. A file is a zc_*.json of "
        "NAS-Bench-Suite-Zero, or a CSV file with the columns architecture, accuracy, one for each proxy, and task "
        "if it holds several tasks. With --scores, options that concern networks are refused, the number of "
        "generations has no bound, and the defaults are --fitness mean, --population 1000 and --time-budget 60s.",
        min_length=1,
    )
    columns: Texts = option(
        (),
        "Scores",
        "NAME",
        "Column that programs may read; may be given several times. By default, programs read all columns but id, "
        "index, *accuracy, and those that begin with train_, val_, validation_ or test_.",
    )
    max_missing: float = option(
        0.1,
        "Scores",
        "X",
        "Programs do not read columns with more than this share of missing scores on a task.",
        ge=0,
        lt=1,
    )
    split: Annotated[str, AfterValidator(_sizes)] = option(
        "0.5/0.2/0.3",
        "Scores",
        "A/B/C",
        "Training, validation and test architectures of each task: shares, which give at most 1,000 architectures "
        "each, or numbers such as 300/100/200.",
    )
    weights: Annotated[Texts, AfterValidator(_checked_weights)] = option(
        (),
        "Scores",
        "TASK=X",
        "Weight of a task that is not held out, for --fitness weighted, 1 by default; may be given several times.",
    )
    target: str | None = option(None, "Scores", "NAME", "Column of the accuracy.")
    hold_out_task: Texts = option(
        (),
        "Scores",
        "TASK",
        "Task on which programs are tested, but by which they are not selected; may be given several times.",
    )
    fitness: Literal["least", "mean", "weighted", "lexicase"] = option(
        "mean",
        "Evolution",
        "least|mean|weighted|lexicase",
        "How the taus of the tasks give the fitness: the lowest, the mean, the weighted mean, or the mean with "
        "lexicase selection of parents.",
    )
    relative: bool = option(
        False,
        "Evolution",
        "",
        "From the tau on each task, subtract the higher one of the taus of the columns params and flops on this "
        "task, so that tasks of different difficulty can be compared.",
    )
    population: int = option(1000, "Evolution", "N", "Programs that are kept after each generation.", ge=40)
    offspring: int = option(
        4096, "Evolution", "N", "Programs that each of four populations breeds in a generation, with --scores.", ge=16
    )
    generations: int = option(1_000_000, "Evolution", "N", "Largest number of generations.", ge=1)
    tournament: int = option(
        4,
        "Evolution",
        "N",
        "Tournament size: programs that compete to become a parent; not with --fitness lexicase.",
        ge=1,
    )
    parsimony: float = option(
        0.0015, "Evolution", "X", "Parsimony: fitness subtracted for each node.", ge=0, allow_inf_nan=False
    )
    max_size: int = option(30, "Evolution", "N", "Largest number of nodes of a program.", ge=3, le=200)
    weighted_terms: int = option(
        0,
        "Evolution",
        "N",
        "Fit weighted sums of two to N terms to the training architectures before evolution, and let them compete with "
        "its programs. A term is a column, its root, its tenth root or its logarithm. Weighted sums help if there "
        "are many columns.",
        ge=0,
        le=500,
    )
    weighted_ridge: float = option(
        0.001,
        "Evolution",
        "X",
        "Ridge penalty of --weighted-terms: X times the sum of the squared weights is added to the loss. With a "
        "larger X, such as 0.1, a sum ranks its own spaces worse, and other spaces better.",
        gt=0,
        allow_inf_nan=False,
    )
    seed_program: Texts = option(
        (), "Evolution", "TEXT", "Program to include in the first generation; may be given several times."
    )
    seed: int = option(0, "Run", "N", "Random seed.", ge=0)
    workers: int = option(
        0, "Run", "N", "Processes; 0 for one per core. The result does not depend on their number.", ge=0
    )
    time_budget: Duration = option(
        "60s", "Run", "TIME", "Longest time for the whole run, such as 90s, 10m or 1h30m.", gt=0, allow_inf_nan=False
    )
    plugin: FilePaths = option(
        (),
        "Run",
        "FILE",
        "Python file that registers primitives of your own; may be given several times. eznas runs this file.",
    )
    report: bool = option(
        True,
        "Run",
        "",
        "Write neither plots nor report.html at the end, which saves some seconds. eznas report DIR writes them later.",
    )
    out: Path | None = option(None, "Run", "DIR", "Run directory to write; by default a new one in runs/.")

    device: ClassVar[str] = "cpu"
    backend: ClassVar[str] = "loky"
    scheduler: ClassVar[None] = None

    def _without_effect(self) -> dict[str, str]:
        reasons: dict[str, str] = {}
        if self.fitness != "weighted":
            reasons["weights"] = "must come with fitness weighted"
        elif held_out := self.task_weights().keys() & {*self.hold_out_task}:
            reasons["weights"] = f"must be of tasks that programs are selected by, and {min(held_out)} is held out"
        if self.fitness == "lexicase":
            reasons["tournament"] = "must not be given with fitness lexicase, which selects in another way"
        if not self.weighted_terms:
            reasons["weighted_ridge"] = "must come with weighted_terms of 2 or more"
        if self.weighted_terms == 1:
            reasons["weighted_terms"] = "must be 0 or at least 2, got 1"
        return reasons

    def task_weights(self) -> dict[str, float]:
        """Return the weights by task."""
        return dict(map(_weight, self.weights))
