"""The training of a supernet by SGD, one epoch at a time.

All random draws of an epoch come from streams named by its number, so a training that resumes after an epoch continues
to the bit.

References:
    [White] White et al. How Powerful are Performance Predictors in Neural Architecture Search? NeurIPS 2021. Its
        trainings of OneShot and RSWS have the same optimiser and schedule.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from eznas.capture.state import full_precision
from eznas.errors import EznasError
from eznas.networks.initialise import construct, initialise
from eznas.networks.nasbench201_supernet import Supernet
from eznas.seeds import derive_seed, python_rng, torch_generator
from eznas.spaces.nasbench201 import EDGES, OPERATIONS
from eznas.supernet.images import augmented

if TYPE_CHECKING:
    from torch import Tensor

    from eznas.minibatch import Minibatch
    from eznas.supernet.config import SupernetConfig


def make_supernet(cells: int, channels: int, classes: int, seed: int, device: str = "cpu") -> Supernet:
    """Return a supernet with weights from a seed; see ``eznas.networks.initialise``."""
    network = construct(lambda: Supernet(cells=cells, channels=channels, classes=classes), device)
    assert isinstance(network, Supernet)  # noqa: S101 - construct returns what it is told to build
    initialise(network, derive_seed(seed, "supernet"))
    return network


class SupernetTrainer:
    """Trains a supernet.

    Args:
        network: The supernet.
        config: The options.
        images: The training images, on the network's device.
    """

    def __init__(self, network: Supernet, config: SupernetConfig, images: Minibatch) -> None:
        self.network, self._config, self._images = network, config, images
        self._parameters = [*network.parameters()]
        self._optimiser = torch.optim.SGD(
            self._parameters, config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay
        )

    @property
    def momentum(self) -> dict[str, Tensor]:
        """The momentum by the name of a parameter; parameters that no step has changed have none."""
        buffers = {
            name: self._optimiser.state[parameter].get("momentum_buffer")
            for name, parameter in self.network.named_parameters()
            if parameter in self._optimiser.state
        }
        return {name: buffer for name, buffer in buffers.items() if buffer is not None}

    def restore(self, weights: dict[str, Tensor], momentum: dict[str, Tensor]) -> None:
        """Continue from the weights and the momentum after an epoch."""
        self.network.load_state_dict(weights)
        for name, parameter in self.network.named_parameters():
            if name in momentum:
                self._optimiser.state[parameter]["momentum_buffer"] = momentum[name].to(parameter.device)

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0: a cosine from the first to the last rate."""
        first, last = self._config.learning_rate, self._config.last_learning_rate
        return last + (first - last) * (1 + math.cos(math.pi * epoch / self._config.epochs)) / 2

    def epoch(self, number: int) -> dict[str, float]:
        """Train on all images once, and return the mean ``loss`` and the ``accuracy`` in percent.

        The last batch of an epoch may be smaller; an image left alone is not used, since it has no batch statistics.

        Raises:
            EznasError: The loss is not finite.
        """
        self.network.train()
        for group in self._optimiser.param_groups:
            group["lr"] = self.learning_rate(number)
        paths = python_rng(self._config.seed, "supernet paths", number)
        order = torch.randperm(len(self._images), generator=torch_generator(self._config.seed, "order", number))
        noise = torch_generator(self._config.seed, "augmentation", number)
        losses, right, seen = 0.0, 0, 0
        for chosen in torch.split(order, self._config.batch_size):
            if len(chosen) == 1:
                continue
            places = chosen.to(self._images.images.device)
            images, labels = self._images.images[places], self._images.labels[places]
            images = augmented(images, noise) if self._config.augment else images
            path = paths.choices(OPERATIONS, k=len(EDGES)) if self._config.method == "rsws" else None
            with full_precision(images.device):
                loss, logits = self.step(images, labels, path)
            losses += loss * len(chosen)
            right += int((logits.argmax(1) == labels).sum())
            seen += len(chosen)
        return {"loss": losses / seen, "accuracy": 100 * right / seen}

    def step(self, images: Tensor, labels: Tensor, path: list[str] | None) -> tuple[float, Tensor]:
        """Make one step on a path, or on the sum of all operations; return the loss and the logits before it.

        Weights of operations that did not run have no gradient, and neither weight decay nor momentum changes them.

        Raises:
            EznasError: The loss is not finite.
        """
        self.network.choose(path)
        self._optimiser.zero_grad(set_to_none=True)
        logits: Tensor = self.network(images)
        loss = functional.cross_entropy(logits, labels)
        if not math.isfinite(loss.item()):
            raise EznasError("the loss of the supernet must be finite, but the training diverged; lower learning_rate")
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, self._config.clip)
        self._optimiser.step()
        return loss.item(), logits.detach()
