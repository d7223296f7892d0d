"""Text of ``docs/language.md``, from the records of primitives and statistics."""

from __future__ import annotations

import importlib
import inspect
import itertools
import random
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from eznas.capture.calls import CallHooks
from eznas.capture.elementwise import COMBINING, UNARY
from eznas.primitives import QUANTITIES, SCENARIOS, STATISTICS, Kind, Primitive, all_primitives
from eznas.programs.catalogue import arguments, example, result
from eznas.spaces import SPACES, SearchSpace, graf

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).parent / "language.md"

_INTRODUCTION = """\
# The language

A program is an expression such as `sum(effective_rank(weight_grad.data))`. Most of its leaves are *statistics*: tensors
that eznas records from every *unit* of a network. A unit is a layer with its activation and normalisation. The
operators of a program are *primitives*. A program has three levels: tensors of a unit, one number for each unit, and
one number for the network, which is the score. A primitive may exist on several levels. The kinds of its arguments then
decide on which level it works.

`eznas language` prints this catalogue. `eznas language NAME` prints every fact about one entry: its properties, the
rules that simplify it, its cost, and how often evolution draws it. [Add a primitive](tutorials/own_primitive.md) shows
how to define your own.

## Kinds

A value of a program has one of these kinds. In the shapes, `u` is the number of units, `b` the number of samples in the
minibatch, and `c`, `c_in` and `c_out` are numbers of channels. A map has `h x w` entries, and a kernel has `k x k`.
The first axis counts the units: a value holds a tensor for each unit. Apart from `b`, the sizes of these tensors can
differ between units.

| kind | level | shape and content |
|---|---|---|
"""

_GROUPS_OF_KINDS = """
In the tables of primitives, *any map* stands for the kinds `weight`, `input`, `output` and `image`, whose last two axes
form a map. *Any tensor* stands for these four and `samples`.
"""

_STATISTICS = """
## Statistics

A unit is one layer with the activation in front of it and the normalisation behind it. The definitions below call the
layer a convolution, but it may be a linear layer too. A statistic is a quantity in a scenario, written
`quantity.scenario`. The *scenario* says on which images the network runs, and which number is differentiated: the sum
of all logits, or the loss. The weight does not depend on the scenario, so its name is `weight` alone. In a network that
takes [tokens](tutorials/transformers.md), the embedded tokens take the place of the images.

In a network that ends in a batch normalisation, an average and a linear layer, such as those of TransNAS-Bench-101, the
sum of all logits does not depend on the images. The reason is that the normalisation fixes the mean of each channel
over the minibatch, and the sum of all logits depends on these means alone. The gradients of this sum with respect to
all tensors before the normalisation are therefore zero. eznas makes them exact zeros, since torch returns rounding
errors. For example, `weight_grad.data` is zero for all layers before the normalisation.

The tensor that an activation or a convolution reads may be read by other operations too. A gradient *through this
activation alone* (or *through this convolution alone*) leaves out the share of these other operations.

`eznas score --units --model MODULE:CALLABLE` and `eznas.units(network, minibatch)` list the units of a network. They
also list the layers that are not units, with the reasons.

![Where in a unit each quantity is read, and how the scenarios differ](images/unit.svg)

The column *symbol* is the LaTeX code of a quantity in exported formulas.

| quantity | symbol | kind | definition |
|---|---|---|---|
"""

_UNITS = """
### Units of convolutional networks and of networks on tokens

Layers are convolutions of all kinds, linear layers, products with a matrix of parameters, and embeddings. eznas does
not read recurrent layers, because each runs inside one function of torch.

- **Convolutional networks.** The units are the *complete* layers, which have an activation in front and a normalisation
  directly behind. If a network has no complete layer, every layer is a unit.
- **Networks on tokens.** A network counts as one on tokens if it runs attention, an embedding, or a linear layer on a
  sequence of tokens. In such a network, every layer is a unit. An *attention product*, which is the product of
  attention maps and values, is a unit too.

With the argument `units="any"` of `eznas.evaluate`, every layer of any network is a unit, and attention products are
not.

In networks on tokens, the quantities of a unit are read at the places in this table. For an embedding, the output takes
the place of the input, because its inputs are whole numbers and have no gradient:

| quantity | layer on tokens | attention product | embedding |
|---|---|---|---|
| `weight` | weight | the attention's values, for all samples | table, transposed |
| `input` | input of the preceding function | attention scores before the softmax | output |
| `conv_in` | input | attention maps | output |
| `conv_out` | output | outputs of the heads | output |
| `norm_out` | output of the following function | outputs of the heads | output of the following function |

The *preceding function* and the *following function* of a layer are an activation or a normalisation. These operations
may stand between the function and the layer: dropout, copies, reshapes, a gate, and permutations of axes other than the
channels. A residual connection may not. If a layer has no preceding function, `input` is the input of the layer. If a
layer has no following function, `norm_out` is the output of the layer.

A layer that computes queries, keys and values together is one unit. The projections of `nn.MultiheadAttention` are one
unit in self-attention, and two or three units in attention between different tensors. eznas finds attention in
`scaled_dot_product_attention`, in `nn.MultiheadAttention`, and wherever a matrix product or `einsum` multiplies the
result of a softmax with values. A normalisation that is written by hand can be the preceding or the following function
of a unit if it computes means over the last axis.

### Shapes of statistics

Every statistic of a unit has four axes, so that every primitive can read it. The last two axes are a two-dimensional
map, a column (`t x 1`) or a single number (`1 x 1`). All three count as maps. This table shows how the tensor of a
layer becomes a statistic:

| tensor of the layer | shape of the statistic | last two axes |
|---|---|---|
| `b x c x h x w` | `b x c x h x w` | a map for each channel |
| `b x h x w x c` | `b x c x h x w` | a map for each channel |
| `b x tokens x c`, or `(b tokens) x c` | `b x c x tokens x 1` | a column for each channel |
| `b x c` | `b x c x 1 x 1` | a number for each channel |
| attention scores and attention maps (windows count as heads) | `b x heads x tokens x keys` | a map for each head |
| outputs of heads of width d | `b x (heads d) x tokens x 1` | a column for each channel |
| values of heads of width d | `(heads d) x (b keys) x 1 x 1` | a number for each channel and key |
| weight of a linear layer | `c_out x c_in x 1 x 1` | a number for each pair of channels |
| weight of a 1-d convolution | `c_out x c_in x k x 1` | a kernel for each pair of channels |
| weight of a 3-d convolution | `c_out x c_in x (k k) x k` | a kernel for each pair of channels |

If maps have one column, *space* in the name of a primitive means the tokens. Functions of matrices read all columns of
a sample together, as one matrix of tokens by channels; the section [Matrices](#matrices) defines these functions.

### Activations

These functions and their in-place forms are activations: {activations}.

Several calls together are an activation if their result is an elementwise function of one tensor and this function is
not affine. Examples are `where(x > 0, x, 0.1 * x)`, `maximum(x, 0.1 * x)`, `x * (x > 0)`, `x * sigmoid(x)` and
`relu(x) ** 2`. The tensor that the function takes is the input of the activation. Calls of these functions may be parts
of an activation: {parts}; also comparisons, exponentials, logarithms, powers and copies.
"""

_SCENARIOS = """
| scenario | images | number that is differentiated |
|---|---|---|
"""

_OLDER = """
In the scenario `perturbed`, a statistic is the value of its quantity on the perturbed images minus the value on `data`.

In program text, two older names still work with any scenario: `preact` for `conv_in`, and `act` for `norm_out`. They
were misleading: in most papers, a pre-activation is what eznas calls `input`, and an activation is `conv_in`.

| statistic | definition |
|---|---|
"""

_NETWORK_LEAVES = """
## Leaves of the network level

A program may also read numbers of the network, as in
`add(log(measure.synflow), sum(effective_rank(weight_grad.data)))`. Such a leaf can stand wherever a primitive takes a
number of the network. It is also a program by itself.

| leaf | value |
|---|---|
| `measure.NAME` | the score by the [measure](measures.md) NAME |
| `graf.NAME` | a feature of the architecture that needs no network, such as `graf.count_conv_3x3` |
| `score.NAME` | a column of a table of scores; only [evolution over such a table](tutorials/score_table.md) reads it |

A measure that several programs read is computed once for each network. If the measure has no value, the program has no
value either. The field `detail` of its [`Score`](api.md#eznas.Score) then names the measure.

In `eznas evolve`, `--terminals` says whether programs read statistics, measures or both, and `--terminal-measures`
names the measures and features. The name `graf` stands for all features that every task of the run has.

### Features of architectures

`eznas.SPACES[name].features(architecture)` returns the features of an architecture by name. A network of
`eznas score --model` has no features, because it has no architecture. A *cell* is a small graph of operations that a
network repeats. The features of a cell describe this graph (Kadlecova et al., ICML 2024).

"""

_SPACES_WITH_FEATURES = """
For example, `min_path_conv_1x1_pool` is a feature of NAS-Bench-101 and of NAS-Bench-201. If a network has two kinds of
cells, the name of a feature begins with the kind, as in `normal_count_skip`. The groups are:

- `skip`: operations that pass their input on.
- `pool`: average and maximum poolings.
- `conv_1x1`, `conv_3x3`: convolutions with this kernel.
- `sep`, `dil`: separable and dilated convolutions.
- `conv`: all other convolutions.
- `dwconv`: one depthwise convolution. `expand`: three depthwise convolutions in a chain, whose results are
  concatenated.
- `attention`: each channel is multiplied by a weight that attention computes.
- `split`: the two halves of the channels go to two different operations.

Search spaces without cells have features of their own in place of the features of cells. The `nds` spaces have `width`
and `depth` in addition to the features of their cells. The list below the table defines these features, except for
`layers`, which is the number of layers. Search spaces that are not in the table have no features.

| search spaces | number of features | groups of operations | kinds of cells | other features |
|---|---|---|---|---|
"""

_OTHER_FEATURES = """
- **accel_nasbench**: `e_N`, `k_N` and `l_N` are the expansion ratio, the kernel and the number of layers of block `N`,
  counted from 0. `se_N` is 1 if the layers of this block weight their channels (squeeze and excitation), or else 0.
- **autoformer** (all sizes) and **vitbench101_autoformer**: `channels` is the number of channels of a token. `heads` is
  the sum of the numbers of heads over all layers. `ratios` is the sum of r over all layers, where r is the number of
  hidden channels in the perceptron divided by the number of channels of a token. `heads_late` and `ratios_late` are
  the same sums over the second half of the layers.
- **flexibert**: `channels` is the number of channels of a token. `sa_sdp`, `sa_wma`, `lt_dft`, `lt_dct`, `dsc_5` and
  `dsc_9` are the numbers of layers with scaled attention, weighted multiplicative attention, a Fourier transform, a
  cosine transform, and dynamic convolutions with a kernel of 5 and of 9. Each layer of the
  encoder has a number of heads, of feed-forward layers, and of hidden channels in these. `heads`, `feed_forward` and
  `hidden` are the sums of these three numbers over all layers of the encoder.
- **nasbench_macro**: `identity`, `mb3` and `mb6` are the numbers of identities and of inverted residuals with expansion
  3 and 6, in all stages (`_all`) or in stage `N` (`_stage_N`).
- **nats_sss**: `channels_N` is the number of channels at place `N`. `channels_sum`, `channels_min` and `channels_max`
  are the sum, the least and the greatest of the numbers at all five places.
- **nds**: `width` is the number of channels of a node in the first cells, and `depth` the number of cells.
- **transnas_macro**: `count_1` to `count_4` are numbers of layers: `count_1` counts plain layers, `count_2` layers that
  double the channels, `count_3` layers that halve the map, and `count_4` layers that do both. `doublings_N` and
  `halvings_N` are the numbers of doublings and of halvings in the first `N` layers.
- **vitbench101_pit**: `head_channels` is the number of channels of a head. `ratio` is the number of hidden channels of
  the perceptrons, divided by the channels of a token. `layers_N` and `heads_N` are the numbers of layers and of heads
  in stage `N`.
"""

_PRIMITIVES = """
## Primitives

The column *domain* says where a function is undefined or has a special value. An empty domain means that the function
is defined for all finite numbers. *Everywhere* means that it is defined for NaN too. A program whose value is not
finite gets no score. The definition says what eznas computes. The source of a primitive is in brackets at the end of
its definition. *EZNAS* stands for the paper of Akhauri et al. (NeurIPS 2022) with its released code. In "(EZNAS, which
...)", the words after the name say what that code does, which may differ from the definition.
"""


def page() -> str:
    """Return the page in Markdown."""
    by_family = sorted(all_primitives(), key=lambda record: record.family)
    sections = [
        _INTRODUCTION,
        *[_row(f"`{kind.value}`", kind.floor.value, _doc(kind)) for kind in Kind],
        _GROUPS_OF_KINDS,
        _STATISTICS,
        *[_row(f"`{one.name}`", f"`{one.latex}`", one.kind.value, one.description) for one in QUANTITIES.values()],
        _SCENARIOS,
        *[_row(f"`{one.name}`", one.images, one.objective) for one in SCENARIOS.values()],
        _OLDER,
        *[_row(f"`{one.name}`", one.description) for one in STATISTICS.values()],
        _units(),
        _NETWORK_LEAVES,
        _definitions(),
        _SPACES_WITH_FEATURES,
        *_features(),
        _OTHER_FEATURES,
        _PRIMITIVES,
        *[_family(name, list(records)) for name, records in itertools.groupby(by_family, lambda record: record.family)],
    ]
    return "".join(sections)


def _units() -> str:
    """Return the section on units, with the functions that are activations."""
    activations = sorted(CallHooks.ACTIVATIONS | UNARY)
    parts = sorted(name for name in COMBINING if not name.startswith(("i", "r")))
    filled = _UNITS.replace("{activations}", ", ".join(activations)).replace("{parts}", ", ".join(parts))
    paragraphs = filled.split("\n\n")
    return "\n\n".join(text if text.lstrip()[:1] in "|-#" else _wrapped(text) for text in paragraphs) + "\n"


def _wrapped(text: str) -> str:
    """Return a paragraph in lines that do not break inside code."""
    code = re.sub("`[^`]*`", lambda found: found[0].replace(" ", "\0"), text)
    return textwrap.fill(code, 120).replace("\0", " ")


def _definitions() -> str:
    """Return the features of a cell as the module that computes them lists them."""
    text = inspect.cleandoc(graf.__doc__ or "").partition("\n\n")[2].partition("\n\nReferences:")[0]
    return f"{text.replace('``', '`')}\n"


def _features() -> list[str]:
    """Return a row for each set of features that search spaces have, with its spaces."""
    spaces: dict[tuple[str, ...], list[str]] = {}
    for name in SPACES:
        space = SPACES[name]
        if type(space).features is not SearchSpace.features:
            spaces.setdefault(tuple(space.features(space.sample(random.Random(0)))), []).append(name)
    return [_row(", ".join(names), str(len(features)), *_names(features)) for features, names in spaces.items()]


def _names(features: Sequence[str]) -> list[str]:
    """Return the groups of operations, the prefixes of cells, and the names of the features that are not of a cell."""
    counts = [found for name in features if (found := re.fullmatch(r"(normal_|reduce_|)count_(\w+)", name))]
    is_cell = any("min_path_" in name for name in features)
    cells, groups = (list(dict.fromkeys(found[part] for found in counts if is_cell)) for part in (1, 2))
    prefixes = [cell for cell in cells if cell]
    others = [name for name in features if not (name.startswith(tuple(prefixes)) if prefixes else groups)]
    return [", ".join([f"`{name}`" for name in part]) for part in (groups, prefixes, others)]


def _family(name: str, records: list[Primitive]) -> str:
    text = inspect.cleandoc(importlib.import_module(records[0].function.__module__).__doc__ or "")
    text = text.removeprefix(f"{name.capitalize()}: ").replace("``", "`")
    lines = [f"\n### {name.capitalize()}\n\n{text[0].upper()}{text[1:]}\n"]
    lines += ["\n| primitive | arguments | result | definition | domain | example |\n|---|---|---|---|---|---|\n"]
    for record in records:
        source = f" ({record.source})" if record.source else ""
        domain = "" if record.domain == "everywhere" else record.domain
        cells = [arguments(record), result(record), f"{record.formula}{source}", domain]
        lines.append(_row(f"`{record.name}`", *map(_cell, cells), f"`{example(record)}`"))
    return "".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*").replace("_", r"\_").replace("[EZNAS]", "EZNAS")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def _doc(kind: Kind) -> str:
    """Return the text behind a kind in the source of its enumeration."""
    lines = [line.strip() for line in inspect.getsource(Kind).splitlines()]
    return lines[lines.index(f'{kind.name} = "{kind.value}"') + 1].strip('"').replace("``", "`")
