"""Compare evolutions with evolutions that lack one part, for several seeds.

There are two ablations: of evolutions over a score file (``eznas evolve --scores``), and of evolutions over networks of
NAS-Bench-201. Each variant differs from ``all`` by one or two options. Budgets are numbers of generations and networks,
so that the result does not depend on the speed of the machine.

A seed determines the architectures of a run and all random draws. The figure of a run is the tau of the program that it
ranks first. Over a score file, it is the mean of the taus on the test architectures of all tasks. Over networks, the
programs of all variants are scored on the same 200 networks of full size, which no run of this seed used for training
or validation. Differences to ``all`` are paired by seed. Each run is one process. A stopped run is resumed, and a
finished one is not run again.

    python experiments/ablation.py runs/campaign/scores.csv --out runs/ablation --workers 16 --json ablation.json
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import numpy as np
from checked_runs import check_run
from joblib import Parallel, delayed, parallel_config
from scipy import stats

import eznas
from eznas.api.evolve import EvolutionRun
from eznas.cli.console import Command, print_table, write_json
from eznas.config import EvolveConfig
from eznas.errors import EznasError, InputError
from eznas.scoring import Proxy
from eznas.symbolic.config import ScoresConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["scores", "networks"]
Options = dict[str, Any]

_UNBOUNDED = "24h"
"""A time budget that no run reaches."""

TESTED = 200
"""Networks that the programs of a seed are tested on."""

BUDGETS: dict[Kind, Options] = {
    "scores": {"fitness": "mean", "relative": True, "weighted_terms": 120, "generations": 200},
    "networks": {
        "networks": 40,
        "validation_networks": 20,
        "test_networks": 10,
        "full_networks": 12,
        "library": 36,
        "population": 100,
        "generations": 100,
        "full_generations": 50,
        "weighted_terms": 0,
        "device": "cpu",
    },
}
"""The options of ``all``."""
MODELS: dict[Kind, type[ScoresConfig | EvolveConfig]] = {"scores": ScoresConfig, "networks": EvolveConfig}
WHOLE = "all"
VARIANTS: dict[Kind, dict[str, Options]] = {
    "scores": {
        WHOLE: {},
        "no weighted sums": {"weighted_terms": 0},
        "no genetic programming": {"generations": 1},
        "ridge penalty of 0.1": {"weighted_ridge": 0.1},
        "taus not relative": {"relative": False},
        "least fitness": {"fitness": "least"},
    },
    "networks": {
        WHOLE: {},
        "no screening": {"draws": 1},
        "no screening, library of 72": {"draws": 1, "library": 72},
        "no expansions": {"patience": 1000},
        "no expansions, library of 60": {"patience": 1000, "library": 60},
        "no networks of full size": {"full_networks": 0, "generations": 150},
        "no genetic programming": {"generations": 1, "full_generations": 1},
        "measures as leaves": {"terminals": "both"},
        "weighted sum": {"weighted_terms": 40},
    },
}


@dataclass(frozen=True)
class Outcome:
    """Figures of a run.

    Args:
        tau: Tau of the program that is ranked first; NaN for a run that failed.
        program: This program.
        programs: Programs evaluated.
        reductions: Reductions drawn and evaluated, those of the screening included; 0 over a score file.
        seconds: Time of the run.
        missing: Networks of the test on which the program has no value; its tau is computed without them.
        failure: The error of a run that failed.
    """

    tau: float
    program: str = ""
    programs: int = 0
    reductions: int = 0
    seconds: float = 0.0
    missing: int = 0
    failure: str = ""


def outcome(directory: Path, options: Options) -> Outcome:
    """Return the figures of a finished run, of a resumed one, or of a new one.

    Raises:
        InputError: An option or a file cannot be used.
    """
    try:
        if (directory / "manifest.json").exists():
            run = EvolutionRun.open(directory)
            run = run if run.finished else run.resume(progress=False)
        else:
            run = eznas.evolve(out=directory, workers=1, report=False, progress=False, **options)
        summary = run.summary
    except InputError:
        raise
    except EznasError as error:  # the other runs go on
        return Outcome(math.nan, failure=str(error))
    best, reductions = summary["best"], summary.get("reductions_evaluated", 0)
    taus = [math.nan if task["tau"] is None else task["tau"] for task in best["tasks"].values()]
    return Outcome(float(np.mean(taus)), best["program"], summary["programs_evaluated"], reductions, summary["seconds"])


def tested(runs: Sequence[Outcome], folder: Path, seed: int, workers: int, data: Options) -> list[Outcome]:
    """Return the outcomes with the taus of their programs on further networks, the same for all programs.

    Args:
        runs: The outcomes of all variants with one seed.
        folder: The folder of ``all``, whose run has the training and validation networks of every variant. The scores
            are kept beside it.
        seed: The seed of the runs, and of the draw of networks.
        workers: Processes.
        data: Options of the accuracies.
    """
    programs = list(dict.fromkeys(run.program for run in runs if not run.failure))
    if not programs:
        return list(runs)
    kept = folder.parent / f"tested_{seed}_{hashlib.sha256(' '.join(programs).encode()).hexdigest()[:8]}.csv"
    verified = eznas.verify(
        [Proxy.of(program, program) for program in programs],
        **{"batch_size": EvolveConfig().batch_size, "device": "cpu", **data},
        samples=TESTED,
        unseen_by=folder / str(seed),
        seed=seed,
        workers=workers,
        csv=kept,
        resume=kept.exists(),
        progress=False,
    )
    columns = {column.proxy.name: column for column in verified.columns}
    return [
        run
        if run.failure
        else replace(run, tau=columns[run.program].correlation.tau, missing=columns[run.program].failed)
        for run in runs
    ]


def compared(runs: Sequence[Outcome], whole: Sequence[Outcome]) -> dict[str, float | int]:
    """Return the means of a variant, and the mean of its paired differences to ``all`` with its 95 % interval.

    The interval is that of Student's t, and NaN with fewer than two pairs. Runs without a tau are left out.
    """
    taus, others = (np.array([run.tau for run in some]) for some in (runs, whole))
    differences = (taus - others)[np.isfinite(taus - others)]
    count = len(differences)
    half = math.nan
    if count > 1:
        half = float(stats.t.ppf(0.975, count - 1) * differences.std(ddof=1) / count**0.5)
    middle = float(differences.mean()) if count else math.nan
    finished = [run for run in runs if not run.failure]
    return {
        "runs": int(np.isfinite(taus).sum()),
        "tau": float(np.mean(taus[np.isfinite(taus)])) if np.isfinite(taus).any() else math.nan,
        "difference": middle,
        "low": middle - half,
        "high": middle + half,
        **{
            name: float(np.mean([getattr(run, name) for run in finished])) if finished else math.nan
            for name in ("programs", "reductions", "seconds", "missing")
        },
    }


def all_runs(data: dict[Kind, Options], out: Path, seeds: int, workers: int) -> dict[Kind, dict[str, list[Outcome]]]:
    """Return the outcomes of each variant of each ablation, by seed.

    Args:
        data: The ablations, with options of their accuracies or scores.
        out: Folder of the runs, which lie in ``KIND/VARIANT/SEED``.
        seeds: Number of seeds.
        workers: Runs at the same time.

    Raises:
        InputError: A directory has a run with other options or other data.
    """
    calls, wanted = [], [(kind, seed, name) for kind in data for seed in range(seeds) for name in VARIANTS[kind]]
    for kind, seed, name in wanted:
        directory = _folder(out, kind, name) / str(seed)
        options = {"seed": seed, "time_budget": _UNBOUNDED, **data[kind], **BUDGETS[kind], **VARIANTS[kind][name]}
        if (directory / "manifest.json").exists():
            files = [options[parameter] for parameter in ("scores", "table") if parameter in options]
            check_run(directory, MODELS[kind], options, files, "out")
        calls.append(delayed(outcome)(directory, options))
    with parallel_config(backend="loky", inner_max_num_threads=1):
        outcomes = dict(zip(wanted, Parallel(n_jobs=workers, verbose=10)(calls), strict=True))
    found: dict[Kind, dict[str, list[Outcome]]] = {kind: {name: [] for name in VARIANTS[kind]} for kind in data}
    for kind, seed in itertools.product(data, range(seeds)):
        runs = [outcomes[kind, seed, name] for name in VARIANTS[kind]]
        if kind == "networks":
            runs = tested(runs, _folder(out, kind, WHOLE), seed, workers, data[kind])
        for name, run in zip(VARIANTS[kind], runs, strict=True):
            found[kind][name].append(run)
    return found


def _folder(out: Path, kind: Kind, variant: str) -> Path:
    return out / kind / re.sub(r"\W+", "_", variant)


@click.command(cls=Command, context_settings={"show_default": True})
@click.argument("scores", metavar="[SCORES.csv]", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--only", type=click.Choice(["scores", "networks"]), help="Do one of the two ablations.")
@click.option(
    "--table",
    metavar="CSV",
    type=click.Path(exists=True, path_type=Path),
    help="Accuracies of NAS-Bench-201, instead of the embedded ones.",
)
@click.option("--target", metavar="NAME", help="Column of the table.")
@click.option("--out", metavar="DIR", type=Path, default=Path("runs/ablation"), help="Folder of the runs.")
@click.option("--seeds", metavar="N", type=click.IntRange(2), default=5, help="Seeds 0 to N - 1.")
@click.option("--workers", metavar="N", type=click.IntRange(1), default=1, help="Runs at the same time.")
@click.option("--json", "json_file", metavar="FILE", type=Path, help="File to write the figures to.")
def main(
    scores: Path | None,
    only: Kind | None,
    table: Path | None,
    target: str | None,
    out: Path,
    seeds: int,
    workers: int,
    json_file: Path | None,
) -> None:
    """Compare evolutions with evolutions without one part, for several seeds.

    Without SCORES.csv, only the ablation over networks is done.
    """
    if only == "scores" and scores is None:
        raise InputError("SCORES.csv must be given with --only scores")
    given = {"table": table, "target": target}
    data: dict[Kind, Options] = {"networks": {name: value for name, value in given.items() if value is not None}}
    if scores is not None:
        data["scores"] = {"scores": scores}
    if only is not None:
        data = {only: data[only]}
    figures: dict[str, Any] = {"seeds": seeds}
    failures: list[str] = []
    for kind, runs in all_runs(data, out, seeds, workers).items():
        rows = {name: compared(some, runs[WHOLE]) for name, some in runs.items()}
        failures += [run.failure for some in runs.values() for run in some if run.failure]
        _print(kind, rows)
        figures[kind] = {
            "options": BUDGETS[kind],
            "variants": {
                name: {"options": VARIANTS[kind][name], **row, "taus": [run.tau for run in runs[name]]}
                for name, row in rows.items()
            },
        }
    if json_file is not None:
        write_json(str(json_file), figures)
    if failures:
        raise EznasError(f"{len(failures)} runs failed and are left out; the first one: {failures[0]}")


def _print(kind: Kind, rows: dict[str, dict[str, float | int]]) -> None:
    counts = ["programs", "seconds"] if kind == "scores" else ["programs", "reductions", "seconds", "missing"]
    print_table(
        f"evolution over {kind}: mean tau on test architectures, and differences to {WHOLE!r}",
        ["variant", "runs", "tau", "difference", "95 %", *counts],
        [
            [
                name,
                row["runs"],
                row["tau"],
                f"{row['difference']:+.3f}",
                f"{row['low']:+.3f} to {row['high']:+.3f}",
                *(f"{row[column]:.0f}" for column in counts),
            ]
            for name, row in rows.items()
        ],
    )


if __name__ == "__main__":
    main(prog_name="python experiments/ablation.py")
