"""The comparison of performance predictors from Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.api.predictor_data import read_data
from eznas.benchmarks import load_table
from eznas.benchmarks.reference import dataset_name
from eznas.errors import InputError
from eznas.predictors.evaluation import EvaluationPlan, PredictorChoice, evaluate_predictors, summarise
from eznas.predictors.fits import fit_versions
from eznas.predictors.trial_csv import TrialCsv
from eznas.report.display import open_display
from eznas.run import versions
from eznas.scoring import open_executor
from eznas.scoring.plugin import load_plugins, plugin_digests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.api.predictor_data import Files
    from eznas.predictors.evaluation_data import Row
    from eznas.predictors.sampling import Sampling
    from eznas.progress import Progress


@dataclass(frozen=True, eq=False)
class PredictorEvaluation:
    """Trials of predictors; ``pandas.DataFrame`` takes ``rows`` and ``summary``.

    Args:
        facts: The data, with their SHA-256 digest in ``data``; the protocol; and the versions of packages.
        rows: One for each trial, predictor, train size and epoch.
    """

    facts: dict[str, Any]
    rows: list[Row]

    @property
    def summary(self) -> list[Row]:
        """Means and standard deviations over trials."""
        return summarise(self.rows)


def evaluate(
    predictors: str | Sequence[str],
    *,
    benchmark: str = "nasbench201",
    dataset: str | None = None,
    table: Path | str | None = None,
    target: str | None = None,
    scores: Files = (),
    curves: Mapping[str, str] | None = None,
    seconds: str | None = None,
    supernet: Path | str | None = None,
    train_sizes: Sequence[int] = (5, 8, 14, 24, 42, 71, 121, 205),
    epochs: Sequence[int] = (),
    trials: int = 20,
    test: int = 200,
    sampling: Sampling = "uniform",
    tune: int = 0,
    seed: int = 0,
    csv: Path | str | None = None,
    resume: bool = False,
    workers: int = 0,
    plugin: Files = (),
    progress: bool | Progress = True,
) -> PredictorEvaluation:
    """Compare predictors on the accuracies of a benchmark.

    In each trial, all predictors are fitted to the same architectures and predict the same others. No two
    architectures of the two parts compute the same function.

    Args:
        predictors: Names in ``PREDICTORS``, each with an encoding after ``@`` where it is not the default.
        benchmark: A name in ``BENCHMARKS``, or a search space with ``table``.
        dataset: Data set of the accuracies; None for the benchmark's first.
        table: Accuracy table to use instead of the benchmark's own.
        target: Column of the table; None for its usual one.
        scores: CSV files of scores, for the encoding ``measures``. Architectures without one of the scores are left
            out.
        curves: The column of the table that is the whole training, such as ``validation_200``, by the metric of the
            learning curve. Architectures without a point are left out.
        seconds: The column of the table with the seconds of the whole training; None for ``train_seconds_E`` with the
            target's epochs ``E``, where the table has it.
        supernet: Run directory of a trained supernet, for predictors that read one.
        train_sizes: Numbers of training architectures.
        epochs: Epochs at which learning curves end; empty for whole curves.
        trials: Number of draws.
        test: Number of test architectures.
        sampling: ``"uniform"`` or ``"mutation"``; see ``eznas.predictors.sampling``.
        tune: Number of settings among which each fit of a predictor with ranges of hyper-parameters chooses; 0 for the
            defaults.
        seed: Seed of all draws.
        csv: File to which the rows of each trial are appended as it ends; None for none.
        resume: Whether to keep the trials that ``csv`` holds. Everything but the number of trials must be as before.
        workers: Worker processes; 0 for one per core.
        plugin: Python files that register predictors or encodings of your own, one or several.
        progress: Whether to show progress, or the object that is told of it.

    Raises:
        InputError: An argument cannot be used.
    """
    if resume and csv is None:
        raise InputError("resume must come with csv, the file to continue", parameters=("resume", "csv"))
    load_plugins(plugin)
    choices = [
        PredictorChoice.parse(name, tune) for name in ([predictors] if isinstance(predictors, str) else predictors)
    ]
    if tune and not any(choice.tune for choice in choices):
        raise InputError(
            f"tune must come with a predictor that has ranges of hyper-parameters, got {', '.join(map(str, choices))}",
            parameters=("tune",),
        )
    plan = EvaluationPlan(tuple(choices), tuple(train_sizes), tuple(epochs), trials, test, sampling, seed)
    loaded = load_table(benchmark, dataset_name(benchmark, dataset), None if table is None else Path(table), target)
    data, left_out = read_data(loaded, scores, curves, seconds, supernet)
    protocol = {
        "predictors": [*map(str, choices)],
        "train_sizes": [*plan.train_sizes],
        "epochs": [*plan.epochs],
        "test": test,
        "sampling": sampling,
        "seed": seed,
    }
    plugins = sorted({**plugin_digests("predictor"), **plugin_digests("encoding")}.values())
    rows_csv = None if csv is None else TrialCsv(Path(csv), {**protocol, "data": data.digest, "plugins": plugins})
    with open_display(progress) as display, open_executor(workers) as executor:
        rows = evaluate_predictors(data, plan, csv=rows_csv, resume=resume, executor=executor, progress=display)
    facts = {
        "benchmark": loaded.benchmark,
        "space": loaded.space,
        "target": str(loaded.target),
        "source": loaded.source,
        "architectures": len(data.accuracies),
        "left_out": left_out,
        "data": data.digest,
        "versions": {**versions(), **fit_versions()},
        "trials": trials,
        "untuned": [str(choice) for choice in choices if tune and not choice.tune],
        **protocol,
    }
    return PredictorEvaluation(facts, rows)
