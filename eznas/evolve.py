"""``eznas.evolve(...)`` in Python, and ``python -m eznas.evolve`` on the command line."""

from __future__ import annotations

import sys

from eznas.callables import CallableModule

sys.modules[__name__].__class__ = CallableModule

if __name__ == "__main__":
    from eznas.cli.evolve import main

    main(prog_name="python -m eznas.evolve")
