"""``eznas predict``: performance predictors, their comparison, and rankings by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eznas.cli import options
from eznas.cli.console import Command, command_line, print_table, write_json
from eznas.cli.outputs import check_files, json_path
from eznas.cli.predict_fits import fit_command, note_left_out, predict_command, rank_command
from eznas.cli.supernet import main as supernet_command
from eznas.files import write_output

_EPILOG = """\b
Examples:
  List the predictors and the encodings:
    eznas predict list
  Compare a forest on two encodings, on the embedded accuracies:
    eznas predict evaluate --predictor random_forest --predictor random_forest@graf --trials 20
  With the scores of measures, written by eznas verify --csv:
    eznas predict evaluate --predictor extra_trees@graf+measures --scores scores.csv
  A long comparison with a page; the same command continues it:
    eznas predict evaluate --predictor dngo --predictor xgboost --tune 30 --trials 100 --csv trials.csv
      --resume --html page.html
  Fit the default predictor to networks of your own, and rank all others of the space:
    eznas predict rank --table trained.csv --csv ranking.csv
  Keep a fit, and predict architectures with it later:
    eznas predict fit --table trained.csv --out fit.json
    eznas predict predict --fit fit.json --architectures names.txt
  Train a supernet, and compare it with a forest:
    eznas predict supernet --method rsws --images CIFAR --train-images 3000 --augment --out runs/supernet
    eznas predict evaluate --predictor rsws --predictor random_forest@graf --supernet runs/supernet
  Learning curves of a table that eznas benchmarks convert --every-epoch wrote, up to each of three epochs:
    eznas predict evaluate --predictor early_stopping_accuracy --predictor lcsvr --table curves.csv
      --curve validation_accuracy=validation_200 --epochs 5,20,50
"""


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


@click.group(short_help="Fit and compare performance predictors.", epilog=_EPILOG)
def main() -> None:
    """Predict the accuracy of an architecture from the accuracies of others, or from its first epochs of training."""


@main.command("list", cls=Command)
@options.plugin
def _list(plugin: tuple[Path, ...]) -> None:
    """List the predictors and the encodings."""
    from eznas.predictors import ENCODINGS, PREDICTORS
    from eznas.scoring.plugin import load_plugins

    load_plugins(plugin)
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


@main.command("evaluate", cls=Command, context_settings={"show_default": True})
@options.option(
    "--predictor",
    "predictors",
    group="Predictors",
    metavar="NAME[@ENCODING]",
    multiple=True,
    required=True,
    help="Predictor, with an encoding if you want another one than its default, such as random_forest@graf+measures. "
    "measure:synflow stands for the scores of synflow. See eznas predict list. May be repeated.",
)
@options.tune
@options.benchmark
@options.dataset
@options.table
@options.target
@options.scores
@options.curves
@options.option(
    "--seconds",
    group="Data",
    metavar="COLUMN",
    help="Column of the table with the seconds of each whole training.  [default: train_seconds_E, with the epochs E "
    "of the target, if the table has it]",
)
@options.supernet
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
    help="Epochs at which learning curves end; without this option, whole curves are read.",
)
@options.count("--trials", "Draws of training and test architectures.", 20, 1, group="Protocol")
@options.count("--test", "Test architectures of a trial.", 200, 2, group="Protocol")
@options.option(
    "--sampling",
    group="Protocol",
    metavar="uniform|mutation",
    type=click.Choice(["uniform", "mutation"]),
    default="uniform",
    help="How architectures are drawn: at random, or as edits of good architectures, as in an evolutionary search.",
)
@options.seed(0, "all draws")
@options.workers
@options.plugin
@options.csv("File for the rows of each trial, written as it ends.")
@options.continue_csv
@options.option("--html", group="Output", metavar="FILE", type=Path, help="Write a page with tables and plots.")
@options.json_file
@click.pass_context
def _evaluate(
    context: click.Context,
    /,
    *,
    curves: tuple[str, ...],
    csv: Path | None,
    html: Path | None,
    table: Path | None,
    json_file: str | None,
    predictors: tuple[str, ...],
    **values: Any,
) -> None:
    """Compare predictors on the accuracies of a benchmark.

    In each trial, all predictors are fitted to the same training architectures and predict the same test architectures.
    No training architecture computes the same function as a test architecture. Figures are means over trials.
    """
    check_files(
        {"--table": table, "--scores": values["scores"], "--plugin": values["plugin"]},
        {"--json": json_path(json_file), "--csv": csv, "--html": html},
    )
    columns = options.named_columns(curves)
    from eznas.api.predict import evaluate

    evaluation = evaluate(predictors, curves=columns, csv=csv, table=table, progress=json_file != "-", **values)
    if html is not None:
        from eznas.report.predictors_page import evaluation_page

        write_output(html, evaluation_page(evaluation.facts, evaluation.summary, command_line(context)))
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
    from eznas.report.predictors import COLUMNS, heading, table_rows

    print_table(heading(facts), COLUMNS, table_rows(evaluation.summary))
    note_left_out(facts["left_out"])
    if facts["untuned"]:
        click.echo(f"note: not tuned, since they have no ranges of hyper-parameters: {', '.join(facts['untuned'])}")


main.add_command(fit_command)
main.add_command(predict_command)
main.add_command(rank_command)
main.add_command(supernet_command)
