"""Scores on CUDA are those of the CPU, and equal each time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from eznas.capture.state import full_precision
from eznas.measures import MEASURES
from eznas.minibatch import Minibatch, load_minibatch
from eznas.networks.initialise import construct, initialise
from eznas.scoring import Condition
from eznas.scoring.score_many import measure
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from eznas.status import Score

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
SLOW = {"ntk_condition", "vkdnw", "gradsign", "eznas_a_paper", "eznas_pnas"}
NAMES = [name for name in MEASURES if name not in SLOW]


def precisions() -> list[object]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(matmul, "fp32_precision"):
        return [place.fp32_precision for place in (matmul, cudnn.conv, cudnn.rnn)]
    return [matmul.allow_tf32, cudnn.allow_tf32]


def test_networks_on_cuda_keep_all_bits_of_float32() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark, precisions()
    with full_precision(torch.device("cuda")):
        assert cudnn.deterministic
        assert not cudnn.benchmark
        assert set(precisions()) <= {"ieee", False}
    assert before == (cudnn.deterministic, cudnn.benchmark, precisions())


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="torch lacks this setting")
def test_a_caller_may_have_chosen_less_precision() -> None:
    before = torch.backends.fp32_precision
    torch.backends.fp32_precision = "tf32"
    try:
        with full_precision(torch.device("cuda")):
            assert set(precisions()) == {"ieee"}
        assert set(precisions()) == {"tf32"}
    finally:
        torch.backends.fp32_precision = before


def network(dtype: torch.dtype) -> nn.Module:
    made = construct(
        lambda: nn.Sequential(
            *(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()),
            *(nn.Conv2d(6, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)),
        )
    )
    initialise(made, 0)
    return made.to(dtype)


def scored(device: str, dtype: torch.dtype) -> dict[str, Score]:
    digits = load_minibatch("digits", 8)
    images = digits.images[:, :1].to(dtype)
    minibatch: Minibatch = replace(digits, images=images, digest="")
    return measure(network(dtype), minibatch, NAMES, device=device)


@needs_cuda
def test_measures_in_float64_are_those_of_the_cpu() -> None:
    on_cpu, on_cuda = scored("cpu", torch.float64), scored("cuda", torch.float64)
    for name in NAMES:
        assert on_cpu[name].status is on_cuda[name].status, (name, on_cpu[name], on_cuda[name])
        if on_cpu[name].ok:
            assert on_cuda[name].value == pytest.approx(on_cpu[name].value, rel=1e-4), name


@needs_cuda
def test_measures_are_equal_each_time() -> None:
    first, second = scored("cuda", torch.float32), scored("cuda", torch.float32)
    assert first == second


@needs_cuda
def test_networks_start_with_the_weights_of_the_cpu() -> None:
    space = SPACES["nasbench201"]
    minibatch = load_minibatch("digits", 4)
    architecture = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    on_cpu, on_cuda = (
        Condition.of(space.name, space.fidelities["reduced_deep"], 0, minibatch, device).network(architecture)
        for device in ("cpu", "cuda")
    )
    weights = on_cuda.state_dict()
    assert all(torch.equal(weight, weights[name].cpu()) for name, weight in on_cpu.state_dict().items())
