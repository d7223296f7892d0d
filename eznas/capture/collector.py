"""Statistics of single units that wait until everything that is read together with them is there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor

    from eznas.capture.layer import Layer, Recorded


class Source(Protocol):
    """A statistic of one unit."""

    def tensor(self) -> Tensor:
        """Return its tensor, without the unit axis."""


@dataclass(frozen=True)
class Value:
    """The value of a quantity, which a record of a forward pass holds.

    Args:
        recorded: The record.
        layer: The unit.
        quantity: The quantity.
        again: Returns the record of a repeated pass where this one has lost its tensor.
    """

    recorded: Recorded
    layer: Layer
    quantity: str
    again: Callable[[], Recorded]

    def tensor(self) -> Tensor:
        """See ``Source``."""
        recorded = self.recorded if self.recorded.value is not None else self.again()
        changes: dict[str, Any] = {"activation_input" if self.quantity == "input" else self.quantity: recorded}
        value = replace(self.layer, **changes).shaped(self.quantity, recorded.value)
        return value.clone() if self.quantity == "weight" else value  # not the network's own memory


@dataclass(frozen=True)
class Known:
    """A statistic that is there: a gradient, or a difference."""

    value: Tensor

    def tensor(self) -> Tensor:
        """See ``Source``."""
        return self.value


class Collector:
    """Holds the statistics of each unit until a request is complete, and frees them after the last one.

    Args:
        requests: Sets of names of statistics that are read together.
        places: The places of the units.
        take: Called with a unit's place, the indices of the requests that are complete, and the tensors by name.
    """

    def __init__(
        self,
        requests: Sequence[frozenset[str]],
        places: Iterable[int],
        take: Callable[[int, list[int], dict[str, Tensor]], None],
    ) -> None:
        self._requests, self._take = requests, take
        self._missing = {place: [set(names) for names in requests] for place in places}
        names = frozenset[str]().union(*requests)
        uses = Counter([name for request in requests for name in request])
        uses.update([subtracted(name) for name in names if subtracted(name)])
        self._uses = {place: uses.copy() for place in self._missing}
        self._held: dict[tuple[int, str], Source] = {}
        self._readers: Counter[Recorded] = Counter()

    def wants(self, place: int, name: str) -> bool:
        """Return whether a statistic of a unit is read and has not come yet."""
        return self._uses[place][name] > 0 and (place, name) not in self._held

    def add(self, sources: Mapping[tuple[int, str], Source]) -> None:
        """Take statistics of units by place and name, and hand on the requests that they complete."""
        complete: dict[int, list[int]] = {}
        self._readers.update([source.recorded for source in sources.values() if isinstance(source, Value)])
        for (place, name), source in sources.items():
            self._held[place, name] = source
            if base := subtracted(name):
                self._held[place, name] = Known(source.tensor() - self._held[place, base].tensor())
                self._release(source)
                self._use(place, base)
            for index, missing in enumerate(self._missing[place]):
                if name in missing:
                    missing.remove(name)
                    if not missing:
                        complete.setdefault(place, []).append(index)
        for place, indices in complete.items():
            read = [name for index in indices for name in sorted(self._requests[index])]
            self._take(place, indices, {name: self._held[place, name].tensor() for name in dict.fromkeys(read)})
            for name in read:
                self._use(place, name)

    def _use(self, place: int, name: str) -> None:
        self._uses[place][name] -= 1
        if not self._uses[place][name]:
            self._release(self._held.pop((place, name)))

    def _release(self, source: Source) -> None:
        if isinstance(source, Value):
            self._readers[source.recorded] -= 1
            if not self._readers[source.recorded]:
                del self._readers[source.recorded]  # whose edge holds the graph
                source.recorded.value = None


def subtracted(name: str) -> str:
    """Return the statistic that is subtracted from one of the perturbed images; empty for other statistics."""
    quantity, _, scenario = name.partition(".")
    return f"{quantity}.data" if scenario == "perturbed" else ""
