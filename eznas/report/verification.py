"""How proxies rank networks: a table, and plots of score against accuracy and of rank against rank."""

from __future__ import annotations

import html
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, MaxNLocator
from scipy.stats import rankdata

from eznas.benchmarks import BENCHMARKS
from eznas.errors import NETWORK_FAILURES, EznasError, InputError
from eznas.report.html import html_image, html_table, interval
from eznas.report.scores import floor_of, in_percent
from eznas.report.style import GREY, INK, figure, plain, png
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from eznas.scoring.verification import Column, Verification

    Values = NDArray[np.float64]


COLUMNS = ("proxy", "tau", "95 %", "rho", "Pearson", "scored", "failed")
"""The columns of ``rows``."""

_WIDTH, _HEIGHT = 7.2, 3.3
_POINTS: dict[str, Any] = {
    "cmap": mpl.colormaps["viridis_r"].with_extremes(bad=GREY),
    "plotnonfinite": True,
    "alpha": 0.85,
    "linewidths": 0,
}
_TAIL = 15.0
"""A logarithmic axis shows scores whose range is longer than this many interquartile ranges."""
_DECADES = 3.0
_TICKS = 6
_LONGEST = 60
"""Most characters of a file name, and of a title."""


def heading(verified: Verification) -> str:
    """Return the search space and accuracy in one line, and the networks and condition in another."""
    table = verified.table
    return f"{table.space}, {table.target}\n{len(verified.architectures)} networks, {verified.condition}"


def rows(verified: Verification) -> list[list[str | float | int | None]]:
    """Return one row for each proxy, with the cells that ``COLUMNS`` names."""
    return [
        [
            column.proxy.name,
            found.tau,
            interval(found.tau_low, found.tau_high),
            found.rho,
            found.pearson,
            found.n,
            column.failed,
        ]
        for column in verified.columns
        for found in [column.correlation]
    ]


def failures(verified: Verification) -> dict[str, str]:
    """Return a sentence for each proxy that is constant or has no value on some network, by the proxy's name."""
    count, sentences = len(verified.architectures), {}
    for column in verified.columns:
        name, reason = column.proxy.name, verified.first_failure(column)
        if column.failed == count:
            status = column.scores[0].status.value
            sentences[name] = f"{name} has no value on any network: {reason or f'{status}, as the scores file says'}"
        elif column.constant:
            sentences[name] = f"{name} is constant: it has the same value on every network, and no rank correlation"
        elif column.failed:
            sentences[name] = (
                f"{name} has no value on {column.failed} of {count} networks{reason and f'; the first is {reason}'}"
            )
    return sentences


def plot(verified: Verification, proxy: str | None = None) -> Figure:
    """Plot one proxy, the first by default.

    Raises:
        InputError: There is no such proxy, or it has fewer than two values.
    """
    column = verified.column(proxy)
    if column.correlation.n < 2:  # noqa: PLR2004 - a pair
        raise InputError(f"{column.proxy.name} must have a value on at least two networks to be plotted")
    return verification_figure(verified, column, _params(verified))


def to_html(verified: Verification) -> str:
    """Return the table and the plots as HTML."""
    notes = [*failures(verified).values()]
    images = "".join(
        html_image(name, picture, "max-width: 45rem") for name, picture in pictures(verified, notes.append)
    )
    title, text = (html.escape(part).replace("\n", "<br>") for part in (heading(verified), "\n".join(notes)))
    return f"<p>{title}</p>{html_table(COLUMNS, rows(verified))}<p>{text}</p>{images}"


def pictures(verified: Verification, say: Callable[[str], None]) -> Iterator[tuple[str, bytes]]:
    """Yield a file name and a PNG for each proxy and combination with values on two networks.

    Args:
        verified: The scores.
        say: Called with a sentence for each picture that cannot be drawn.
    """
    params = _params(verified)
    taken: set[str] = set()
    for column in verified.columns:
        if column.correlation.n < 2:  # noqa: PLR2004 - a pair
            continue
        stem = re.sub(r"[^\w.-]+", "_", column.proxy.name).strip("_")[:_LONGEST]
        name = next(name for name in _numbered(stem) if name.lower() not in taken)
        taken.add(name.lower())
        try:
            picture = png(verification_figure(verified, column, params))
        except (EznasError, ArithmeticError, ValueError, MemoryError) as error:  # the other pictures are still drawn
            say(f"{name} was not drawn: {error}")
            continue
        yield name, picture


def verification_figure(verified: Verification, column: Column, params: Values) -> Figure:
    """Plot one proxy's scores against accuracies, and the ranks of both.

    Scores over many magnitudes are drawn on a logarithmic axis, linear around zero where they have both signs.
    Accuracies far below all others are drawn at the lower edge.

    Args:
        verified: The scores.
        column: The proxy's column.
        params: Numbers of parameters of the ``n`` networks, shown as colours; NaN is grey.
    """
    scores, accuracies = column.values(), verified.accuracies
    finite = np.isfinite(scores)
    params = np.maximum(params, 1)  # the colours are logarithmic
    # large networks are drawn first, so that the many small ones stay visible
    order = np.argsort(-np.nan_to_num(params[finite], nan=np.inf), kind="stable")
    scores, accuracies, params = (values[finite][order] for values in (scores, accuracies, params))
    known = params[np.isfinite(params)]
    low, high = (known.min(), known.max()) if known.size else (1.0, 1.0)
    made = figure(_WIDTH, _HEIGHT)
    left, right = made.subplots(1, 2)
    spread = high > 10 * low
    norm = (LogNorm if spread else Normalize)(low, max(high, low + 1))
    percent = in_percent(f"{verified.table.target}")
    _values(left, scores, accuracies, params, norm, " %" if percent else "")
    points = right.scatter(rankdata(scores), rankdata(accuracies), s=9, c=params, norm=norm, **_POINTS)
    right.axline((1, 1), slope=1, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    right.set_xlabel("rank of the score", fontsize=9, color=INK)
    right.set_ylabel("rank of the accuracy", fontsize=9, color=INK)
    split = f"{verified.table.target}".partition(",")[0]
    left.set_ylabel(f"{split} in percent" if percent else split, fontsize=9, color=INK)
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    for panel in (left, right):
        plain(panel)
    bar = made.colorbar(points, ax=right, pad=0.02, format=EngFormatter(sep=""))
    bar.set_label("parameters" if known.size == params.size else "parameters (grey: not known)", fontsize=9, color=INK)
    bar.minorticks_off()
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=INK, length=2)
    if spread:
        ticks = np.geomspace(low, high, _TICKS)[1:-1]
        bar.set_ticks([float(f"{tick:.1g}") for tick in ticks])
    made.suptitle(_title(column), fontsize=10, color=INK)
    return made


def scale_of(scores: Values) -> tuple[str, float]:
    """Return the axis for finite scores, ``linear``, ``log`` or ``symlog``, and the half-width of symlog's linear part.

    Positive scores get a logarithmic axis if they span more than three decades, or more than one with a range above
    ``_TAIL`` interquartile ranges. Scores of both signs with such a range get a symlog axis, which is linear up to the
    tenth percentile of the non-zero magnitudes.
    """
    size = np.abs(scores).max()
    if size == 0:
        return "linear", 0.0
    low, high = np.percentile(scores / size, [25, 75])
    wide = bool(np.ptp(scores / size) > _TAIL * (high - low))
    if scores.min() > 0:
        decades = np.log10(size) - np.log10(scores.min())
        return ("log" if decades > (1 if wide else _DECADES) else "linear"), 0.0
    return ("symlog", float(np.percentile(np.abs(scores[scores != 0]), 10))) if wide else ("linear", 0.0)


def _values(panel: Axes, scores: Values, accuracies: Values, params: Values, norm: Normalize, unit: str) -> None:
    floor = floor_of(accuracies)
    inside = accuracies >= floor
    for which, marker, size in ((inside, "o", 9), (~inside, "v", 14)):
        shown = np.maximum(accuracies[which], floor)
        panel.scatter(scores[which], shown, s=size, marker=marker, c=params[which], norm=norm, **_POINTS)
    scale, linear = scale_of(scores)
    if scale == "log":
        panel.set_xscale("log", nonpositive="mask")
        panel.xaxis.set_major_locator(LogLocator(numticks=_TICKS))
    elif scale == "symlog":
        panel.set_xscale("symlog", linthresh=linear)
        panel.xaxis.set_major_locator(FixedLocator(_ticks(scores, linear)))
    else:
        panel.xaxis.set_major_locator(MaxNLocator(_TICKS - 1))
        panel.ticklabel_format(axis="x", scilimits=(-3, 4), useMathText=True)
        panel.xaxis.get_offset_text().set_fontsize(8)
    panel.minorticks_off()
    name = {"log": "score (logarithmic)", "symlog": "score (logarithmic on both sides of 0)"}
    panel.set_xlabel(name.get(scale, "score"), fontsize=9, color=INK)
    if not inside.all():
        text = f"{(~inside).sum()} below {floor:.3g}{unit}"
        panel.text(0.98, 0.08, text, transform=panel.transAxes, ha="right", fontsize=7, color=GREY)


def _ticks(scores: Values, linear: float) -> list[float]:
    """Return zero and powers of ten on both sides, as many as fit; matplotlib's own ticks overlap near zero."""
    first = int(np.ceil(np.log10(linear)))
    sides = (-scores[scores < 0], scores[scores > 0])
    tops = [int(np.floor(np.log10(side.max()))) if side.size else first for side in sides]
    step = max(1, -(-sum(max(top - first, 0) for top in tops) // _TICKS))
    start = first if step == 1 else first + step
    below, above = ([10.0**power for power in range(start, top + 1, step)] for top in tops)
    return [*(-tick for tick in reversed(below)), 0.0, *above]


def _title(column: Column) -> str:
    name = column.proxy.name if len(column.proxy.name) <= _LONGEST else f"{column.proxy.name[:_LONGEST]}..."
    found = column.correlation
    figures = (
        f"tau = {found.tau:.3f}, rho = {found.rho:.3f}" if np.isfinite(found.tau) else "no tau: all scores are equal"
    )
    failed = f", {column.failed} without a score" if column.failed else ""
    between = "\n" if len(name) > _LONGEST // 3 else "   "
    return f"{name}{between}{figures}   ({found.n} networks{failed})"


def _numbered(stem: str) -> Iterator[str]:
    yield f"{stem}.png"
    count = 2
    while True:
        yield f"{stem}_{count}.png"
        count += 1


def _params(verified: Verification) -> Values:
    """Return the networks' numbers of parameters: the table's column, or a count, NaN where counting fails."""
    table = verified.table
    unit = BENCHMARKS[table.benchmark].params_unit if table.benchmark in BENCHMARKS else 1
    if "params" in table.columns and unit == 1:
        column = dict(zip(table.architectures, table.columns["params"].tolist(), strict=True))
        params = np.array([column[architecture] for architecture in verified.architectures])
        if np.isfinite(params).all():
            return params
    space, condition = SPACES[table.space], verified.condition
    counts = np.full(len(verified.architectures), np.nan)
    for index, architecture in enumerate(verified.architectures):
        with suppress(*NETWORK_FAILURES), torch.device("meta"):  # a network without a count is grey
            network = space.build(architecture, condition.fidelity, condition.minibatch.classes)
            counts[index] = sum(parameter.numel() for parameter in network.parameters())
    return counts
