"""One proxy for several search spaces, evolved over the scores of reductions on networks of full size.

The campaign has four steps, each of which goes on from what an earlier, stopped one left in the folder ``--out``:

1. Measures and aggregated reductions score networks of every task: ``train/BENCHMARK.csv``.
2. Evolutions over these scores find formulas (``eznas evolve --scores``): one run directory each.
3. The formula with the largest margin is chosen: the least, over tasks and over the training and the validation
   architectures, of its tau minus the best tau of params, flops and synflow.
4. The chosen formulas are scored on further networks: ``test/BENCHMARK.csv`` and ``test.json``.

    python experiments/campaign.py TABLES --out runs/campaign
    python experiments/campaign.py TABLES --out runs/campaign --without nats_sss
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from campaign_figures import BESIDE, TRIVIAL, figures_of, print_left_out, print_tests, read_rows

import eznas
from eznas.api.evolve import EvolutionRun, ScoresRun
from eznas.benchmarks import BENCHMARKS, load_table
from eznas.cli.console import Command, print_table
from eznas.config import read_toml
from eznas.errors import InputError
from eznas.files import replace_file
from eznas.report.display import open_display
from eznas.scoring import Problem, open_executor, verification
from eznas.scoring.condition import resolve_device
from eznas.scoring.memory_plan import memory_bound
from eznas.scoring.proxy_sources import resolve_all
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.scoring import Combination, Executor, Proxy

_MOST_MISSING = 0.03
_FEWEST_VALUES = 0.1
_FEWEST_NETWORKS = 40
_SPLIT_OF_FEW = "0.55/0.2/0.25"
"""Parts of the networks for training, validation and test where a share of them is used: a test needs ten or more."""
_COSTLY = re.compile(r"grad|fisher|snip|synflow|plain|epe_nas|zico|jacob_cov|near|az_")
"""Names of measures and statistics that need a backward pass, and of near, which decomposes large matrices."""


@dataclass(frozen=True)
class Task:
    """A task: ``BENCHMARK/DATASET``, its numbers of networks, and the file of its accuracies.

    ``networks`` has the number of networks for evolution with each seed. A task without them is one that the formula is
    tested on alone.
    """

    name: str
    networks: tuple[int, ...]
    test: int
    file: Path

    @property
    def slow_on_cpu(self) -> bool:
        """Whether networks can take minutes on a CPU."""
        return SPACES[BENCHMARKS[self.benchmark].space].slow_on_cpu

    @property
    def benchmark(self) -> str:
        """The benchmark's name."""
        return self.name.partition("/")[0]

    @property
    def dataset(self) -> str:
        """The data set of the accuracies."""
        return self.name.partition("/")[2]


class Campaign:
    """A folder with the campaign's files.

    Args:
        config: The content of ``campaign.toml``.
        tables: Folder of the accuracy tables.
        out: The folder.
        images: The images of all tasks.
        workers: Processes; 0 for one per core.
        memory: Bytes for all processes together; None for no bound.
        device: Where networks run.
        share: The share of the networks of each task that is used, at least 40 of each seed.

    Attributes:
        tasks: The tasks of the campaign.
        left_out: Names of the tasks that need a GPU, where there is none.
    """

    def __init__(
        self,
        config: dict[str, Any],
        tables: Path,
        out: Path,
        images: str,
        workers: int,
        memory: int | None = None,
        device: str = "auto",
        share: float = 1.0,
    ) -> None:
        self._config, self._out, self._images = config, out, images
        self._workers, self._memory, self._device = workers, memory, device
        every_task = [
            Task(
                entry["name"],
                tuple(_portion(count, share) for count in entry["networks"]),
                _portion(entry["test"], share),
                tables / entry.get("table", f"{entry['name'].replace('/', '_')}.csv"),
            )
            for entry in config["task"]
        ]
        on_gpu = resolve_device(device) != "cpu"
        self.tasks = [task for task in every_task if on_gpu or not task.slow_on_cpu]
        self.left_out = [task.name for task in every_task if task not in self.tasks]
        measures: list[str] = config["measures"]
        blocks = [form.replace("X", text) for text in config["reductions"] for form in config["aggregations"]]
        self._columns = {name: name for name in measures}
        self._columns |= {f"c{place:03}": text for place, text in enumerate(blocks, len(measures))}
        self._measures = set(measures)
        self._split: str = config["split"] if share == 1 else _SPLIT_OF_FEW

    def score(self) -> Path:
        """Score the networks of every task, and join the scores to one file."""
        proxies = resolve_all(list(self._columns.values()))
        with open_executor(self._workers, memory=self._memory) as executor:
            for space in (space for space in self._spaces() if space.networks):
                seen: list[str] = []
                for rows, seed, networks in zip(
                    self._trained(space), self._config["seeds"], space.networks, strict=True
                ):
                    self._verify(space, proxies, rows, networks, seed, seen, executor)
                    seen += [row["architecture"] for row in read_rows(rows)]
        return self._join()

    def scored_first(self, benchmark: str) -> Path:
        """Return the scores of a space with the first seed."""
        return self._trained(next(task for task in self.tasks if task.benchmark == benchmark))[0]

    def _trained(self, space: Task) -> list[Path]:
        """Return the score file of each seed."""
        seeds = self._config["seeds"] if space.networks else []
        return [self._out / "train" / f"{space.benchmark}_{seed}.csv" for seed in seeds]

    def _verify(
        self,
        space: Task,
        proxies: Sequence[Proxy | Combination],
        rows: Path,
        networks: int,
        seed: int,
        unwanted: Sequence[str],
        executor: Executor,
    ) -> verification.Verification:
        """Score further networks of a space into a file, or go on with the file."""
        rows.parent.mkdir(parents=True, exist_ok=True)
        problem = Problem.load(
            space.benchmark,
            space.dataset,
            space.file,
            images=self._images,
            batch_size=self._config["batch_size"],
            seed=seed,
            device=self._device,
        )
        with open_display(progress=True) as display:
            return verification.verify(
                proxies,
                problem,
                samples=networks,
                unwanted=unwanted,
                csv=rows,
                resume=rows.exists(),
                executor=executor,
                progress=display,
            )

    def _spaces(self) -> list[Task]:
        """Return the first task of every space, whose networks the others share."""
        return list({task.benchmark: task for task in reversed(self.tasks)}.values())[::-1]

    def _join(self) -> Path:
        """Write one score file with short names of columns, without those that lack scores or are nearly constant."""
        tasks = [task for task in self.tasks if task.networks]
        rows = {task.name: [row for file in self._trained(task) for row in read_rows(file)] for task in tasks}
        kept = [
            name
            for name, text in self._columns.items()
            if _usable([[row[text] for row in each] for each in rows.values()], measure=name in self._measures)
        ]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["task", "architecture", "accuracy", *kept])
        for task in tasks:
            accuracies = _accuracies(task)
            for row in rows[task.name]:
                scores = [row[self._columns[name]] for name in kept]
                writer.writerow([task.name, row["architecture"], accuracies[row["architecture"]], *scores])
        joined = self._out / "scores.csv"
        replace_file(joined, text.getvalue().encode())
        return joined

    def program(self, formula: str) -> str:
        """Return a formula over columns as a program over networks."""

        def block(match: re.Match[str]) -> str:
            name = match[1]
            return f"measure.{name}" if name in self._measures else self._columns[name]

        return eznas.parse(re.sub(r"score\.(\w+)", block, formula)).text

    def evolve(self, scores: Path, name: str, budget: str) -> EvolutionRun:
        """Return the run of an evolution: a finished one, a resumed one, or a new one."""
        options = next(dict(entry) for entry in self._config["evolution"] if entry["name"] == name)
        del options["name"]
        if options.pop("forward_only", False):
            header = next(csv.reader(scores.read_text(encoding="utf-8").splitlines()))[3:]
            options["columns"] = [name for name in header if not _COSTLY.search(self._columns[name])]
        return self._run(scores, self._out / name, budget, options)

    def evolve_without(self, scores: Path, space: str, budget: str) -> EvolutionRun:
        """Return the run of an evolution that does not see the tasks of a space."""
        held_out = [task.name for task in self.tasks if task.benchmark == space]
        options = {**self._config["leave_one_out"], "hold_out_task": held_out}
        return self._run(scores, self._out / f"without_{space}", budget, options)

    def _run(self, scores: Path, out: Path, budget: str, options: dict[str, Any]) -> EvolutionRun:
        if (out / "manifest.json").exists():
            begun = ScoresRun.open(out)
            return begun if begun.finished else begun.resume()
        run: EvolutionRun = eznas.evolve(
            scores=scores,
            relative=True,
            split=self._split,
            time_budget=budget,
            seed=0,
            workers=self._workers,
            out=out,
            **options,
        )
        return run

    def test(self, programs: dict[str, str], executor: Executor) -> dict[str, dict[str, Any]]:
        """Score programs by name on networks that evolution did not see, and return tau and rho of each task."""
        proxies = resolve_all([*programs.values(), *BESIDE])
        names = {text: name for name, text in reversed(programs.items())}  # the first name of one that comes twice
        figures: dict[str, dict[str, Any]] = {}
        for space in self._spaces():
            seen = [row["architecture"] for file in self._trained(space) for row in read_rows(file)]
            rows = self._out / "test" / f"{space.benchmark}.csv"
            verified = self._verify(space, proxies, rows, space.test, self._config["test_seed"], seen, executor)
            for task in (task for task in self.tasks if task.benchmark == space.benchmark):
                accuracies = _accuracies(task)
                labels = np.array([accuracies[name] for name in verified.architectures])
                figures[task.name] = {
                    names.get(column.proxy.name, column.proxy.name): figures_of(column.values(), labels)
                    for column in verified.columns
                }
            text = json.dumps({"programs": programs, "tasks": figures}, indent=1) + "\n"
            replace_file(self._out / "test.json", text.encode())
        return figures


def _portion(networks: int, share: float) -> int:
    """Return a share of a number of networks, but at least the fewest of which a tau says something."""
    return max(min(networks, _FEWEST_NETWORKS), round(share * networks))


def _accuracies(task: Task) -> dict[str, float]:
    table = load_table(task.benchmark, task.dataset, task.file, None)
    return dict(zip(table.architectures, table.accuracies.tolist(), strict=True))


def _usable(tasks: Sequence[Sequence[str]], *, measure: bool) -> bool:
    """Whether a column has scores on every task, and many different ones on at least half of the tasks."""
    values = [[float(cell) for cell in cells if cell and math.isfinite(float(cell))] for cells in tasks]
    sizes = list(zip(values, tasks, strict=True))
    enough = all(len(scores) >= (1 - _MOST_MISSING) * len(cells) for scores, cells in sizes)
    varied = sum(len(set(scores)) >= _FEWEST_VALUES * len(cells) for scores, cells in sizes)
    return enough and (measure or varied >= len(tasks) / 2)


def margin(run: EvolutionRun, row: dict[str, Any]) -> float:
    """Return the least margin of a program above the trivial proxies, over tasks, and training and validation."""
    baselines = [run.summary["baselines"][name] for name in TRIVIAL if name in run.summary["baselines"]]

    def tau(of: dict[str, Any], task: str, part: str) -> float:
        value = of["tasks"][task][part]
        return -1.0 if value is None else float(value)

    return min(
        tau(row, task["name"], part) - max(tau(other, task["name"], part) for other in baselines)
        for task in run.summary["tasks"]
        for part in ("tau_train", "tau_validation")
    )


def spaces_to_leave_out(campaign: Campaign, config: dict[str, Any], without: str) -> list[str]:
    """Return the spaces that ``without`` names: one, or with ``each`` those of the configuration that run here."""
    spaces = {task.benchmark for task in campaign.tasks if task.networks}
    slow = {name.partition("/")[0] for name in campaign.left_out}
    listed = [space for space in config.get("spaces_to_leave_out", ()) if space not in slow]
    chosen = listed if without == "each" else [without]
    if not chosen or not spaces.issuperset(chosen):
        raise InputError(
            "without must be a space of the campaign whose networks run on this device, or each with such spaces in "
            f"spaces_to_leave_out; got {without}{f' with {listed}' if without == 'each' else ''}",
            parameters=("without",),
        )
    return chosen


@click.command(cls=Command, context_settings={"show_default": True})
@click.argument("tables", metavar="TABLES", type=Path)
@click.option("--config", metavar="FILE", type=Path, default=Path(__file__).with_suffix(".toml"), help="The campaign.")
@click.option("--images", metavar="PATH", default="digits", help="Images of all tasks.")
@click.option("--out", metavar="DIR", type=Path, default=Path("runs/campaign"), help="Folder of the campaign.")
@click.option("--time-budget", metavar="TIME", default="4m", help="Time of each evolution.")
@click.option("--workers", metavar="N", default=0, help="Processes; 0 for one per core.")
@click.option(
    "--memory", metavar="SIZE", default=None, help="Memory of all processes, such as 8G; by default the free."
)
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Device to run networks on.")
@click.option(
    "--share",
    metavar="0..1",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    help="Share of the networks of each task, at least 40 of each seed, for a quicker campaign in an --out of its own.",
)
@click.option(
    "--without",
    metavar="SPACE|each",
    default="",
    help="Leave a space out, and test the formula on its networks. 'each' does this with every space of "
    "spaces_to_leave_out in the --config file, one after another.",
)
def main(
    tables: Path,
    config: Path,
    images: str,
    out: Path,
    time_budget: str,
    workers: int,
    memory: str | None,
    device: str,
    share: float,
    without: str,
) -> None:
    """Evolve one proxy for several search spaces, and test it on networks that evolution did not see."""
    bound = memory_bound(memory, workers)
    campaign = Campaign(read_toml(config), tables, out, images, workers, bound, device, share)
    if campaign.left_out:
        click.echo(f"without {', '.join(campaign.left_out)}: networks of this kind take minutes on a CPU", err=True)
    chosen = spaces_to_leave_out(campaign, read_toml(config), without) if without else []
    scores = campaign.score()
    if chosen:
        for space in chosen:
            run = campaign.evolve_without(scores, space, time_budget)
            print_left_out(run, scores, space, campaign.scored_first(space))
        return
    found = []
    for entry in read_toml(config)["evolution"]:
        run = campaign.evolve(scores, entry["name"], time_budget)
        found += [
            (margin(run, row), entry["name"], campaign.program(row["program"])) for row in run.summary["hall_of_fame"]
        ]
    found.sort(key=lambda each: -each[0])
    print_table(
        "formulas by their least margin", ["margin", "evolution", "program"], [list(each) for each in found[:8]]
    )
    programs = {"chosen": found[0][2]}
    for _, evolution, program in found:
        programs.setdefault(evolution, program)
    with open_executor(workers, memory=bound) as executor:
        print_tests(campaign.test(programs, executor))


if __name__ == "__main__":
    main()
