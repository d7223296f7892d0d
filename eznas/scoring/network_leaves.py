"""Leaves of the network floor on one network: measures, and features of its architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.errors import InputError, unknown
from eznas.measures.registry import MEASURES, Measure
from eznas.programs import apply, evaluate, is_network_leaf, network_leaves, parse, postorder
from eznas.spaces import SPACES
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from torch import nn

    from eznas.minibatch import Minibatch
    from eznas.programs import Node


def measures_read(programs: Iterable[Node]) -> list[str]:
    """Return the names of the measures that programs read as leaves, each once, in a fixed order."""
    parts = [leaf.name.partition(".") for leaf in network_leaves(programs)]
    return [name for source, _, name in parts if source == "measure"]


def with_measures_read(records: Sequence[Measure]) -> list[Measure]:
    """Return measures, and then all measures that their programs read.

    Raises:
        InputError: A program reads a measure that does not exist.
    """
    closed = {record.name: record for record in records}
    waiting = list(closed.values())
    for record in waiting:
        for name in measures_read([parse(record.program)] if record.program else []):
            if name not in closed:
                closed[name] = MEASURES[name]
                waiting.append(closed[name])
    return waiting


def written_out(program: Node) -> Node:
    """Return a program with the programs of measures in place of the leaves that read them.

    Raises:
        InputError: A measure does not exist, or programs read each other in a circle.
    """
    return _written_out(program, ())


def _written_out(program: Node, inside: tuple[str, ...]) -> Node:
    new: dict[Node, Node] = {}
    for node in postorder([program]):
        source, _, name = node.name.partition(".")
        text = MEASURES[name].program if is_network_leaf(node) and source == "measure" else ""
        if name in inside and text:
            raise _circle(inside)
        args = [new[arg] for arg in node.args]
        new[node] = _written_out(parse(text), (*inside, name)) if text else apply(node.name, *args) if args else node
    return new[program]


def _circle(names: Iterable[str]) -> InputError:
    return InputError(f"measures must not read each other in a circle, as {', '.join(sorted(names))} do")


def check_leaves(leaves: Iterable[Node], features: Collection[str] | None = None) -> None:
    """Check that leaves of the network floor have values on networks.

    Args:
        leaves: The leaves.
        features: The features of architectures that there are; None to accept any.

    Raises:
        InputError: There is no such measure or feature, or a leaf is a column of a score file.
    """
    for leaf in leaves:
        source, _, name = leaf.name.partition(".")
        if source == "score":
            raise InputError(
                f"a program must read measures, features and statistics to be computed on networks, but {leaf} is a "
                "column of a score file"
            )
        if source == "measure" and name not in MEASURES:
            raise unknown("measure", name, MEASURES)
        if source == "graf" and features is not None and name not in features:
            if not features:
                raise InputError(f"{leaf} must be a feature of the search space, which has no features")
            raise unknown("feature of the search space", name, features)


def features_read(leaves: Iterable[Node], space: str, architecture: str) -> dict[str, float] | None:
    """Return the features of an architecture of a space if one of the leaves is a feature, None otherwise."""
    wanted = any(leaf.name.startswith("graf.") for leaf in leaves)
    return SPACES[space].features(architecture) if wanted else None


def leaf_scores(
    leaves: Iterable[Node], measured: Mapping[str, Score], features: Mapping[str, float] | None
) -> dict[Node, Score]:
    """Return the score of each leaf on a network.

    Args:
        leaves: See ``check_leaves``.
        measured: The scores of the measures among them.
        features: The features of the network's architecture; None where the architecture is not known.
    """
    scores = {}
    for leaf in leaves:
        source, _, name = leaf.name.partition(".")
        if source == "measure":
            scores[leaf] = measured[name]
        elif features is None:
            message = "a feature is computed from an architecture of a search space, and the network is a module alone"
            scores[leaf] = Score.failed(Status.EXCEPTION, message)
        else:
            scores[leaf] = Score.of(features[name])
    return scores


def score_composed(
    programs: Mapping[str, Node],
    measured: Mapping[str, Score],
    features: Mapping[str, float] | None,
    network: nn.Module,
    minibatch: Minibatch,
    memory: int | None = None,
) -> dict[str, Score]:
    """Score measures that are programs over other measures, each after the measures that it reads.

    Args:
        programs: By the measure's name.
        measured: The scores of all other measures that they read.
        features: See ``leaf_scores``.
        network: The network; it is left as it was.
        minibatch: Images and labels.
        memory: Bytes that a program may take; None for no bound.

    Raises:
        InputError: Programs read each other in a circle. See also ``check_leaves``.
    """
    scores: dict[str, Score] = {}
    left = dict(programs)
    while left:
        ready = {name: program for name, program in left.items() if left.keys().isdisjoint(measures_read([program]))}
        if not ready:
            raise _circle(left)
        leaves = network_leaves(ready.values())
        check_leaves(leaves, features)
        given = leaf_scores(leaves, {**measured, **scores}, features)
        computed = evaluate(list(ready.values()), network, minibatch, memory=memory, leaves=given)
        scores |= zip(ready, computed, strict=True)
        left = {name: program for name, program in left.items() if name not in ready}
    return scores
