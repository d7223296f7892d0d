"""The genealogy of programs: how each came about, as far back as the programs that are still of interest need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Birth:
    """How a program came about.

    Args:
        operator: The operator of variation, or ``"seed"``, ``"random"``, ``"weighted sum"``, or ``"aggregated
            reduction"``. The last one also stands for a leaf of the network floor.
        parents: Texts of the parents.
        generation: The generation that it was made in.
        tau_train: Tau over the tasks when it was made.
    """

    operator: str
    parents: tuple[str, ...]
    generation: int
    tau_train: float


class Genealogy:
    """Births of programs, by text."""

    def __init__(self) -> None:
        self.births: dict[str, Birth] = {}

    def record(self, text: str, birth: Birth) -> None:
        """Add a program; the first birth of a text counts."""
        self.births.setdefault(text, birth)

    def ancestors(self, roots: Iterable[str]) -> dict[str, Birth]:
        """Return the births of programs and of all of their ancestors, the programs first."""
        found: dict[str, Birth] = {}
        left = list(roots)
        for text in left:
            if text in self.births and text not in found:
                found[text] = self.births[text]
                left += self.births[text].parents
        return found

    def prune(self, roots: Iterable[str]) -> None:
        """Forget all but some programs and their ancestors."""
        self.births = self.ancestors(roots)

    def state(self) -> list[list[Any]]:
        """Return the births, ready for JSON; parents are given by their places in the list."""
        places = {text: place for place, text in enumerate(self.births)}
        return [
            [text, birth.operator, [places[parent] for parent in birth.parents], birth.generation, birth.tau_train]
            for text, birth in self.births.items()
        ]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Take up the births that ``state`` returned."""
        texts = [row[0] for row in state]
        self.births = {
            text: Birth(operator, tuple(texts[place] for place in parents), generation, tau)
            for text, operator, parents, generation, tau in state
        }

    def as_json(self, root: str) -> dict[str, Any]:
        """Return a program's ancestors, itself included, for ``genealogy.json``."""
        return {
            "programs": {
                text: {
                    "operator": birth.operator,
                    "parents": list(birth.parents),
                    "generation": birth.generation,
                    "tau_train": birth.tau_train,
                }
                for text, birth in self.ancestors([root]).items()
            }
        }
