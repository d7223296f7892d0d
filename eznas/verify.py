"""``python -m eznas.verify``: the same as ``eznas verify``."""

from __future__ import annotations

from eznas.cli.verify import main

__all__ = ["main"]

if __name__ == "__main__":
    main(prog_name="python -m eznas.verify")
