"""The state of a supernet's training as one file of arrays, ``supernet.npz``.

The file holds ``weight/NAME`` and ``momentum/NAME`` by the name of a parameter, and ``state``, a JSON text.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from eznas.errors import InputError
from eznas.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

NAME = "supernet.npz"
FORMAT = 1
_WEIGHT, _MOMENTUM, _STATE = "weight/", "momentum/", "state"


@dataclass
class TrainingState:
    """How far a training is.

    Args:
        config: The options, as in ``config.toml``.
        classes: Number of classes of the images.
        digests: Digests of the images, by ``"train"`` and ``"validation"``.
        epoch: Epochs done.
        history: The mean training loss and accuracy of each epoch.
        evaluations: The records of ``eznas.supernet.comparison``.
    """

    config: dict[str, Any]
    classes: int
    digests: dict[str, str]
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)


def write_checkpoint(path: Path, state: TrainingState, network: nn.Module, momentum: dict[str, Tensor]) -> None:
    """Replace the file as a whole.

    Raises:
        InputError: It cannot be written.
    """
    arrays = {f"{_WEIGHT}{name}": value.cpu().numpy() for name, value in network.state_dict().items()}
    arrays |= {f"{_MOMENTUM}{name}": value.cpu().numpy() for name, value in momentum.items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays, **{_STATE: np.array(json.dumps({"format": FORMAT, **vars(state)}))})
    try:
        replace_file(path, buffer.getvalue())
    except OSError as error:
        raise InputError(f"{path} must be a file that can be written: {error.strerror}") from error


def read_checkpoint(path: Path) -> tuple[TrainingState, dict[str, Tensor], dict[str, Tensor]]:
    """Return the state, the weights and the momentum, both by the name of a parameter.

    Raises:
        InputError: It is no such file, or of another format.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        state = json.loads(str(arrays.pop(_STATE)))
        written = state.pop("format")
        if written != FORMAT:
            raise InputError(f"{path} must be a supernet of format {FORMAT}, got format {written!r}")
        read = TrainingState(**state)
    except FileNotFoundError as error:
        raise InputError(f"{path} must be a supernet that eznas predict supernet wrote, but there is none") from error
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} must be a supernet that eznas predict supernet wrote: {error}") from error
    weights, momentum = (
        {
            name.removeprefix(prefix): torch.from_numpy(array)
            for name, array in arrays.items()
            if name.startswith(prefix)
        }
        for prefix in (_WEIGHT, _MOMENTUM)
    )
    return read, weights, momentum
