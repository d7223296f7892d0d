"""NAS-Bench-301's training logs: one ``results_N.json`` an architecture, in a folder for each optimiser.

A log has the configuration of a training by the names of Auto-PyTorch, its ``budget`` (epochs), ``info`` with the final
validation accuracy and the number of parameters, ``test_accuracy`` and ``runtime``; the full logs also have
``learning_curves``. The edges of a cell are numbered node by node, and within a node by the edge's source.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.contents import read_json
from eznas.benchmarks.convert.converted import TrainedArchitectures, Training, curve, parsed
from eznas.errors import InputError
from eznas.spaces.genotype import dump
from eznas.unpickle import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from eznas.benchmarks.convert.converted import Converted
    from eznas.spaces import SearchSpace


_NAMES = "NetworkSelectorDatasetInfo:darts:"
_NODES = 4
_CURVES = {"validation": "Train/val_accuracy", "train_loss": "Train/train_cross_entropy"}
"""The learning curves to read, and their names in the full logs."""


def read_nasbench301(
    files: Sequence[Path], dataset: str, space: SearchSpace, *, every_epoch: bool = False
) -> Converted:
    """Read the logs of networks of the space's fidelity ``nasbench301``; logs of other sizes are counted and left out.

    Columns are ``validation_E`` and ``test_E`` after ``E`` epochs, ``train_seconds_E`` and ``trainings``; where the
    logs have curves, ``validation_E@e``, ``train_loss_E`` and ``train_loss_E@e``; and ``params``, less the parameters
    of the auxiliary head, which the logs count and networks here lack.

    ``files`` are logs, or folders with logs at any depth.
    """
    full = space.fidelities["nasbench301"]
    runs: dict[str, list[Training]] = defaultdict(list)
    lengths: Counter[int] = Counter()
    others = 0
    for path in _logs(files):
        log = read_json(path)
        config = log.get("optimized_hyperparamater_config") if isinstance(log, dict) else None
        if not isinstance(log, dict) or not isinstance(config, dict):
            raise InputError(f"{path} must be a log with optimized_hyperparamater_config")
        if (config.get(f"{_NAMES}layers"), config.get(f"{_NAMES}init_channels")) != (full.cells, full.channels):
            others += 1
            continue
        epochs, training = _training(log, full.channels, str(path), every_epoch=every_epoch)
        lengths[epochs] += 1
        runs[parsed(space, genotype(config, str(path)), str(path))].append(training)
    if not runs:
        raise InputError(f"the logs must hold networks of {full.cells} cells and {full.channels} channels, none does")
    trained = TrainedArchitectures(space, dataset, full.name, counted=True)
    for architecture, trainings in runs.items():
        trained.add(architecture, trainings, "the logs")
    usual = lengths.most_common(1)[0][0]
    notes = [f"{others} logs are of networks of another size and were left out"] if others else []
    mean = "mean over the trainings of an architecture, mostly one"
    return trained.converted(f"validation_{usual}", mean, "the logs", notes)


def genotype(config: Mapping[str, object], place: str) -> str:
    """Return the cells of a configuration, as the space writes them.

    Raises:
        InputError: The configuration has no such cells.
    """
    cells: dict[str, object] = {}
    for cell in ("normal", "reduce"):
        edges, first = [], 0
        for node in range(2, 2 + _NODES):
            listed = "0_1" if node == 2 else config.get(f"{_NAMES}inputs_node_{cell}_{node}")  # noqa: PLR2004 - it has two
            for source in str(listed).split("_"):
                if not source.isdecimal():
                    raise InputError(
                        f"{place}: inputs_node_{cell}_{node} must be two inputs like 0_1, got {listed!r:.40}"
                    )
                edges.append([config.get(f"{_NAMES}edge_{cell}_{first + int(source)}"), int(source)])
            first += node
        cells |= {cell: edges, f"{cell}_concat": list(range(2, 2 + _NODES))}
    return dump(cells)


def auxiliary_parameters(channels: int, classes: int = 10) -> int:
    """Return the parameters of the training's auxiliary head, given the channels of the first cells."""
    entering = 4 * 4 * channels  # four nodes, after two reductions
    return entering * 128 + 2 * 128 + 128 * 768 * 2 * 2 + 2 * 768 + 768 * classes + classes


def _logs(files: Sequence[Path]) -> Iterator[Path]:
    for file in files:
        listed = sorted(file.rglob("results_*.json")) if file.is_dir() else [file]
        if not listed:
            raise InputError(f"{file} must hold logs named results_*.json, it holds none")
        yield from listed


def _training(log: Mapping[str, object], channels: int, place: str, *, every_epoch: bool) -> tuple[int, Training]:
    config, budget = log["optimized_hyperparamater_config"], number(log.get("budget"))
    match log:
        case {"info": [dict(info), *_]}:
            validation = number(info.get("val_accuracy"))
        case _:
            validation = None
    if validation is None or budget is None or not 1 <= budget < 1e5:  # noqa: PLR2004 - more than any training has
        raise InputError(f"{place}: must have budget, the epochs, and val_accuracy in info")
    epochs = int(budget)
    row = {f"validation_{epochs}": validation}
    for name, value in (("test", log.get("test_accuracy")), ("train_seconds", log.get("runtime"))):
        if (known := number(value)) is not None:
            row[f"{name}_{epochs}"] = known
    facts = {}
    if (params := number(info.get("model_parameters"))) is not None:
        auxiliary = isinstance(config, dict) and str(config.get(f"{_NAMES}auxiliary")) == "True"
        facts["params"] = params - (auxiliary_parameters(channels) if auxiliary else 0)
    curves = log.get("learning_curves")
    for name, spelled in _CURVES.items():
        listed = curves.get(spelled) if isinstance(curves, dict) else None
        if isinstance(listed, list):
            points = [number(value) for value in listed[:epochs]]
            if len(points) == epochs and points[-1] is not None:
                row.setdefault(f"{name}_{epochs}", points[-1])  # the validation accuracy is known
            row |= curve(f"{name}_{epochs}", [*points[: epochs - 1], None], every_epoch=every_epoch)
    return epochs, Training(row, facts)
