"""Parts that several families of networks share."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable


def normalised(c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a padded convolution without bias and its normalisation, which divide height and width by the stride."""
    convolution = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(c_out)]


def stem_body_head(
    stem: nn.Module, body: Iterable[nn.Module], channels: int, classes: int, **last: nn.Module
) -> OrderedDict[str, nn.Module]:
    """Return the parts of an image classifier: stem, body, last modules, global pooling, linear layer.

    Args:
        stem: Maps images to the body's input.
        body: Run one after another.
        channels: Channels that enter the pooling.
        classes: Number of classes.
        last: Modules between body and pooling, by name.
    """
    return OrderedDict(
        stem=stem,
        body=nn.Sequential(*body),
        **last,
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        classifier=nn.Linear(channels, classes),
    )
