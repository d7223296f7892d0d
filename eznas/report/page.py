"""The frame and the building blocks of the pages of evolutions: HTML that needs no other file."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from eznas.report.html import Html, html_image
from eznas.report.style import BLUE, GREY, INK, ORANGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SHORT = 70
"""Most characters of a text that is shown without being opened."""

_SCALE = 0.55
"""Pixels of the page for one of a picture, whose letters are then as large as those of tables."""

_LINE, _GREEN, _RED = "#dde1e6", "#1a7f4b", "#b3261e"

CSS = f"""
.eznas {{ font: 15px/1.5 system-ui, sans-serif; color: {INK} }}
.eznas h1 {{ font-size: 1.6rem; line-height: 1.25; margin: .25rem 0 .5rem }}
.eznas h2 {{ font-size: 1.15rem; margin: 2.75rem 0 .5rem; padding-top: 1rem; border-top: 1px solid {_LINE} }}
.eznas p {{ margin: .4rem 0; max-width: 52rem }} .eznas .note {{ color: #5c6470; font-size: .9rem }}
.eznas .kicker {{ color: #5c6470; font-size: .85rem }}
.eznas .verdict {{ background: #f5f7fa; border-left: 4px solid {ORANGE}; border-radius: 4px; padding: 1rem 1.25rem;
  margin: 1rem 0 }}
.eznas .verdict ul {{ margin: .5rem 0 0; padding-left: 1.2rem; font-size: .9rem; color: #444c56 }}
.eznas .cards {{ display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0 }}
.eznas .card {{ border: 1px solid {_LINE}; border-radius: 6px; padding: .5rem .9rem; min-width: 7rem }}
.eznas .card b {{ display: block; font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums }}
.eznas .card span {{ color: #5c6470; font-size: .8rem }}
.eznas .wide {{ overflow-x: auto }}
.eznas table {{ border-collapse: collapse; min-width: 50%; font-size: .9rem; margin: .5rem 0 }}
.eznas th {{ color: #5c6470; font-weight: 500; font-size: .82rem; border-bottom: 1px solid #9aa3ad;
  vertical-align: bottom }}
.eznas td {{ border-bottom: 1px solid #eceff2; font-variant-numeric: tabular-nums; vertical-align: top }}
.eznas th, .eznas td {{ padding: .3rem .55rem; text-align: right; white-space: nowrap }}
.eznas th:first-child, .eznas td:first-child {{ text-align: left; padding-left: 0 }}
.eznas td:has(details, code) {{ text-align: left; white-space: normal; min-width: 24rem }}
.eznas code {{ font: .85em/1.45 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere }}
.eznas summary {{ cursor: pointer; overflow-wrap: anywhere }} .eznas summary::marker {{ color: {GREY} }}
.eznas img, .eznas svg {{ max-width: 100%; height: auto }}
.eznas figure {{ margin: 1rem 0 }} .eznas figcaption {{ color: #5c6470; font-size: .85rem }}
.eznas .badge {{ border-radius: 3px; padding: .05rem .45rem; font-size: .82rem; color: #fff; background: #6b7480 }}
.eznas .better {{ background: {_GREEN} }} .eznas .worse {{ background: {_RED} }}
.eznas .bar {{ display: inline-block; height: .7rem; border-radius: 2px; background: {BLUE}; vertical-align: -1px }}
.eznas .gain {{ background: {ORANGE} }}
.eznas dl {{ display: grid; grid-template-columns: max-content auto; gap: .2rem 1.5rem; font-size: .9rem }}
.eznas dt {{ color: #5c6470 }} .eznas dd {{ margin: 0; overflow-wrap: anywhere }}
"""


def page(title: str, body: str) -> str:
    """Return a self-contained page with this title around the body."""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>{html.escape(title)}</title>
<style>body {{ max-width: 80rem; margin: 2rem auto 4rem; padding: 0 1.5rem }}{CSS}</style></head><body>
<div class="eznas">
{body}
</div>
</body></html>
"""


def section(title: str, *parts: str, note: str = "") -> str:
    """Return a section, or nothing if it has no parts."""
    content = "".join(parts)
    remark = f'<p class="note">{html.escape(note)}</p>' if note else ""
    return f"<h2>{html.escape(title)}</h2>{remark}{content}\n" if content else ""


def wide(table: str) -> str:
    """Let a table that is wider than the page scroll."""
    return f'<div class="wide">{table}</div>'


def picture(name: str, png: bytes | None, caption: str = "", scale: float = _SCALE) -> str:
    """Return a picture with its caption; nothing if it was not drawn."""
    if png is None:
        return ""
    text = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    width = scale * int.from_bytes(png[16:20], "big")  # the third field of a PNG
    return f"<figure>{html_image(name, png, f'width: {width:.0f}px')}{text}</figure>"


def code(text: str, shown: int = _SHORT) -> Html:
    """Return program text as a cell; a long text shows its beginning and opens."""
    if len(text) <= shown:
        return Html(f"<code>{html.escape(text)}</code>")
    beginning = html.escape(text[:shown])
    return Html(f"<details><summary><code>{beginning}...</code></summary><code>{html.escape(text)}</code></details>")


def badge(verdict: str) -> Html:
    """Return a verdict on a coloured ground."""
    return Html(f'<span class="badge {html.escape(verdict)}">{html.escape(verdict)}</span>')


def bar(length: float) -> Html:
    """Return a horizontal bar of a length from -1 to 1; a negative one has another colour."""
    name = "bar" if length >= 0 else "bar gain"
    return Html(f'<span class="{name}" style="width: {10 * min(abs(length), 1):.2f}rem"></span>')


def details(summary: str, content: str, *, opened: bool = False) -> str:
    """Return content that opens."""
    return f"<details{' open' if opened else ''}><summary>{html.escape(summary)}</summary>{content}</details>"


def cards(figures: Mapping[str, str]) -> str:
    """Return key figures, each a value above its name."""
    boxes = "".join(
        f'<div class="card"><b>{html.escape(value)}</b><span>{html.escape(name)}</span></div>'
        for name, value in figures.items()
    )
    return f'<div class="cards">{boxes}</div>'


def definitions(facts: Mapping[str, object]) -> str:
    """Return names with their values; a value may be ``Html``."""
    entries = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{value if isinstance(value, Html) else html.escape(str(value))}</dd>"
        for name, value in facts.items()
    )
    return f"<dl>{entries}</dl>"


def items(texts: Iterable[str]) -> str:
    """Return a list of sentences; nothing without one."""
    entries = "".join(f"<li>{html.escape(text)}</li>" for text in texts)
    return f"<ul>{entries}</ul>" if entries else ""
