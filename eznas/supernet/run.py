"""A supernet's training in a run directory: checkpoint after each epoch, taus at each quarter, resumed to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.benchmarks import load_table
from eznas.benchmarks.reference import dataset_name
from eznas.errors import InputError
from eznas.progress import SILENT
from eznas.scoring.condition import resolve_device
from eznas.supernet.checkpoint import NAME, TrainingState, read_checkpoint, write_checkpoint
from eznas.supernet.comparison import compare, draw_architectures
from eznas.supernet.images import load_images
from eznas.supernet.training import SupernetTrainer, make_supernet

if TYPE_CHECKING:
    from eznas.benchmarks import AccuracyTable
    from eznas.progress import Progress
    from eznas.run import RunDirectory
    from eznas.supernet.config import SupernetConfig

RESULTS = "supernet.json"
_SPACE, _NO_TABLE = "nasbench201", "none"


def train(config: SupernetConfig, directory: RunDirectory, progress: Progress = SILENT) -> dict[str, Any]:
    """Train a supernet, or continue its training, and write ``supernet.json``.

    Args:
        config: The options.
        directory: The run directory.
        progress: Is told of one stage, the epochs.

    Returns:
        The content of ``supernet.json``: ``facts``, ``architectures``, ``history`` and ``evaluations``.

    Raises:
        InputError: The images or the table cannot be used, or have changed since the training began; or so have the
            versions of torch or the numerics, and epochs are left.
        EznasError: The training diverged.
    """
    device = resolve_device(config.device)
    images, validation = load_images(config, device)
    table = _table(config)
    known = {} if table is None else dict(zip(table.architectures, table.accuracies.tolist(), strict=True))
    architectures = draw_architectures([*known], config.architectures, config.seed) if known else []
    accuracies = np.array([known[one] for one in architectures])
    network = make_supernet(config.cells, config.channels, images.classes, config.seed, device)
    trainer = SupernetTrainer(network, config, images)
    digests = {"train": images.digest, "validation": validation.digest, "table": "" if table is None else table.digest}
    state = _restored(directory.path / NAME, trainer, TrainingState(config.as_toml(), images.classes, digests))
    if state.epoch < config.epochs:
        directory.check_versions()
    progress.stage("epochs", config.epochs)
    for _ in range(state.epoch):
        progress.advance()
    while state.epoch < config.epochs:
        state.history.append(trainer.epoch(state.epoch))
        state.epoch += 1
        if state.epoch in config.quarters and architectures:
            record = compare(trainer.network, architectures, accuracies, validation)
            state.evaluations.append({"epoch": state.epoch, **record})
        write_checkpoint(directory.path / NAME, state, trainer.network, trainer.momentum)
        progress.advance()
    results = {
        "facts": {
            "method": config.method,
            "images": config.images,
            "table": None if table is None else table.source,
            "target": None if table is None else str(table.target),
            "device": device,
            **digests,
        },
        "architectures": architectures,
        "accuracies": accuracies.tolist(),
        "history": state.history,
        "evaluations": state.evaluations,
    }
    directory.write_json(RESULTS, results)
    return results


def _table(config: SupernetConfig) -> AccuracyTable | None:
    if config.table == _NO_TABLE or not config.architectures:
        if config.target:
            message = f"target must come with a table and architectures, got {config.target!r}"
            raise InputError(message, parameters=("target", "table", "architectures"))
        return None
    path = Path(config.table) if config.table else None
    return load_table(_SPACE, dataset_name(_SPACE, config.dataset or None), path, config.target or None)


def _restored(path: Path, trainer: SupernetTrainer, fresh: TrainingState) -> TrainingState:
    """Return the state of the checkpoint and restore its weights; the fresh state if there is none."""
    if not path.exists():
        return fresh
    state, weights, momentum = read_checkpoint(path)
    if state.digests != fresh.digests:
        changed = ", ".join(name for name in fresh.digests if state.digests.get(name) != fresh.digests[name])
        raise InputError(f"{path} must be resumed with the same data; these have changed: {changed}")
    if state.config != fresh.config:
        raise InputError(f"{path} must be resumed with the options of its training; config.toml has changed")
    trainer.restore(weights, momentum)
    return state
