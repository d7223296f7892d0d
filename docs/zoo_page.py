"""Text of ``docs/zoo.md`` from the facts that the tests of the zoo write; ``docs/generate.py`` writes it."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.testing.zoo import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = Path(__file__).parent / "zoo.md"
FACTS = Path(__file__).parents[1] / "experiments" / "results" / "zoo.json"

_INTRODUCTION = """\
# Measures on many networks

This page shows on which networks the [measures](measures.md) have a value. {measures} measures and {programs} programs
were computed on {networks} networks: networks of torchvision, timm and transformers, and some that were written by
hand. All networks have random weights, most are small, and the minibatch has two samples. A test checks for each
network that

- every measure has a value, or a message that says why it has none,
- the measures leave the network, its attributes and all sources of random numbers as they were, and
- a second call returns the same values, to the bit.

`pytest -m zoo` runs this test on all {zoo} networks. With `ZOO_FACTS=experiments/results/zoo.json pytest -m zoo`, the
test runs only on the networks that this file does not have yet, and adds their results to the file. The table below is
made from the file. Both commands need
`pip install -e ".[dev,models]"` in the checkout.

{versions}

{complete}

The table shows the other measures and programs; those with the same cells share one column. An empty cell means that
the measures and programs of the column have a value on the network. A number means that they have no value, for the
reason with this number in the next list. Most reasons are messages of eznas; some are messages of torch:

{reasons}

Two images of 32 pixels are few for a batch normalisation. On mobilenet_v2, mnasnet0_5, regnet_y_400mf and
efficientnet_b0 of torchvision, gradients are large, and rounding seems to decide their values: snip with two threads
differs from snip with one by a factor of 1.8 to 90. With 16 images, snip of mobilenet_v2 and efficientnet_b0 agrees to
seven digits. If scores of your networks change with the number of threads, use more or larger images.

## Table

"""


def page() -> str:
    """Return the text of the page."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    networks = {name: {**row, "without": _general(row["without"])} for name, row in facts["networks"].items()}
    numbers = {reason: number for number, reason in enumerate(_reasons(networks), 1)}
    cells = {measure: _column(measure, networks, numbers) for measure in facts["measures"]}
    groups: dict[tuple[str, ...], list[str]] = {}
    for measure, column in cells.items():
        groups.setdefault(column, []).append(measure)
    complete = groups.pop(("",) * len(networks), [])
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    programs = sum("(" in measure for measure in cells)
    text = _INTRODUCTION.format(
        networks=len(networks),
        zoo=sum(map(len, NETWORKS.values())),
        measures=len(cells) - programs,
        programs=programs,
        versions=_wrapped(f"The table was computed with {versions}. `eznas.testing.zoo` builds the networks."),
        complete=_wrapped(
            f"{len(complete)} of the measures and programs have a value on every network: "
            f"{', '.join(map(_shown, complete))}."
        ),
        reasons="\n".join(f"{number}. {reason}" for reason, number in numbers.items()),
    )
    header = ["network", "parameters", *(", ".join(map(_shown, group)) for group in groups.values())]
    lines = [header, ["---"] * len(header)]
    for place, (name, row) in enumerate(networks.items()):
        lines.append([name, f"{row['parameters']:,}", *(column[place] for column in groups)])
    return text + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _general(without: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the measures by reason, in which no measure, block or size is named."""
    general: dict[str, list[str]] = {}
    for reason, measures in without.items():
        sentence = "the program reads a measure that has no value" if reason.startswith("measure.") else reason
        sentence = sentence.removeprefix("CaptureError: ")
        sentence = re.sub(r"^block \d+ must", "each block must", sentence)
        sentence = re.sub(r", got input size torch\.Size\(.*\)", "", sentence)
        general.setdefault(sentence, []).extend(measures)
    return general


def _reasons(networks: Mapping[str, Any]) -> list[str]:
    """Return all reasons, the most frequent first."""
    counts: dict[str, int] = {}
    for row in networks.values():
        for reason, measures in row["without"].items():
            counts[reason] = counts.get(reason, 0) + len(measures)
    return sorted(counts, key=lambda reason: (-counts[reason], reason))


def _column(measure: str, networks: Mapping[str, Any], numbers: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(
        next((str(numbers[reason]) for reason, measures in row["without"].items() if measure in measures), "")
        for row in networks.values()
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)


def _shown(measure: str) -> str:
    return f"`{measure}`" if "(" in measure else measure
