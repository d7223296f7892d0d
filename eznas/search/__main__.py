"""``python -m eznas.search``: the same as ``eznas search``."""

from __future__ import annotations

from eznas.cli.search import main

if __name__ == "__main__":
    main(prog_name="python -m eznas.search")
