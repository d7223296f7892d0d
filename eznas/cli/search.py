"""Command line: search architectures with proxies (``python -m eznas.search --help``)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.cli.console import Command, Option, command_line, print_json, print_table
from eznas.config import parse_duration, read_toml
from eznas.errors import InputError
from eznas.report.display import Display
from eznas.run import RunDirectory, default_directory
from eznas.search.config import SearchConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.scoring import Backend

__all__ = ["main"]

_MAY_CHANGE = {"runs", "workers", "backend", "scheduler", "as_json", "compare"}
"""SearchConfig that can be given beside ``--resume``: they change no run that is done."""

_EPILOG = """\b
What the words mean:
  A query looks at one architecture by the signal, which is what the search climbs: an accuracy of the table, which
  costs the seconds of its training, or a proxy, which costs the seconds of its score. Warm-up and move are led by
  --proxy, or by the signal itself where none is given; their scores cost seconds, and no queries. Reported is the
  accuracy, by --target, of the architecture that the signal likes best. Where the signal is another, the algorithm
  never sees that accuracy; where it is the same, as without --signal, what is reported is what was climbed.
\b
Algorithms:
  random              draws uniformly, each architecture once; with warm-up, takes its best in order
  aging_evolution     mutates the best of a tournament; the oldest dies
  local_search        steps to the first better neighbour; begins anew at a local optimum
  hill_climbing       steps to the best of all neighbours; begins anew at a local optimum
  reinforce           draws from a controller that is pushed towards what gave more than usual
  bananas             Thompson sampling with an ensemble over mutations of the best
  npenas              mutates the best and looks at the children that a predictor likes best
  successive_halving  trains many a little and promotes one in three; needs accuracies after fewer epochs
  hyperband           successive halving whose brackets begin at each level in turn
  nsga2               finds the front between the signal and --against
\b
Examples:
  Ageing evolution on the embedded accuracies, without a proxy and led by NASWOT:
    python -m eznas.search --queries 300 --runs 30 --out runs/plain
    python -m eznas.search --proxy naswot --warmup 100 --queries 300 --runs 30 --compare runs/plain
  Accuracies of your own, with the 12-epoch accuracy climbed and the test accuracy reported:
    python -m eznas.search --table table.csv --signal validation_12 --target test_200
  Climb a proxy from a file of scores (uid,score,time), as the NASWOT project's scripts do:
    python -m eznas.search --scores synflow=synflow.csv --signal synflow --warmup 500 --move 0.75 --count-repeats
  The front between a program and the number of parameters, on networks without a table:
    python -m eznas.search --table none --algorithm nsga2 --signal "sum(mean(abs(norm_out.noise)))" --against params
\b
The NASWOT project's scripts:
  score_networks.py                verify_scores.py, with all networks and a file of scores, which --scores reads
  random_search.py                 --algorithm random --signal NAME --scores NAME=FILE --queries 500 --runs 30
  evolutionary_search.py           --algorithm aging_evolution --move 0.75 --count-repeats, else the same
  its warmup                       --warmup N
  metrics_convex_combination.py    --signal hook_logdet --signal synflow --combine minmax --weights 0.6,0.4
  Result_analysis.ipynb            search.html in the run directory; --compare DIR
"""


def _numbers(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[float, ...]:
    """Split numbers between commas."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"must be numbers between commas, got {text!r}") from None


def _duration(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Turn a text such as ``1h30m`` into seconds."""
    try:
        return None if text is None else float(str(parse_duration(text)))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


_USUAL = SearchConfig()


def _option(name: str, group: str, metavar: str, text: str, **facts: Any) -> Option:
    """Make an option of a field of ``SearchConfig``, whose default is only shown: what is given is told apart."""
    usual = getattr(_USUAL, name.lstrip("-").replace("-", "_"), None)
    shown = ", ".join(map(str, usual)) if isinstance(usual, tuple) else usual
    default = "" if name == "--queries" or shown in (None, "", 0) else f"  [default: {shown}]"
    if facts.get("is_flag"):
        return Option([name], group=group, help=text, default=None, **facts)
    return Option([name], group=group, metavar=metavar, help=text + default, **facts)


_COUNT = click.IntRange(min=0)
_OPTIONS: list[click.Parameter] = [
    _option("--space", "Data", "NAME", "Benchmark, or search space with a --table or none."),
    _option("--dataset", "Data", "NAME", "Data set of the accuracies."),
    _option(
        "--table", "Data", "CSV|none", "Accuracy table to use instead of the embedded one; none for networks without."
    ),
    _option("--target", "Data", "NAME", "Which accuracy is reported: a column of the table.  [default: accuracy]"),
    _option(
        "--scores",
        "Data",
        "[NAME=]CSV",
        "Scores computed before, with the columns architecture and one a proxy, as verify_scores.py --csv writes them, "
        "or uid,score,time; may be given several times.",
        multiple=True,
    ),
    _option("--images", "Data", "digits|noise|PATH", "Images that measures and programs are computed on."),
    _option("--batch-size", "Data", "N", "How many of them.", type=click.IntRange(min=2)),
    _option("--algorithm", "Search", "NAME", "See below."),
    _option(
        "--signal",
        "Search",
        "NAME|PROGRAM|FILE.py",
        "What the search climbs: a column of the table, a name in --scores, a measure, program or exported proxy; "
        "several are combined.",
        multiple=True,
    ),
    _option(
        "--proxy",
        "Search",
        "NAME|PROGRAM|FILE.py",
        "What leads warm-up and moves; several are combined.  [default: the signal]",
        multiple=True,
    ),
    _option("--combine", "Search", "rank|minmax|vote", "How several signals, or several proxies, become one."),
    _option("--weights", "Search", "X,X,...", "Their weights.  [default: equal]", callback=_numbers),
    _option("--against", "Search", "NAME", "Second objective of nsga2, which is kept small, such as params."),
    _option("--warmup", "Search", "N", "Random architectures that are scored; the best begin.", type=_COUNT),
    _option(
        "--move",
        "Search",
        "P",
        "Probability that a step takes the best of all neighbours by the proxy.",
        type=click.FloatRange(0, 1),
    ),
    _option("--pool", "Search", "N", "Architectures of a population.  [default: the algorithm's own]", type=_COUNT),
    _option("--tournament", "Search", "N", "Architectures that compete to be a parent.", type=click.IntRange(min=1)),
    _option("--surrogate", "Search", "networks|forest|ridge", "Regressor of bananas and npenas.  [default: their own]"),
    _option("--encoding", "Search", "onehot|path", "What the regressor sees of an architecture."),
    _option("--eta", "Search", "N", "One in how many is trained further.", type=click.IntRange(min=2)),
    _option("--queries", "Budget", "N", "Looks of one run; 300 where there is no other budget.", type=_COUNT),
    _option(
        "--seconds",
        "Budget",
        "TIME",
        "Seconds of training and scoring of one run, such as 90s or 20h.",
        callback=_duration,
    ),
    _option("--epochs", "Budget", "N", "Trained epochs of one run.", type=click.FloatRange(min=0)),
    _option(
        "--count-repeats",
        "Budget",
        "",
        "Count a look at an architecture that was looked at before.",
        is_flag=True,
    ),
    _option("--runs", "Run", "N", "Runs that differ by chance alone.", type=click.IntRange(min=1)),
    _option("--seed", "Run", "N", "Seed of everything that is drawn at random.", type=_COUNT),
    _option(
        "--workers",
        "Run",
        "N",
        "Processes over runs, or over networks where they have to be scored; 0 for one a core.  [default: 0]",
        type=_COUNT,
    ),
    _option(
        "--backend",
        "Run",
        "loky|dask",
        "Where these run: processes of this machine, or a Dask cluster.  [default: loky]",
        type=click.Choice(["loky", "dask"]),
    ),
    _option(
        "--scheduler",
        "Run",
        "ADDRESS",
        "The cluster's scheduler; without one, a cluster of --workers on this machine.",
    ),
    _option(
        "--plugin",
        "Run",
        "FILE",
        "Python file that registers a search algorithm, measures, primitives, a search space or a benchmark of your "
        "own; may be given several times. It is run.",
        multiple=True,
    ),
    _option("--device", "Run", "auto|cpu|cuda", "Device that networks run on."),
    _option("--out", "Run", "DIR", "Run directory to write; a new one in runs/ by default.", type=Path),
    _option(
        "--resume",
        "Run",
        "DIR",
        "Go on with the runs in this directory; only --runs, --workers, --backend, --scheduler, --json and --compare "
        "may be given with it.",
        type=Path,
    ),
    _option(
        "--compare",
        "Report",
        "DIR",
        "Another search's run directory, to show beside this one; may be given several times, and the last is the "
        "baseline of the speed-ups.",
        multiple=True,
        type=Path,
    ),
    Option(["--json", "as_json"], group="Report", is_flag=True, help="Print the facts and the summary as JSON."),
]


@click.command(cls=Command, params=_OPTIONS, epilog=_EPILOG)
@click.pass_context
def main(context: click.Context, /, **given: Any) -> None:
    """Search architectures with proxies, and show what a proxy is worth.

    The run directory that this leaves holds every look of every run with what it cost (results.json), and a page
    with the table and the plots (search.html).
    """
    chosen = {name: value for name, value in given.items() if value is not None and value is not False and value != ()}
    compare = chosen.pop("compare", ())
    where = {name: chosen.pop(name) for name in ("workers", "backend", "scheduler") if name in chosen}
    as_json = chosen.pop("as_json", False)
    resume, out = chosen.pop("resume", None), chosen.pop("out", None)
    others = [RunDirectory(path) for path in compare]
    line = command_line(context)
    if resume is None:
        if {"seconds", "epochs"} & chosen.keys():
            chosen.setdefault("queries", None)
        options = SearchConfig(**chosen)
        with RunDirectory.create(
            out or default_directory(), options.as_toml(), seed=options.seed, command=line, device=options.device
        ) as directory:
            _search(options, directory, others, line, as_json=as_json, fresh=True, **where)
        return
    extra = [name for name in [*chosen, *(["out"] if out else [])] if name not in _MAY_CHANGE]
    if extra:
        option = extra[0].replace("_", "-")
        raise InputError(f"--{option} must not be given with --resume, which takes it from {resume}")
    with RunDirectory.resume(resume) as directory:
        options = SearchConfig.from_toml(read_toml(resume / "config.toml"), str(resume / "config.toml"))
        directory.append({"event": "command", "command": line})
        options = dataclasses.replace(options, **chosen)
        _search(options, directory, others, line, as_json=as_json, fresh=False, **where)


def _search(
    options: SearchConfig,
    directory: RunDirectory,
    others: Sequence[RunDirectory],
    line: str,
    *,
    as_json: bool,
    fresh: bool,
    workers: int = 0,
    backend: Backend = "loky",
    scheduler: str | None = None,
) -> None:
    from eznas.report.search import COLUMNS, read_curves, search_page, search_rows
    from eznas.scoring import open_executor
    from eznas.scoring.proxy_sources import resolve_proxy
    from eznas.search.repeats import run_repeats

    beside = [read_curves(one) for one in others]  # before any time is spent
    try:
        with Display(quiet=as_json) as progress, open_executor(workers, backend, scheduler) as executor:
            progress.stage("runs", options.runs)
            results = run_repeats(
                options,
                directory,
                resolve_proxy,
                executor=executor,
                progress=progress,
                beside={str(other.path): read.facts for other, read in zip(others, beside, strict=True)},
            )
    except InputError:
        if fresh:
            directory.discard()
        raise
    searches = [read_curves(directory), *beside]
    directory.write_text("search.html", search_page(searches, line, options.against))
    if as_json:
        shown: Mapping[str, Any] = {name: results[name] for name in ("facts", "summary")}
        print_json({**shown, "directory": str(directory.path), "command": line})
        return
    if results["facts"]["signal_is_target"]:
        click.echo("the signal is the accuracy that is reported: the search climbed what it is judged by")
    print_table(f"{options.space}, {searches[0].what}", COLUMNS, search_rows(searches))
    click.echo(f"written to {directory.path}")
