"""The models of the PyPI package pytorchcv that take CIFAR's images, by their names there, such as ``resnet20``.

The package has a name for each model and data set (``resnet20_cifar10``); here a model has one name. The list of models
is read from the package's metadata; the package is imported only to build a model.

References:
    [imgclsmob] Semery. Convolutional neural networks for computer vision. https://github.com/osmr/imgclsmob.
"""

from __future__ import annotations

import ast
import csv
import importlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from eznas.errors import InputError, unknown
from eznas.spaces.base import Fidelity, SearchSpace, by_name, shown
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from torch import nn


PACKAGE = "pytorchcv"
CLASSES = {"cifar10": 10, "cifar100": 100, "svhn": 10}
"""The data sets whose images are 32 pixels wide, and their classes."""

_METADATA = ("models", "common", "model_metainfos.csv")
_NAME, _PARAMS, _ERROR, _TASK = "model_name", "net_weights", "error_value", "test_dataset"
_SMALL = "cf"
"""The package's name for the task of models for images of 32 pixels."""
_COLUMNS = (_NAME, _PARAMS, _ERROR, _TASK)


def metadata_path() -> Path:
    """Return the path of the package's metadata on its models, without importing the package.

    Raises:
        InputError: The package is not installed, or its version has no metadata.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f'the models of {PACKAGE} must be installed first: pip install "eznas[zoo]"')
    path = Path(spec.submodule_search_locations[0]).joinpath(*_METADATA)
    if not path.is_file():
        raise InputError(f'{path} must exist, but this version of {PACKAGE} lacks it; pip install "eznas[zoo]"')
    return path


@cache
def models(path: Path) -> tuple[Mapping[str, str], ...]:
    """Return the lines of the package's metadata, one for each model and data set.

    Raises:
        InputError: The file is faulty.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file, strict=True))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a CSV file, but reading it failed: {error}") from error
    if not lines or any(not isinstance(line.get(name), str) for line in lines for name in _COLUMNS):
        raise InputError(f"{path} must have the columns {', '.join(_COLUMNS)} in every line")
    return tuple(lines)


def split_name(name: str) -> tuple[str, str]:
    """Return a model's name here and its data set, which is empty where it is not in ``CLASSES``."""
    model, _, dataset = name.rpartition("_")
    return (model, dataset) if model and dataset in CLASSES else (name, "")


class Zoo(SearchSpace):
    """The models of [imgclsmob] for CIFAR-10, CIFAR-100 and SVHN, without edits."""

    name = "pytorchcv"
    paper = "Semery. PyTorchCV. github.com/osmr/imgclsmob"
    fidelities = by_name(Fidelity("full", cells=1, channels=1, pixels=32))
    reduced = ("full",)

    def parse(self, text: str) -> str:
        """Return the model's name without its data set.

        Raises:
            InputError: There is no such model for these images, or the package is not installed.
        """
        name = split_name(text.strip().lower())[0]
        known = self.architectures()
        if name not in known:
            raise unknown(f"model of {PACKAGE} for CIFAR or SVHN", shown(name), known)
        return name

    def sample(self, rng: random.Random) -> str:
        """Draw a model uniformly."""
        return rng.choice(self.architectures())

    def architectures(self) -> Sequence[str]:
        """Return every model, in the order of the package.

        Raises:
            InputError: The package is not installed.
        """
        split = (split_name(line[_NAME]) for line in models(metadata_path()) if line[_TASK] == _SMALL)
        return list(dict.fromkeys(name for name, dataset in split if dataset))

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the package's network, untrained.

        Raises:
            InputError: There is no such model for this number of classes.
        """
        del fidelity
        name = self.parse(architecture)
        listed = {line[_NAME] for line in models(metadata_path())}
        offered = {f"{name}_{dataset}": count for dataset, count in CLASSES.items() if f"{name}_{dataset}" in listed}
        model = next((model for model, count in offered.items() if count == classes), None)
        if model is None:
            counts = sorted(set(offered.values()))
            raise InputError(f"{name} of {PACKAGE} must have {' or '.join(map(str, counts))} classes, got {classes}")
        from torch import nn

        module = _module(model)
        try:
            network = getattr(importlib.import_module(module), model)(pretrained=False)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f'{module} must be whole, but {error}; pip install --force-reinstall "eznas[zoo]"'
            ) from error
        if not isinstance(network, nn.Module):
            raise InputError(f"{PACKAGE} must build a torch.nn.Module for {name}, got {type(network).__name__}")
        return network


def _module(model: str) -> str:
    """Return the module of a model, as the source of the package's provider imports it.

    The provider itself is not imported: it imports every model, also those that need torchvision.
    """
    path = metadata_path().parents[2] / "model_provider.py"
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f'{path} must be a Python file, but {error}; pip install "eznas[zoo]"') from error
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and any(alias.name == model for alias in node.names):
            return f"{PACKAGE}.{node.module}"
    raise InputError(f"{path} must import {model}, which the package's metadata names; it does not")


SPACES.register(Zoo())
