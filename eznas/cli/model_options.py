"""Options of a command from the fields of its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.cli.console import Option

if TYPE_CHECKING:
    import click
    from pydantic import BaseModel


def model_options(model: type[BaseModel]) -> list[click.Parameter]:
    """Return one option per field, the model's own fields before inherited ones; the model checks their values.

    A field that is true by default becomes a flag that turns it off, such as ``--no-report``.
    """
    inherited = [name for name in model.model_fields if name not in model.__annotations__]
    own = [name for name in model.model_fields if name in model.__annotations__]
    options: list[click.Parameter] = []
    for name in [*own, *inherited]:
        field = model.model_fields[name]
        facts = field.json_schema_extra
        if not isinstance(facts, dict):
            raise TypeError(f"the field {name} of {model.__name__} must have a group and a metavar")
        shown = ", ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        silent = isinstance(shown, bool) or shown in (None, "")
        flag = name.replace("_", "-")
        options.append(
            Option(
                [f"--no-{flag}", name] if field.default is True else [f"--{flag}"],
                group=str(facts["group"]),
                metavar=str(facts["metavar"]) or None,
                **({"is_flag": True, "flag_value": not field.default} if isinstance(field.default, bool) else {}),
                default=None,
                multiple=isinstance(field.default, tuple),
                help=f"{field.description}" + ("" if silent else f"  [default: {shown}]"),
            )
        )
    return options
