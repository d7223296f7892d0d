"""Every measure on the networks of the zoo; ``pytest -m zoo`` runs it.

``ZOO_FACTS=experiments/results/zoo.json pytest -m zoo`` also writes down which measures have a value on each network,
for ``docs/generate.py``. Networks that the file has are skipped, so that a stopped run goes on.
"""

from __future__ import annotations

import copy
import importlib.metadata
import json
import math
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import eznas
from eznas.files import replace_file
from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
from eznas.status import Score, Status
from eznas.testing.zoo import CLASSES, NETWORKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

pytestmark = [pytest.mark.zoo, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PROGRAMS = (
    "sum(frobenius_norm(weight))",
    "sum(mean(abs(norm_out.noise)))",
    "mean(log(frobenius_norm(weight_grad.loss)))",
    "sum(effective_rank(input_grad.data))",
    "max(nuclear_norm(conv_out_grad.data))",
)
VERSIONS = ("torch", "torchvision", "timm", "transformers")
REFUSALS = ("CaptureError: ",)
"""The errors by which a measure refuses a network; any other is a mistake of eznas."""
AGAIN = ("snip", "grad_norm", "grasp", "synflow", "jacob_cov", "zen", "flops")
"""Measures that a second call repeats, without the others."""


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


class Facts:
    """The file of what has a value on which network; nothing is kept without a path."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._networks = self._read()

    def __contains__(self, network: str) -> bool:
        return network in self._networks

    def _read(self) -> dict[str, Any]:
        if self._path is None or not self._path.exists():
            return {}
        return dict(json.loads(self._path.read_text())["networks"])

    def add(self, network: str, scores: Mapping[str, Score]) -> None:
        """Write down the measures without a value, by reason, and the number of parameters."""
        if self._path is None:
            return
        without: dict[str, list[str]] = {}
        for measure, score in scores.items():
            if not score.ok:
                without.setdefault(reason(score), []).append(measure)
        self._networks |= self._read()  # another process may have added networks
        self._networks[network] = {"parameters": int(scores["params"].value), "without": without}
        order = [f"{package}/{name}" for package, names in NETWORKS.items() for name in names]
        content = {
            "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
            "measures": list(scores),
            "networks": {name: self._networks[name] for name in order if name in self._networks},
        }
        replace_file(self._path, (json.dumps(content, indent=1) + "\n").encode())


def reason(score: Score) -> str:
    """Return the sentence of a score without a value, without names of layers."""
    return score.detail.partition(";")[0].partition(", of:")[0]


@pytest.fixture(scope="session")
def facts() -> Facts:
    path = os.environ.get("ZOO_FACTS")
    return Facts(Path(path) if path else None)


@pytest.mark.parametrize(("package", "name"), [(package, name) for package in NETWORKS for name in NETWORKS[package]])
def test_measures_have_a_value_or_a_reason_and_leave_the_network(package: str, name: str, facts: Facts) -> None:
    if f"{package}/{name}" in facts:
        pytest.skip("the file of facts has this network")
    try:
        torch.manual_seed(0)
        network, inputs = NETWORKS[package][name]()
    except ImportError as error:
        pytest.skip(f"{package} is not installed here, or cannot be imported: {error}")
    minibatch = Minibatch(inputs, torch.arange(2) % CLASSES, CLASSES, "zoo")
    before = state(network)
    scores = eznas.measure(network, minibatch, [*MEASURES, *PROGRAMS])
    facts.add(f"{package}/{name}", scores)
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
