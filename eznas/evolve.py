"""``python -m eznas.evolve``: the same as ``eznas evolve``."""

from __future__ import annotations

from eznas.cli.evolve import main

__all__ = ["main"]

if __name__ == "__main__":
    main(prog_name="python -m eznas.evolve")
