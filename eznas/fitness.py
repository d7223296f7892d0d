"""From scores and accuracies to the quality of programs: tau-b, the least over the conditions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.ranking import TauTarget
from eznas.scores import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.scoring import Panel

__all__ = ["Examiner", "Verdict"]


@dataclass(frozen=True)
class Verdict:
    """What one program is worth.

    Args:
        status: OK, or why the program has no tau on the training networks.
        tau_train: Least tau-b over the conditions, training networks; NaN unless OK.
        tau_validation: The same on the validation networks; NaN where a score is missing.
        key: Digest of the order of the training networks under every condition; empty unless OK.
    """

    status: Status
    tau_train: float
    tau_validation: float
    key: bytes


class Examiner:
    """Scores programs on training and validation networks under every condition.

    The sign of a program is part of it: tau is never made absolute, so a program that ranks one condition upside down
    is worth what its worst condition says.

    Args:
        panels: One panel a condition, all over the same networks: first the training ones, then the validation ones.
        train: Accuracies of the training networks.
        validation: Accuracies of the validation networks.
    """

    def __init__(self, panels: Sequence[Panel], train: NDArray[np.float64], validation: NDArray[np.float64]) -> None:
        self.panels = tuple(panels)
        self._train, self._validation = TauTarget(train), TauTarget(validation)
        self._split = len(train)

    def judge(self, programs: Sequence[Node]) -> list[Verdict]:
        """Return the verdict on each program; all of its reductions must be known to the panels."""
        scores = [panel.scores(programs) for panel in self.panels]
        train = [self._train.taus(values[:, : self._split]) for values in scores]
        validation = [self._validation.taus(values[:, self._split :]) for values in scores]
        # np.min gives NaN where any condition gave NaN: a tau that is missing somewhere is missing.
        least_train, least_validation = np.min(train, axis=0), np.min(validation, axis=0)
        rows = ([values[row, : self._split] for values in scores] for row in range(len(programs)))
        return [
            Verdict(
                status := _status(found, tau),
                float(tau),
                float(held),
                _order_key(found) if status is Status.OK else b"",
            )
            for found, tau, held in zip(rows, least_train, least_validation, strict=True)
        ]


def _status(rows: Sequence[NDArray[np.float64]], tau: float) -> Status:
    if np.isfinite(tau):
        return Status.OK
    return Status.CONSTANT if all(np.isfinite(row).all() for row in rows) else Status.NON_FINITE


def _order_key(rows: Sequence[NDArray[np.float64]]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        order = np.argsort(row, kind="stable")
        digest.update(order.astype(np.int32).tobytes())
        digest.update(np.diff(row[order]).astype(bool).tobytes())  # where ties are
    return digest.digest()
