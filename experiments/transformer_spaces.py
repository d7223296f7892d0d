"""Measures and evolved proxies on transformers: AutoFormer-Ti on ImageNet and NAS-Bench-BERT on GLUE.

The experiment has three steps, each of which goes on from what an earlier, stopped one left in the folder ``--out``:

1. Measures and aggregated reductions score the networks of each space, in parts that take longer and longer:
   ``SPACE_shapes.csv``, ``SPACE_fast.csv``, ``SPACE_blocks.csv`` and ``SPACE_slow.csv``.
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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from transformer_figures import Scored, print_figures, print_tests, rounded, table_rows

import eznas
from eznas.api.evolve import EvolutionRun, ScoresRun
from eznas.benchmarks import load_table
from eznas.cli.console import Command
from eznas.config import read_toml
from eznas.errors import InputError
from eznas.files import replace_file
from eznas.ranking import correlate, paired_difference
from eznas.spaces import SPACES
from eznas.symbolic.config import parse_split
from eznas.symbolic.read import read_score_tables
from eznas.symbolic.report import program_scores
from eznas.symbolic.split import split_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

PARTS = ("shapes", "fast", "blocks", "slow")
SLOW = "slow"
"""The part whose measures evolution does not read."""
SIZES = ("params", "flops")
BLOCKS = 10
"""Aggregated reductions of the highest tau that are reported."""
_FEATURE = "graf_"
"""The prefix of features among the columns of a score file."""


class Space:
    """A space of the experiment, and its files.

    Args:
        config: The content of ``transformer_spaces.toml``.
        entry: The space's own entry there.
        tables: Folder of the accuracy tables.
        out: Folder of the experiment.
        images: Images for networks of images.
    """

    def __init__(
        self, config: Mapping[str, Any], entry: Mapping[str, Any], tables: Path, out: Path, images: str = ""
    ) -> None:
        self.name: str = entry["benchmark"]
        self.split: str = config["split"]
        self._config, self._entry, self._out = config, entry, out
        self._table = tables / f"{self.name}_{entry['dataset']}.csv"
        self.blocks = [form.replace("X", text) for text in config["reductions"] for form in config["aggregations"]]
        self.proxies = {part: self.blocks if part == "blocks" else self._measures(part) for part in PARTS}
        self._images: str = entry["images"] or images

    def _measures(self, part: str) -> list[str]:
        return [name for name in self._config["parts"][part] if name not in self._entry["no_value"]]

    def measures(self, parts: Sequence[str]) -> list[str]:
        """Return the measures of some parts."""
        return [name for part in parts if part != "blocks" for name in self.proxies[part]]

    def score(self, part: str, workers: int) -> None:
        """Score all networks by the proxies of a part, or those that an earlier call did not reach."""
        rows = self._rows(part)
        verified = eznas.verify(
            self.proxies[part],
            benchmark=self.name,
            dataset=self._entry["dataset"],
            table=self._table,
            images=self._images,
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
            click.echo(f"{self.name}, {part}: {len(verified.seconds)} networks, {seconds}", err=True)

    def read(self, parts: Sequence[str]) -> Scored:
        """Return the scores of the networks that have those of all the parts.

        Raises:
            InputError: A part has not been scored.
        """
        files = []
        for part in parts:
            if not self._rows(part).exists():
                raise InputError(f"{self._rows(part)} must exist; score the part first, or leave it out")
            with self._rows(part).open(newline="", encoding="utf-8") as file:
                files.append({row["architecture"]: row for row in csv.DictReader(file)})
        table = load_table(self.name, self._entry["dataset"], self._table)
        kept = [place for place, name in enumerate(table.architectures) if all(name in rows for rows in files)]
        architectures = tuple(table.architectures[place] for place in kept)
        features = [SPACES[self.name].features(name) for name in architectures]
        return Scored(
            architectures,
            table.accuracies[kept],
            {
                proxy: np.array([float(rows[name][proxy] or "nan") for name in architectures])
                for part, rows in zip(parts, files, strict=True)
                for proxy in self.proxies[part]
            },
            {feature: np.array([row[feature] for row in features]) for feature in features[0]},
            {name: table.columns[name][kept] for name in self._entry["columns"]},
            {
                "target": str(table.target),
                "fidelity": self._entry["fidelity"],
                "inputs": f"{self._config['batch_size']} of {Path(self._images).name}",
            },
        )

    def _rows(self, part: str) -> Path:
        return self._out / f"{self.name}_{part}.csv"

    def score_file(self, scored: Scored) -> Path:
        """Write the scores of usable columns as a file for ``eznas evolve --scores``, with short names of blocks.

        A column is usable if it has a value on every network, and not the same one on all.
        """
        columns = {
            **{name: scored.columns[name] for name in self.measures(PARTS) if name in scored.columns},
            **{block: scored.columns[text] for block, text in self._block_names().items() if text in scored.columns},
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
        columns_of_file = next(csv.reader(scores.read_text(encoding="utf-8").splitlines()))[3:]
        slow = set(self.measures([SLOW]))
        header = [name for name in columns_of_file if name not in slow]
        columns = {
            "features": [name for name in header if name == SIZES[0] or name.startswith(_FEATURE)],
            "statistics": [name for name in header if not name.startswith(_FEATURE)],
            "all": header,
        }
        options = {name: value for name, value in settings.items() if name not in ("name", "reads")}
        run: EvolutionRun = eznas.evolve(
            scores=scores,
            columns=columns[settings["reads"]],
            max_missing=0.0,
            split=self.split,
            time_budget=budget,
            seed=self._config["seed"],
            workers=workers,
            out=out,
            **options,
        )
        return run


def tested(space: Space, runs: Mapping[str, EvolutionRun], scores: Path, seed: int) -> list[dict[str, Any]]:
    """Return the figures of each evolution's best formula on the half that it did not see.

    A formula is compared with params and flops, with the measure and the feature of the highest tau on the half that
    evolution saw (*chosen*, *feature*), and with the measure of the highest tau on the test half itself (*best*).
    Intervals are those of a paired bootstrap.
    """
    table = read_score_tables([scores], max_missing=0.0)
    [task] = table.tasks
    split = split_task(task, parse_split(space.split), seed)
    test, seen = split.test, np.concatenate([split.train, split.validation])

    def tau(name: str, places: NDArray[np.int64]) -> float:
        values = task.scores[name][places]
        return correlate(values, task.accuracies[places], resamples=0).tau if np.ptp(values) > 0 else -1.0

    hand_written = [name for name in space.measures(PARTS) if name in task.scores]
    features = [name for name in task.scores if name.startswith(_FEATURE)]
    rivals = {
        "chosen": max(hand_written, key=lambda name: tau(name, seen)),
        "best": max(hand_written, key=lambda name: tau(name, test)),
        **{name: name for name in SIZES if name in task.scores},
        **({"feature": max(features, key=lambda name: tau(name, seen))} if features else {}),
    }
    rows = []
    for name, run in runs.items():
        best = run.summary["best"]
        own = program_scores(table, task, best["program"])[test]
        found = correlate(own, task.accuracies[test], seed=seed)
        row: dict[str, Any] = {
            "evolution": name,
            "program": space.program(best["program"]),
            "tau_train": rounded(best["tau_train"]),
            "tau_validation": rounded(best["tau_validation"]),
            "n": len(test),
            "tau": rounded(found.tau),
            "low": rounded(found.tau_low),
            "high": rounded(found.tau_high),
            "rho": rounded(found.rho),
        }
        for rival, column in rivals.items():
            paired = paired_difference(own, task.scores[column][test], task.accuracies[test], seed=seed)
            row[rival] = {
                "name": column.replace(_FEATURE, "graf."),
                "tau": rounded(paired.second),
                "difference": rounded(paired.difference),
                "low": rounded(paired.low),
                "high": rounded(paired.high),
            }
        rows.append(row)
    return rows


@click.command(cls=Command, context_settings={"show_default": True})
@click.argument("tables", metavar="TABLES", type=Path)
@click.option("--config", metavar="FILE", type=Path, default=Path(__file__).with_suffix(".toml"), help="Experiment.")
@click.option("--images", metavar="PATH", default="digits", help="Images for networks of images.")
@click.option("--out", metavar="DIR", type=Path, default=Path("runs/transformers"), help="Folder of the experiment.")
@click.option("--space", "wanted", metavar="NAME", default="", help="One space.  [default: all]")
@click.option("--time-budget", metavar="TIME", default="2m", help="Time of each evolution.")
@click.option(
    "--part",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    default=PARTS,
    help="What to score and read; may be given several times.",
)
@click.option("--score/--no-score", "scoring", default=True, help="Score networks, or use the scores that there are.")
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
    parts: tuple[str, ...],
    *,
    scoring: bool,
) -> None:
    """Score transformers, print tau of every measure, and test proxies that were evolved on half of the networks."""
    read = read_toml(config)
    spaces = {entry["benchmark"]: entry for entry in read["space"]}
    if wanted and wanted not in spaces:
        raise InputError(f"space must be one of {', '.join(spaces)}, got {wanted}", parameters=("wanted",))
    if PARTS[0] not in parts:
        raise InputError(f"part must include {PARTS[0]}, for the sizes of the networks", parameters=("parts",))
    out.mkdir(parents=True, exist_ok=True)
    seed, results = read["seed"], {}
    chosen = {name: Space(read, entry, tables, out, images) for name, entry in spaces.items() if wanted in ("", name)}
    for part in parts if scoring else ():
        for space in chosen.values():
            space.score(part, workers)
    for name, space in chosen.items():
        scored = space.read(parts)
        rows = table_rows(scored, space.measures(parts), seed)
        print_figures(name, rows)
        scores = space.score_file(scored)
        runs = {entry["name"]: space.evolve(scores, entry, time_budget, workers) for entry in read["evolution"]}
        compared = tested(space, runs, scores, seed)
        print_tests(compared)
        texts = [text for text in space.blocks if text in scored.columns]
        blocks = table_rows(replace(scored, features={}, extra={}), texts, seed)[:BLOCKS]
        results[name] = {**scored.facts, "measures": rows, "blocks": blocks, "evolutions": compared}
        if json_file is not None:
            replace_file(json_file, (json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main(prog_name="python experiments/transformer_spaces.py")
