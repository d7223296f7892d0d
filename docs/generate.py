"""Write ``docs/measures.md`` from the register of measures and the measured figures: ``python docs/generate.py``."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

from eznas.measures import MEASURES

if TYPE_CHECKING:
    from eznas.measures import Measure

PAGE = Path(__file__).parent / "measures.md"
RESULTS = Path(__file__).parents[1] / "experiments" / "results"

_INTRODUCTION = """\
# Measures

Every zero-cost proxy that `eznas.measure(network, minibatch, names)`, `verify_scores.py --proxy NAME` and
`python -m eznas.score --measure NAME` know. This page is written by `python docs/generate.py` from the register and
from `experiments/results/`; `experiments/README.md` says how those figures were measured.

- **better**: whether more or less of the score is meant to be better. Scores are reported as they are, never flipped.
- **needs**: *forward* and *backward* passes; *labels*; *noise* instead of images; *second order*, a backward pass
  through a backward pass; *samples*, a backward pass an image; *batches*, the minibatch in halves.
- **tau**: Kendall's tau-b with CIFAR-10 validation accuracy on so many distinct architectures of NAS-Bench-201 (n), 64
  CIFAR-10 images, networks as torch initialises them; a dash where it was not measured, *all equal* where every network
  has the same score. *Published* figures stand beside it, with what they were measured on.

Measures of one family read the same passes. Batch normalisation uses the statistics of the images at hand (its running
ones in vkdnw), so a minibatch runs as a whole; `measure(..., split=N)` runs at most N images at once, for networks
without batch normalisation and measures that add up over images or take a row of each, and refuses the others.
torch runs the projections of `nn.MultiheadAttention` in one call that shows nothing of them: the measures of what
leaves layers (fisher, flops, meco, near) have no value on a network with one and say so, while those of weights and of
their gradients read them.
"""

_SPEED = """\
**scores a second**: alone, on one thread, 16 images, one NAS-Bench-201 network of 5 cells a stage with four
convolutions a cell. Measures that read the same passes take little more together than one of them alone.
"""

_PROGRAMS = """\
## Measures that are programs too

These give what the hand-written measure gives on a network that runs each layer once, read over every layer
(`units="any"`); tests check it. `python -m eznas.evolve --seed-measures` begins with them. The language has no program
for measures that add up matrices over layers (naswot, ntk_condition), that read labels otherwise than by the loss
(epe_nas), that run other weights (synflow, zen) or need second derivatives (grasp).
"""


def page() -> str:
    """Return the text of the page."""
    taus, speeds = _figures("published_scores.csv"), _figures("measure_speed.csv")
    names = ["measure", "formula", "paper", "better", "needs", "tau (n)", "published"]
    names += ["scores a second"] if speeds else []
    cells = [names, ["---"] * len(names)]
    cells += [_row(one, taus.get(one.name, {}), speeds.get(one.name, {}))[: len(names)] for one in MEASURES.values()]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    introduction = [_INTRODUCTION, _SPEED] if speeds else [_INTRODUCTION]
    programs = [f"| {one.name} | `{one.equivalent}` |" for one in MEASURES.values() if one.equivalent]
    return "\n".join([*introduction, *lines, "", _PROGRAMS, "| measure | program |", "|---|---|", *programs, ""])


def _row(measure: Measure, tau: dict[str, str], speed: dict[str, str]) -> list[str]:
    return [
        measure.name,
        f"`{measure.program}`" if measure.program else measure.formula.replace("|", r"\|"),
        measure.paper or "-",
        "more" if measure.direction > 0 else "less",
        ", ".join(sorted(measure.needs)) or "nothing but the weights",
        f"{tau['tau'] or 'all equal'} ({tau['networks']})" if tau else "-",
        measure.reference.replace("|", r"\|") or "-",
        f"{1 / max(float(speed['seconds']), 1e-3):.3g}" if speed else "-",
    ]


def _figures(file: str) -> dict[str, dict[str, str]]:
    path = RESULTS / file
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as text:
        return {row["measure"]: row for row in csv.DictReader(text)}


if __name__ == "__main__":
    argparse.ArgumentParser(description="Write docs/measures.md, docs/language.md and its picture.").parse_args()
    import language_page  # in this folder, which is the first on the path

    for path, text in {PAGE: page(), **language_page.files()}.items():
        path.write_text(text, encoding="utf-8")
