"""``eznas predict fit``, ``predict`` and ``rank``: fits of a user's own, and predictions by them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.cli import options
from eznas.cli.console import Command, print_table, write_json
from eznas.cli.outputs import check_files, json_path
from eznas.errors import InputError

if TYPE_CHECKING:
    from eznas.api.predictions import Ranking

_SETTINGS = {"show_default": True}
_ranking_csv = options.csv("Write all predictions to a file.")
_top = options.count("--top", "Architectures to print.", 10, 1, group="Output")


def _architectures(default: str) -> options.Decorator:
    text = f"File with an architecture in each line.  [default: {default}]"
    return options.option("--architectures", "file", group="Data", metavar="FILE", type=Path, help=text)


@click.command("fit", cls=Command, context_settings=_SETTINGS, short_help="Fit a predictor and keep the fit.")
@options.predictor
@options.tune
@options.benchmark
@options.dataset
@options.table
@options.target
@options.scores
@options.curves
@options.count("--epoch", "Epoch at which learning curves end.  [default: whole curves]", None, 1, group="Data")
@options.supernet
@options.seed(0, "the fit")
@options.plugin
@options.option("--out", group="Output", metavar="FILE.json", type=Path, required=True, help="File for the fit.")
def fit_command(*, out: Path, curves: tuple[str, ...], table: Path | None, **values: Any) -> None:
    """Fit a predictor to all accuracies of a table, and write the fit to a file.

    The file holds the data, the settings and the seed as JSON. eznas predict predict reads the file and fits again to
    the same data. It states whether the new fit gives the predictions of the first one.
    """
    check_files({"--table": table, "--scores": values["scores"], "--plugin": values["plugin"]}, {"--out": out})
    columns = options.named_columns(curves)
    from eznas.api.predictions import fit

    kept = fit(curves=columns, table=table, **values)
    kept.save(out)
    chosen = ", ".join(f"{name}={value}" for name, value in kept.settings.items())
    click.echo(f"{kept.predictor} fitted to {len(kept.accuracies)} accuracies{f' with {chosen}' if chosen else ''}")
    note_left_out(len(kept.left_out))
    click.echo(f"written: {out}")


@click.command("predict", cls=Command, context_settings=_SETTINGS, short_help="Predict with a fit that was kept.")
@options.option("--fit", group="Data", metavar="FILE.json", type=Path, required=True, help="File of eznas predict fit.")
@_architectures("those of --table, or all of the space that the table of the fit does not have")
@options.option(
    "--table",
    group="Data",
    metavar="CSV",
    type=Path,
    help="Table with the learning curves of the architectures, in the columns that the fit read.",
)
@options.scores
@options.supernet
@options.plugin
@_top
@_ranking_csv
@options.json_file
def predict_command(
    *,
    fit: Path,
    file: Path | None,
    table: Path | None,
    top: int,
    csv: Path | None,
    json_file: str | None,
    **values: Any,
) -> None:
    """Predict the accuracies of architectures, the best first, with a fit that was kept."""
    check_files({"--fit": fit, **_inputs(file, table, **values)}, {"--json": json_path(json_file), "--csv": csv})
    from eznas.api.predictions import predict_with

    ranking = predict_with(fit, architectures=None if file is None else _lines(file), table=table, **values)
    _show(ranking, top, csv, json_file)
    if not ranking.facts["reproduced"]:
        click.echo("note: the fit does not reproduce the first one; its file lists the versions of packages", err=True)


@click.command("rank", cls=Command, context_settings=_SETTINGS, short_help="Fit a predictor and rank architectures.")
@options.predictor
@options.tune
@_architectures("all that the table does not have")
@options.benchmark
@options.dataset
@options.table
@options.target
@options.scores
@options.supernet
@options.seed(0, "the fit")
@options.plugin
@_top
@_ranking_csv
@options.json_file
def rank_command(
    *, file: Path | None, table: Path | None, top: int, csv: Path | None, json_file: str | None, **values: Any
) -> None:
    """Fit a predictor to a table and rank other architectures by their predicted accuracies."""
    check_files(_inputs(file, table, **values), {"--json": json_path(json_file), "--csv": csv})
    from eznas.api.predictions import predict

    ranking = predict(architectures=None if file is None else _lines(file), table=table, **values)
    _show(ranking, top, csv, json_file)


def _inputs(
    file: Path | None, table: Path | None, *, scores: tuple[Path, ...], plugin: tuple[Path, ...], **_: Any
) -> dict[str, Path | tuple[Path, ...] | None]:
    """Return the files that a prediction reads, by flag."""
    return {"--architectures": file, "--table": table, "--scores": scores, "--plugin": plugin}


def _show(ranking: Ranking, top: int, csv: Path | None, json_file: str | None) -> None:
    """Write and print a ranking."""
    from eznas.api.predictions import RANKING_COLUMNS

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
    note_left_out(facts.get("left_out", 0))
    failed = sum(row["mean"] is None for row in ranking.rows)
    if failed:
        click.echo(f"note: {failed} architectures have no prediction")


def note_left_out(count: int) -> None:
    """Print how many architectures of a table are not read, if there are any."""
    if count:
        click.echo(f"note: {count} architectures without a score or a point of a curve were left out")


def _lines(file: Path) -> list[str]:
    """Return the lines of a file that are not empty.

    Raises:
        InputError: It cannot be read, or has no such line.
    """
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"file must be a readable text file, got {file}: {reason}", parameters=("file",)) from error
    if not lines:
        raise InputError(f"file must have an architecture in each line, but {file} has none", parameters=("file",))
    return lines
