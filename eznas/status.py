"""A score and its status: failures have a status, which is counted, and never a number."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass


class Status(str, enum.Enum):
    """The outcome of one evaluation of one proxy on one network; prints as its value."""

    OK = "ok"
    NON_FINITE = "non_finite"
    """The formula gave NaN or an infinity."""
    NO_UNITS = "no_units"
    """The network has no unit that the proxy reads."""
    EXCEPTION = "exception"
    """Building the network, running it, or evaluating the proxy raised."""
    MEMORY_LIMIT = "memory_limit"
    """The proxy needs more memory on the network than the bound allows, and was not computed."""
    CONSTANT = "constant"
    """The proxy has one value on all networks, and so no rank correlation."""
    SKIPPED = "skipped"
    """Its estimated seconds are above the limit, and it was not asked for by its name."""

    __str__ = str.__str__


@dataclass(frozen=True, slots=True)
class Score:
    """One proxy's score of one network. ``float(score)`` is its value, or raises ``ValueError`` where there is none.

    With ``scores = eznas.measure(network, minibatch)``, ``pandas.DataFrame(scores.values(), index=scores)`` has a row
    for each measure, and ``pandas.DataFrame([scores])`` a row for each network.

    Args:
        value: The score; NaN unless ``status`` is OK.
        status: The outcome of the evaluation.
        detail: The exception's message, or the unit whose value was not finite.
    """

    value: float
    status: Status = Status.OK
    detail: str = ""

    @classmethod
    def of(cls, value: float) -> Score:
        """Wrap a number: OK where it is finite, NON_FINITE otherwise."""
        return cls(value) if math.isfinite(value) else cls.failed(Status.NON_FINITE, f"the value is {value}")

    @classmethod
    def failed(cls, status: Status, detail: str = "") -> Score:
        """Return a score without a value."""
        return cls(math.nan, status, detail)

    def __float__(self) -> float:
        if not self.ok:
            why = f"{self.status}: {self.detail}" if self.detail else self.status
            raise ValueError(f"the score has no value, its status is {why}")
        return self.value

    @property
    def ok(self) -> bool:
        """Whether the score has a value."""
        return self.status is Status.OK
