"""Every measure on networks of torchvision, timm and transformers; ``pytest -m zoo`` runs it, for about an hour."""

from __future__ import annotations

import copy
import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import eznas
from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
from eznas.status import Status
from eznas.testing.zoo import CLASSES, NETWORKS

if TYPE_CHECKING:
    from torch import nn

pytestmark = [pytest.mark.zoo, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PROGRAMS = (
    "sum(frobenius_norm(weight))",
    "sum(mean(abs(norm_out.noise)))",
    "mean(log(frobenius_norm(weight_grad.loss)))",
    "sum(effective_rank(input_grad.data))",
    "max(nuclear_norm(conv_out_grad.data))",
)
REFUSALS = ("CaptureError: ",)
"""The errors by which a measure refuses a network; any other is a mistake of eznas."""
AGAIN = ("snip", "grad_norm", "synflow", "jacob_cov", "zen", "flops")


def state(network: nn.Module) -> dict[str, Any]:
    """Everything that a measure must leave as it was."""
    return {
        "tensors": copy.deepcopy(network.state_dict()),
        "attributes": {
            f"{path}.{name}": repr(value)
            for path, module in network.named_modules()
            for name, value in vars(module).items()
            if not name.startswith("_")
        },
        "flags": [(parameter.requires_grad, parameter.grad is None) for parameter in network.parameters()],
        "training": [module.training for module in network.modules()],
        "chance": (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()),  # type: ignore[index,union-attr] # noqa: NPY002
    }


@pytest.mark.parametrize(("package", "name"), [(package, name) for package in NETWORKS for name in NETWORKS[package]])
def test_measures_have_a_value_or_a_reason_and_leave_the_network(package: str, name: str) -> None:
    try:
        torch.manual_seed(0)
        network, inputs = NETWORKS[package][name]()
    except ImportError as error:
        pytest.skip(f"{package} is not installed here, or cannot be imported: {error}")
    minibatch = Minibatch(inputs, torch.arange(2) % CLASSES, CLASSES, "zoo")
    before = state(network)
    scores = eznas.measure(network, minibatch, [*MEASURES, *PROGRAMS])
    after = state(network)
    for tensor, value in before.pop("tensors").items():
        assert torch.equal(value, after["tensors"][tensor]), tensor
    del after["tensors"]
    assert before == after
    for measure, score in scores.items():
        assert score.ok or score.detail, measure
        assert score.status is not Status.EXCEPTION or score.detail.startswith(REFUSALS), (measure, score.detail)
    assert math.isfinite(scores["params"].value)
    again = eznas.measure(network, minibatch, AGAIN)
    for measure in AGAIN:
        assert again[measure].value == pytest.approx(scores[measure].value, rel=0, abs=0, nan_ok=True), measure
