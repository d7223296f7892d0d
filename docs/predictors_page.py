"""The page of predictors, from their registry and that of encodings; ``docs/generate.py`` writes it."""

from __future__ import annotations

from pathlib import Path

from eznas.predictors import ENCODINGS, PREDICTORS

PAGE = Path(__file__).parent / "predictors.md"

_INTRODUCTION = """\
# Predictors

A performance predictor estimates the accuracy of an architecture that was not trained to the end. Most predictors learn
from the accuracies of other, trained architectures. Some extrapolate the first epochs of the architecture's own
training, some use the shared weights of a supernet, and `measure` ranks by zero-cost scores alone.
`eznas predict evaluate` compares predictors on a benchmark. `eznas predict rank` fits a predictor to a table of
accuracies and ranks other architectures.

```python
from eznas import load_table
from eznas.predictors import make_predictor

table = load_table("nasbench201")
predictor = make_predictor("random_forest", "nasbench201", encoding="graf+onehot")
predictor.fit(table.architectures[:100], table.accuracies[:100], seed=0)
prediction = predictor.predict(table.architectures[100:300])
print(prediction.mean[:3], prediction.standard_deviation[:3])
```

`fit(architectures, accuracies, curves=None, seed=0)` returns a status. `predict(architectures, curves=None)` returns a
mean and a status for each architecture, and some predictors also return a standard deviation. Both methods raise an
`InputError` if the predictor needs data that is missing, such as learning curves. If a fit fails, its status says why.
All predictions of this predictor then have the same status and no value.

`eznas.predict(table="trained.csv")` chooses a predictor that suits the number of accuracies and the other data that are
given. It fits this predictor and ranks the other architectures of the space.

`from_estimator` turns any regressor with the methods `fit` and `predict`, such as one of scikit-learn, into a
predictor:

```python
from sklearn.ensemble import RandomForestRegressor

from eznas.predictors import from_estimator

predictor = from_estimator(RandomForestRegressor(300), encoding="graf+onehot", space="nasbench201")
```

To use it by name in `eznas predict evaluate --plugin my_predictor.py`, register it in a plugin:

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

`measure:NAME` ranks architectures by their scores in the column NAME of a file (`--scores`). This predictor needs no
trained architectures. If a lower score of the measure NAME is better, eznas negates the scores. It does so on every
search space.

## Comparison

`eznas predict evaluate` runs several trials. In each trial it draws training and test architectures, and fits every
predictor to every number of training architectures. It reports means over trials: tau on all test architectures, tau on
the more accurate half, tau of predictions rounded to one and two decimals, errors, and seconds. It also reports the
precision among the first 10: the share of the 10 architectures with the highest predictions that is among the 10 most
accurate ones. The precision among the first 20 is defined in the same way.

- `--csv FILE` appends the rows of each trial as it ends. The same command with `--resume` runs the trials that are
  missing. The number of trials may change; everything else must be as before.
- `--sampling mutation` draws architectures as an evolution meets them, near the best of a small pool.
- `--html FILE` writes a page with tables and plots.
- *init s* is the time before the first prediction, in seconds: training the architectures, computing scores, and
  fitting. *query s* is the time of one prediction. The seconds of trainings come from a column of the table such as
  `train_seconds_200`, and the seconds of scores from the file of scores. Without these columns, and for supernets, the
  cost is empty. The page plots the two costs against each other; the colour shows the best predictor at each point.
- *in 95 %* is the share of accuracies inside the central 95 % of the predicted normal distributions. Only predictors
  that state a standard deviation have this figure. The page and the JSON also have the shares for 50 and 80 %.

## Tuning

`--tune N` tries N settings of the hyper-parameters for each fit: the defaults, and N - 1 settings that are drawn from
published ranges. Each fit takes the setting with the highest tau in a cross-validation of three folds. The option fixes
the number of settings and not the time, so the result does not depend on the machine. Fits to fewer than 10
architectures use the defaults. The list below names the hyper-parameters that are drawn. A predictor without such
hyper-parameters is not tuned.

## Kept fits

`eznas predict fit --out fit.json` writes the data, the settings and the seed of a fit to a JSON file.
`eznas predict predict --fit fit.json` fits again to these data with the same settings, and predicts. The file also
holds the predictions of the first fit for five architectures. If the new fit predicts other values, for example with
another version of a package, the command says so.

## Transfer

`TransferredPredictor` uses a predictor, the *source*, that was fitted to another data set or another space.
`TransferredPredictor` needs only few accuracies of the new data set or space. To these, it fits a line that maps the
predictions of the source to accuracies. A second predictor learns the residuals. The predicted residuals are multiplied
by a factor from 0 to 1, which a cross-validation chooses.

```python
from eznas.predictors import TransferredPredictor

source = make_predictor("extra_trees", "nasbench201")
source.fit(table.architectures[:200], table.accuracies[:200])
predictor = TransferredPredictor(source, make_predictor("extra_trees", "nasbench201"))
predictor.fit(table.architectures[200:210], table.accuracies[200:210])
```

Between two spaces, the source reads the scores of measures. `common_scores` turns the scores that both spaces have into
normal quantiles of their ranks within each space, so that one predictor with the encoding `measures` reads both.

## Supernets

A *supernet* is one network that holds all operations on every edge. It is trained once. The predictors `rsws` and
`oneshot` then evaluate each architecture with the weights of the supernet. `eznas predict supernet` trains a small
supernet of NAS-Bench-201:

```sh
eznas predict supernet --method rsws --images cifar10/train --train-images 4000 --validation-images 1000 --augment \\
  --out runs/rsws
eznas predict evaluate --predictor rsws --supernet runs/rsws
```

A step of `rsws` trains one random operation on each edge. A step of `oneshot` trains the sum of all operations. Batch
normalisations use the statistics of the batch, also in the evaluation. After each quarter of the training, the command
evaluates architectures with the weights of the supernet (*inherited* weights). It compares the resulting accuracies and
losses with the table. `supernet.json` and `supernet.png` in the run directory hold tau over all architectures and over
the more accurate half. For comparison, these files also hold tau of the number of parameters. `--resume DIR` continues
a training that was stopped; on the same machine, the result is the same to the bit. `eznas report DIR` prints the taus.

```python
from eznas.predictors import make_predictor

predictor = make_predictor("rsws", "nasbench201", supernet="runs/rsws")
```

## List of predictors

- **encoding**: the default encoding. `NAME@ENCODING` chooses another one.
- **needs**: the data that the predictor needs with its default encoding.
- **before**: the cost before the first prediction.
- **query**: the cost of a prediction for one architecture.
- **tuned**: the hyper-parameters that `--tune` draws.
- **package**: the optional dependency, installed by `pip install 'eznas[PACKAGE]'`.
"""

_METHODS = """\
The next table describes the methods. *Published* in brackets says where the publication differs from eznas. If
predictions *only rank*, their order estimates the order of the accuracies, but their values are not accuracies. Widths
are numbers of hidden channels, and batches are numbers of architectures.
"""

_ENCODINGS = """\
## Encodings

An encoding turns an architecture into numbers. `+` joins encodings, as in `graf+measures`. The encoding *measures*
reads a table of scores. These may be scores of measures or of evolved programs, or any other numbers about an
architecture. `measures:synflow,naswot` reads two columns of the table.

The encoding *graph* gives a graph and not a row of numbers. Only *bonas*, *brp_nas*, *gates*, *gcn*, *siamese_nas* and
*ta_gates* read it. All of them except *brp_nas* also read columns beside the graph, as in `gcn@graph+measures`. The
columns join the result of the graph before the last layers; for *siamese_nas*, they are the estimation code. *nao* and
*seminas* read *tokens* and nothing else. Every other predictor refuses the encoding *graph*.
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
