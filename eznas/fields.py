"""Fields of configurations: how their values are read, and what ``--help`` shows of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

if TYPE_CHECKING:
    from pydantic.config import JsonDict
    from typing_extensions import Self

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


def _enough_memory(memory: int) -> int:
    if memory < _LEAST_MEMORY:
        raise ValueError("must be a size of at least 512M, such as 4G")
    return memory


def _absolute(path: Path | None) -> Path | None:
    """Make a path absolute, so that a run can be resumed from another folder."""
    return None if path is None else path.absolute()


def several(values: object) -> object:
    """Take a text or a path alone for a tuple of one."""
    return (values,) if isinstance(values, str | Path) else values


def _absolute_images(source: str) -> str:
    """Make a path of images absolute; a name, or a path to nothing, stays as it is."""
    return source if source in ("", "digits", "noise") or not Path(source).exists() else str(Path(source).absolute())


def option(default: Any, group: str, metavar: str, description: str, **bounds: Any) -> Any:
    """Declare a field, with its group and placeholder in ``--help``."""
    extra: JsonDict = {"group": group, "metavar": metavar}
    return Field(default, description=description, json_schema_extra=extra, **bounds)


Duration = Annotated[float, BeforeValidator(parse_duration)]
"""Seconds, also written as ``90s`` or ``1h30m``."""

MemorySize = Annotated[int, BeforeValidator(parse_size), AfterValidator(_enough_memory)]
"""Bytes, at least 512 MiB, also written as ``4G``."""

FilePath = Annotated[Path | None, AfterValidator(_absolute)]
"""The path of a file or None; it is made absolute, so that a run can be resumed from another folder."""

FilePaths = Annotated[
    tuple[Path, ...], BeforeValidator(several), AfterValidator(lambda paths: tuple(path.absolute() for path in paths))
]
"""Paths of files, made absolute; one alone stands for a tuple of one."""

Images = Annotated[str, AfterValidator(_absolute_images)]
"""A name of images, or a path, which is made absolute."""

Texts = Annotated[tuple[str, ...], BeforeValidator(several)]
"""Texts; one alone stands for a tuple of one."""


class Options(BaseModel):
    """Options, each a field; the names of the fields are the keys of a TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def as_toml(self) -> dict[str, Any]:
        """Return the content of ``config.toml``: every field but ``out`` that has a value."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"out"})

    def _without_effect(self) -> dict[str, str]:
        """Return the options that have no effect beside the others, each with the rest of a sentence that says why."""
        return {}

    @model_validator(mode="after")
    def _refuse_without_effect(self, info: ValidationInfo) -> Self:
        """Refuse options without effect that differ from their defaults, unless a run that has them is resumed."""
        if not (info.context or {}).get("resumed"):
            for name, reason in self._without_effect().items():
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} {reason}")
        return self
