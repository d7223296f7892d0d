"""``python -m eznas.export``: the same as ``eznas export``."""

from __future__ import annotations

from eznas.cli.export import main

if __name__ == "__main__":
    main(prog_name="python -m eznas.export")
