"""``python -m eznas``: the same as ``eznas``."""

from __future__ import annotations

from eznas.cli.main import main

if __name__ == "__main__":
    main(prog_name="python -m eznas")
