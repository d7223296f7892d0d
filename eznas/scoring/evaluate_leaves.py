"""Leaves of the network floor on many networks, from the store or by running the networks."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from eznas.programs import leaf
from eznas.progress import SILENT, Progress
from eznas.scoring.condition import Condition, installation
from eznas.scoring.executor import SERIAL, Executor
from eznas.scoring.matrix import Proxy, score_networks
from eznas.scoring.network_leaves import check_leaves, features_read, leaf_scores, measures_read
from eznas.scoring.plugin import plugin_digests
from eznas.status import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eznas.programs import Node
    from eznas.scoring.vector_store import VectorStore


def evaluate_leaves(
    leaves: Sequence[Node],
    condition: Condition,
    architectures: Sequence[str],
    store: VectorStore | None = None,
    executor: Executor = SERIAL,
    progress: Progress = SILENT,
    *,
    deadline: float | None = None,
    least: int = 0,
) -> dict[Node, list[Score]]:
    """Score networks with leaves of the network floor.

    A network is built once, for the measures whose values are not in the store; for features it is not built.

    Args:
        leaves: Measures, and features of the architectures.
        condition: How the networks are built and run.
        architectures: ``n`` networks.
        store: Holds values of earlier runs and takes new ones; None for no store.
        executor: Runs the networks.
        progress: Advances after each network, where measures are among the leaves.
        deadline: The value of ``time.time()`` from which on no network begins; None for no deadline.
        least: The number of first networks that run in any case.

    Returns:
        For each leaf, the scores of the networks before the first one that did not begin.

    Raises:
        InputError: There is no such measure or feature, or a leaf is a column of a score file.
    """
    features = [features_read(leaves, condition.space, architecture) for architecture in architectures]
    check_leaves(leaves, features[0] if features else None)
    names = measures_read(leaves)

    def run(lacking: Sequence[str], networks: Sequence[str], keep: Callable[[str, Sequence[Score]], None]) -> None:
        proxies = [Proxy(name, measure=name) for name in lacking]
        in_any_case = len({*networks}.intersection(architectures[:least]))
        score_networks(proxies, condition, networks, executor, progress, keep, deadline=deadline, least=in_any_case)

    measured = _measured(names, condition, architectures, store, run, progress)
    rows = [
        leaf_scores(leaves, measured[architecture], of_architecture)
        for architecture, of_architecture in itertools.takewhile(
            lambda pair: measured[pair[0]].keys() >= {*names}, zip(architectures, features, strict=True)
        )
    ]
    return {node: [row[node] for row in rows] for node in leaves}


def _measured(
    names: Sequence[str],
    condition: Condition,
    architectures: Sequence[str],
    store: VectorStore | None,
    run: Callable[[Sequence[str], Sequence[str], Callable[[str, Sequence[Score]], None]], None],
    progress: Progress,
) -> dict[str, dict[str, Score]]:
    """Return the scores of measures on each network; networks that lack the same measures run in one call."""
    code = "|".join([installation(), *plugin_digests("measure").values()])  # the condition's key has none of measures

    def key(architecture: str) -> str:
        return f"{condition.key}|{code}|{architecture}"

    known: dict[str, dict[str, Score]] = {}
    left: dict[tuple[str, ...], list[str]] = {}
    for architecture in architectures:
        known[architecture] = {} if store is None else _stored(store, key(architecture), names)
        lacking = tuple([name for name in names if name not in known[architecture]])
        if lacking:
            left.setdefault(lacking, []).append(architecture)
        elif names:
            progress.advance()
    for lacking, networks in left.items():

        def keep(architecture: str, scores: Sequence[Score], computed: Sequence[str] = lacking) -> None:
            known[architecture] |= zip(computed, scores, strict=True)
            valid = [(_text(name), [score.value]) for name, score in zip(computed, scores, strict=True) if score.ok]
            if store is not None and valid:
                store.save(key(architecture), [text for text, _ in valid], np.array([value for _, value in valid]))

        run(lacking, networks, keep)
    return known


def _stored(store: VectorStore, network: str, names: Sequence[str]) -> dict[str, Score]:
    values = {name: store.load(network, [_text(name)]) for name in names}
    return {name: Score(value.item()) for name, value in values.items() if value is not None}


def _text(measure: str) -> str:
    return leaf(f"measure.{measure}").text
