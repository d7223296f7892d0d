"""A search space: the widths of two convolutions, such as ``8-16``."""

from torch import nn

from eznas import SPACES, InputError
from eznas.spaces import Fidelity, SearchSpace

WIDTHS = range(4, 28, 4)


class Widths(SearchSpace):
    """Two convolutions of 4 to 24 channels; an edit changes one width."""

    name = "widths"
    paper = ""
    fidelities = {
        "full": Fidelity("full", cells=1, channels=1, pixels=16),
        "small_images": Fidelity("small_images", cells=1, channels=1, pixels=8),
    }
    reduced = ("small_images",)

    def parse(self, text):
        architecture = text.strip()
        if architecture not in self.architectures():
            raise InputError(f"an architecture must be two multiples of 4 from 4 to 24, such as 8-16, got {text!r}")
        return architecture

    def canonical(self, architecture):
        return self.parse(architecture)  # no two architectures build the same network

    def sample(self, rng):
        return rng.choice(self.architectures())

    def neighbours(self, architecture):
        first, second = architecture.split("-")
        changed_first = [f"{width}-{second}" for width in WIDTHS if str(width) != first]
        changed_second = [f"{first}-{width}" for width in WIDTHS if str(width) != second]
        return changed_first + changed_second

    def architectures(self):
        return [f"{first}-{second}" for first in WIDTHS for second in WIDTHS]

    def build(self, architecture, fidelity, classes):
        first, second = (int(width) for width in architecture.split("-"))
        return nn.Sequential(
            nn.Conv2d(3, first, 3, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(second),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(second, classes),
        )


SPACES.register(Widths())
