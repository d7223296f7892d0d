"""Steps, schedule, augmentation, resuming and comparisons of a supernet's training."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from eznas.api.supernet import resume_supernet, train_supernet
from eznas.errors import EznasError, InputError
from eznas.minibatch import load_minibatch
from eznas.networks.nasbench201 import CellNetwork
from eznas.progress import Progress
from eznas.spaces import SPACES
from eznas.spaces.nasbench201 import EDGES, OPERATIONS, to_operations
from eznas.supernet.checkpoint import read_checkpoint
from eznas.supernet.comparison import draw_architectures, parameter_counts, tau_record
from eznas.supernet.config import SupernetConfig
from eznas.supernet.images import augmented
from eznas.supernet.run import RESULTS
from eznas.supernet.trained import TrainedSupernet
from eznas.supernet.training import SupernetTrainer, make_supernet

from .conftest import CELLS, TINY

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from eznas.api.supernet import SupernetRun

NONE, SKIP, CONV1, CONV3, POOL = OPERATIONS


def trainer(**options: Any) -> SupernetTrainer:
    config = SupernetConfig(**{"train_images": 20, "batch_size": 8, "pixels": 8, **options})
    images = load_minibatch("digits", 20, pixels=8)
    return SupernetTrainer(make_supernet(cells=1, channels=2, classes=10, seed=0), config, images)


def test_a_step_changes_only_the_weights_of_the_drawn_operations() -> None:
    training = trainer()
    images, labels = torch.randn(8, 3, 8, 8), torch.arange(8)
    path = [CONV3, SKIP, CONV1, POOL, NONE, CONV3]
    training.step(images, labels, [CONV1] * 6)  # some momentum, which must not move the weights later
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.step(images, labels, path)
    edges = dict(zip([f"{source}_{target}" for source, target in EDGES], path, strict=True))
    for name, value in training.network.state_dict().items():
        _, mixed, rest = name.partition(".edges.")
        edge, _, operation, *_ = rest.split(".") if mixed else ("", "", "")
        drawn = not mixed or edges[edge] == operation
        assert torch.equal(value, before[name]) != drawn, name


def test_a_step_of_all_operations_changes_all_weights() -> None:
    training = trainer(method="oneshot")
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.step(torch.randn(8, 3, 8, 8), torch.arange(8), None)
    assert not [name for name, value in training.network.state_dict().items() if torch.equal(value, before[name])]


def test_the_learning_rate_is_a_cosine() -> None:
    training = trainer(epochs=4, learning_rate=0.5, last_learning_rate=0.1)
    assert [training.learning_rate(epoch) for epoch in (0, 2, 4)] == pytest.approx([0.5, 0.3, 0.1])


def test_every_path_is_drawn_and_the_epochs_differ() -> None:
    drawn: list[tuple[str, ...]] = []
    training = trainer()

    def step(images: Tensor, labels: Tensor, path: list[str] | None) -> tuple[float, Tensor]:
        del images
        drawn.append(tuple(path or ()))
        return 0.0, torch.zeros(len(labels), 10)

    training.step = step  # type: ignore[method-assign]
    for epoch in range(30):
        training.epoch(epoch)
    assert len(drawn) == 30 * 3  # 20 images in batches of 8
    assert {operation for path in drawn for operation in path} == set(OPERATIONS)
    assert drawn[:3] != drawn[3:6]


def test_training_lowers_the_loss() -> None:
    training = trainer(method="oneshot", learning_rate=0.1, batch_size=20)
    losses = [training.epoch(epoch)["loss"] for epoch in range(12)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_diverged_training_is_an_error() -> None:
    training = trainer()
    with pytest.raises(EznasError, match="the training diverged; lower learning_rate"):
        training.step(torch.full((8, 3, 8, 8), torch.inf), torch.arange(8), [CONV3] * 6)


def test_images_are_mirrored_and_shifted() -> None:
    image = torch.arange(64.0).reshape(1, 1, 8, 8) + 1
    drawn = augmented(image.repeat(400, 3, 1, 1), torch.Generator().manual_seed(0))
    padded = [torch.nn.functional.pad(each, (1, 1, 1, 1))[0, 0] for each in (image, image.flip(3))]
    allowed = {
        tuple(whole[down : down + 8, right : right + 8].flatten().tolist())
        for whole in padded for down in range(3) for right in range(3)
    }  # fmt: skip
    assert {tuple(each[0].flatten().tolist()) for each in drawn} == allowed


class _Killed(Progress):
    """Stops a training after some epochs."""

    def __init__(self, epochs: int) -> None:
        self._left = epochs

    def advance(self) -> None:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_killed_training_resumes_to_the_bit(epochs: int, trained: SupernetRun, table: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_supernet(table=str(table), out=tmp_path / "run", **{**TINY, "progress": _Killed(epochs)})
    stopped, _, _ = read_checkpoint(tmp_path / "run" / "supernet.npz")
    assert stopped.epoch == epochs
    with pytest.raises(InputError, match=f"finished, it has {epochs} of 4 epochs; resume it"):
        TrainedSupernet(tmp_path / "run" / "supernet.npz")
    resumed = resume_supernet(tmp_path / "run", progress=False)
    assert resumed.results == trained.results
    parts = [read_checkpoint(run.path / "supernet.npz")[1:] for run in (trained, resumed)]
    for whole, again in zip(*parts, strict=True):
        assert whole.keys() == again.keys()
        assert whole
        assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_results_hold_the_taus_of_each_quarter(trained: SupernetRun) -> None:
    results = json.loads((trained.path / RESULTS).read_text(encoding="utf-8"))
    assert results == trained.results
    assert [evaluation["epoch"] for evaluation in results["evaluations"]] == [1, 2, 3, 4]
    assert len(results["history"]) == 4
    assert (trained.path / "supernet.png").read_bytes().startswith(b"\x89PNG")
    last = results["evaluations"][-1]
    expected = stats.kendalltau(last["inherited_loss"], results["accuracies"]).statistic
    assert last["taus"]["loss"]["tau"] == pytest.approx(-expected)
    assert [row["score"] for row in trained.rows[:3]] == ["accuracy", "loss", "params"]
    assert not {path.suffix for path in trained.path.iterdir()} & {".pt", ".pth", ".pkl"}


def network_alone(architecture: str, weights: dict[str, Tensor], cells: int) -> nn.Module:
    """The network of an architecture with the weights that a supernet has for it, and with batch statistics."""
    operations = to_operations(architecture)
    chosen = {f"{source}_{target}": name for (source, target), name in zip(EDGES, operations, strict=True)}
    network = CellNetwork(operations, cells=cells, channels=TINY["channels"], classes=10).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            shared = re.sub(r"(?<=\.edges\.)(\w+)", lambda edge: f"{edge[1]}.operations.{chosen[edge[1]]}", name)
            parameter.copy_(weights[shared])
    for module in network.modules():
        module.train(isinstance(module, nn.BatchNorm2d))
    return network


@torch.no_grad()
def test_a_network_alone_with_the_written_weights_has_the_reported_accuracy(trained: SupernetRun) -> None:
    supernet = TrainedSupernet(trained.path / "supernet.npz")
    _, weights, _ = read_checkpoint(trained.path / "supernet.npz")
    results, (images, labels) = trained.results, (supernet.images.images, supernet.images.labels)
    last = results["evaluations"][-1]
    reported = zip(results["architectures"], last["inherited_accuracy"], last["inherited_loss"], strict=True)
    for architecture, accuracy, loss in reported:
        logits = network_alone(architecture, weights, supernet.config.cells)(images)
        supernet.network.choose(to_operations(architecture))
        assert torch.equal(supernet.network.eval()(images), logits)
        assert supernet.accuracy(architecture) == accuracy
        assert accuracy == pytest.approx(100 * (logits.argmax(1) == labels).double().mean().item())
        assert loss == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), rel=1e-5)


def test_tau_of_the_better_half_by_hand() -> None:
    record = tau_record(np.array([1.0, 2, 3, 5, 4, 6]), np.array([1.0, 2, 3, 4, 5, 6]))
    assert record["tau"] == pytest.approx(13 / 15)  # one of fifteen pairs in the wrong order
    assert record["tau_top_half"] == pytest.approx(1 / 3)


def test_parameters_are_those_of_the_benchmark() -> None:
    cells = ["|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"]
    assert parameter_counts(cells) == [1531546]  # 1.531546 M in NATS-Bench


def test_compared_architectures_compute_different_functions() -> None:
    drawn = draw_architectures(CELLS, 40, seed=0)
    space = SPACES["nasbench201"]
    assert len({space.canonical(one) for one in drawn}) == 40
    assert drawn[:10] == draw_architectures(CELLS, 10, seed=0)
    with pytest.raises(InputError, match="architectures must be at most"):
        draw_architectures(CELLS, 81, seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "spos"}, "method must be 'rsws' or 'oneshot'"),
        ({"batch_size": 66}, "batch_size must be at most train_images, 65, got 66"),
        ({"pixels": 10}, "pixels must be a multiple of 4"),
        ({"train_images": 5000}, "batch_size must be at most 1797"),
        ({"table": "none", "target": "test_200"}, "target must come with a table"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        train_supernet(out=tmp_path / "run", **{**TINY, **options})
    assert not (tmp_path / "run").exists()


def test_a_damaged_file_is_refused(tmp_path: Path, trained: SupernetRun) -> None:
    damaged = tmp_path / "supernet.npz"
    whole = (trained.path / "supernet.npz").read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"text"):
        damaged.write_bytes(data)
        with pytest.raises(InputError, match="must be a supernet that eznas predict supernet wrote"):
            TrainedSupernet(damaged)


def test_other_data_is_not_resumed(trained: SupernetRun, table: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_supernet(table=str(table), out=tmp_path / "run", **{**TINY, "progress": _Killed(1)})
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("seed = 0", "seed = 1"), encoding="utf-8")
    with pytest.raises(InputError, match="same data; these have changed: train, validation"):
        resume_supernet(tmp_path / "run", progress=False)
    text = config.read_text(encoding="utf-8").replace("seed = 1", "seed = 0").replace("epochs = 4", "epochs = 5")
    config.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"options of its training; config.toml has changed"):
        resume_supernet(tmp_path / "run", progress=False)


def test_a_training_is_resumed_with_the_torch_that_began_it(trained: SupernetRun, table: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_supernet(table=str(table), out=tmp_path / "run", **{**TINY, "progress": _Killed(1)})
    finished = shutil.copytree(trained.path, tmp_path / "finished")
    for path in (tmp_path / "run", finished):
        manifest = path / "manifest.json"
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        facts["versions"]["torch"] = "2.0.0"
        manifest.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(InputError, match=r"torch must be the one that the run began with, 2\.0\.0, got "):
        resume_supernet(tmp_path / "run", progress=False)
    assert resume_supernet(finished, progress=False).results == trained.results  # no epoch is left
