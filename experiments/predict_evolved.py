"""What evolved programs add to published scores; ``python experiments/predict_evolved.py --help`` explains.

The steps for NAS-Bench-201, where RUN is a run directory of ``eznas evolve``, SCORES the scores that
``predictor_table.py`` prepares, and SEEN a file with the networks that a campaign trained on::

    python experiments/predict_evolved.py score TABLE SCORES RUN programs.csv --seen SEEN --program evolved_general
    python experiments/predict_evolved.py compare TABLE SCORES programs.csv --out evolved.json
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from scipy import stats

import eznas
from eznas.api.predict import evaluate
from eznas.cli.console import Command
from eznas.files import write_output
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

SPACE = SPACES["nasbench201"]
SIZES = (24, 71, 205, 589)
PREDICTORS = ("blended_trees@graf+measures", "extra_trees@graf+measures", "gradient_boosting@graf+measures")
_NO_SCORE = ("architecture", "accuracy", "status", "seconds")


@click.group()
def main() -> None:
    """Compare predictors on features and published scores with and without the scores of evolved programs."""


@main.command(cls=Command)
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("scores", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seen", multiple=True, type=click.Path(exists=True, path_type=Path), help="CSV of further networks.")
@click.option("--program", "programs", multiple=True, help="Further program or measure. May be repeated.")
@click.option("--networks", default=850, show_default=True, help="Number of networks.")
@click.option("--fidelity", default="reduced_wide", show_default=True, help="Size of the networks.")
def score(
    table: Path,
    scores: Path,
    run: Path,
    out: Path,
    seen: tuple[Path, ...],
    programs: tuple[str, ...],
    networks: int,
    fidelity: str,
) -> None:
    """Score the programs of RUN on networks of TABLE with published SCORES that no evolution has seen.

    Networks with the function of a training or validation network of RUN are left out, and so are those with the
    function of a network in a file of --seen. OUT receives the scores; a table of the networks is written beside it.
    """
    with scores.open(newline="", encoding="utf-8") as file:
        scored = {row["architecture"] for row in csv.DictReader(file)}
    functions = set()
    for path in seen:
        with path.open(newline="", encoding="utf-8") as file:
            functions |= {SPACE.canonical(row["architecture"]) for row in csv.DictReader(file)}
    lines = table.read_text(encoding="utf-8").splitlines()
    header = next(place for place, line in enumerate(lines) if line.startswith("architecture"))
    kept = [
        line
        for line in lines[header + 1 :]
        if (cell := line.partition(",")[0]) in scored and SPACE.canonical(cell) not in functions
    ]
    pool = out.with_name(f"{out.stem}_table.csv")
    write_output(pool, "\n".join([*lines[: header + 1], *kept]) + "\n")
    with (run / "hall_of_fame.csv").open(newline="", encoding="utf-8") as file:
        evolved = [row["program"] for row in csv.DictReader(file)]
    eznas.verify(
        [*programs, *evolved],
        table=pool,
        target="validation_200",
        batch_size=8,
        samples=networks,
        seed=0,
        fidelity=fidelity,
        unseen_by=run,
        workers=1,
        csv=out,
        resume=True,
    )


@main.command(cls=Command)
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("scores", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("evolved", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--trials", default=20, show_default=True, help="Draws of training and test architectures.")
@click.option("--size", "sizes", multiple=True, type=int, default=SIZES, show_default=True, help="Trained networks.")
@click.option("--test", default=200, show_default=True, help="Test networks of a trial.")
@click.option("--predictor", "predictors", multiple=True, default=PREDICTORS, show_default=True)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="JSON file of the figures.")
def compare(
    table: Path,
    scores: Path,
    evolved: tuple[Path, ...],
    trials: int,
    sizes: tuple[int, ...],
    test: int,
    predictors: tuple[str, ...],
    out: Path,
) -> None:
    """Compare predictors on published SCORES with and without those of EVOLVED programs, in the same trials.

    The architectures are those in all files. The interval is Student's, over trials, and holds for these networks.
    """
    own = joined(scores, evolved, out.with_name("published.csv"), out.with_name("evolved.csv"))
    taus = {
        kind: {
            (row["predictor"], row["train_size"], row["trial"]): row["tau"]
            for row in evaluate(
                predictors,
                table=table,
                target="validation_200",
                scores=files,
                train_sizes=sizes,
                trials=trials,
                test=test,
                workers=1,
            ).rows
        }
        for kind, files in (("published", own[:1]), ("both", own))
    }
    rows = []
    for name in predictors:
        for size in sizes:
            pairs = np.array([[taus[kind][name, size, trial] for kind in taus] for trial in range(trials)])
            rows.append({"predictor": name, "train_size": size, **paired(pairs)})
            click.echo(" ".join(f"{key} {value}" for key, value in rows[-1].items()))
    write_output(out, json.dumps({"trials": trials, "test": test, "rows": rows}, indent=1) + "\n")


def paired(pairs: np.ndarray) -> dict[str, Any]:
    """Return the means of ``n x 2`` taus, and their mean difference with its 95 % interval."""
    gain = pairs[:, 1] - pairs[:, 0]
    half = float(stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5)
    first, second = pairs.mean(axis=0).round(4).tolist()
    mean = float(gain.mean())
    return {
        "published": first,
        "both": second,
        "gain": round(mean, 4),
        "low": round(mean - half, 4),
        "high": round(mean + half, 4),
    }


def joined(scores: Path, evolved: Sequence[Path], published: Path, programs: Path) -> list[Path]:
    """Write the published scores and those of programs of the networks that every file has; return both files."""
    files = []
    for path in (scores, *evolved):
        with path.open(newline="", encoding="utf-8") as file:
            files.append({row["architecture"]: row for row in csv.DictReader(file)})
    common = [cell for cell in files[0] if all(cell in rows for rows in files[1:])]
    for path, tables in ((published, files[:1]), (programs, files[1:])):
        named = [
            (f"{name}#{place}" if place else name, name, rows)
            for place, rows in enumerate(tables)
            for name in rows[common[0]]
            if name not in _NO_SCORE and not name.endswith("_seconds")
        ]
        with path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(["architecture", *(header for header, _, _ in named)])
            writer.writerows([cell, *(rows[cell][name] for _, name, rows in named)] for cell in common)
    return [published, programs]


if __name__ == "__main__":
    main()
