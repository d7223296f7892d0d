"""``eznas predict``: performance predictors, their comparison, and rankings by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eznas.cli import options
from eznas.cli.console import Command, command_line, print_table, write_json
from eznas.cli.supernet import main as supernet_command
from eznas.errors import InputError

_EPILOG = """\b
Examples:
  List the predictors and the encodings:
    eznas predict list
  Compare a forest on two encodings, on the embedded accuracies:
    eznas predict evaluate --predictor random_forest --predictor random_forest@graf --trials 20
  With the scores of measures, written by eznas verify --csv:
    eznas predict evaluate --predictor extra_trees@graf+measures --scores scores.csv
  Fit the default predictor to networks of your own, and rank all others of the space:
    eznas predict rank --table trained.csv --csv ranking.csv
  Train a supernet, and compare it with a forest:
    eznas predict supernet --method rsws --images CIFAR --train-images 3000 --augment --out runs/supernet
    eznas predict evaluate --predictor rsws --predictor random_forest@graf --supernet runs/supernet
  Learning curves of a table that eznas benchmarks convert --every-epoch wrote, up to each of three epochs:
    eznas predict evaluate --predictor early_stopping_accuracy --predictor lcsvr --table curves.csv
      --curve validation_accuracy=validation_200 --epochs 5,20,50
"""


def _lines(file: Path) -> list[str]:
    """Return the lines of a file that are not empty.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"file must be a readable text file, got {file}: {error}", parameters=("file",)) from error


class _Numbers(click.ParamType):  # type: ignore[type-arg]
    """Whole numbers between commas."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(",") if part.strip())
        except ValueError:
            self.fail(f"must be whole numbers between commas, got {value!r}", param, ctx)


@click.group(short_help="Compare performance predictors.", epilog=_EPILOG)
def main() -> None:
    """Predict the accuracies of architectures from those of others, and from the beginning of a training."""


@main.command("list", cls=Command)
@options.plugin
def _list(plugin: tuple[Path, ...]) -> None:
    """List the predictors and the encodings."""
    from eznas.predictors import ENCODINGS, PREDICTORS
    from eznas.scoring.plugin import load_plugin

    for file in plugin:
        load_plugin(file)
    print_table(
        "predictors",
        ["name", "encoding", "needs", "package", "description"],
        [
            [info.name, info.encoding or "-", str(info.needs), info.extra or "-", info.description]
            for info in PREDICTORS.values()
        ],
    )
    print_table(
        "encodings", ["name", "columns"], [[name, encoding.description] for name, encoding in ENCODINGS.items()]
    )


_supernet = options.option(
    "--supernet",
    group="Data",
    metavar="DIR",
    type=Path,
    help="Run directory of a trained supernet, for the predictors rsws and oneshot; see eznas predict supernet.",
)


@main.command("evaluate", cls=Command, context_settings={"show_default": True})
@options.option(
    "--predictor",
    "predictors",
    group="Predictors",
    metavar="NAME[@ENCODING]",
    multiple=True,
    required=True,
    help="Predictor, with an encoding where it is not the default, such as random_forest@graf+measures; see eznas "
    "predict list. May be repeated.",
)
@options.benchmark
@options.dataset
@options.table
@options.target
@options.option(
    "--scores",
    group="Data",
    metavar="FILE.csv",
    multiple=True,
    help="File of scores for the encoding measures, such as eznas verify --csv writes. May be repeated.",
)
@options.option(
    "--curve",
    "curves",
    group="Data",
    metavar="METRIC=COLUMN",
    multiple=True,
    help="Learning curve: the column of the table that is the whole training, such as "
    "validation_accuracy=validation_200. May be repeated.",
)
@_supernet
@options.option(
    "--train-sizes",
    group="Protocol",
    metavar="N,N,...",
    type=_Numbers(),
    default="5,8,14,24,42,71,121,205",
    help="Numbers of trained architectures.",
)
@options.option(
    "--epochs",
    group="Protocol",
    metavar="N,N,...",
    type=_Numbers(),
    default="",
    help="Epochs at which learning curves end; none for whole curves.",
)
@options.count("--trials", "Draws of training and test architectures.", 20, 1, group="Protocol")
@options.count("--test", "Test architectures of a trial.", 200, 2, group="Protocol")
@options.option(
    "--sampling",
    group="Protocol",
    metavar="uniform|mutation",
    type=click.Choice(["uniform", "mutation"]),
    default="uniform",
    help="Architectures at random, or edits of good ones as in an evolution.",
)
@options.seed(0, "all draws")
@options.workers
@options.plugin
@options.json_file
@click.pass_context
def _evaluate(
    context: click.Context,
    /,
    *,
    curves: tuple[str, ...],
    supernet: Path | None,
    json_file: str | None,
    predictors: tuple[str, ...],
    **values: Any,
) -> None:
    """Compare predictors on the accuracies of a benchmark.

    In each trial all predictors are fitted to the same architectures and predict the same others; no two architectures
    of the two parts compute the same function. Figures are means over trials.
    """
    from eznas.api.predict import evaluate

    pairs = [text.partition("=") for text in curves]
    for metric, equals, column in pairs:
        if not (metric and equals and column):
            raise InputError(
                f"curves must read METRIC=COLUMN, got {metric + equals + column!r}", parameters=("curves",)
            )
    columns = {metric: column for metric, _, column in pairs}
    evaluation = evaluate(predictors, curves=columns, supernet=supernet or "", progress=json_file != "-", **values)
    if json_file is not None:
        write_json(
            json_file,
            {
                "facts": evaluation.facts | {"command": command_line(context)},
                "summary": evaluation.summary,
                "trials": evaluation.rows,
            },
        )
    if json_file == "-":
        return
    facts = evaluation.facts
    print_table(
        f"{facts['space']}, {facts['target']}: means of {facts['trials']} trials, {facts['test']} test architectures, "
        f"{facts['sampling']} sampling",
        ["predictor", "N", "epochs", "tau", "sd", "top half", "prec@10", "rho", "MAE", "no tau", "fit s", "query s"],
        [
            [
                row["predictor"], row["train_size"], row["epochs"] or None, row["tau"], row["tau_sd"],
                row["tau_top_half"], row["precision_10"], row["spearman"], row["mae"], row["undefined"],
                row["fit_seconds"], row["query_seconds"],
            ]
            for row in evaluation.summary
        ],
    )  # fmt: skip
    if facts["left_out"]:
        click.echo(f"note: {facts['left_out']} architectures without a score or a point of a curve were left out")


main.add_command(supernet_command)


@main.command("rank", cls=Command, context_settings={"show_default": True})
@options.option(
    "--predictor",
    group="Predictors",
    metavar="NAME[@ENCODING]",
    help="Predictor, with an encoding where it is not the default.  [default: by the number of accuracies "
    "and the data]",
)
@options.option(
    "--architectures",
    "file",
    group="Data",
    metavar="FILE",
    type=Path,
    help="File with an architecture in each line.  [default: all that the table does not have]",
)
@options.benchmark
@options.dataset
@options.table
@options.target
@options.option(
    "--scores",
    group="Data",
    metavar="FILE.csv",
    multiple=True,
    help="File of scores for the encoding measures, such as eznas verify --csv writes. May be repeated.",
)
@_supernet
@options.seed(0, "the fit")
@options.plugin
@options.count("--top", "Architectures to print.", 10, 1, group="Output")
@options.option("--csv", group="Output", metavar="FILE", type=Path, help="Write all predictions to a file.")
@options.json_file
def _rank(
    *, file: Path | None, supernet: Path | None, top: int, csv: Path | None, json_file: str | None, **values: Any
) -> None:
    """Fit a predictor to a table and rank other architectures by their predicted accuracies."""
    from eznas.api.predict import RANKING_COLUMNS, rank

    ranking = rank(architectures=None if file is None else _lines(file), supernet=supernet or "", **values)
    if csv is not None:
        ranking.to_csv(csv)
    if json_file is not None:
        write_json(json_file, {"facts": ranking.facts, "ranking": ranking.rows})
    if json_file == "-":
        return
    facts = ranking.facts
    print_table(
        f"{facts['space']}, {facts['target']}: {facts['predictor']} fitted to {facts['trained']} accuracies, the "
        f"best of {facts['predicted']}",
        RANKING_COLUMNS,
        [[row[name] for name in RANKING_COLUMNS] for row in ranking.rows[:top]],
    )
    failed = sum(row["mean"] is None for row in ranking.rows)
    if failed:
        click.echo(f"note: {failed} architectures have no prediction")
