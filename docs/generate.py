"""Write ``docs/measures.md`` from the registry of measures and the measured figures: ``python docs/generate.py``."""

from __future__ import annotations

import argparse
import csv
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from eznas.capture.calls import CallHooks
from eznas.capture.elementwise import UNARY
from eznas.measures import MEASURES

if TYPE_CHECKING:
    from eznas.measures import Measure

PAGE = Path(__file__).parent / "measures.md"
RESULTS = Path(__file__).parents[1] / "experiments" / "results"

_INTRODUCTION = """\
# Measures

`eznas.measure`, `eznas verify --proxy NAME` and `eznas score --proxy NAME` compute the zero-cost proxies on this page.
The first table compares them, the second one defines them, and the third one lists equivalent programs.
[Experiments](experiments.md) describes how the figures were measured.

- **better**: whether a higher (*more*) or a lower (*less*) score is better. Scores are never negated.
- **needs**: the passes and the data that a measure uses: *forward* and *backward* passes; *labels*; *noise*, which
  means images of noise; *second order*, a backward pass through a backward pass; *samples*, a backward pass for each
  image; *batches*, passes on each half of the minibatch.
- **tau (n)**: Kendall's tau-b with the CIFAR-10 validation accuracy of n distinct architectures of NAS-Bench-201. The
  minibatch has 64 CIFAR-10 images, and networks have torch's default initialisation. A dash means that tau was not
  measured. *All equal* means that all networks have the same score.
- **scores a second**: the speed of one measure alone, on one thread, with 16 images and a full-size network of
  NAS-Bench-201 with four convolutions in each cell.

eznas runs a forward or backward pass once for all measures that need it. Computing several such measures takes little
more time than computing one. Before a measure runs, its seconds are
[estimated](scaling.md#seconds-of-a-measure-in-advance) from the sizes of the network and the minibatch; slow measures
are left out unless their names are given.

A minibatch runs as a whole, because batch normalisation uses the mean and the variance of the minibatch (vkdnw uses the
running averages). `measure(..., split=N)` runs at most N images at once instead. This option needs a network without
batch normalisation, and a measure that is a sum over images or reads one row for each image. eznas refuses other
networks and other measures.

torch runs recurrent layers such as `nn.LSTM` in one call and hides their outputs. Measures of layers' outputs (depth,
fisher, meco, near) have no value on networks with these modules or with products such as `x @ weight`, and the statuses
of their scores say so. flops, and measures of weights and of their gradients, have a value on such networks. This value
equals that of a network that runs the same layers step by step. The projections and the attention maps of
`nn.MultiheadAttention` are read like those of other modules. Products with matrices whose rows are looked up in a
table, such as relative positions, are not layers.

near and meco read the outputs of normalisations, also of those that do not call torch's functions. Several calls
together are a normalisation if they divide a tensor by a sum or a mean that grows as the tensor does, such as its
standard deviation. If the result is then multiplied by a constant for each channel, or such a constant is added to it,
this operation belongs to the normalisation. eznas does not find scales that `einsum` or `addcmul` multiplies. synflow
and zen recognise only those batch normalisations that call torch's function.

Networks may take [tokens or other inputs](tutorials/transformers.md) instead of images. Noise and gradients then act on
the output of the first embedding. Measures of attention (attention_importance, dss, head_confidence, head_importance,
softmax_confidence, synaptic_diversity) have no value on networks without attention. Attention is found in
`scaled_dot_product_attention`, in `nn.MultiheadAttention`, and where a matrix product or `einsum` multiplies a softmax
with values. The *projections* of an attention are the layers whose outputs reach its queries, keys or values through no
other layer. A *feed-forward block* is two layers with an activation between them. Tokens after the end of a text
(padding) count as all other tokens do. vkdnw and epe_nas need labels with one class for each sample. gradsign needs a
label other than -100 for each sample; zico needs such a label in each half of the samples.

Measures that sum over weights sum over the parameters of the network. A layer may compute its weight from parameters;
examples are masked, normalised and adapted weights. In this case, each of these parameters counts once. Constant
kernels do not count.

eznas recognises these functions, and their in-place forms, as activations:
{activations}.
Several calls together are an activation too if they compute an elementwise function of one tensor and this function is
not affine, as in `where(x > 0, x, 0.1 * x)` or `x * sigmoid(x)`; [Language](language.md#activations) gives the rule.

Networks run without torch's gradient checkpointing. eznas refuses layers inside a `torch.autograd.Function` other than
that of checkpointing. If a module puts the images on another axis than the first, as with `batch_first=False`, eznas
follows this axis through transpositions. Images are cast to the precision of the network. eznas refuses TorchScript,
exported networks, lazy parameters that have no shape, and parameters on the meta device.

## Comparison
"""

_DEFINITIONS = """\
## Definitions

The column *published* gives figures from the papers, and names the networks on which the authors measured them. Figures
that are separated by slashes belong to the data sets in brackets, in the same order.

In the formulas, `W` is a weight, or the weights of a layer; `g` and `dL/dW` are gradients of the loss `L`, the mean
cross-entropy. `||.||` is the Euclidean norm, and `b` the number of images. A *block* is a cell, a residual block, or a
similar part of a network.
"""

_PROGRAMS = """\
## Measures with an equivalent program

A program of this table has the value of its measure if it is evaluated on every layer (`units="any"`) and the network
runs each layer once. `eznas evolve --seed-measures` starts from these programs. The language cannot express measures
that

- add matrices over layers (naswot, ntk_condition),
- use the labels other than through the loss (epe_nas),
- run the network with other weights (synflow, zen), or
- need second derivatives (grasp).
"""


def _introduction() -> str:
    """Return the introduction with the list of activations that are recognised."""
    names = ", ".join(sorted(CallHooks.ACTIVATIONS | UNARY))
    return _INTRODUCTION.replace("{activations}", "\n".join(textwrap.wrap(names, 118)))


def page() -> str:
    """Return the text of the page."""
    taus, speeds = _figures("published_scores.csv"), _figures("measure_speed.csv")
    measures = MEASURES.values()
    return "\n".join(
        [
            _introduction(),
            *_table(
                ["measure", "better", "needs", "tau (n)", "scores a second"],
                [_summary(measure, taus.get(measure.name, {}), speeds.get(measure.name, {})) for measure in measures],
            ),
            _DEFINITIONS,
            *_table(["measure", "formula", "paper", "published"], [_definition(measure) for measure in measures]),
            _PROGRAMS,
            *_table(
                ["measure", "program"],
                [[measure.name, f"`{measure.equivalent}`"] for measure in measures if measure.equivalent],
            ),
        ]
    )


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [*(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)), ""]


def _summary(measure: Measure, tau: dict[str, str], speed: dict[str, str]) -> list[str]:
    return [
        measure.name,
        "more" if measure.direction > 0 else "less",
        ", ".join(sorted(measure.needs)) or "only the weights",
        f"{tau['tau'] or 'all equal'} ({tau['networks']})" if tau else "-",
        f"{1 / max(float(speed['seconds']), 1e-3):.3g}" if speed else "-",
    ]


def _definition(measure: Measure) -> list[str]:
    formula = f"`{measure.program}`" if measure.program else measure.formula.replace("|", r"\|")
    return [measure.name, formula, measure.paper or "-", measure.reference.replace("|", r"\|") or "-"]


def _figures(file: str) -> dict[str, dict[str, str]]:
    with (RESULTS / file).open(newline="", encoding="utf-8") as text:
        return {row["measure"]: row for row in csv.DictReader(text)}


if __name__ == "__main__":
    argparse.ArgumentParser(
        description="Write docs/measures.md, docs/predictors.md, docs/zoo.md, docs/language.md and its picture."
    ).parse_args()
    import language_page  # in this folder, which is the first on the path
    import predictors_page
    import zoo_page

    pages = {PAGE: page(), predictors_page.PAGE: predictors_page.page(), zoo_page.PAGE: zoo_page.page()}
    for path, text in {**pages, **language_page.files()}.items():
        path.write_text(text, encoding="utf-8")
