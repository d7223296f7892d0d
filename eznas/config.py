"""The configuration of a run: one source of names, defaults, bounds and help texts."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from eznas.errors import InputError, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic.config import JsonDict


Config = TypeVar("Config", bound=BaseModel)

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def parse_duration(text: object) -> object:
    """Convert ``"90s"``, ``"10m"`` or ``"1h30m"`` to seconds; numbers are seconds already.

    Raises:
        ValueError: The text is not a duration.
    """
    if not isinstance(text, str):
        return text
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        raise ValueError("must be a duration such as 90s, 10m or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


_LEAST_MEMORY = 2**29
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?")


def parse_size(text: object) -> object:
    """Convert ``"800M"``, ``"4G"`` or ``"1.5GiB"`` to bytes, by powers of 1024; numbers are bytes already.

    Raises:
        ValueError: The text is not a size.
    """
    if not isinstance(text, str):
        return text
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("must be a size such as 800M or 4G")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2] or " "))


def _enough(memory: int) -> int:
    if memory < _LEAST_MEMORY:
        raise ValueError("must be a size of at least 512M, such as 4G")
    return memory


def _absolute(path: Path | None) -> Path | None:
    """Make a path absolute, so that a run can be resumed from another folder."""
    return None if path is None else path.absolute()


def several(values: object) -> object:
    """Take a text or a path alone for a tuple of one."""
    return (values,) if isinstance(values, str | Path) else values


def _absolute_each(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(path.absolute() for path in paths)


def _absolute_images(source: str) -> str:
    """Make a path of images absolute; a name, or a path to nothing, stays as it is."""
    return source if source in ("digits", "noise") or not Path(source).exists() else str(Path(source).absolute())


def option(default: Any, group: str, metavar: str, description: str, **bounds: Any) -> Any:
    """Declare a field, with its group and placeholder in ``--help``."""
    extra: JsonDict = {"group": group, "metavar": metavar}
    return Field(default, description=description, json_schema_extra=extra, **bounds)


class EvolveConfig(BaseModel):
    """The options of an evolution; the names of the fields are the keys of a TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    benchmark: str = option("nasbench201", "Data", "NAME", "Benchmark, or custom:MODULE:CALLABLE with a table.")
    dataset: str = option("cifar10", "Data", "NAME", "Data set of the accuracies.")
    table: Annotated[Path | None, AfterValidator(_absolute)] = option(
        None, "Data", "CSV", "Table of accuracies to use instead of the benchmark's own."
    )
    target: str | None = option(None, "Data", "NAME", "Accuracy to rank by: the name of a column of the table.")
    images: Annotated[str, AfterValidator(_absolute_images)] = option(
        "digits", "Data", "digits|noise|PATH", "Images that networks are run on."
    )
    batch_size: int = option(8, "Data", "N", "Number of images in the minibatch.", ge=2)
    networks: int = option(60, "Data", "N", "Training networks: fitness is computed on them.", ge=10)
    validation_networks: int = option(60, "Data", "N", "Validation networks: they choose among programs.", ge=10)
    test_networks: int = option(100, "Data", "N", "Test networks: they are used for the reported figures only.", ge=10)
    full_networks: int = option(
        40,
        "Data",
        "N",
        "Training networks that the last generations are evaluated on at full size too; 0 for none. Without effect "
        "where all networks are of full size.",
        ge=0,
    )
    fidelity: Literal["reduced", "full"] = option(
        "reduced", "Data", "reduced|full", "Size of the training networks; test networks are always of full size."
    )

    population: int = option(200, "Evolution", "N", "Programs in each generation.", ge=4)
    generations: int = option(150, "Evolution", "N", "Most generations before networks of full size are added.", ge=1)
    full_generations: int = option(100, "Evolution", "N", "Most generations with networks of full size.", ge=0)
    objective: Literal["tau", "pareto"] = option(
        "tau", "Evolution", "tau|pareto", "Fitness: tau less parsimony, or NSGA-II on tau, complexity and cost."
    )
    seed_program: Annotated[tuple[str, ...], BeforeValidator(several)] = option(
        (), "Evolution", "TEXT", "Program to include in the first generation; may be given several times."
    )
    seed_measures: bool = option(
        False,
        "Evolution",
        "",
        "Include the published measures that are programs, such as snip and fisher, in the first generation.",
    )
    tournament: int = option(4, "Evolution", "N", "Tournament size: programs that compete to become a parent.", ge=1)
    parsimony: float = option(
        0.0015, "Evolution", "X", "Parsimony: fitness subtracted for each node.", ge=0, allow_inf_nan=False
    )
    max_size: int = option(30, "Evolution", "N", "Most nodes of a program.", ge=3)
    max_height: int = option(14, "Evolution", "N", "Greatest height of a program's tree.", ge=2)
    library: int = option(60, "Evolution", "N", "Building blocks of programs that are kept.", ge=1)
    draws: int = option(
        3,
        "Evolution",
        "N",
        "Oversampling factor: draw N times as many building blocks, screen them on 20 networks, keep the best. "
        "Without effect on fewer than 40 networks.",
        ge=1,
    )
    expansion_every: int = option(150, "Evolution", "N", "Generations between two draws of new building blocks.", ge=1)

    seed: int = option(0, "Run", "N", "Random seed.", ge=0)
    workers: int = option(0, "Run", "N", "Processes that run networks; 0 for one per core.", ge=0)
    memory: Annotated[int, BeforeValidator(parse_size), AfterValidator(_enough)] = option(
        "4G",
        "Run",
        "SIZE",
        "Memory of all processes together, or of each worker of a running cluster, such as 800M or 4G. Less memory "
        "takes longer and gives the same results.",
    )
    backend: Literal["loky", "dask"] = option(
        "loky", "Run", "loky|dask", "Run networks in processes of this machine, or on a Dask cluster."
    )
    scheduler: str | None = option(
        None, "Run", "ADDRESS", "Address of a running Dask scheduler; by default a cluster starts on this machine."
    )
    device: str = option("auto", "Run", "auto|cpu|cuda", "Device to run networks on.")
    time_budget: Annotated[float, BeforeValidator(parse_duration)] = option(
        "270s", "Run", "TIME", "Most time for the whole run, such as 90s, 10m or 1h30m.", gt=0, allow_inf_nan=False
    )
    plugin: Annotated[tuple[Path, ...], BeforeValidator(several), AfterValidator(_absolute_each)] = option(
        (),
        "Run",
        "FILE",
        "Python file that registers primitives, measures, a search space or a benchmark of your own; may be given "
        "several times. It is run.",
    )
    store: Annotated[Path | None, AfterValidator(_absolute)] = option(
        None,
        "Run",
        "FILE",
        "Cache of the values of building blocks on networks; runs may share one. By default in the run directory.",
    )
    out: Path | None = option(None, "Run", "DIR", "Run directory to write; by default a new one in runs/.")

    def as_toml(self) -> dict[str, Any]:
        """Return the content of ``config.toml``: every field but ``out`` that has a value."""
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


def build_config(model: type[Config], options: Mapping[str, Any], file: Path | None = None) -> Config:
    """Merge options over a TOML file over the defaults of a model.

    Args:
        model: The configuration.
        options: Values by field name; they win over the file's.
        file: The TOML file, if any.

    Raises:
        InputError: A key is unknown, or a value is out of bounds.
    """
    content = {} if file is None else read_toml(file)
    for where, names in ((f"{file}: ", content), ("", options)):
        for key in names:
            if key not in model.model_fields:
                raise InputError(f"{where}{unknown('option', key, model.model_fields)}")
    try:
        return model.model_validate({**content, **options})
    except ValidationError as error:
        first = error.errors()[0]
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
                f"{name} must not be given when a run is resumed: the run in {run} keeps its own", parameters=(name,)
            )
    if others := read_toml(run / "config.toml").keys() - model.model_fields.keys():
        raise InputError(
            f"{run} must be a run of this kind to be resumed; its config.toml has the option {min(others)!r}"
        )
    if "backend" in changes:  # the scheduler of the run belongs to its backend
        changes = {"scheduler": None, **changes}
    return build_config(model, changes, run / "config.toml")


def _requirement(message: str) -> str:
    """Turn pydantic's ``Input should be greater than 1, ...`` into the middle of our sentence."""
    clause = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return re.split(", (?:unable|got) ", clause)[0]


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
