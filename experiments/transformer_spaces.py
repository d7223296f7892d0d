"""Measures and evolved proxies on transformers: AutoFormer-Ti on ImageNet and NAS-Bench-BERT on GLUE.

The experiment has three steps, each of which goes on from what an earlier, stopped one left in the folder ``--out``:

1. Measures and building blocks (an aggregation of a reduction) score the networks of each space: ``SPACE.csv``.
2. Tables of tau of each measure, also on pairs of networks of about equal size, beside published figures.
3. Evolutions over the scores of one half of the networks find formulas (``eznas evolve --scores``), in one run
   directory each. The formulas are tested on the other half.

    python experiments/transformer_spaces.py TABLES --images IMAGES --out runs/transformers --json figures.json
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import eznas
from eznas.api.evolve import EvolutionRun, ScoresRun
from eznas.cli.console import Command
from eznas.config import read_toml
from eznas.errors import InputError
from eznas.files import replace_file
from eznas.ranking import correlate, paired_difference
from eznas.report.html import interval
from eznas.seeds import numpy_rng
from eznas.spaces import SPACES
from eznas.symbolic.config import parse_split
from eznas.symbolic.read import read_score_tables
from eznas.symbolic.report import program_scores
from eznas.symbolic.split import split_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from eznas.api.verify import Verification

    Columns = Mapping[str, NDArray[np.float64]]

RESAMPLES = 1000
TOLERANCE = 0.1
"""Two networks are of about equal size if their numbers of parameters differ by at most this share."""
FEWEST = 10
"""The smallest number of values of a measure that has a row."""
SIZES = ("params", "flops")
BLOCKS = 10
"""Building blocks of the highest tau that are reported."""
_DIGITS = 4
_FEATURE = "graf_"
"""The prefix of features among the columns of a score file."""


@dataclass(frozen=True)
class Scored:
    """The scores of the networks of a space.

    Args:
        architectures: ``n`` architectures.
        accuracies: ``n`` accuracies.
        columns: By program or measure, ``n`` scores, NaN where there is none.
        features: By feature, ``n`` numbers of the architectures.
        extra: By column of the table of accuracies, ``n`` numbers.
        facts: The accuracies' target, and how the networks ran.
    """

    architectures: tuple[str, ...]
    accuracies: NDArray[np.float64]
    columns: Columns
    features: Columns
    extra: Columns
    facts: dict[str, str]


class Space:
    """A space of the experiment, and its files.

    Args:
        config: The content of ``transformer_spaces.toml``.
        entry: The space's own entry there.
        tables: Folder of the accuracy tables.
        out: Folder of the experiment.
    """

    def __init__(self, config: Mapping[str, Any], entry: Mapping[str, Any], tables: Path, out: Path) -> None:
        self.name: str = entry["benchmark"]
        self.split: str = config["split"]
        self._config, self._entry, self._out = config, entry, out
        self._table = tables / f"{self.name}_{entry['dataset']}.csv"
        self.measures = [name for name in config["measures"] if name not in entry["no_value"]]
        self.slow = [name for name in config["slow_measures"] if name not in entry["no_value"]]
        self.blocks = [form.replace("X", text) for text in config["reductions"] for form in config["aggregations"]]

    def score(self, images: str, workers: int, *, slow: bool) -> Scored:
        """Score all networks, or those that an earlier call did not reach; with the slow measures if ``slow``."""
        main = self._verify(self.name, [*self.measures, *self.blocks], images, workers)
        columns = {column.proxy.name: column.values() for column in main.columns}
        if slow:
            others = self._verify(f"{self.name}_slow", self.slow, images, workers)
            columns |= {column.proxy.name: column.values() for column in others.columns}
        features = [SPACES[self.name].features(architecture) for architecture in main.architectures]
        table = main.table
        place = {architecture: index for index, architecture in enumerate(table.architectures)}
        order = [place[architecture] for architecture in main.architectures]
        return Scored(
            main.architectures,
            main.accuracies,
            columns,
            {name: np.array([row[name] for row in features]) for name in features[0]},
            {name: table.columns[name][order] for name in self._entry["columns"]},
            {
                "target": str(table.target),
                "fidelity": self._entry["fidelity"],
                "inputs": f"{self._config['batch_size']} of {Path(main.condition.minibatch.source).name}",
            },
        )

    def _verify(self, stem: str, proxies: list[str], images: str, workers: int) -> Verification:
        rows = self._out / f"{stem}.csv"
        verified = eznas.verify(
            proxies,
            benchmark=self.name,
            dataset=self._entry["dataset"],
            table=self._table,
            images=self._entry["images"] or images,
            batch_size=self._config["batch_size"],
            fidelity=self._entry["fidelity"],
            samples=0,
            seed=self._config["seed"],
            workers=workers,
            csv=rows,
            resume=rows.exists(),
        )
        if verified.seconds:
            seconds = f"{np.mean(verified.seconds):.2f} seconds each, at most {max(verified.seconds):.2f}"
            click.echo(f"{stem}: {len(verified.seconds)} networks, {seconds}", err=True)
        return verified

    def score_file(self, scored: Scored) -> Path:
        """Write the scores of usable columns as a file for ``eznas evolve --scores``, with short names of blocks.

        A column is usable if it has a value on every network, and not the same one on all.
        """
        columns = {
            **{name: scored.columns[name] for name in self.measures},
            **{block: scored.columns[text] for block, text in self._block_names().items()},
            **{f"{_FEATURE}{name}": values for name, values in scored.features.items()},
        }
        usable = {name: values for name, values in columns.items() if np.isfinite(values).all() and np.ptp(values) > 0}
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["task", "architecture", "accuracy", *usable])
        for index, architecture in enumerate(scored.architectures):
            scores = [float(values[index]) for values in usable.values()]
            writer.writerow([self.name, architecture, float(scored.accuracies[index]), *scores])
        path = self._out / f"{self.name}_scores.csv"
        replace_file(path, text.getvalue().encode())
        return path

    def _block_names(self) -> dict[str, str]:
        return {f"block_{place:03}": text for place, text in enumerate(self.blocks)}

    def program(self, formula: str) -> str:
        """Return a formula over columns as a program over networks."""
        blocks = self._block_names()

        def leaf(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith(_FEATURE):
                return f"graf.{name.removeprefix(_FEATURE)}"
            return blocks.get(name, f"measure.{name}")

        return eznas.parse(re.sub(r"score\.(\w+)", leaf, formula)).text

    def evolve(self, scores: Path, settings: Mapping[str, Any], budget: str, workers: int) -> EvolutionRun:
        """Return the run of an evolution: a finished one, a resumed one, or a new one."""
        out = self._out / f"{self.name}_{settings['name']}"
        if (out / "manifest.json").exists():
            begun = ScoresRun.open(out)
            return begun if begun.finished else begun.resume()
        header = next(csv.reader(scores.read_text(encoding="utf-8").splitlines()))[3:]
        options = {name: value for name, value in settings.items() if name not in ("name", "features")}
        run: EvolutionRun = eznas.evolve(
            scores=scores,
            columns=[name for name in header if settings["features"] or not name.startswith(_FEATURE)],
            max_missing=0.0,
            split=self.split,
            time_budget=budget,
            seed=self._config["seed"],
            workers=workers,
            out=out,
            **options,
        )
        return run


def table_rows(scored: Scored, measures: list[str], seed: int) -> list[dict[str, Any]]:
    """Return the figures of measures, features and further columns of the table, in the order of tau."""
    named = {
        **{name: scored.columns[name] for name in measures},
        **{f"{name}, as published": values for name, values in scored.extra.items()},
        **{f"graf.{name}": values for name, values in scored.features.items()},
    }
    rows = [figures(name, values, scored, seed) for name, values in named.items()]
    return sorted(rows, key=lambda row: -2.0 if row["tau"] is None else -row["tau"])


def figures(name: str, values: NDArray[np.float64], scored: Scored, seed: int) -> dict[str, Any]:
    """Return tau and rho of scores, also tau on pairs of equal size; None without values that differ."""
    known = np.isfinite(values)
    row: dict[str, Any] = {"name": name, "n": int(known.sum())}
    if known.sum() < FEWEST or np.ptp(values[known]) == 0:
        return {**row, "tau": None}
    accuracies, sizes = scored.accuracies[known], scored.columns["params"][known]
    found = correlate(values[known], accuracies, seed=seed)
    equal, low, high = equal_size(values[known], accuracies, sizes, seed)
    numbers = {"tau": found.tau, "low": found.tau_low, "high": found.tau_high, "rho": found.rho}
    numbers |= {"equal_size": equal, "equal_size_low": low, "equal_size_high": high}
    return {**row, **{key: _rounded(value) for key, value in numbers.items()}}


def equal_size(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], sizes: NDArray[np.float64], seed: int
) -> tuple[float, float, float]:
    """Return tau on the pairs of about equal size, and its 95 % percentile bootstrap interval over networks.

    Tau is that of ``eznas.rank_metrics.tau_equal_size``. A resample is the number of times that it has each network, so
    that all resamples take three products of matrices.
    """
    count = len(scores)
    near = np.maximum(sizes[:, None], sizes) <= (1 + TOLERANCE) * np.minimum(sizes[:, None], sizes)
    by_score = np.sign(scores[:, None] - scores) * near
    by_accuracy = np.sign(accuracies[:, None] - accuracies) * near
    drawn = numpy_rng(seed, "bootstrap").integers(0, count, (RESAMPLES, count))
    times = np.stack([np.ones(count), *(np.bincount(draw, minlength=count) for draw in drawn)]).astype(np.float64)
    agreement, of_score, of_accuracy = (
        ((times @ pairs) * times).sum(axis=1)
        for pairs in (by_score * by_accuracy, np.abs(by_score), np.abs(by_accuracy))
    )
    with np.errstate(invalid="ignore"):  # a resample without such pairs has no tau
        taus = agreement / np.sqrt(of_score * of_accuracy)
    defined = taus[1:][np.isfinite(taus[1:])]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    return float(taus[0]), float(low), float(high)


def tested(
    space: Space, runs: Mapping[str, EvolutionRun], scores: Path, scored: Scored, seed: int
) -> list[dict[str, Any]]:
    """Return the figures of each evolution's best formula on the half that it did not see.

    A formula is compared with params and flops, with the measure of the highest tau on the half that evolution saw
    (*chosen*), and with that of the highest tau on the test half itself (*best*). Intervals are those of a paired
    bootstrap.
    """
    table = read_score_tables([scores], max_missing=0.0)
    [task] = table.tasks
    split = split_task(task, parse_split(space.split), seed)
    test, seen = split.test, np.concatenate([split.train, split.validation])

    def tau(name: str, places: NDArray[np.int64]) -> float:
        values = task.scores[name][places]
        return correlate(values, task.accuracies[places], resamples=0).tau if np.ptp(values) > 0 else -1.0

    hand_written = [name for name in space.measures if name in task.scores]
    rivals = {
        "chosen": max(hand_written, key=lambda name: tau(name, seen)),
        "best": max(hand_written, key=lambda name: tau(name, test)),
        **{name: name for name in SIZES},
        **{name: f"{_FEATURE}{name}" for name in scored.features if name == "layers"},
    }
    rows = []
    for name, run in runs.items():
        best = run.summary["best"]
        own = program_scores(table, task, best["program"])[test]
        found = correlate(own, task.accuracies[test], seed=seed)
        row = {
            "evolution": name,
            "program": space.program(best["program"]),
            "tau_train": _rounded(best["tau_train"]),
            "tau_validation": _rounded(best["tau_validation"]),
            "n": len(test),
            "tau": _rounded(found.tau),
            "low": _rounded(found.tau_low),
            "high": _rounded(found.tau_high),
            "rho": _rounded(found.rho),
        }
        for rival, column in rivals.items():
            paired = paired_difference(own, task.scores[column][test], task.accuracies[test], seed=seed)
            row[rival] = {
                "name": column.replace(_FEATURE, "graf."),
                "tau": _rounded(paired.second),
                "difference": _rounded(paired.difference),
                "low": _rounded(paired.low),
                "high": _rounded(paired.high),
            }
        rows.append(row)
    return rows


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, _DIGITS)


def print_figures(title: str, rows: list[dict[str, Any]]) -> None:
    """Print the table of measures, and the names of those without a value."""
    click.echo(f"### {title}\n\n| measure | n | tau (95 %) | rho | tau on pairs of equal size (95 %) |")
    click.echo("|---|---|---|---|---|")
    for row in rows:
        if row["tau"] is not None:
            low, high = row["equal_size_low"], row["equal_size_high"]
            equal = "-" if row["equal_size"] is None else f"{row['equal_size']:.3f} ({interval(low, high)})"
            tau = f"{row['tau']:.3f} ({interval(row['low'], row['high'])})"
            click.echo(f"| {row['name']} | {row['n']} | {tau} | {row['rho']:.3f} | {equal} |")
    without = [f"{row['name']} ({row['n']})" for row in rows if row["tau"] is None]
    click.echo(f"\nWithout different values: {', '.join(without) or 'none'}\n")


def print_tests(rows: list[dict[str, Any]]) -> None:
    """Print tau of each evolution's formula on the half that it did not see, beside its rivals."""
    rivals = [name for name, value in rows[0].items() if isinstance(value, dict)]
    click.echo(f"| evolution | n | tau (95 %) | {' | '.join(rivals)} |\n|---|---|---|{'---|' * len(rivals)}")
    for row in rows:
        cells = [
            f"{row[name]['name']} {row[name]['tau']:.3f}, {row[name]['difference']:+.3f} "
            f"({interval(row[name]['low'], row[name]['high'])})"
            for name in rivals
        ]
        tau = f"{row['tau']:.3f} ({interval(row['low'], row['high'])})"
        click.echo(f"| {row['evolution']} | {row['n']} | {tau} | {' | '.join(cells)} |")
    click.echo()


@click.command(cls=Command, context_settings={"show_default": True})
@click.argument("tables", metavar="TABLES", type=Path)
@click.option("--config", metavar="FILE", type=Path, default=Path(__file__).with_suffix(".toml"), help="Experiment.")
@click.option("--images", metavar="PATH", default="digits", help="Images for networks of images.")
@click.option("--out", metavar="DIR", type=Path, default=Path("runs/transformers"), help="Folder of the experiment.")
@click.option("--space", "wanted", metavar="NAME", default="", help="One space.  [default: all]")
@click.option("--time-budget", metavar="TIME", default="2m", help="Time of each evolution.")
@click.option("--slow/--no-slow", default=True, help="Score the slow measures too.")
@click.option("--workers", metavar="N", default=0, help="Processes; 0 for one per core.")
@click.option("--json", "json_file", metavar="FILE", type=Path, help="File to write the figures to.")
def main(
    tables: Path,
    config: Path,
    images: str,
    out: Path,
    wanted: str,
    time_budget: str,
    workers: int,
    json_file: Path | None,
    *,
    slow: bool,
) -> None:
    """Score transformers, print tau of every measure, and test proxies that were evolved on half of the networks."""
    read = read_toml(config)
    spaces = {entry["benchmark"]: entry for entry in read["space"]}
    if wanted and wanted not in spaces:
        raise InputError(f"space must be one of {', '.join(spaces)}, got {wanted}", parameters=("wanted",))
    out.mkdir(parents=True, exist_ok=True)
    seed, results = read["seed"], {}
    for name in [wanted] if wanted else spaces:
        space = Space(read, spaces[name], tables, out)
        scored = space.score(images, workers, slow=slow)
        rows = table_rows(scored, [*space.measures, *(space.slow if slow else [])], seed)
        print_figures(name, rows)
        scores = space.score_file(scored)
        runs = {entry["name"]: space.evolve(scores, entry, time_budget, workers) for entry in read["evolution"]}
        compared = tested(space, runs, scores, scored, seed)
        print_tests(compared)
        blocks = table_rows(replace(scored, features={}, extra={}), space.blocks, seed)[:BLOCKS]
        results[name] = {**scored.facts, "measures": rows, "blocks": blocks, "evolutions": compared}
        if json_file is not None:
            replace_file(json_file, (json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main(prog_name="python experiments/transformer_spaces.py")
