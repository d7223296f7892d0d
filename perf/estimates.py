"""Estimated and measured seconds of measures on networks of several kinds and sizes.

Each measure runs alone, in one process, on one thread; its processor time counts. The networks are written here at
their true sizes. A measure whose estimate is above ``--most`` seconds does not run.

Run ``python perf/estimates.py [--network NAME] [--proxy NAME] [--most SECONDS]``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import torch
from torch import Tensor, nn

from eznas import MEASURES, Minibatch, estimate_seconds, load_minibatch, measure
from eznas.cli.console import Command
from eznas.networks import construct
from eznas.networks.nasbench201 import CellNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATIONS = ["nor_conv_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_3x3", "avg_pool_3x3", "nor_conv_1x1"]
_PIXELS = 224
_TOKENS, _WORDS = 64, 30522


def convolution(c_in: int, c_out: int, kernel: int, stride: int = 1, padding: int = 1) -> list[nn.Module]:
    """Return a convolution and ReLU."""
    return [nn.Conv2d(c_in, c_out, kernel, stride, padding), nn.ReLU()]


def perceptron(inputs: int) -> list[nn.Module]:
    """Return the classifier of AlexNet and VGG."""
    return [nn.Flatten(), nn.Linear(inputs, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]


def alexnet() -> nn.Module:
    """Return AlexNet as torchvision has it, without dropout."""
    layers = [*convolution(3, 64, 11, 4, 2), nn.MaxPool2d(3, 2), *convolution(64, 192, 5, 1, 2), nn.MaxPool2d(3, 2)]
    layers += [*convolution(192, 384, 3), *convolution(384, 256, 3), *convolution(256, 256, 3), nn.MaxPool2d(3, 2)]
    return nn.Sequential(*layers, *perceptron(256 * 6 * 6))


def vgg11() -> nn.Module:
    """Return VGG-11 as torchvision has it, without dropout."""
    layers: list[nn.Module] = []
    channels = 3
    for stage in ((64,), (128,), (256, 256), (512, 512), (512, 512)):
        for width in stage:
            layers += convolution(channels, width, 3)
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *perceptron(512 * 7 * 7))


class Bert(nn.Module):
    """The encoder of BERT-base, with two classes."""

    def __init__(self, layers: int = 12, channels: int = 768) -> None:
        super().__init__()
        self.words = nn.Embedding(_WORDS, channels)
        self.places = nn.Embedding(512, channels)
        heads, hidden = channels // 64, 4 * channels
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(channels, heads, hidden, 0.0, "gelu", batch_first=True) for _ in range(layers)
        )
        self.head = nn.Linear(channels, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``b x 2`` logits."""
        x = self.words(tokens) + self.places.weight[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        logits: Tensor = self.head(x[:, 0])
        return logits


class Recurrent(nn.Module):
    """A language model of two LSTM layers."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.lstm = nn.Embedding(1000, 256), nn.LSTM(256, 256, 2, batch_first=True)
        self.head = nn.Linear(256, 1000)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``b x t x 1000`` logits."""
        logits: Tensor = self.head(self.lstm(self.words(tokens))[0])
        return logits


def depthwise() -> nn.Module:
    """Return a network of inverted residuals without shortcuts, as MobileNet-V2 begins."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 2, 1)]
    for channels in (16, 24, 32, 64):
        wide = 6 * channels
        layers += [nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        layers += [nn.Conv2d(wide, wide, 3, 2, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        layers.append(nn.Conv2d(wide, {16: 24, 24: 32, 32: 64, 64: 96}[channels], 1, bias=False))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10))


def _images(count: int, pixels: int, classes: int) -> Minibatch:
    minibatch = load_minibatch("noise", count, pixels=pixels)
    return Minibatch(minibatch.images, minibatch.labels % classes, classes, "noise")


def _tokens(count: int, length: int, words: int, *, each: bool) -> Minibatch:
    tokens = torch.randint(0, words, (count, length), generator=torch.Generator().manual_seed(0))
    return Minibatch.of((tokens, tokens.roll(-1, 1) if each else torch.arange(count) % 2))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Minibatch]]] = {
    "cells": (lambda: CellNetwork(OPERATIONS, cells=5, channels=16, classes=10), lambda: _images(16, 32, 10)),
    "depthwise": (depthwise, lambda: _images(8, 64, 10)),
    "lstm": (Recurrent, lambda: _tokens(8, 32, 1000, each=True)),
    "encoder": (lambda: Bert(4, 256), lambda: _tokens(8, _TOKENS, _WORDS, each=False)),
    "alexnet": (alexnet, lambda: _images(4, _PIXELS, 1000)),
    "vgg11": (vgg11, lambda: _images(4, _PIXELS, 1000)),
    "bert": (Bert, lambda: _tokens(4, _TOKENS, _WORDS, each=False)),
}
"""Networks and their minibatches, by name."""


@click.command(cls=Command)
@click.option("--network", "networks", multiple=True, type=click.Choice(list(NETWORKS)), default=list(NETWORKS))
@click.option("--proxy", "proxies", multiple=True, default=sorted(MEASURES))
@click.option("--most", default=60.0, help="Seconds of an estimate above which a measure does not run.")
def main(networks: tuple[str, ...], proxies: tuple[str, ...], most: float) -> None:
    """Print the estimated and the measured seconds."""
    torch.set_num_threads(1)
    for name in networks:
        build, load = NETWORKS[name]
        network, minibatch = construct(build), load()
        begun = time.process_time()
        estimates: dict[str, Any] = estimate_seconds(network, minibatch, list(proxies))
        click.echo(f"{name}: estimates took {time.process_time() - begun:.2f} s")
        for proxy, estimate in estimates.items():
            if estimate > most:
                click.echo(f"{name:10} {proxy:22} {estimate:9.3f}         -")
                continue
            begun = time.process_time()
            score = measure(network, minibatch, proxy)[proxy]
            spent = time.process_time() - begun
            status = score.status.value if score.ok else score.detail[:60]
            click.echo(f"{name:10} {proxy:22} {estimate:9.3f} {spent:9.3f} {estimate / spent:7.2f} {status}")


if __name__ == "__main__":
    main()
