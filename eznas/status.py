"""A score and its status: failure is a status that is counted, never a number."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

__all__ = ["Score", "Status"]


class Status(enum.Enum):
    """What became of one evaluation of one proxy on one network."""

    OK = "ok"
    NON_FINITE = "non_finite"
    """The formula gave NaN or an infinity."""
    NO_UNITS = "no_units"
    """The network has nothing that the proxy reads."""
    EXCEPTION = "exception"
    """Building or running the network, or the proxy, raised."""
    CONSTANT = "constant"
    """The same value on every network: such a proxy has no rank correlation."""


@dataclass(frozen=True, slots=True)
class Score:
    """One proxy's output on one network.

    Args:
        value: The score; NaN unless ``status`` is OK.
        status: What became of the evaluation.
        detail: For people: the exception's text, or which unit was not finite.
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
        """Return a failure."""
        return cls(math.nan, status, detail)

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.status is Status.OK
