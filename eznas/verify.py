"""Command line: how well proxies order a benchmark's networks (``python verify_scores.py --help``)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.console import Command, Progress, command_line, interval, print_table, to_json, write_output
from eznas.errors import EznasError, InputError
from eznas.run import versions
from eznas.scores import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.benchmarks import AccuracyTable
    from eznas.ranking import Correlation
    from eznas.scores import Score
    from eznas.scoring import Backend, Condition, Proxy, ScoreMatrix, ScoreRows

__all__ = ["main"]

_NETWORKS = 200
_REFERENCE = {"natsbench": "nats_sss"}
"""What the reference's command line calls by another name."""

_DEFAULT = ("eznas_a", "naswot", "params", "flops")

_EPILOG = """\b
Examples:
  The default proxies on 200 networks of NAS-Bench-201:
    python verify_scores.py
  A program and an exported proxy, on accuracies of your own:
    python verify_scores.py --proxy "sum(mean(abs(act.noise)))" --proxy my_proxy.py --table accuracies.csv
  All networks of another space, from a table that python -m eznas.benchmarks convert wrote; once more to go on:
    python verify_scores.py --search_space NDS --nds_space nds_darts --n_samples 0 --csv darts.csv --resume
  Networks of your own:
    python verify_scores.py --search_space custom --builder mypackage.models:build --table accuracies.csv
  Everything to files, for other programs to read:
    python verify_scores.py --n_samples 1000 --json scores.json --csv scores.csv --quiet
"""


@dataclass(frozen=True)
class _Verified:
    """What was scored, and what came out."""

    table: AccuracyTable
    matrix: ScoreMatrix
    accuracies: list[float]
    correlations: list[Correlation]
    facts: dict[str, Any]


@click.command(cls=Command, epilog=_EPILOG, context_settings={"show_default": True})
@click.option(
    "--search_space",
    metavar="NAME",
    default="NASBench201",
    help="NASBench201, NATSBench (its size space), NDS, custom, or another name in python -m eznas.benchmarks list.",
)
@click.option("--dataset", metavar="NAME", help="Data set of the accuracies.  [default: the benchmark's first]")
@click.option(
    "--nds_space",
    metavar="NAME",
    default="",
    help="Sub-space of NDS, such as nds_darts or nds_resnext-a_in; empty for other search spaces.",
)
@click.option(
    "--builder",
    metavar="MODULE:CALLABLE",
    default="",
    help="For the search space custom, with --table: a callable that is given an architecture and a number of "
    "classes and returns a torch.nn.Module.",
)
@click.option(
    "--batch_size",
    metavar="N",
    type=click.IntRange(min=2),
    default=16,
    help="Images of the minibatch.",
)
@click.option(
    "--n_samples",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"Networks, drawn at random; 0 for all.  [default: {_NETWORKS}, or all where there are fewer]",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=1,
    help="Seed of the draw, the initialisations and the images.",
)
@click.option(
    "--proxy",
    "proxies",
    metavar="NAME|PROGRAM|FILE.py",
    multiple=True,
    help=f"Measure, program or exported proxy; may be given several times.  [default: {', '.join(_DEFAULT)}]",
)
@click.option(
    "--plugin",
    "plugins",
    metavar="FILE",
    type=Path,
    multiple=True,
    help="Python file that registers measures of your own; may be given several times. It is run.",
)
@click.option("--table", metavar="CSV", type=Path, help="Accuracy table to use instead of the benchmark's own.")
@click.option("--images", metavar="digits|noise|PATH", default="digits", help="Images.")
@click.option("--target", metavar="NAME", help="Which accuracy: the name of a column of the table.")
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=Path,
    help="File for the correlations; its seconds are those of all proxies together on the n_scored_now networks that "
    "were not in the file of --resume.",
)
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE",
    type=Path,
    help="File for the scores of every architecture; it grows with the work.",
)
@click.option("--resume", is_flag=True, help="Go on with the file of --csv: what stands in it is not scored again.")
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Processes; 0 for one a core.",
)
@click.option(
    "--backend",
    metavar="loky|dask|ray",
    type=click.Choice(["loky", "dask", "ray"]),
    default="loky",
    help="Where networks run: processes of this machine, a Dask or a Ray cluster.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="The cluster's scheduler; without one, a cluster of --workers on this machine.",
)
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Device that networks run on.")
@click.option("--quiet", is_flag=True, help="Print no progress and no table.")
@click.pass_context
def main(
    context: click.Context,
    /,
    *,
    search_space: str,
    dataset: str | None,
    nds_space: str,
    builder: str,
    proxies: tuple[str, ...],
    plugins: tuple[Path, ...],
    json_file: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Correlate the scores of zero-cost proxies with trained accuracies.

    Every figure comes with its target, the number of networks that were scored and that failed, and the
    images. Signs are kept: a proxy that ranks networks upside down has a negative tau.
    """
    for file in (json_file, options["csv_file"]):
        if file is not None:
            _check_writable(file)
    if options["resume"] and options["csv_file"] is None:
        raise InputError("--resume must come with --csv, the file to go on with")
    for file in plugins:
        from eznas.measures.plugin import load_plugin

        load_plugin(file)
    benchmark = _benchmark(search_space, nds_space, builder)
    verified = _verify(benchmark, _dataset(benchmark, dataset), proxies or _DEFAULT, quiet=quiet, **options)
    records = _records(verified, command_line(context))
    if not quiet:
        _print(verified)
    if json_file is not None:
        write_output(json_file, to_json(records) + "\n")
    for index, record in enumerate(records):
        if record["n_networks"] == record["n_failed"]:
            detail = verified.matrix.scores[index][0].detail
            raise EznasError(f"{record['proxy']} has no value on any network: {detail}")


def _check_writable(file: Path) -> None:
    """Refuse a file that cannot be written before any time is spent on what it is to hold."""
    if not file.parent.is_dir():
        raise InputError(f"{file.parent} must be a folder that exists, to write {file.name} there")
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise InputError(f"{file} must be a file that can be written")


def _benchmark(search_space: str, nds_space: str, builder: str) -> str:
    """Return our name of a search space as the reference's command line calls it."""
    from eznas.benchmarks import BENCHMARKS

    name = search_space.lower()
    if (name == "custom") != bool(builder):
        raise InputError(f"--builder must be given with --search_space custom and only there, got {builder!r}")
    if name == "custom":
        return f"custom:{builder}"
    if name == "nds":
        sweeps = [one for one in BENCHMARKS if one.startswith("nds_")]
        name = f"nds_{nds_space.lower().removeprefix('nds_')}"
        if name not in sweeps:
            raise InputError(f"--nds_space must be one of {', '.join(sweeps)}, got {nds_space!r}")
        return name
    name = _REFERENCE.get(name, name)
    if name not in BENCHMARKS:
        known = ", ".join(("NASBench201", "NATSBench", "NDS", "custom", *BENCHMARKS))
        raise InputError(f"--search_space must be one of {known} (in any case), got {search_space!r}")
    if nds_space:
        raise InputError(f"--nds_space must be empty unless --search_space is NDS, got {nds_space!r}")
    return name


def _dataset(benchmark: str, dataset: str | None) -> str:
    """Return our name of a data set: the benchmark's first where none is given, in any case otherwise."""
    from eznas.benchmarks import BENCHMARKS

    if benchmark.startswith("custom:"):
        return dataset or "custom"
    known = BENCHMARKS[benchmark].datasets
    return next((one for one in known if dataset is None or one.lower() == dataset.lower()), dataset or known[0])


def _verify(
    benchmark: str,
    dataset: str,
    texts: tuple[str, ...],
    *,
    quiet: bool,
    batch_size: int,
    n_samples: int | None,
    seed: int,
    table: Path | None,
    images: str,
    target: str | None,
    workers: int,
    backend: Backend,
    scheduler: str | None,
    device: str,
    csv_file: Path | None,
    resume: bool,
) -> _Verified:
    import numpy as np

    from eznas.benchmarks import load_table
    from eznas.minibatch import load_minibatch
    from eznas.proxies import resolve_proxy
    from eznas.ranking import correlate
    from eznas.scoring import Condition, cluster, resolve_device, worker_count
    from eznas.seeds import python_rng
    from eznas.spaces import SPACES

    proxies = [resolve_proxy(text) for text in texts]
    known = load_table(benchmark, dataset, table, target)
    if n_samples is None:
        n_samples = min(_NETWORKS, len(known))
    elif n_samples > len(known):
        raise InputError(f"--n_samples must be at most {len(known)}, the size of the table, got {n_samples}")
    chosen = list(range(len(known)))
    if n_samples:
        chosen = sorted(python_rng(seed, "verify").sample(chosen, n_samples))
    full = SPACES[known.space].fidelities["full"]
    minibatch = load_minibatch(images, batch_size, pixels=full.pixels, seed=seed)
    condition = Condition.of(known.space, full, seed, minibatch, resolve_device(device))
    architectures = [known.architectures[index] for index in chosen]
    accuracies = known.accuracies[chosen]
    rows = None if csv_file is None else _rows(csv_file, proxies, condition, known)
    done = {} if rows is None else rows.begin(resume=resume)
    with cluster(backend, scheduler, worker_count(workers)), Progress(quiet=quiet) as progress:
        matrix = _score(
            proxies, condition, dict(zip(architectures, accuracies, strict=True)), workers, progress, rows, done
        )
    finite = np.isfinite(matrix.values())
    return _Verified(
        known,
        matrix,
        accuracies.tolist(),
        [correlate(row[mask], accuracies[mask], seed=seed) for row, mask in zip(matrix.values(), finite, strict=True)],
        {
            "images": minibatch.source,
            "batch_size": batch_size,
            "seed": seed,
            "device": condition.device,
            "condition": str(condition),
        },
    )


def _rows(path: Path, proxies: list[Proxy], condition: Condition, table: AccuracyTable) -> ScoreRows:
    from eznas.scoring import ScoreRows

    state = {
        "programs": [proxy.program or proxy.measure for proxy in proxies],
        "space": condition.space,
        "condition": str(condition),
        "images": condition.minibatch.digest,
        "device": condition.device,
        "table": table.digest,
        "target": str(table.target),
    }
    return ScoreRows(path, [proxy.name for proxy in proxies], state)


def _score(
    proxies: list[Proxy],
    condition: Condition,
    accuracies: dict[str, float],
    workers: int,
    progress: Progress,
    rows: ScoreRows | None,
    done: dict[str, list[Score]],
) -> ScoreMatrix:
    """Score the architectures that are not done, and return all in the order of the table."""
    from eznas.scoring import ScoreMatrix, score_networks

    def keep(architecture: str, scores: Sequence[Score]) -> None:
        if rows is not None:
            rows.add(architecture, accuracies[architecture], scores)

    missing = [architecture for architecture in accuracies if architecture not in done]
    progress.stage("networks", len(missing))
    found = score_networks(proxies, condition, missing, workers, progress.advance, keep)
    columns = done | {one: list(scores) for one, scores in zip(missing, zip(*found.scores, strict=True), strict=True)}
    scores = tuple(tuple(columns[architecture][row] for architecture in accuracies) for row in range(len(proxies)))
    if rows is not None:
        rows.finish([(one, accuracy, columns[one]) for one, accuracy in accuracies.items()])
    return ScoreMatrix(tuple(proxies), tuple(accuracies), scores, found.seconds)  # seconds of what was scored now


def _records(verified: _Verified, command: str) -> list[dict[str, Any]]:
    """Return what ``--json`` writes: one object a proxy."""
    records = []
    for index, found in enumerate(verified.correlations):
        proxy = verified.matrix.proxies[index]
        networks = len(verified.matrix.architectures)
        records.append(
            {
                "proxy": proxy.name,
                "program": proxy.program,
                "search_space": verified.table.space,
                "dataset": verified.table.target.dataset,
                "target": str(verified.table.target),
                "n_networks": networks,
                "n_failed": networks - found.n,
                "statuses": _statuses(verified, index),
                "tau": found.tau,
                "tau_low": found.tau_low,
                "tau_high": found.tau_high,
                "rho": found.rho,
                "pearson": found.pearson,
                "seconds": sum(verified.matrix.seconds) if verified.matrix.seconds else None,
                "n_scored_now": len(verified.matrix.seconds),
                **verified.facts,
                "table": verified.table.source,
                "table_sha256": verified.table.digest,
                "versions": versions(),
                "command": command,
            }
        )
    return records


def _statuses(verified: _Verified, proxy: int) -> dict[str, int]:
    """Count the statuses of a proxy; a value that is the same on every network is no ranking."""
    counts = verified.matrix.statuses(proxy)
    if _is_constant(verified, proxy):
        counts[Status.CONSTANT] = counts.pop(Status.OK)
    return {status.value: count for status, count in counts.items()}


def _is_constant(verified: _Verified, proxy: int) -> bool:
    values = [score.value for score in verified.matrix.scores[proxy] if score.ok]
    return len(values) > 1 and len(set(values)) == 1


def _print(verified: _Verified) -> None:
    networks = len(verified.matrix.architectures)
    print_table(
        f"{verified.table.space}, {verified.table.target}\n{networks} networks, {verified.facts['condition']}",
        ["proxy", "tau", "95 %", "rho", "Pearson", "scored", "failed"],
        [
            [
                proxy.name,
                found.tau,
                interval(found.tau_low, found.tau_high),
                found.rho,
                found.pearson,
                found.n,
                networks - found.n,
            ]
            for proxy, found in zip(verified.matrix.proxies, verified.correlations, strict=True)
        ],
    )
    for index, proxy in enumerate(verified.matrix.proxies):
        if _is_constant(verified, index):
            click.echo(f"{proxy.name} is constant: it has the same value on every network, and no rank correlation")


if __name__ == "__main__":
    main(prog_name="python -m eznas.verify")
