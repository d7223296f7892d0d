"""``find_measures`` with the signature of zero-cost-nas, whose users change one import only.

References:
    [ZC] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from eznas.errors import InputError
from eznas.measures.registry import MEASURES
from eznas.minibatch import Minibatch
from eznas.scoring.score_many import on_device, score_measures
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import nn


ZERO_COST_NAS = ("grad_norm", "snip", "grasp", "fisher", "jacob_cov", "plain", "synflow_bn", "synflow")
"""The measures that zero-cost-nas computes by default."""


def find_measures(
    net_orig: nn.Module,
    dataloader: Iterable[Sequence[Tensor]],
    dataload_info: tuple[str, int, int],
    device: torch.device | str,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
    measure_names: Sequence[str] | None = None,
    measures_arr: Mapping[str, float | Sequence[Tensor]] | None = None,
) -> dict[str, float]:
    """Return the values of zero-cost-nas's function of this name, from shared passes.

    Unlike zero-cost-nas, it leaves the network on its device and in its mode, and never splits the minibatch.

    Args:
        net_orig: Maps images to logits; it is left as it was.
        dataloader: Yields pairs of images and labels.
        dataload_info: ``("random", batches, classes)`` for the first batches, or ``("grasp", images, classes)`` for the
            first images of each class, in the order of the classes.
        device: The device to run on.
        loss_fn: Maps logits and labels to the loss.
        measure_names: Names of registered measures; None for ``ZERO_COST_NAS``.
        measures_arr: Values for each weight, or one number; they are summed, and the network does not run.

    Returns:
        A number for each name; NaN where the measure is undefined.

    Raises:
        InputError: A name or ``dataload_info`` is unknown, or the loader has too few images.
        RuntimeError: The network raised an exception; the message holds its text.
    """
    if measures_arr is not None:
        return {name: _sum(values) for name, values in measures_arr.items()}
    records = [MEASURES[name] for name in (ZERO_COST_NAS if measure_names is None else measure_names)]
    images, labels = _load(dataloader, *dataload_info)
    minibatch = Minibatch.of(Minibatch(images, labels, dataload_info[2], "dataloader"), loss_fn)
    with on_device(net_orig, device):
        scores = score_measures(records, net_orig, minibatch)
    for name, score in scores.items():
        if score.status is Status.EXCEPTION:
            raise RuntimeError(f"{name}: {score.detail}")
    return {name: score.value if score.ok else math.nan for name, score in scores.items()}


def _sum(values: float | Sequence[Tensor]) -> float:
    return sum(float(tensor.sum()) for tensor in values) if isinstance(values, Sequence) else float(values)


def _load(dataloader: Iterable[Sequence[Tensor]], kind: str, count: int, classes: int) -> tuple[Tensor, Tensor]:
    """Return the images and labels that zero-cost-nas reads from a loader."""
    if kind == "random":
        batches = [batch for _, batch in zip(range(count), dataloader, strict=False)]
        if len(batches) < count:
            raise InputError(f"dataloader must yield {count} batches; it yields {len(batches)}")
        return torch.cat([batch[0] for batch in batches]), torch.cat([batch[1] for batch in batches])
    if kind != "grasp":
        raise InputError(f"dataload_info must begin with 'random' or 'grasp'; got {kind!r}")
    by_class: list[list[Tensor]] = [[] for _ in range(classes)]
    for images, labels, *_ in dataloader:
        for image, label in zip(images, labels.tolist(), strict=True):
            if not 0 <= label < classes:
                raise InputError(f"labels must be from 0 to {classes - 1}; got {label}")
            if len(by_class[label]) < count:
                by_class[label].append(image)
        if all(len(members) == count for members in by_class):
            break
    else:
        raise InputError(f"dataloader must yield {count} images of each of {classes} classes; it yields fewer")
    images = torch.stack([image for members in by_class for image in members])
    return images, torch.arange(classes).repeat_interleave(count)
