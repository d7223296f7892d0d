"""Cells, tables and pictures of pages and notebooks."""

from __future__ import annotations

import base64
import html
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def cell(value: object) -> str:
    """Write a value: floats with three decimals, None and NaN as a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def interval(low: float | None, high: float | None) -> str:
    """Write an interval as a cell of a table."""
    return "-" if low is None or math.isnan(low) else f"{cell(low)} to {cell(high)}"


def seconds(value: float | None) -> str:
    """Write seconds with two significant digits."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits


def signed(value: float | None) -> str:
    """Write a difference with its sign."""
    return "-" if value is None else f"{value:+.3f}"


def signed_interval(low: float | None, high: float | None) -> str:
    """Write the interval of a difference with signs."""
    return "-" if low is None else f"{signed(low)} to {signed(high)}"


class Html(str):
    """A text that is HTML already, and is not escaped in a table."""

    __slots__ = ()


def html_table(columns: Sequence[str], rows: Sequence[Sequence[object]], write: Callable[[object], str] = cell) -> str:
    """Return a table; ``write`` turns a value other than ``Html`` into a text."""

    def content(value: object) -> str:
        return value if isinstance(value, Html) else html.escape(write(value))

    head = "".join(f"<th>{content(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{content(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_image(name: str, png: bytes, style: str = "max-width: 40rem") -> str:
    """Return a picture that needs no other file."""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<img alt="{html.escape(name)}" style="{style}" src="{source}">'
