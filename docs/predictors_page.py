"""The page of predictors, from their registry and that of encodings; ``docs/generate.py`` writes it."""

from __future__ import annotations

from pathlib import Path

from eznas.predictors import ENCODINGS, PREDICTORS

PAGE = Path(__file__).parent / "predictors.md"

_INTRODUCTION = """\
# Predictors

A performance predictor estimates the accuracy of an architecture that was not trained to the end. Most predictors learn
from the accuracies of other, trained architectures. Some predictors extrapolate the first epochs of the architecture's
own training, some use the shared weights of a supernet, and the predictor `measure` ranks architectures by zero-cost
scores alone. `eznas predict evaluate` compares predictors on a benchmark. `eznas predict rank` fits a predictor to a
table of accuracies and ranks other architectures.

```python
from eznas import load_table
from eznas.predictors import make_predictor

table = load_table("nasbench201")
predictor = make_predictor("random_forest", "nasbench201", encoding="graf+onehot")
predictor.fit(table.architectures[:100], table.accuracies[:100], seed=0)
prediction = predictor.predict(table.architectures[100:300])
print(prediction.mean[:3], prediction.standard_deviation[:3])
```

The argument `encoding` says which numbers about an architecture the predictor reads; [Encodings](#encodings) lists the
encodings.

`fit(architectures, accuracies, curves=None, seed=0)` returns a status. `predict(architectures, curves=None)` returns a
mean and a status for each architecture, and some predictors also return a standard deviation. Both methods raise an
`InputError` if the predictor needs data that is missing, such as learning curves. If a fit fails, its status says why.
The predictions then have this status and no value.

`eznas.predict(table="trained.csv", benchmark="nasbench201")` ranks those architectures of the search space of the
benchmark that are not in the table. It chooses a predictor by the number of accuracies in the table, and by whether you
give scores. It then fits this predictor to the table.

`from_estimator` turns any regressor with the methods `fit` and `predict`, such as one of scikit-learn, into a
predictor:

```python
from sklearn.ensemble import RandomForestRegressor

from eznas.predictors import from_estimator

predictor = from_estimator(RandomForestRegressor(300), encoding="graf+onehot", space="nasbench201")
```

`register_model` gives such a predictor a name. With this code in the file `my_predictor.py`, the command
`eznas predict evaluate --plugin my_predictor.py --predictor least_squares` evaluates it:

```python
from sklearn.linear_model import LinearRegression

from eznas.predictors import register_model


@register_model("least_squares", paper="none", description="linear least squares", encoding="graf")
def least_squares(seed):
    return LinearRegression()
```

[`PredictorSuite`](api.md#eznas.testing.predictors.PredictorSuite) tests a predictor of your own.

A *learning curve* holds the accuracies or losses after the first epochs of a full training. A separate training of ten
epochs cannot replace the first ten of 200 epochs, because the learning rate of the short training falls earlier.

The predictor `measure:NAME` needs no trained architectures. It ranks architectures by their scores in the column NAME
of a file (`--scores`). If a lower score of the measure NAME is better, eznas negates the scores.

## Comparison

`eznas predict evaluate` runs several trials. In each trial, it draws training and test architectures, and fits every
predictor to 5, 8, 14 and more of the training architectures (`--train-sizes`). It reports the means of these figures
over the trials:

- *Tau* on all test architectures, tau on the more accurate half, and tau of predictions that are rounded to one and to
  two decimals.
- *Errors* of the predictions.
- *Precision among the first 10*: of the 10 architectures with the highest predictions, the share that is among the 10
  most accurate ones. The precision among the first 20 is defined in the same way.
- *init s*: the seconds before the first prediction, for the training of the architectures, the scores and the fit.
  *query s*: the seconds of one prediction. The seconds of trainings come from a column of the table such as
  `train_seconds_200`, and the seconds of scores from the file of scores. Without these columns, and for supernets, the
  figures are empty.
- *in 95 %*: the share of accuracies inside the central 95 % of the predicted normal distributions. Only predictors that
  state a standard deviation have this figure. The page (`--html`) and the JSON file (`--json`) also have the shares for
  50 and 80 %.

These options are useful:

- `--csv FILE` appends the rows of each trial when the trial ends. The same command with `--resume` runs the trials that
  are missing. You may change the number of trials, but nothing else.
- By default, training and test architectures are drawn at random. `--sampling mutation` imitates an evolutionary
  search: a test architecture is one to three edits away from one of the best five of ten random architectures, and a
  training architecture is one edit away from a test architecture.
- `--html FILE` writes a page with tables and plots. In one plot, the axes are an upper limit of *init s* and one of
  *query s*. The colour of a point shows which predictor has the highest tau among those that stay within both limits.

## Tuning

`--tune N` tries N settings of the hyper-parameters for each fit: the defaults, and N - 1 settings that are drawn from
published ranges. Each fit takes the setting with the highest tau in a cross-validation of three folds. The option fixes
the number of settings and not the time, so the result does not depend on the machine. Fits to fewer than 10
architectures use the defaults. The column *tuned* of the [list of predictors](#list-of-predictors) names the
hyper-parameters that are drawn. A predictor without such hyper-parameters is not tuned.

## Kept fits

`eznas predict fit --out fit.json` writes the data, the settings and the seed of a fit to a JSON file.
`eznas predict predict --fit fit.json` fits the predictor to these data again, with the same settings and seed, and
predicts. The file also holds the predictions of the first fit for five architectures. If the new fit predicts other
values for these architectures, for example because of another version of a package, the command says so.

## Transfer

`TransferredPredictor` reuses a predictor, the *source*, that was fitted to another data set or another space. It needs
only few accuracies of the new data set or space. First, it fits a line that maps the predictions of the source to these
accuracies. Then a second predictor learns the residuals. The predicted residuals are multiplied by a factor from 0 to
1, which a cross-validation chooses, and added to the line.

This example uses `make_predictor` and `table` from the first example on this page. The source is fitted to accuracies
on CIFAR-10, and ten accuracies on CIFAR-100 are known. The page [Tables of accuracies](benchmarks.md) explains how to
make the table of CIFAR-100 accuracies from the official files:

```python
from pathlib import Path

from eznas.predictors import TransferredPredictor

source = make_predictor("extra_trees", "nasbench201")
source.fit(table.architectures[:200], table.accuracies[:200])
target = load_table("nasbench201", "cifar100", Path("tables/nasbench201_cifar100.csv"))
predictor = TransferredPredictor(source, make_predictor("extra_trees", "nasbench201"))
predictor.fit(target.architectures[:10], target.accuracies[:10])
```

For a transfer between two spaces, the source must read scores of measures (the encoding `measures`). `common_scores`
from `eznas.predictors` makes the scores of both spaces comparable. Within each space, it ranks the architectures by a
score, and replaces the score by the normal quantile of the rank.

## Supernets

A *supernet* is one network that holds, at every place of an architecture where an operation is chosen, all operations
that can be chosen. In NAS-Bench-201, these places are the edges of the cell. The supernet is trained once. The
predictors `rsws` and `oneshot` then evaluate each architecture with the weights of the supernet, which are called
*inherited* weights. `eznas predict supernet` trains a small supernet of NAS-Bench-201. In this example, `cifar10/train`
is a folder with the batches of CIFAR-10, or with one folder of pictures for each class:

```sh
eznas predict supernet --method rsws --images cifar10/train --train-images 4000 --validation-images 1000 --augment \\
  --out runs/rsws
eznas predict evaluate --predictor rsws --supernet runs/rsws
```

A step of the method `rsws` trains one random operation on each edge. A step of `oneshot` trains the sum of all
operations. Batch normalisation always uses the statistics of the batch, also in the evaluation. After each quarter of
the training, the command evaluates architectures with inherited weights, and computes tau between the results and the
accuracies of the table. [Files](files.md#run-directory-of-eznas-predict-supernet) describes the run directory.
`--resume DIR` continues a training that was stopped; on the same machine, the result is the same to the bit.
`eznas report DIR` prints the taus.

```python
from eznas.predictors import make_predictor

predictor = make_predictor("rsws", "nasbench201", supernet="runs/rsws")
```

## List of predictors

- **encoding**: the default [encoding](#encodings). `NAME@ENCODING` chooses another one.
- **needs**: the data that the predictor needs with its default encoding; numbers are the least possible ones. *As many
  untrained architectures* means that the predictor also draws random architectures without accuracies, as many as there
  are trained ones. *Features of the space* are the [features](language.md#features-of-architectures) that a search
  space computes from an architecture.
- **before**: what has to be computed before the first prediction.
- **query**: what has to be computed for a prediction of one architecture.
- **tuned**: the hyper-parameters that `--tune` draws.
- **package**: the optional dependency, installed by `pip install ".[PACKAGE]"` in the checkout.
"""

_METHODS = """\
The next table describes the methods. A bracket with the word *published* says where the publication differs from eznas.
If predictions *only rank*, their order estimates the order of the accuracies, but their values are not accuracies. A
width is a number of hidden channels, and the size of a batch is a number of architectures. The *columns* are the
numbers that the [encoding](#encodings) gives for each architecture. An *RBF kernel* is v exp(-d^2 / (2 l^2)) with the
variance v and the length scale l, where d is the Euclidean distance of two architectures in their columns. *Precision*
is 1 divided by a variance. *Along a cosine* means that the learning rate falls to 0 along half a cosine.
"""

_ENCODINGS = """\
## Encodings

An encoding turns an architecture into numbers, the *columns*. `+` joins encodings, as in `graf+measures`. The encoding
*measures* reads a table of scores. The scores may come from measures or evolved programs, or be any other numbers about
an architecture. `measures:synflow,naswot` reads two columns of the table. The encoding *graf* gives the
[features](language.md#features-of-architectures) that a search space computes from an architecture.

The encoding *graph* gives a graph and not a row of numbers. Only *bonas*, *brp_nas*, *gates*, *gcn*, *siamese_nas* and
*ta_gates* read a graph; every other predictor refuses this encoding. *brp_nas* reads the graph alone. The other five
also read columns beside the graph, as in `gcn@graph+measures`. The network turns the graph into a vector, to which the
columns are appended before the last layers. The publication of *siamese_nas* calls these columns the *estimation code*
and takes a few early training losses as the code. *nao* and *seminas* read *tokens* and nothing else.
"""


def page() -> str:
    """Return the text of the page."""
    infos = PREDICTORS.values()
    facts = [
        [info.name, info.encoding or "-", str(info.needs), info.before, info.query, ", ".join(info.ranges) or "-",
         info.extra or "-"]
        for info in infos
    ]  # fmt: skip
    methods = [[info.name, f"{info.description[0].upper()}{info.description[1:]}.", info.paper] for info in infos]
    encodings = [
        [name, f"{encoding.description[0].upper()}{encoding.description[1:]}.", encoding.paper or "-"]
        for name, encoding in ENCODINGS.items()
    ]
    return "\n".join(
        [
            _INTRODUCTION,
            *_table(["predictor", "encoding", "needs", "before", "query", "tuned", "package"], facts),
            _METHODS,
            *_table(["predictor", "method", "paper"], methods),
            _ENCODINGS,
            *_table(["encoding", "columns", "paper"], encodings),
        ]
    )


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    escaped = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return [*(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *escaped)), ""]
