'''The language of the programs: typed primitives and the statistics that they are applied to.

Each file is a family: ``arithmetic``, ``elementwise`` and ``comparison`` keep a kind; ``axes`` reduces one
named axis; ``matrices`` reads each map as a matrix; ``similarity`` makes and reads matrices over pairs of
samples; ``reductions``, ``distances`` and ``spectral`` give one number for each unit; ``depth`` works along
the units; ``aggregations`` gives the network's number. ``kinds`` has the types, ``terminals`` the statistics,
``registry`` the records.

To add a primitive, write one function of tensors in the family it belongs to and decorate it::

    @primitive(*reducing(TENSOR_KINDS, Kind.UNIT), formula="greatest |x|", domain="everywhere")
    def max_abs(x: Tensor) -> Tensor:
        """``u x *s`` to ``u``: the greatest absolute value."""
        return x.abs().amax(tuple(range(1, x.dim())))

``Primitive`` lists the facts to declare; no other file needs to know the primitive. Describe in ``domain`` its values
at the edges, and add a value worked out by hand to the tests. It must be pure, treat each unit by itself and never
raise. The tests probe all of this and the declared facts; primitives of a user's own file are probed when they are
registered. Define it at the top of its file, since exported proxies carry its source: it may use torch, the standard
library, and functions and constants at the top of its file or of this package's files, but no closure.
'''

from eznas.primitives import (  # noqa: F401 - importing a family registers its primitives
    aggregations,
    arithmetic,
    axes,
    comparison,
    depth,
    distances,
    elementwise,
    matrices,
    reductions,
    similarity,
    spectral,
)
from eznas.primitives.kinds import BATCH_KINDS, MAP_KINDS, NUMBER_KINDS, TENSOR_KINDS, Floor, Kind
from eznas.primitives.probe import ProbeError, probe
from eznas.primitives.registry import (
    KindError,
    Parameter,
    Primitive,
    Signature,
    all_primitives,
    keeping,
    overloads,
    primitive,
    reducing,
    resolve,
    revision,
    unregister,
)
from eznas.primitives.terminals import ALIASES, QUANTITIES, SCENARIOS, STATISTICS, Quantity, Scenario, Statistic

__all__ = [
    "ALIASES",
    "BATCH_KINDS",
    "MAP_KINDS",
    "NUMBER_KINDS",
    "QUANTITIES",
    "SCENARIOS",
    "STATISTICS",
    "TENSOR_KINDS",
    "Floor",
    "Kind",
    "KindError",
    "Parameter",
    "Primitive",
    "ProbeError",
    "Quantity",
    "Scenario",
    "Signature",
    "Statistic",
    "all_primitives",
    "keeping",
    "overloads",
    "primitive",
    "probe",
    "reducing",
    "resolve",
    "revision",
    "unregister",
]
