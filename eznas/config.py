"""The configuration of a run: one source of names, defaults, bounds and help texts."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from eznas.errors import InputError, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.config import JsonDict

__all__ = ["EvolveConfig", "load_config", "parse_duration", "parse_size", "read_toml"]

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def parse_duration(text: object) -> object:
    """Turn ``"90s"``, ``"10m"`` or ``"1h30m"`` into seconds; numbers are seconds already.

    Raises:
        ValueError: The text is not a duration.
    """
    if not isinstance(text, str):
        return text
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        raise ValueError("must be a duration such as 90s, 10m or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


_LEAST_MEMORY = 2**29
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?")


def parse_size(text: object) -> object:
    """Turn ``"800M"``, ``"4G"`` or ``"1.5GiB"`` into bytes, by powers of 1024; numbers are bytes already.

    Raises:
        ValueError: The text is not a size.
    """
    if not isinstance(text, str):
        return text
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError("must be a size such as 800M or 4G")
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2] or " "))


def _enough(memory: int) -> int:
    if memory < _LEAST_MEMORY:
        raise ValueError("must be a size of at least 512M, such as 4G")
    return memory


def _absolute(path: Path | None) -> Path | None:
    """Make a path absolute, so that a run can be resumed from another folder."""
    return None if path is None else path.absolute()


def _absolute_each(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(path.absolute() for path in paths)


def _absolute_images(source: str) -> str:
    """Make a path of images absolute; a name, or a path to nothing, stays as it is."""
    return source if source in ("digits", "noise") or not Path(source).exists() else str(Path(source).absolute())


def _option(default: Any, group: str, metavar: str, description: str, **bounds: Any) -> Any:
    """Declare a field with what ``--help`` says about it."""
    extra: JsonDict = {"group": group, "metavar": metavar}
    return Field(default, description=description, json_schema_extra=extra, **bounds)


class EvolveConfig(BaseModel):
    """Every option of ``python -m eznas.evolve``; the field names are the keys of a TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    benchmark: str = _option("nasbench201", "Data", "NAME", "Benchmark, or custom:MODULE:CALLABLE with a table.")
    dataset: str = _option("cifar10", "Data", "NAME", "Data set of the accuracies.")
    table: Annotated[Path | None, AfterValidator(_absolute)] = _option(
        None, "Data", "CSV", "Accuracy table to use instead of the benchmark's own."
    )
    target: str | None = _option(None, "Data", "NAME", "Which accuracy: the name of a column of the table.")
    images: Annotated[str, AfterValidator(_absolute_images)] = _option(
        "digits", "Data", "digits|noise|PATH", "Images that networks are run on."
    )
    batch_size: int = _option(8, "Data", "N", "Images of the minibatch.", ge=2)
    networks: int = _option(60, "Data", "N", "Networks that fitness is computed on.", ge=10)
    validation_networks: int = _option(60, "Data", "N", "Other networks, to choose among the fittest.", ge=10)
    test_networks: int = _option(100, "Data", "N", "Others again, for the reported figures only.", ge=10)
    full_networks: int = _option(
        40,
        "Data",
        "N",
        "Training networks that the best reductions are promoted to at full size, for the last generations; "
        "0 for no promotion. Without effect where --fidelity is full.",
        ge=0,
    )
    fidelity: Literal["reduced", "full"] = _option(
        "reduced",
        "Data",
        "reduced|full",
        "Size of the networks that fitness is computed on; tests are at full size.",
    )

    population: int = _option(200, "Evolution", "N", "Programs of a generation.", ge=4)
    generations: int = _option(150, "Evolution", "N", "Generations at most.", ge=1)
    full_generations: int = _option(
        100, "Evolution", "N", "Further generations after the promotion, judged at full size too.", ge=0
    )
    objective: Literal["tau", "pareto"] = _option(
        "tau", "Evolution", "tau|pareto", "Select by tau less parsimony, or by NSGA-II on tau, complexity and cost."
    )
    seed_program: tuple[str, ...] = _option(
        (), "Evolution", "TEXT", "Program that the first generation contains; may be given several times."
    )
    seed_measures: bool = _option(
        False,
        "Evolution",
        "",
        "Begin with the hand-written measures that are programs too, such as snip and fisher.",
    )
    tournament: int = _option(4, "Evolution", "N", "Programs that compete for each place of a parent.", ge=1)
    parsimony: float = _option(
        0.0015, "Evolution", "X", "Fitness taken away for each node of a program.", ge=0, allow_inf_nan=False
    )
    max_size: int = _option(30, "Evolution", "N", "Nodes of a program at most.", ge=3)
    max_height: int = _option(14, "Evolution", "N", "Height of a program's tree at most.", ge=2)
    library: int = _option(60, "Evolution", "N", "Distinct reductions that are kept for all networks.", ge=1)
    draws: int = _option(
        3,
        "Evolution",
        "N",
        "Reductions drawn for each that visits all networks: the best on 20 of the training networks do; 1 for no "
        "choice. Without effect on fewer than 40 networks.",
        ge=1,
    )
    expansion_every: int = _option(
        150, "Evolution", "N", "Generations between two expansions of the library of reductions.", ge=1
    )

    seed: int = _option(0, "Run", "N", "Seed of everything that is drawn at random.", ge=0)
    workers: int = _option(0, "Run", "N", "Processes that run networks; 0 for one a core.", ge=0)
    memory: Annotated[int, BeforeValidator(parse_size), AfterValidator(_enough)] = _option(
        "4G",
        "Run",
        "SIZE",
        "Memory for all processes together, or with --scheduler for each worker, such as 800M or 4G; less of it takes "
        "longer and changes no result.",
    )
    backend: Literal["loky", "dask"] = _option(
        "loky", "Run", "loky|dask", "Where networks run: processes of this machine, or a Dask cluster."
    )
    scheduler: str | None = _option(
        None, "Run", "ADDRESS", "The cluster's scheduler; without one, a cluster of --workers on this machine."
    )
    device: str = _option("auto", "Run", "auto|cpu|cuda", "Device that networks run on.")
    time_budget: Annotated[float, BeforeValidator(parse_duration)] = _option(
        "270s", "Run", "TIME", "Time for the whole run, such as 90s, 10m or 1h30m.", gt=0, allow_inf_nan=False
    )
    plugin: Annotated[tuple[Path, ...], AfterValidator(_absolute_each)] = _option(
        (),
        "Run",
        "FILE",
        "Python file that registers primitives, measures, a search space or a benchmark of your own; may be given "
        "several times. It is run.",
    )
    store: Annotated[Path | None, AfterValidator(_absolute)] = _option(
        None,
        "Run",
        "FILE",
        "File that keeps what reductions give on networks; runs may share one. In the run directory by default.",
    )
    out: Path | None = _option(None, "Run", "DIR", "Run directory to write; a new one in runs/ by default.")

    def as_toml(self) -> dict[str, Any]:
        """Return what ``config.toml`` holds: every key but ``out`` that has a value, in the order of the fields."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"out"})


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


def load_config(given: Mapping[str, Any], file: Path | None = None) -> EvolveConfig:
    """Merge what was given on the command line over a TOML file over the defaults.

    Args:
        given: Values by field name; they win over the file's.
        file: The TOML file, if any.

    Raises:
        InputError: A key is unknown or a value is out of bounds; the sentence names where it came from.
    """
    read = {} if file is None else read_toml(file)
    for key in read:
        if key not in EvolveConfig.model_fields:
            raise InputError(f"{file}: {unknown('key', key, EvolveConfig.model_fields)}")
    try:
        return EvolveConfig.model_validate({**read, **given})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        where = f"--{key.replace('_', '-')}" if key in given else f"{file}: {key}"
        raise InputError(f"{where} {_requirement(first['msg'])}, got {first['input']!r}") from error


def _requirement(message: str) -> str:
    """Turn pydantic's ``Input should be greater than 1, ...`` into the middle of our sentence."""
    clause = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return re.split(", (?:unable|got) ", clause)[0]


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
