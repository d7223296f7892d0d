"""``python -m eznas.score``: the same as ``eznas score``."""

from __future__ import annotations

from eznas.cli.score import main

if __name__ == "__main__":
    main(prog_name="python -m eznas.score")
