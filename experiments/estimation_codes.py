"""Write estimation codes, the losses of a short training; see ``python experiments/estimation_codes.py --help``."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import click
import numpy as np

from eznas.cli.console import Command
from eznas.files import write_output
from eznas.minibatch import load_minibatch
from eznas.predictors.siamese.code import CodeTraining, estimation_codes
from eznas.scoring import Condition
from eznas.scoring.condition import resolve_device
from eznas.seeds import python_rng
from eznas.spaces import SPACES, Fidelity

_EPILOG = """\b
Example:
  python experiments/estimation_codes.py nasbench201.csv codes.csv --space nasbench201 --images cifar10.npz
    --samples 200
  eznas predict evaluate --predictor siamese_nas@graph+estimation_code --space nasbench201 --table codes.csv
    --curve train_loss=train_loss_3
"""


def size(name: str, fidelity: Fidelity) -> Fidelity:
    """Return a fidelity without its limit of images."""
    return Fidelity(name, fidelity.cells, fidelity.channels, fidelity.pixels)


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--space", required=True, help="Search space.")
@click.option("--images", required=True, help="Images, as for eznas score.")
@click.option("--count", default=1000, show_default=True, help="Number of images of the training set.")
@click.option("--samples", type=int, help="Number of architectures, drawn from the table; all by default.")
@click.option("--fidelity", default="full", show_default=True, help="Size of the networks.")
@click.option("--seed", default=0, show_default=True, help="Seed of the draws.")
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
def main(
    table: Path,
    out: Path,
    space: str,
    images: str,
    count: int,
    samples: int | None,
    fidelity: str,
    seed: int,
    device: str,
) -> None:
    """Train the networks of TABLE for three epochs, and write TABLE with their losses to OUT.

    The columns train_loss_3@1, train_loss_3@2 and train_loss_3 are a learning curve. They are empty for a network whose
    training failed.
    """
    with table.open(newline="", encoding="utf-8") as file:
        lines = list(file)
    head = [line for line in lines if line.startswith("#")]
    rows = list(csv.DictReader(lines[len(head) :]))
    if samples is not None:
        rows = python_rng(seed, "samples").sample(rows, samples)
    known = SPACES[space]
    built = size(fidelity, known.fidelities[fidelity])
    minibatch = load_minibatch(images, count, pixels=built.pixels, seed=seed)
    condition = Condition.of(space, built, seed, minibatch, resolve_device(device))
    epochs = CodeTraining().epochs
    names = [*(f"train_loss_{epochs}@{epoch}" for epoch in range(1, epochs)), f"train_loss_{epochs}"]
    text = io.StringIO()
    text.writelines(head)
    writer = csv.DictWriter(text, [*rows[0], *names], lineterminator="\n")
    writer.writeheader()
    failed = 0
    with click.progressbar(rows, label="trainings") as progress:
        for row in progress:
            [code] = estimation_codes(condition, [row["architecture"]])
            failed += not np.isfinite(code).all()
            values = [f"{loss:.6f}" if np.isfinite(loss) else "" for loss in code]
            writer.writerow(row | dict(zip(names, values, strict=True)))
    write_output(out, text.getvalue())
    click.echo(f"{len(rows)} architectures, {failed} without a code")


if __name__ == "__main__":
    main()
