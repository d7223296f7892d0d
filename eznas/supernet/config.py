"""The options of a supernet's training: one source of names, defaults, bounds and help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from eznas.fields import FilePath, Images, Options, option


def _absolute(table: str) -> str:
    """Make the path of a file absolute, so that a training can be resumed from another folder."""
    return str(Path(table).absolute()) if Path(table).is_file() else table


class SupernetConfig(Options):
    """Every option of ``eznas predict supernet``; the field names are the keys of a TOML file."""

    method: Literal["rsws", "oneshot"] = option(
        "rsws",
        "Training",
        "rsws|oneshot",
        "One random operation on each edge in each step (rsws), or the sum of all operations (oneshot).",
    )
    epochs: int = option(50, "Training", "N", "Epochs of training.", ge=1)
    batch_size: int = option(64, "Training", "N", "Images in each step.", ge=2)
    learning_rate: float = option(0.025, "Training", "X", "Learning rate of the first epoch; a cosine follows.", gt=0)
    last_learning_rate: float = option(0.001, "Training", "X", "Learning rate after the last epoch.", ge=0)
    momentum: float = option(0.9, "Training", "X", "Momentum of SGD.", ge=0, lt=1)
    weight_decay: float = option(3e-4, "Training", "X", "Weight decay of SGD.", ge=0)
    clip: float = option(5.0, "Training", "X", "Largest norm of the gradient.", gt=0)
    augment: bool = option(False, "Training", "", "Shift and mirror the training images at random.")

    cells: int = option(1, "Network", "N", "Cells in each stage.", ge=1)
    channels: int = option(8, "Network", "N", "Channels of the first stage.", ge=1)

    images: Images = option("digits", "Data", "digits|noise|PATH", "Images to train on and to evaluate with.")
    train_images: int = option(1000, "Data", "N", "Images to train on.", ge=2)
    validation_images: int = option(500, "Data", "N", "Other images, to evaluate with.", ge=2)
    pixels: int = option(16, "Data", "N", "Height and width of the images, a multiple of 4.", ge=4, multiple_of=4)
    dataset: str = option("", "Data", "NAME", "Data set of the accuracies.  [default: the benchmark's first]")
    table: Annotated[str, AfterValidator(_absolute)] = option(
        "",
        "Data",
        "CSV|none",
        "Accuracy table to use instead of the benchmark's own; none to train without accuracies.",
    )
    target: str = option("", "Data", "NAME", "Accuracy to compare with: the name of a column of the table.")
    architectures: int = option(200, "Data", "N", "Architectures on which tau is computed; 0 for none.", ge=0)

    seed: int = option(0, "Run", "N", "Random seed.", ge=0)
    device: str = option("auto", "Run", "auto|cpu|cuda", "Device to train on.")
    out: FilePath = option(None, "Run", "DIR", "Run directory to write; by default a new one in runs/.")

    @model_validator(mode="after")
    def _fits(self) -> SupernetConfig:
        if self.batch_size > self.train_images:
            raise ValueError(f"batch_size must be at most train_images, {self.train_images}, got {self.batch_size}")
        return self

    @property
    def quarters(self) -> list[int]:
        """The epochs after 25, 50, 75 and 100 % of the training, rounded up."""
        return sorted({-(-self.epochs * part // 4) for part in range(1, 5)})
