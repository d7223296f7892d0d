"""The configuration of a run: one source of names, defaults, bounds and help texts."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ValidationError, model_validator

from eznas.errors import InputError, unknown
from eznas.fields import Duration, FilePath, FilePaths, Images, MemorySize, Options, Texts, option, several
from eznas.tasks import TaskConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from typing_extensions import Self


Config = TypeVar("Config", bound=Options)

_Tasks = Annotated[tuple[TaskConfig, ...], BeforeValidator(several)]


class EvolveConfig(Options):
    """The options of an evolution; the names of the fields are the keys of a TOML file."""

    task: _Tasks = option(
        (),
        "Data",
        "BENCHMARK/DATASET[:TARGET][=CSV]",
        "Task to evolve on, instead of --benchmark; may be given several times. TARGET is a column of the table, and "
        "CSV its file. In a TOML file, a [[task]] may also set its weight, its images and its numbers of networks.",
    )
    hold_out_task: _Tasks = option(
        (),
        "Data",
        "BENCHMARK/DATASET[:TARGET][=CSV]",
        "Task on which programs are tested, but by which they are not selected; may be given several times.",
    )
    benchmark: str = option(
        "nasbench201",
        "Data",
        "NAME",
        "Benchmark (see eznas benchmarks list), or custom:MODULE:CALLABLE with --table for networks of your own.",
    )
    dataset: str = option("cifar10", "Data", "NAME", "Data set of the accuracies.")
    table: FilePath = option(None, "Data", "CSV", "Table of accuracies to use instead of the benchmark's own.")
    target: str | None = option(None, "Data", "NAME", "Accuracy to rank by: the name of a column of the table.")
    images: Images = option("digits", "Data", "digits|noise|PATH", "Images on which networks are run.")
    batch_size: int = option(8, "Data", "N", "Number of images in the minibatch.", ge=2)
    networks: int = option(60, "Data", "N", "Training networks of each task: fitness is computed on them.", ge=10)
    validation_networks: int = option(
        60, "Data", "N", "Validation networks of each task: the fittest programs are compared on them.", ge=10
    )
    test_networks: int = option(
        100, "Data", "N", "Test networks of each task: they are used for the reported figures only.", ge=10
    )
    full_networks: int = option(
        40,
        "Data",
        "N",
        "Training networks on which the last generations are also evaluated at full size; 0 for none. No effect if "
        "all training networks have full size.",
        ge=0,
    )
    fidelity: Literal["reduced", "full"] = option(
        "reduced", "Data", "reduced|full", "Size of the training networks; test networks are always of full size."
    )

    population: int = option(200, "Evolution", "N", "Programs in each generation.", ge=4)
    generations: int = option(
        400, "Evolution", "N", "Largest number of generations before networks of full size are added.", ge=1
    )
    full_generations: int = option(
        100, "Evolution", "N", "Largest number of generations with networks of full size.", ge=0
    )
    fitness: Literal["least", "mean", "weighted", "lexicase"] = option(
        "least",
        "Evolution",
        "least|mean|weighted|lexicase",
        "How the taus of the tasks give the fitness. least: the lowest tau; mean: their mean; weighted: their mean "
        "by the weights of the tasks; lexicase: their mean, with parents selected task by task. The tau of a task is "
        "the lowest over the sizes of its networks.",
    )
    relative: bool = option(
        False,
        "Evolution",
        "",
        "From the tau on each task, subtract the higher one of the taus of params and flops on this task, so that "
        "tasks of different difficulty can be compared.",
    )
    objective: Literal["tau", "pareto", "tasks"] = option(
        "tau",
        "Evolution",
        "tau|pareto|tasks",
        "How programs are selected. tau: by fitness minus the penalty of --parsimony; pareto: by NSGA-II over "
        "fitness, number of nodes and cost; tasks: by NSGA-II over the taus of the tasks.",
    )
    max_cost: float | None = option(
        None,
        "Evolution",
        "SECONDS",
        "Longest time to build and score one network of full size with a program, on every task.",
        gt=0,
        allow_inf_nan=False,
    )
    terminals: Literal["statistics", "measures", "both"] = option(
        "statistics",
        "Evolution",
        "statistics|measures|both",
        "Leaves of programs: statistics of units, measures of the network such as measure.synflow, or both.",
    )
    terminal_measures: Texts = option(
        (),
        "Evolution",
        "NAME",
        "Measure that programs may read, with --terminals measures or both; may be given several times. graf.FEATURE "
        "is a feature of the architecture, and graf stands for all features. Without this option, programs read ten "
        "cheap measures.",
    )
    weighted_terms: int = option(
        40,
        "Evolution",
        "N",
        "Fit a weighted sum of two to N terms at the end, and let it compete with the evolved programs; 0 for no sum. "
        "A term is an aggregated reduction, its root, its tenth root or its logarithm. The weights are fitted to the "
        "training and validation networks of full size, of which every task must have 30 or more. With --scores, "
        "sums of columns are fitted before evolution, and the default is 0.",
        ge=0,
        le=500,
    )
    weighted_ridge: float = option(
        0.1,
        "Evolution",
        "X",
        "Ridge penalty of --weighted-terms: X times the sum of the squared weights is added to the loss. With "
        "--scores, the default is 0.001.",
        gt=0,
        allow_inf_nan=False,
    )
    seed_program: Texts = option(
        (), "Evolution", "TEXT", "Program to include in the first generation; may be given several times."
    )
    seed_measures: bool = option(
        False,
        "Evolution",
        "",
        "Include programs that are equivalent to published measures, such as snip, in the first generation.",
    )
    tournament: int = option(
        4,
        "Evolution",
        "N",
        "Tournament size: programs that compete to become a parent; only with --objective tau, and not with --fitness "
        "lexicase.",
        ge=1,
    )
    parsimony: float = option(
        0.0015,
        "Evolution",
        "X",
        "Penalty for size: the fitness that is subtracted for each node; only with --objective tau.",
        ge=0,
        allow_inf_nan=False,
    )
    max_size: int = option(30, "Evolution", "N", "Largest number of nodes of a program.", ge=3)
    max_height: int = option(14, "Evolution", "N", "Greatest height of a program's tree.", ge=2)
    library: int = option(
        60,
        "Evolution",
        "N",
        "Number of reductions from which programs are built. A reduction is a formula that gives one number "
        "for each unit.",
        ge=1,
    )
    draws: int = option(
        3,
        "Evolution",
        "N",
        "Oversampling factor: draw N times as many new reductions as are kept, and keep the best on 20 networks. No "
        "effect with fewer than 40 training networks.",
        ge=1,
    )
    patience: int = option(
        25,
        "Evolution",
        "N",
        "Generations without a better program after which the run draws new reductions. After two draws in a row "
        "without gain, one last draw follows. The evolution then ends after N generations without a better program.",
        ge=1,
    )

    seed: int = option(0, "Run", "N", "Random seed.", ge=0)
    workers: int = option(0, "Run", "N", "Processes that run networks; 0 for one per core.", ge=0)
    memory: MemorySize = option(
        "4G",
        "Run",
        "SIZE",
        "Memory of all processes together, or of each worker of a running cluster, such as 800M or 4G. With less "
        "memory, the command takes longer. A score that needs more memory counts as failed.",
    )
    backend: Literal["loky", "dask"] = option(
        "loky", "Run", "loky|dask", "Run networks in processes of this machine, or on a Dask cluster."
    )
    scheduler: str | None = option(
        None,
        "Run",
        "ADDRESS",
        "Address of a running Dask scheduler, for --backend dask. By default, a cluster starts on this machine.",
    )
    device: str = option("auto", "Run", "auto|cpu|cuda", "Device to run networks on.")
    time_budget: Duration = option(
        "270s", "Run", "TIME", "Longest time for the whole run, such as 90s, 10m or 1h30m.", gt=0, allow_inf_nan=False
    )
    plugin: FilePaths = option(
        (),
        "Run",
        "FILE",
        "Python file that registers primitives, measures, a search space or a benchmark of your own; may be given "
        "several times. eznas runs this file.",
    )
    store: FilePath = option(
        None,
        "Run",
        "FILE",
        "File in which the values of reductions on networks are stored; runs may share it. By default, it lies in the "
        "run directory.",
    )
    report: bool = option(
        True,
        "Run",
        "",
        "Write neither plots nor report.html at the end, which saves some seconds. eznas report DIR writes them later.",
    )
    out: Path | None = option(None, "Run", "DIR", "Run directory to write; by default a new one in runs/.")

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        """Refuse options that exclude each other."""
        fields = type(self).model_fields
        single = [
            name for name in ("benchmark", "dataset", "table", "target") if getattr(self, name) != fields[name].default
        ]
        if self.task and single:
            raise ValueError(f"{single[0]} must not be given with task: each task names its own {single[0]}")
        if self.weighted_terms == 1:
            raise ValueError("weighted_terms must be 0 or at least 2, got 1")
        if self.fitness == "lexicase" and self.objective != "tau":
            raise ValueError(
                f"fitness must not be lexicase with the objective {self.objective}, which selects in another way"
            )
        if self.terminal_measures and self.terminals == "statistics":
            raise ValueError("terminal_measures must come with terminals measures or both")
        return self

    def _without_effect(self) -> dict[str, str]:
        reasons: dict[str, str] = {}
        if self.fitness == "lexicase":
            reasons["tournament"] = "must not be given with fitness lexicase, which selects in another way"
        if self.objective != "tau":
            way = f"must not be given with the objective {self.objective}, which selects in another way"
            reasons |= {"tournament": way, "parsimony": way}
        if self.fitness != "weighted" and any(task.weight != 1 for task in self.task):
            reasons["task"] = "must not set a weight, which only fitness weighted reads"
        if any(task.weight != 1 for task in self.hold_out_task):
            reasons["hold_out_task"] = "must not set a weight, since programs are not selected by it"
        if not self.weighted_terms:
            reasons["weighted_ridge"] = "must come with weighted_terms of 2 or more"
        return reasons

    def tasks(self) -> tuple[TaskConfig, ...]:
        """Return the tasks of selection, with all of their options."""
        single = TaskConfig(benchmark=self.benchmark, dataset=self.dataset, target=self.target, table=self.table)
        return tuple(task.completed(self) for task in self.task or (single,))

    def held_out_tasks(self) -> tuple[TaskConfig, ...]:
        """Return the tasks that programs are tested on only, with all of their options."""
        return tuple(task.completed(self) for task in self.hold_out_task)


def run_kind(options: Collection[str]) -> str:
    """Return the kind of run that options make.

    Args:
        options: The names of the options: the keys of a ``config.toml``, or the fields of a configuration.

    Returns:
        ``"a search"``, ``"a supernet"``, ``"an evolution over score files"`` or ``"an evolution"``.
    """
    marks = {"algorithm": "a search", "method": "a supernet", "scores": "an evolution over score files"}
    return next((kind for option, kind in marks.items() if option in options), "an evolution")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: It cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a readable TOML file: {_reason(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} must be TOML: {error}") from error


def build_config(
    model: type[Config], options: Mapping[str, Any], file: Path | None = None, *, resumed: bool = False
) -> Config:
    """Merge options over a TOML file over the defaults of a model.

    Args:
        model: The configuration.
        options: Values by field name; they win over the file's.
        file: The TOML file, if any.
        resumed: Whether the file is that of a run to be resumed, which may have options without effect.

    Raises:
        InputError: A key is unknown, or a value is out of bounds.
    """
    content = {} if file is None else read_toml(file)
    for where, names in ((f"{file}: ", content), ("", options)):
        for key in names:
            if key not in model.model_fields:
                raise InputError(f"{where}{unknown('option', key, model.model_fields)}")
    try:
        return model.model_validate({**content, **options}, context={"resumed": resumed})
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # options that exclude each other
            message = first["msg"].removeprefix("Value error, ")
            raise InputError(
                message, parameters=tuple(name for name in model.model_fields if name in message)
            ) from error
        key = str(first["loc"][0])
        where = "" if key in options else f"{file}: "
        message = f"{where}{key} {_requirement(first['msg'])}, got {first['input']!r}"
        raise InputError(message, parameters=(key,) if key in options else ()) from error


def resumed_config(model: type[Config], changes: Mapping[str, Any], run: Path, changeable: Collection[str]) -> Config:
    """Return the configuration of a run directory with the changes of a resume.

    Raises:
        InputError: The run is of another kind, a change is not one of ``changeable``, or a value is out of bounds.
    """
    for name in changes:
        if name not in changeable:
            raise InputError(
                f"{name} must not be given when a run is resumed: the run in {run} keeps its value", parameters=(name,)
            )
    stored = read_toml(run / "config.toml")
    if (kind := run_kind(stored)) != (wanted := run_kind(model.model_fields)):
        raise InputError(f"{run} must be the directory of {wanted} to be resumed so, but it is that of {kind}")
    if others := stored.keys() - model.model_fields.keys():
        raise InputError(f"{run}/config.toml must hold options of {kind} alone, but it has {min(others)!r}")
    if "backend" in changes:  # the scheduler of the run belongs to its backend
        changes = {"scheduler": None, **changes}
    return build_config(model, changes, run / "config.toml", resumed=True)


def _requirement(message: str) -> str:
    """Turn pydantic's ``Input should be greater than 1, ...`` into the middle of our sentence."""
    clause = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return re.split(", (?:unable|got) ", clause)[0]


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
