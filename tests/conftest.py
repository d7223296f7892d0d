"""Fixtures of several packages."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eznas.run import RunDirectory

os.environ["OMP_NUM_THREADS"] = "1"  # before anything imports torch: every test process keeps to one core
os.environ.pop("EZNAS_DATA", None)  # tables of whoever runs the tests
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the processes that tests start need not compile the package again
sys.dont_write_bytecode = False
os.environ["XDG_CONFIG_HOME"] = str(Path(__file__).parent / "no_configuration")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tables beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real tables are not beside this checkout (../shared/data)")
    return folder


@pytest.fixture(scope="session")
def real(shared_data: Path) -> Callable[[str], Any]:
    """Load a real table by name."""
    return lambda name: json.loads(gzip.decompress((shared_data / f"{name}.json.gz").read_bytes()))


BASELINES = ("params", "flops", "depth", "synflow", "naswot", "zico", "az_nas", "meco", "eznas_a")
PROGRAMS = (
    "add(log(sum(frobenius_norm(weight))), max(nuclear_norm(weight)))",
    "log(sum(frobenius_norm(weight)))",
    "sum(frobenius_norm(weight_grad.loss))",
)
_NOISE = {"best": 0.6, "params": 1.5, "flops": 1.4, "synflow": 1.2, "naswot": 1.0, "zico": 1.1, "meco": 2.5}


def _metrics(scores: Any, accuracies: Any, sizes: Any) -> dict[str, Any]:
    """The record of one proxy on one task."""
    import numpy as np

    from eznas.rank_metrics import ndcg, precision_at_top, tau_equal_size
    from eznas.ranking import correlate

    finite = np.isfinite(scores)
    scores, accuracies, sizes = scores[finite], accuracies[finite], sizes[finite]
    found = correlate(scores, accuracies, resamples=200)
    figures = {
        "tau": found.tau,
        "tau_low": found.tau_low,
        "tau_high": found.tau_high,
        "rho": found.rho,
        "tau_equal_size": tau_equal_size(scores, accuracies, sizes),
        "precision_top10": precision_at_top(scores, accuracies),
        "ndcg": ndcg(scores, accuracies),
    }
    return {
        **{name: float(value) if np.isfinite(value) else None for name, value in figures.items()},
        "coverage": float(finite.mean()),
        "statuses": {"ok": int(finite.sum()), **({} if finite.all() else {"raised": int((~finite).sum())})},
        "n": found.n,
    }


def _row(name: str, place: int, tasks: dict[str, dict[str, Any]], *, evolved: bool) -> dict[str, Any]:
    """A row of the hall of fame or of the baselines; the tau of the run is the least over tasks."""
    taus = [None if record["tau"] is None else record["tau"] - 0.01 * place for record in tasks.values()]
    least = None if None in taus else min(taus)
    single = next(iter(tasks.values())) if len(tasks) == 1 else {}
    program = PROGRAMS[place % len(PROGRAMS)] if evolved else ""
    return {
        "name": name,
        "program": program,
        "complexity": 7 - 2 * place if evolved else 0,
        "seconds": None if name == "depth" else 0.05 * (1 + place),
        "tau_train": 0.8 if evolved else None,
        "tau_validation": 0.75 if evolved else None,
        "tau_test": least,
        "tau_test_low": single.get("tau_low"),
        "tau_test_high": single.get("tau_high"),
        "rho_test": single.get("rho"),
        "coverage": min(record["coverage"] for record in tasks.values()),
        "statuses": {"ok": sum(record["statuses"]["ok"] for record in tasks.values())},
        "tasks": {
            task: {**record, "tau_train": 0.8 if evolved else None, "tau_validation": 0.75 if evolved else None}
            for task, record in tasks.items()
        },
    }


def write_run(
    path: Path,
    tasks: Sequence[str] = ("nasbench201/cifar10",),
    *,
    held_out: Sequence[str] = (),
    seed: int = 0,
    noise: float = 0.6,
    networks: int = 40,
) -> RunDirectory:
    """Write the run directory of a finished evolution with made-up scores.

    The accuracies of a task depend on its name alone. ``depth`` is constant, and ``zico`` fails on three networks.
    """
    import numpy as np

    from eznas.gp.verdict import TaskScores, verdict
    from eznas.run import RunDirectory
    from eznas.seeds import numpy_rng

    columns: dict[str, dict[str, Any]] = {}
    accuracies = {}
    for task in tasks:
        accuracies[task] = 90 + numpy_rng(0, task).normal(size=networks)
        rng = numpy_rng(seed, "scores", task)
        columns[task] = {
            name: accuracies[task] + (noise if name == "best" else _NOISE.get(name, 1.8)) * rng.normal(size=networks)
            for name in ("best", *BASELINES)
        }
        columns[task]["params"] = np.exp(columns[task]["params"] - 80)
        columns[task]["depth"] = np.full(networks, 20.0)
        columns[task]["zico"][:3] = np.nan
    records = {
        name: {task: _metrics(columns[task][name], accuracies[task], columns[task]["params"]) for task in tasks}
        for name in ("best", *BASELINES)
    }
    hall = [_row(f"rank{place}", place, records["best"], evolved=True) for place in range(3)]
    command = f"eznas evolve --seed {seed}"
    summary = {
        "best": hall[0],
        "hall_of_fame": hall,
        "baselines": {name: _row(name, place, records[name], evolved=False) for place, name in enumerate(BASELINES)},
        "fitness": "least",
        "relative": False,
        "tasks": [
            {
                "name": task,
                "target": f"{task.partition('/')[2]} test accuracy, 200 epochs",
                "benchmark": task.partition("/")[0],
                "space": task.partition("/")[0],
                "images": "digits",
                "conditions": ["reduced, seed 0, 16 images of digits"],
                "reported_on": "full, seed 0, 16 images of digits",
                "weight": 1.0,
                "held_out": task in held_out,
                "networks": {
                    "train": 0 if task in held_out else 60,
                    "full_size": 40,
                    "validation": 60,
                    "test": networks,
                },
                "left_out": {"train": {"broken<1>": "ValueError: no <such> layer"}, "validation": {}, "test": {}},
            }
            for task in tasks
        ],
        "ablation": [
            {
                "without": PROGRAMS[0][4:36],
                "program": "max(nuclear_norm(weight))",
                "tasks": {task: 0.2 + 0.1 * place for place, task in enumerate(tasks)},
            },
            {"without": "max(nuclear_norm(weight))", "program": PROGRAMS[1], "tasks": dict.fromkeys(tasks)},
        ],
        "verdict": verdict([TaskScores(t, accuracies[t], columns[t], t in held_out) for t in tasks]),
        "statuses": {"ok": 900, "non_finite": 20},
        "reductions_rejected": {"constant": 3},
        "programs_evaluated": 1000,
        "reductions_evaluated": 60,
        "generations": 12,
        "stopped_by": "time",
        "seconds": 240.5,
        "seed": seed,
        "device": "cpu",
        "versions": {"eznas": "0.1.0", "torch": "2.9"},
        "command": command,
    }
    parents = {PROGRAMS[0]: [PROGRAMS[1], PROGRAMS[2]], PROGRAMS[1]: [PROGRAMS[2]], PROGRAMS[2]: []}
    genealogy = {
        text: {
            "operator": "crossover" if len(parents[text]) == 2 else "mutation" if parents[text] else "random",
            "parents": parents[text],
            "generation": 12 - 4 * place,
            "tau_train": 0.8 - 0.1 * place,
        }
        for place, text in enumerate(PROGRAMS)
    }
    logbook = [
        {
            "generation": generation,
            "seconds": 2.5 * generation,
            "full_size": int(generation > 9),
            "programs_evaluated": 80 * generation,
            "best_tau_train": 0.8 - 0.3 / generation,
            "best_tau_validation": None if generation == 1 else 0.7 - 0.2 / generation,
        }
        for generation in range(1, 13)
    ]
    with RunDirectory.create(path, {"seed": seed}, seed=seed, command=command) as directory:
        directory.write_json("summary.json", summary)
        directory.write_json("genealogy.json", {"programs": genealogy})
        directory.write_csv("logbook.csv", list(logbook[0]), [list(record.values()) for record in logbook])
        directory.write_csv(
            "test_scores.csv",
            ("task", "architecture", "accuracy", "best", *BASELINES),
            [
                (
                    task,
                    f"a{index}",
                    accuracies[task][index],
                    *(
                        float(column[index]) if np.isfinite(column[index]) else None
                        for column in columns[task].values()
                    ),
                )
                for task in tasks
                for index in range(networks)
            ],
        )
    return RunDirectory(path)


@pytest.fixture
def finished_run() -> Callable[..., RunDirectory]:
    """Write the run directory of a finished evolution; see ``write_run``."""
    return write_run
