"""The page of predictors, from their registry and that of encodings; ``docs/generate.py`` writes it."""

from __future__ import annotations

from pathlib import Path

from eznas.predictors import ENCODINGS, PREDICTORS

PAGE = Path(__file__).parent / "predictors.md"

_INTRODUCTION = """\
# Predictors

A performance predictor estimates the accuracies of architectures: from the accuracies of other architectures, from the
beginning of a training, or from both. `eznas predict evaluate` compares predictors on a benchmark. `eznas predict rank`
fits one to the accuracies in a table of yours and ranks other architectures.

```python
from eznas import load_table
from eznas.predictors import make_predictor

table = load_table("nasbench201")
predictor = make_predictor("random_forest", "nasbench201", encoding="graf+onehot")
predictor.fit(table.architectures[:100], table.accuracies[:100], seed=0)
prediction = predictor.predict(table.architectures[100:300])
print(prediction.mean[:3], prediction.standard_deviation[:3])
```

`fit(architectures, accuracies, curves=None, seed=0)` returns a status, and
`predict(architectures, curves=None)` a mean, a status and, for some predictors, a standard deviation for each
architecture. If something is missing that a predictor needs, such as learning curves, both raise an `InputError` that
says what to give. A fit that fails has a status, and so has every prediction of it: no failure becomes a number.

A regressor of your own takes part without being registered. Any object with `fit` and `predict` does, such as one of
scikit-learn:

```python
from sklearn.ensemble import RandomForestRegressor

from eznas.predictors import from_estimator

predictor = from_estimator(RandomForestRegressor(300), encoding="graf+onehot", space="nasbench201")
```

A plugin gives it a name for `eznas predict evaluate --plugin my_predictor.py`:

```python
from sklearn.linear_model import LinearRegression

from eznas.predictors import register_model


@register_model("least_squares", paper="none", description="linear least squares", encoding="graf")
def least_squares(seed):
    return LinearRegression()
```

[`PredictorSuite`](api.md#eznas.testing.predictors.PredictorSuite) tests a predictor of your own.

Learning curves are those of a training of full length: the first ten epochs of 200, not a training of ten epochs, whose
learning rate falls earlier.

## List of predictors

- **encoding**: the default. `NAME@ENCODING` chooses another one.
- **needs**: what the default must be given.
- **before**: the cost before the first prediction.
- **query**: the cost of a prediction for one architecture.
- **package**: the optional dependency, installed by `pip install 'eznas[PACKAGE]'`.
"""

_ENCODINGS = """\
## Encodings

Names join with `+`, as in `graf+measures`. The encoding *measures* takes a table of scores: of measures, of evolved
programs, or of any other numbers about an architecture.

A graph is not a row of numbers: only *bonas*, *gates* and *gcn* read it, also with columns beside it, as in
`gcn@graph+measures`. The columns join the result of the graph before the last layers. *nao* and *seminas* read *tokens*
and nothing else. Every other predictor refuses a graph.
"""


def page() -> str:
    """Return the text of the page."""
    infos = PREDICTORS.values()
    facts = [
        [info.name, info.encoding or "-", str(info.needs), info.before, info.query, info.extra or "-"] for info in infos
    ]
    methods = [[info.name, f"{info.description[0].upper()}{info.description[1:]}.", info.paper] for info in infos]
    encodings = [
        [name, f"{encoding.description[0].upper()}{encoding.description[1:]}.", encoding.paper or "-"]
        for name, encoding in ENCODINGS.items()
    ]
    return "\n".join(
        [
            _INTRODUCTION,
            *_table(["predictor", "encoding", "needs", "before", "query", "package"], facts),
            *_table(["predictor", "method", "paper"], methods),
            _ENCODINGS,
            *_table(["encoding", "columns", "paper"], encodings),
        ]
    )


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    escaped = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return [*(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *escaped)), ""]
