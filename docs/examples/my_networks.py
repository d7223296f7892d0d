"""A network builder: an architecture holds the widths of two convolutions, such as ``8-16``."""

from torch import nn


def build(architecture, classes):
    first, second = (int(width) for width in architecture.split("-"))
    return nn.Sequential(
        nn.Conv2d(3, first, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(second, second, 3, stride=2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(second, classes),
    )


build.pixels = 16  # height and width of the images
