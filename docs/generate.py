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
from eznas.scoring.combination import COMBINATIONS

if TYPE_CHECKING:
    from eznas.measures import Measure

PAGE = Path(__file__).parent / "measures.md"
RESULTS = Path(__file__).parents[1] / "experiments" / "results"
_LONG = 1000  # characters of a program that the page does not show

_INTRODUCTION = """\
# Measures

A *measure* is a zero-cost proxy with a name. `eznas.measure`, `eznas verify --proxy NAME` and
`eznas score --proxy NAME` compute the measures on this page. The first table compares them, the second one defines
them, and the third one lists equivalent programs. [Networks and minibatches](#networks-and-minibatches) says which
networks the measures accept. [Experiments](experiments.md) describes how the figures were measured.

## Comparison

- **better**: whether a higher (*more*) or a lower (*less*) score is better. Reported scores are never negated. Where
  less is better, `eznas search` and the predictor named `measure` negate the scores internally.
- **needs**: the data and the passes that a measure uses. *noise* means images of noise, or noise that is added to the
  images; *labels* the labels of the minibatch; *second order* a backward pass through a backward pass;
  *samples* a backward pass for each image; *batches* passes on each half of the minibatch.
- **tau (n)**: Kendall's tau-b with the CIFAR-10 validation accuracy of n distinct architectures of NAS-Bench-201. The
  minibatch has 64 CIFAR-10 images, and networks have torch's default initialisation. A dash means that tau was not
  measured. *All equal* means that all networks have the same score. The largest set has 520 architectures, and the
  smaller sets are subsets of it. Compare only taus with about the same n, because the tau of a measure depends on the
  set: params has tau 0.598 on all 520 architectures and 0.559 on 126 of them.
- **scores a second**: the speed of one measure alone, on one thread, with 16 images and a full-size network of
  NAS-Bench-201 with four convolutions in each cell.
"""

_DEFINITIONS = """\
## Definitions

The column *published* gives figures from the papers, and names the networks on which the authors measured them. *rho*
is Spearman's rank correlation, and |rho| its absolute value. Figures that are separated by slashes belong to the data
sets in brackets, in the same order. The figures of measures that begin with `evolved_` are our own, on networks that
their evolution did not see ([Experiments](experiments.md)). The tau of evolved_nb201 in the first table is lower than
the published one, because the first table uses different accuracies, images and initial weights.

In a sum over weights, `W` is one weight; in a sum over layers, `W` holds all weights of a layer. `L` is the loss, the
mean cross-entropy. `g` and `dL/dW` are the gradient of the loss with respect to `W`. `||.||` is the Euclidean norm,
`b` the number of images, and `log` the natural logarithm. The entropy of `p` is -(sum of p log p). A *block* is a cell,
a residual block, or a similar part of a network. A *feed-forward block* is two layers with an activation between them.
The *projections* of an attention are its layers for queries, keys and values. The *layers of an attention* are the
projections and the layer behind the heads.
"""

_PROGRAMS = """\
## Measures with an equivalent program

By default, programs are evaluated on the [units](concepts.md#programs) of a network alone. With the argument
`units="any"` of `eznas.evaluate`, a program is evaluated on every layer. A program of this table then has the value of
its measure if the network runs each layer once. `eznas evolve --seed-measures` includes these programs in the first
generation. From statistics alone, the language cannot express measures that

- add matrices over layers (naswot, ntk_condition),
- use the labels directly and not through the loss (epe_nas),
- run the network with other weights (synflow, zen), or
- need second derivatives (grasp).
"""

_COMBINATIONS = """\
## Combinations of measures

`eznas verify --proxy` also takes combinations such as `vote(snip, synflow)`. A combination scores all networks
together, so the score of a network depends on the other networks. There are four methods:

| method | score of a network |
| --- | --- |
| vote | share of the other networks that most of the measures rank below the network |
| rank | sum of the ranks of the network by each measure; 1 is the worst rank |
| log_rank | sum of log(r / n) over the measures. r is the rank of the network among n networks; 1 is the worst rank |
| min_max | sum of the scaled scores over the measures; for each measure, scaled scores range from 0 to 1 |

The option `--combine` of `eznas search` has the methods vote, rank and min_max too. In a search, they compare each
network with the same fixed set of architectures, so the combined score of a network does not change while the search
goes on.

A combination may give weights to measures. A minus sign marks a measure of which less is better. Published combinations
have names:
"""

_NETWORKS = """\
## Networks and minibatches

**Time.** eznas runs a forward or backward pass once for all measures that need it. Computing several such measures
takes little more time than computing one. Before a measure runs, `eznas score` and `eznas.measure`
[estimate its seconds](scaling.md#seconds-of-a-measure-in-advance). They leave out slow measures unless you give their
names.

**Minibatches.** A minibatch runs as a whole, because batch normalisation uses the mean and variance of the minibatch.
There are exceptions: gradsign runs each image alone, and zico runs each half of the minibatch. vkdnw runs each image of
its noise alone, and is the only measure that uses the running averages of batch normalisation. With `eznas.measure(...,
split=N)`, at most N images run at once. This option needs a network without batch normalisation, and a measure that is
computed from sums over images, or from values of each image, such as its logits. eznas refuses all other networks and
measures.

**Weights.** In measures, a sum over weights is a sum over the parameters of the network. A layer may compute its weight
from parameters, for example a masked, normalised or adapted weight. In this case, each of these parameters counts once.
Constant kernels do not count.

**Recurrent layers and matrix products.** torch runs recurrent layers such as `nn.LSTM` in one call and hides their
outputs. Measures that read the outputs of all layers (depth, fisher, meco, near) therefore have no value on networks
with these layers. These measures have no value on networks with products such as `x @ weight` either, although such
products can be units. Products with a table of relative positions are an exception: they do not prevent a value. The
status of a score says why there is no value. The measure flops, and measures of weights and of their gradients, have a
value on all these networks. This value is the same as on a network that runs the same layers step by step.

**Attention.** Measures of attention (attention_importance, dss, head_confidence, head_importance, softmax_confidence,
synaptic_diversity) have no value on networks without attention. eznas finds attention in
`scaled_dot_product_attention`, in `nn.MultiheadAttention`, and where a matrix product or `einsum` multiplies a softmax
with values. The projections and the attention maps of `nn.MultiheadAttention` are read like those of other modules.

**Normalisations.** near and meco read the outputs of normalisations, even if a normalisation does not call torch's
function. For these two measures, several calls together are a normalisation if they divide a tensor by a number such as
its standard deviation. This number must be computed from a sum or a mean of the tensor's entries, and it must double
when the tensor is doubled. A scale or shift that follows, with one number for each channel, belongs to the
normalisation too. eznas does not recognise such a scale or shift if the network computes it by `einsum` or `addcmul`.
synflow and zen recognise only batch normalisations that call torch's function.

**Activations.** eznas recognises these functions, and their in-place forms, as activations:
{activations}.
Several calls together are an activation too if they compute an elementwise function of one tensor and this function is
not affine, as in `where(x > 0, x, 0.1 * x)` or `x * sigmoid(x)`; [Language](language.md#activations) gives the rule.

**Tokens and labels.** Networks may take [tokens or other inputs](tutorials/transformers.md) instead of images. Noise
and gradients then act on the output of the first embedding. Padding after the end of a text is treated like any other
token. epe_nas needs labels with one class for each sample, and vkdnw a network that returns one row of logits for each
sample. The loss ignores labels of -100, as torch's cross-entropy does. gradsign needs a label other than -100 for each
sample, and zico at least one such label in each half of the samples.

**Modules.** eznas switches torch's gradient checkpointing off while it runs a network. It refuses networks with layers
inside a `torch.autograd.Function` other than that of checkpointing. A module may put the images on another axis than
the first, as with `batch_first=False`; eznas follows this axis through transpositions. Images are cast to the precision
of the network. eznas refuses TorchScript, exported networks, lazy parameters that have no shape, and parameters on the
meta device.
"""


def _networks() -> str:
    """Return the section on networks with the list of activations that are recognised."""
    names = ", ".join(sorted(CallHooks.ACTIVATIONS | UNARY))
    return _NETWORKS.replace("{activations}", "\n".join(textwrap.wrap(names, 118)))


def page() -> str:
    """Return the text of the page."""
    taus, speeds = _figures("published_scores.csv"), _figures("measure_speed.csv")
    measures = MEASURES.values()
    return "\n".join(
        [
            _INTRODUCTION,
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
            _COMBINATIONS,
            *_table(["combination", "definition"], [[name, f"`{COMBINATIONS[name]}`"] for name in COMBINATIONS]),
            _networks(),
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
    if len(measure.program) > _LONG:
        formula = f"a long program, which `eznas export {measure.name} --format text` prints"
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
    import unit_picture
    import zoo_page

    PAGE.write_text(page(), encoding="utf-8")
    for module in (language_page, predictors_page, zoo_page):
        module.PAGE.write_text(module.page(), encoding="utf-8")
    unit_picture.PICTURE.write_text(unit_picture.picture(), encoding="utf-8")
