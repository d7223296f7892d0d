from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.search.protocol import ALGORITHMS
from eznas.testing.searchers import SearcherSuite

if TYPE_CHECKING:
    from eznas.search.protocol import Algorithm


def suite_of(algorithm: Algorithm) -> type[SearcherSuite]:
    return type(f"Test{algorithm.name.title()}", (SearcherSuite,), {"algorithm": algorithm})


for _name in ALGORITHMS:
    globals()[f"Test{_name.title()}"] = suite_of(ALGORITHMS[_name])
