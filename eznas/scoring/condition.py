"""Conditions: the circumstances under which a space's networks are scored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from eznas import primitives, run
from eznas.errors import InputError
from eznas.networks import construct, initialise
from eznas.scoring.plugin import plugin_digests
from eznas.spaces import SPACES, Fidelity

if TYPE_CHECKING:
    from torch import nn

    from eznas.minibatch import Minibatch


def resolve_device(name: str) -> str:
    """Return the torch device of a name; ``"auto"`` takes CUDA where there is one.

    Raises:
        InputError: The device does not exist here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device must be auto or a device that works here, got {name!r}: {error}", parameters=("device",)
        ) from error
    return name


@cache
def _code() -> str:
    """Return a digest of the code that statistics and reductions come from."""
    package = Path(__file__).parents[1]
    rooms = [package / name for name in ("capture", "minibatch", "networks", "programs", "spaces", "seeds.py")]
    return _digest(Path(primitives.__file__).parent, *rooms)


def fingerprint() -> str:
    """Return what values depend on: the versions of torch and the numerics, and digests of the code and of plugins."""
    return "|".join([torch.__version__, f"numerics {run.NUMERICS}", _code(), *plugin_digests("primitive").values()])


def _digest(*packages: Path) -> str:
    """Return a digest of some Python files, and of every Python file of some packages, by its place in them."""
    digest = hashlib.sha256()
    for package in packages:
        files = package.rglob("*.py") if package.is_dir() else [package]
        for name, file in sorted((file.relative_to(package).as_posix(), file) for file in files):
            digest.update(name.encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


@cache
def installation() -> str:
    """Return the version of torch and a digest of all code of eznas, which workers must have in common."""
    return f"{torch.__version__}|{_digest(Path(__file__).parents[1], Path(primitives.__file__).parent)}"


@dataclass(frozen=True)
class Condition:
    """One fidelity, initialisation and minibatch.

    Args:
        space: Name of the search space.
        fidelity: How large the networks are built.
        seed: Seed of the initialisation; layers of one path and shape start alike in every architecture.
        minibatch: What the networks are run on, already cut to the fidelity.
        device: A torch device.
    """

    space: str
    fidelity: Fidelity
    seed: int
    minibatch: Minibatch
    device: str = "cpu"

    @classmethod
    def of(cls, space: str, fidelity: Fidelity, seed: int, minibatch: Minibatch, device: str = "cpu") -> Condition:
        """Cut the minibatch to the fidelity's pixels and number of images, and build the condition."""
        if fidelity.batch:
            minibatch = minibatch.take(min(fidelity.batch, len(minibatch)))
        return cls(space, fidelity, seed, minibatch.resized(fidelity.pixels).to(device), device)

    def network(self, architecture: str) -> nn.Module:
        """Build and initialise the network of an architecture."""
        space = SPACES[self.space]
        network = construct(lambda: space.build(architecture, self.fidelity, self.minibatch.classes))
        initialise(network, self.seed)
        return network.to(self.device)

    @property
    def key(self) -> str:
        """Names everything but the architecture that a network's statistics depend on."""
        device = torch.device(self.device).type
        parts = (
            *(self.space, *filter(None, [SPACES[self.space].digest])),
            *(self.fidelity.cells, self.fidelity.channels, self.seed),
            *(device, fingerprint()),
            *(self.minibatch.digest, self.minibatch.shape, self.minibatch.seed, self.minibatch.classes),
        )
        return "|".join(map(str, parts))

    def __str__(self) -> str:
        return f"{self.fidelity.name}, seed {self.seed}, {len(self.minibatch)} images of {self.minibatch.source}"
