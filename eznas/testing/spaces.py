"""Conformance checks for search spaces.

Each function raises ``AssertionError`` with a sentence. ``check_space`` runs them all.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from eznas.seeds import python_rng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from eznas.spaces import Fidelity, SearchSpace


_CLASSES = 7
_FEATURE = re.compile("[a-z0-9_]+")
_MANY = 12
"""The number of neighbours to check; a large cell has hundreds."""


def check_space(space: SearchSpace, architectures: Sequence[str] = (), *, count: int = 3) -> None:
    """Run all checks on some architectures of a space, which draws them where none are given.

    Raises:
        AssertionError: A check fails.
    """
    architectures = architectures or sampled(space, count)
    check_strings(space, architectures)
    check_edits(space, architectures)
    check_features(space, architectures)
    check_networks(space, architectures)


def sampled(space: SearchSpace, count: int) -> list[str]:
    """Draw architectures; the same on every call."""
    rng = python_rng(0, "testing", space.name)
    return [space.sample(rng) for _ in range(count)]


def check_strings(space: SearchSpace, architectures: Sequence[str]) -> None:
    """Check that ``parse`` keeps official strings, and that canonical forms are official and their own canonical form.

    Raises:
        AssertionError: A string fails.
    """
    for architecture in architectures:
        _must(space.parse(architecture) == architecture, f"parse must return {architecture} as it is")
        _must(space.parse(f" {architecture}\n") == architecture, f"parse must ignore space around {architecture}")
        canonical = space.canonical(architecture)
        _must(space.parse(canonical) == canonical, f"the canonical form {canonical} must be an official string")
        _must(space.canonical(canonical) == canonical, f"the canonical form {canonical} must be its own")
    _must(sampled(space, 2) == sampled(space, 2), "sample must depend on rng alone")
    listed = space.architectures()
    if listed is not None:
        _must(len(listed) == len(set(listed)), "architectures must list each one once")
        for architecture in listed[:: max(1, len(listed) // 50)]:
            _must(space.parse(architecture) == architecture, f"{architecture} is listed, so it must be official")


def check_edits(space: SearchSpace, architectures: Sequence[str]) -> None:
    """Check that neighbours are other architectures, that edits can be undone, and that mutants are neighbours.

    Raises:
        AssertionError: An edit fails.
    """
    for architecture in architectures:
        neighbours = space.neighbours(architecture)
        _must(len(neighbours) == len(set(neighbours)), f"the neighbours of {architecture} must differ")
        _must(architecture not in neighbours, f"{architecture} must not be its own neighbour")
        _must(space.neighbours(architecture) == neighbours, "neighbours must have a fixed order")
        for neighbour in neighbours[:: max(1, len(neighbours) // _MANY)]:
            _must(space.parse(neighbour) == neighbour, f"the neighbour {neighbour} must be an official string")
            back = map(space.canonical, space.neighbours(neighbour))
            _must(space.canonical(architecture) in back, f"an edit of {neighbour} must lead back to {architecture}")
        if neighbours:
            mutants = [space.mutate(architecture, python_rng(seed)) for seed in (0, 0, 1)]
            _must(mutants[0] == mutants[1], "mutate must depend on rng alone")
            _must(set(mutants) <= set(neighbours), f"a mutant of {architecture} must be one of its neighbours")


def check_features(space: SearchSpace, architectures: Sequence[str]) -> None:
    """Check that all architectures have features of the same names, finite and equal for equal canonical forms.

    Raises:
        AssertionError: A feature fails.
    """
    names = list(space.features(architectures[0])) if architectures else []
    for name in names:
        _must(_FEATURE.fullmatch(name) is not None, f"names of features must be made of a-z, 0-9 and _, got {name!r}")
    for architecture in architectures:
        features = space.features(architecture)
        _must(list(features) == names, f"{architecture} must have the features of other architectures, in their order")
        _must(all(map(math.isfinite, features.values())), f"the features of {architecture} must be finite")
        canonical = space.canonical(architecture)
        _must(space.features(canonical) == features, f"{canonical} is {architecture}, so its features must be equal")
        _must(space.features(f" {architecture}\n") == features, f"features must ignore space around {architecture}")


def check_networks(space: SearchSpace, architectures: Sequence[str]) -> None:
    """Check that the full network can be built, and that the reduced networks map images or tokens to logits.

    Raises:
        AssertionError: A network fails.
    """
    import torch

    full = space.fidelities["full"]
    _must({*space.reduced} <= space.fidelities.keys(), "the reduced fidelities must be fidelities of the space")
    for architecture in architectures:
        with torch.device("meta"):
            first, second = (_parameters(space.build(architecture, full, _CLASSES)) for _ in range(2))
        _must(first == second, f"the full network of {architecture} must always have as many parameters")
        for name in space.reduced:
            _check_forward(space, architecture, space.fidelities[name], first)


def _check_forward(space: SearchSpace, architecture: str, fidelity: Fidelity, most: int) -> None:
    import torch

    from eznas.networks import construct, initialise

    network = construct(lambda: space.build(architecture, fidelity, _CLASSES))
    initialise(network, 0)
    _must(_parameters(network) <= most, f"{fidelity.name} of {architecture} must not have more parameters than full")
    generator = torch.Generator().manual_seed(0)
    batch = fidelity.batch or 2
    if space.vocabulary:
        images = torch.randint(space.vocabulary, (batch, fidelity.pixels), generator=generator)
    else:
        images = torch.randn((batch, 3, fidelity.pixels, fidelity.pixels), generator=generator)
    logits = network(images)
    _must(tuple(logits.shape) == (len(images), _CLASSES), f"{architecture} must give a row of logits an image")
    _must(bool(logits.isfinite().all()), f"the logits of {architecture} must be finite")


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _must(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)
